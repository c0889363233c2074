"""Erasure: the lead that a command names, its names, and its erasure markers.

The rules are in schemas/README.md#erasure.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NotRequired, TypedDict

from schemas.reasons import RejectionReason
from shared.domain.consent.statements import EMAIL, PHONE, refusals_at, standing_of
from shared.domain.identity.normal_forms import email_key, identity_of
from shared.domain.identity.older_forms import older_claims
from shared.domain.stored.command_documents import VerdictDocument
from shared.domain.stored.identity_documents import ErasureMarker
from shared.domain.stored.lead_document import FieldChange, KeptRefusal, LeadDocument, LoadLedger
from shared.domain.stored.untyped import Document


class LeadClaims(TypedDict):
    """Claims that captures of a lead made."""

    leadId: str
    claims: NotRequired[list[str]]


@dataclass(frozen=True, slots=True)
class KnownLeads:
    """What is stored of the leads that commands name.

    `verdicts` are by the command's key. `by_email` has lead ids by normal form of the address. `leads` has the ids of
    leads that exist. `markers` has erasure markers by name.
    """

    verdicts: Mapping[str, VerdictDocument]
    by_email: Mapping[str, str]
    leads: frozenset[str]
    markers: Mapping[str, ErasureMarker]


def decide_verdict(
    key: str, lead_id: str | None, email: str | None, known: KnownLeads, now: datetime
) -> VerdictDocument | None:
    """Return the verdict on the command `key`; None for an unknown lead.

    The command names `lead_id` or `email`.

    The first verdict stays: at a redelivery the address may be another lead's.
    """
    if key in known.verdicts:
        return known.verdicts[key]
    address = email_key(email) or ""
    named = lead_id or known.by_email.get(address, "")
    gone = known.markers.get(f"lead:{lead_id}" if lead_id else f"email:{address}")
    if named in known.leads:
        return _row(key, named, now)
    # Another command began this erasure, and may not have finished it: this command does it too.
    return _row(key, gone["leadId"], gone["at"]) if gone else None


def not_found(key: str, lead_id: str, now: datetime) -> VerdictDocument:
    """Return the verdict on a command whose lead never came: rejected."""
    reason = RejectionReason.LEAD_NOT_FOUND.value
    return {**_row(key, lead_id, now, done=True), "reason": reason, "detail": "no lead has this id"}


def _row(key: str, lead_id: str, now: datetime, *, done: bool = False) -> VerdictDocument:
    return {"_id": key, "leadId": lead_id, "at": now, "done": done, "reason": None, "detail": "", "note": {}}


def names_of_lead(lead_id: str, lead: LeadDocument | None, captures: Iterable[LeadClaims], region: str) -> set[str]:
    """Return every name of the lead: its id, and the claims of its captures and of itself.

    A claim of an earlier release may be stored in its own form or in the current one: this returns both.
    """
    claims = {claim for row in captures for claim in row.get("claims", ())}
    claims |= {f"email:{email_key(claim.removeprefix('email:'))}" for claim in claims if claim.startswith("email:")}
    if lead and "lastEdit" in lead:
        claims |= email_claims(lead["lastEdit"]["changes"])
    identity = identity_of(lead or {}, region)
    return {f"lead:{lead_id}", *claims, *identity.claims, *older_claims(identity, lead or {}, region)}


def email_claims(changes: Iterable[FieldChange]) -> set[str]:
    """Return the claims of the e-mails that an edit replaced or gave."""
    emails = {value for one in changes if one["path"] == "contact.email" for value in (one["from"], one["to"])}
    return {f"email:{email_key(email)}" for email in emails if isinstance(email, str)}


@dataclass(frozen=True, slots=True)
class Erasure:
    """An erasure that began `at`, of the lead as it was read, with all its `names`.

    The lead is None if it is gone.

    `refused` has the refusals by name. The markers keep them, so that nothing is sent there again.
    """

    lead_id: str
    at: datetime
    lead: LeadDocument | None
    names: frozenset[str]
    refused: Mapping[str, Sequence[KeptRefusal]] = field(default_factory=dict)

    @property
    def account(self) -> LoadLedger | None:
        """The lead's load ledger: its owner has one open lead less after the erasure."""
        assignment = self.lead.get("assignment") if self.lead else None
        return assignment.get("account") if assignment else None

    def marker(self, name: str) -> Document:
        """Return the erasure marker of one name, without its id."""
        marker = {"leadId": self.lead_id, "at": self.at}
        refused = {"refused": list(self.refused[name])} if name in self.refused else {}
        return marker | refused | ({"account": self.account} if self.account and name.startswith("lead:") else {})


def plan_erasures(
    verdicts: Iterable[VerdictDocument],
    leads: Mapping[str, LeadDocument],
    captures: Sequence[LeadClaims],
    region: str,
) -> list[Erasure]:
    """Return the erasures of these open verdicts, one per lead, as of its earliest verdict."""
    begun: dict[str, datetime] = {}
    for row in verdicts:
        begun[row["leadId"]] = min(begun.get(row["leadId"], row["at"]), row["at"])
    return [_plan_erasure(lead_id, at, leads.get(lead_id), captures, region) for lead_id, at in begun.items()]


def _plan_erasure(
    lead_id: str, at: datetime, lead: LeadDocument | None, captures: Sequence[LeadClaims], region: str
) -> Erasure:
    known = frozenset(names_of_lead(lead_id, lead, _of(lead_id, captures), region))
    return Erasure(lead_id, at, lead, known, _refusals(lead, known, region) if lead else {})


def _refusals(lead: LeadDocument, known: Iterable[str], region: str) -> dict[str, Sequence[KeptRefusal]]:
    """Return the lead's refusals under the names that capture looks up.

    They are e-mails, and phone + company + name.
    """
    standing, identity = standing_of(lead), identity_of(lead, region)
    addresses = {name: email_key(name.removeprefix("email:")) for name in known if name.startswith("email:")}
    refused: dict[str, Sequence[KeptRefusal]] = {
        name: refusals_at(standing, EMAIL, address) for name, address in addresses.items() if address
    }
    if identity.person_claim and identity.phone:
        refused[identity.person_claim] = refusals_at(standing, PHONE, identity.phone)
    return refused


def _of(lead_id: str, captures: Sequence[LeadClaims]) -> list[LeadClaims]:
    return [row for row in captures if row["leadId"] == lead_id]
