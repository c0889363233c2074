"""Claims: which leads a captured person may be, and under which claims a lead is known from now on.

A claim reserves one lead id for an e-mail, or for a phone + company + name. It is made before the lead is stored and is
taken back only when its lead is erased; so a claim may name a lead that doesn't exist yet. Whoever needs that lead then
stores it under the reserved id, and two workers who do so at once meet at `_id`. Every capture's claims lead to its
lead for good: a person is known by each address they ever used.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from services.capture.plan import Capture, Plan, View
from shared.domain.identity import Identity, Match, compare, identity_of

SHARED_MAX = 50
"""Leads that one phone + company + name can lead to: each of them is read for every capture of that person."""

IDENTIFYING = frozenset({"company.name", "contact.firstName", "contact.lastName", "contact.email", "contact.phone"})
"""Paths of a lead that its identity is made of."""


def claims_of(captures: Iterable[Capture]) -> list[str]:
    """Every claim under which the captures' leads may be known."""
    return list(dict.fromkeys(claim for capture in captures for claim in capture.identity.claims))


def matches(capture: Capture, view: View, region: str) -> list[tuple[str, Match]]:
    """The leads that `capture` duplicates: highest score first, then the oldest."""
    by_email = view.claims.get(capture.identity.email_claim or "", ())
    by_person = view.claims.get(capture.identity.person_claim or "", ())
    found = []
    for lead_id in dict.fromkeys([*by_email, *by_person]):
        lead = view.leads.get(lead_id)
        if lead is None:
            continue
        match = compare(
            capture.identity,
            identity_of(lead, region),
            known_email=lead_id in by_email,
            known_person=lead_id in by_person,
        )
        if match.duplicate:
            found.append((lead_id, match))
    return sorted(found, key=lambda pair: (-pair[1].score, view.leads[pair[0]]["createdAt"], pair[0]))


def is_anothers(claim: str | None, lead_id: str, view: View) -> bool:
    """Whether another lead holds this claim."""
    holders = view.claims.get(claim or "", ())
    return bool(holders) and lead_id not in holders


def claim_for(identity: Identity, lead: Mapping[str, Any], view: View, plan: Plan) -> None:
    """Make each claim of `identity` for `lead` unless another lead has it; a phone + company + name can be shared."""
    for claim in identity.claims:
        if claim not in view.claims:
            plan.unread.add(claim)
        holders = view.claims.setdefault(claim, [])
        if not holders:
            plan.claims[claim] = lead["_id"]
            holders.append(lead["_id"])
        elif claim == identity.person_claim and lead["_id"] not in holders and len(holders) < SHARED_MAX:
            # Two leads with e-mails of their own can come to share phone + company + name; both stay findable.
            plan.joins.append((claim, lead["_id"]))
            holders.append(lead["_id"])
