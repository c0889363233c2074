"""Claims: which leads a captured person may be, and which claims lead to a lead.

A claim reserves one lead id for an e-mail, or for a phone + company + name. A worker makes it before it stores the
lead, so a claim may name a lead that doesn't exist yet. The next worker that needs the lead stores it under the
reserved id. If two workers do so at once, MongoDB refuses the second `_id`. A person is known by every address that
they ever used: only an erasure removes a claim. An edit that replaces an address frees its claim.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from services.capture.domain.view import Capture, View
from shared.domain.identity.identity_rules import SHARED_MAX
from shared.domain.identity.normal_forms import Identity, Match, compare, identity_of
from shared.domain.stored.identity_documents import IdentityClaim

IDENTIFYING = frozenset({"company.name", "contact.firstName", "contact.lastName", "contact.email", "contact.phone"})
"""Paths of a lead that its identity is made of."""


def claims_of(captures: Iterable[Capture]) -> list[str]:
    """Return the claims that the captures' identities make, each once."""
    return list(dict.fromkeys(claim for capture in captures for claim in capture.identity.claims))


def older_of(captures: Iterable[Capture]) -> dict[str, str]:
    """Return the captures' claims in the form of earlier releases, each with its current form."""
    return {older: claim for capture in captures for older, claim in capture.older.items()}


def view_of_claims(names: Iterable[str], older: Mapping[str, str], rows: Mapping[str, IdentityClaim]) -> View:
    """Return a view of these claims alone, from rows in current and older forms."""
    claims = {name: list(rows[name]["leadIds"]) if _is_current(rows.get(name)) else [] for name in names}
    forms: dict[str, list[str]] = {}
    for form, claim in older.items():
        if _is_current(rows.get(form)):
            held = claims.setdefault(claim, [])
            held += [one for one in rows[form]["leadIds"] if one not in held]
            forms.setdefault(claim, []).append(form)
    rewritable = {claim: claim not in rows for claim in forms}
    marks = {name: list(row["names"]) for name, row in rows.items() if "names" in row}
    return View({}, claims, {}, older=forms, rewritable=rewritable, marks=marks)


def _is_current(row: IdentityClaim | None) -> bool:
    # A former e-mail of a lead is free: the next person that is captured with it takes it over.
    return row is not None and not row.get("former")


def find_matches(known_by: Identity, view: View, region: str) -> list[tuple[str, Match]]:
    """Return the leads that this person duplicates: highest score first, then the oldest."""
    by_email = view.claims.get(known_by.email_claim or "", ())
    by_person = view.claims.get(known_by.person_claim or "", ())
    found = []
    for lead_id in dict.fromkeys([*by_email, *by_person]):
        lead = view.leads.get(lead_id)
        if lead is None:
            continue
        match = compare(
            known_by, identity_of(lead, region), known_email=lead_id in by_email, known_person=lead_id in by_person
        )
        if match.duplicate:
            found.append((lead_id, match))
    return sorted(found, key=lambda pair: (-pair[1].score, view.leads[pair[0]]["createdAt"], pair[0]))


def belongs_to_another(claim: str | None, lead_id: str, view: View) -> bool:
    """Return whether this claim leads to other leads only."""
    holders = view.claims.get(claim or "", ())
    return bool(holders) and lead_id not in holders


@dataclass(frozen=True, slots=True)
class ClaimWrite:
    """A claim to make for a lead, or a stored claim that the lead `joins`. `unread` claims were not read."""

    claim: str
    lead_id: str
    joins: bool = False
    unread: bool = False


def claim_identifiers(view: View, identity: Identity, lead_id: str) -> tuple[View, list[ClaimWrite]]:
    """Return the claims of `identity` to write for the lead, and the view after it.

    An e-mail's claim that has another lead stays. Several leads can share the claim of a phone + company + name.
    """
    found = (_claim_write(view, claim, lead_id, person=claim == identity.person_claim) for claim in identity.claims)
    writes = [one for one in found if one]
    held = {one.claim: view.claims.get(one.claim, ()) for one in writes}
    return view.with_claims(
        {claim: [*holders, lead_id] for claim, holders in held.items() if lead_id not in holders},
        {claim: False for claim, holders in held.items() if holders and view.rewritable.get(claim)},
    ), writes


def _claim_write(view: View, claim: str, lead_id: str, *, person: bool) -> ClaimWrite | None:
    holders = view.claims.get(claim, ())
    if not holders:
        return ClaimWrite(claim, lead_id, unread=claim not in view.claims)
    if view.rewritable.get(claim) and (lead_id in holders or person):
        # The claim is stored in an older form only: this adds the current form.
        return ClaimWrite(claim, lead_id)
    if person and lead_id not in holders and len(holders) < SHARED_MAX:
        # Two leads with different e-mails can share phone + company + name: the claim leads to both.
        return ClaimWrite(claim, lead_id, joins=True)
    return None
