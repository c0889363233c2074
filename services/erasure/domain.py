"""Erasure: whom a command means, what the lead was known by, and what is left of it (contract 2, `leads.erase`)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from schemas.reasons import RejectionReason
from shared.domain.consent import EMAIL, PHONE, refusals_at, standing_of
from shared.domain.identity import email_key, identity_of

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Known:
    """What is stored of the leads that commands name.

    `verdicts` by the command's key; `by_email` the lead that a normalised address leads to; `leads` the ids of those
    that exist; `tombstones` by name.
    """

    verdicts: Mapping[str, Document]
    by_email: Mapping[str, str]
    leads: frozenset[str]
    tombstones: Mapping[str, Document]


def verdict(key: str, lead_id: str | None, email: str | None, known: Known, now: datetime) -> Document | None:
    """The ledger's row for the command `key`, which names `lead_id` or `email`; None while nobody knows that lead.

    The first verdict holds: the address may be a newcomer's by the time the command is delivered again.
    """
    if key in known.verdicts:
        return known.verdicts[key]
    address = email_key(email) or ""
    named = lead_id or known.by_email.get(address, "")
    gone = known.tombstones.get(f"lead:{lead_id}" if lead_id else f"email:{address}")
    if named in known.leads:
        return _row(key, named, now)
    # Begun already, on another's command, which may not have come to its end: this one sees to it too.
    return _row(key, gone["leadId"], gone["at"]) if gone else None


def not_found(key: str, lead_id: str, now: datetime) -> Document:
    """The ledger's row for a command whose lead never came."""
    return _row(key, lead_id, now, done=True) | {
        "reason": RejectionReason.LEAD_NOT_FOUND.value,
        "detail": "no lead has this id",
    }


def _row(key: str, lead_id: str, now: datetime, *, done: bool = False) -> Document:
    return {"_id": key, "leadId": lead_id, "at": now, "done": done, "reason": None, "detail": "", "note": {}}


def names(lead_id: str, lead: Mapping[str, Any] | None, captures: Iterable[Mapping[str, Any]], region: str) -> set[str]:
    """Every name that the lead was ever known by: its id, and the claims of its captures and of itself."""
    claims = {claim for row in captures for claim in row.get("claims", ())}
    return {f"lead:{lead_id}", *claims, *(identity_of(lead, region).claims if lead else ())}


@dataclass(frozen=True, slots=True)
class Farewell:
    """An erasure under way: begun `at`, of the lead as it was found (None: it has gone), known by all these `names`.

    `refused` by name: what was refused there, if anything. It stays, so that nothing is sent there again.
    """

    lead_id: str
    at: datetime
    lead: Mapping[str, Any] | None
    names: frozenset[str]
    refused: Mapping[str, Sequence[Document]] = field(default_factory=dict)

    @property
    def account(self) -> Mapping[str, Any] | None:
        """Whose open work the lead counted as: its owner has one lead less."""
        return ((self.lead or {}).get("assignment") or {}).get("account")

    def tombstone(self, name: str) -> Document:
        """What is left under one of its names, but for the id."""
        stone = {"leadId": self.lead_id, "at": self.at}
        refused = {"refused": list(self.refused[name])} if name in self.refused else {}
        return stone | refused | ({"account": self.account} if self.account and name.startswith("lead:") else {})


def farewells(
    verdicts: Iterable[Mapping[str, Any]],
    leads: Mapping[str, Document],
    captures: Sequence[Mapping[str, Any]],
    region: str,
) -> list[Farewell]:
    """What these verdicts that aren't carried out yet come to, each lead once, as of the first that asked."""
    begun: dict[str, datetime] = {}
    for row in verdicts:
        begun[row["leadId"]] = min(begun.get(row["leadId"], row["at"]), row["at"])
    return [_farewell(lead_id, at, leads.get(lead_id), captures, region) for lead_id, at in begun.items()]


def _farewell(
    lead_id: str, at: datetime, lead: Document | None, captures: Sequence[Mapping[str, Any]], region: str
) -> Farewell:
    known = frozenset(names(lead_id, lead, _of(lead_id, captures), region))
    return Farewell(lead_id, at, lead, known, _refused(lead, known, region) if lead else {})


def _refused(lead: Document, known: Iterable[str], region: str) -> dict[str, Sequence[Document]]:
    """What the lead refused, under the names by which capture will meet it: each address, and its phone + company."""
    standing, identity = standing_of(lead), identity_of(lead, region)
    addresses = {name: name.removeprefix("email:") for name in known if name.startswith("email:")}
    refused: dict[str, Sequence[Document]] = {
        name: refusals_at(standing, EMAIL, address) for name, address in addresses.items()
    }
    if identity.person_claim and identity.phone:
        refused[identity.person_claim] = refusals_at(standing, PHONE, identity.phone)
    return refused


def _of(lead_id: str, captures: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [row for row in captures if row["leadId"] == lead_id]
