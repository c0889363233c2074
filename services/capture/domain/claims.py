"""Claims: which leads a captured person may be, and which claims lead to a lead.

A claim reserves one lead id for an e-mail, or for a phone + company + name. A worker makes it before it stores the
lead, so a claim may name a lead that doesn't exist yet. The next worker that needs the lead stores it under the
reserved id. If two workers do so at once, MongoDB refuses the second `_id`. Only an erasure removes a claim: a person
is known by every address that they ever used.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from services.capture.domain.plan import Capture, CapturePlan, View
from shared.domain.identity.normal_forms import Identity, Match, compare, identity_of

SHARED_MAX = 50
"""Most leads per phone + company + name: every capture of that person reads all of them."""

IDENTIFYING = frozenset({"company.name", "contact.firstName", "contact.lastName", "contact.email", "contact.phone"})
"""Paths of a lead that its identity is made of."""


def claims_of(captures: Iterable[Capture]) -> list[str]:
    """Return the claims that the captures' identities make, each once."""
    return list(dict.fromkeys(claim for capture in captures for claim in capture.identity.claims))


def older_of(captures: Iterable[Capture]) -> dict[str, str]:
    """Return the captures' claims in the form of earlier releases, each with its current form."""
    return {older: claim for capture in captures for older, claim in capture.older.items()}


def view_of_claims(names: Iterable[str], older: Mapping[str, str], rows: Mapping[str, Mapping[str, Any]]) -> View:
    """Return a view of these claims alone, from rows in current and older forms."""
    view = View({}, {name: list(rows[name]["leadIds"]) if name in rows else [] for name in names}, {})
    view.marks = {name: list(row["names"]) for name, row in rows.items() if "names" in row}
    for form, claim in older.items():
        if form in rows:
            held = view.claims.setdefault(claim, [])
            held += [one for one in rows[form]["leadIds"] if one not in held]
            view.older.setdefault(claim, []).append(form)
    view.rewritable = view.older.keys() - rows.keys()
    return view


def find_matches(capture: Capture, view: View, region: str) -> list[tuple[str, Match]]:
    """Return the leads that `capture` duplicates: highest score first, then the oldest."""
    by_email = view.claims.get(capture.known_by.email_claim or "", ())
    by_person = view.claims.get(capture.known_by.person_claim or "", ())
    found = []
    for lead_id in dict.fromkeys([*by_email, *by_person]):
        lead = view.leads.get(lead_id)
        if lead is None:
            continue
        match = compare(
            capture.known_by,
            identity_of(lead, region),
            known_email=lead_id in by_email,
            known_person=lead_id in by_person,
        )
        if match.duplicate:
            found.append((lead_id, match))
    return sorted(found, key=lambda pair: (-pair[1].score, view.leads[pair[0]]["createdAt"], pair[0]))


def belongs_to_another(claim: str | None, lead_id: str, view: View) -> bool:
    """Return whether this claim leads to other leads only."""
    holders = view.claims.get(claim or "", ())
    return bool(holders) and lead_id not in holders


def claim_identifiers(identity: Identity, lead: Mapping[str, Any], view: View, plan: CapturePlan) -> None:
    """Plan the claims of `identity` for `lead`; an e-mail's claim that has another lead stays.

    Several leads can share the claim of a phone + company + name.
    """
    for claim in identity.claims:
        if claim not in view.claims:
            plan.unread.add(claim)
        holders = view.claims.setdefault(claim, [])
        if not holders:
            plan.claims[claim] = lead["_id"]
            holders.append(lead["_id"])
        elif claim in view.rewritable and (lead["_id"] in holders or claim == identity.person_claim):
            # The claim is stored in an older form only: this adds the current form.
            view.rewritable.discard(claim)
            plan.claims[claim] = lead["_id"]
            holders += [] if lead["_id"] in holders else [lead["_id"]]
        elif claim == identity.person_claim and lead["_id"] not in holders and len(holders) < SHARED_MAX:
            # Two leads with different e-mails can share phone + company + name: the claim leads to both.
            plan.joins.append((claim, lead["_id"]))
            holders.append(lead["_id"])
