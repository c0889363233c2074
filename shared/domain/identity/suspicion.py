"""Suspicions: why two leads look like one person (schemas/README.md#leadssuspected)."""

from collections.abc import Collection, Iterable
from math import prod

from schemas.outputs import LeadSuspected
from schemas.reasons import SuspicionReason as Reason
from shared.domain.identity.normal_forms import company_key, identity_of, name_key
from shared.domain.ids import derive
from shared.domain.stored.lead_document import CompanyPart, ContactPart, LeadDocument

_WEIGHTS = {Reason.EMAIL: 0.9, Reason.PHONE: 0.6, Reason.NAME: 0.4, Reason.COMPANY: 0.3, Reason.ADDRESS: 0.3}
"""The likelihood of one person by each reason alone."""

_OF_CLAIM = {"email": (Reason.EMAIL,), "pcn": (Reason.PHONE, Reason.NAME, Reason.COMPANY)}


def pair_event_id(one: str, other: str) -> str:
    """Return the id of the pair's event on `leads.suspected`, in any order of the two leads."""
    return derive("suspected", *sorted((one, other)))


def suspicion(one: LeadDocument, other: LeadDocument, claims: Iterable[str], region: str) -> LeadSuspected | None:
    """Return the suspicion that two leads are one person; None without a reason.

    `claims` are those that both leads have, though their documents may show other values.
    """
    shared = {reason for claim in claims for reason in _OF_CLAIM[claim.partition(":")[0]]}
    found = shared | _shown(one, other, region)
    if not found:
        return None
    reasons = tuple(reason for reason in Reason if reason in found)
    older, newer = sorted((one, other), key=lambda lead: (lead["createdAt"], lead["_id"]))
    return LeadSuspected(lead_id=older["_id"], other_id=newer["_id"], likelihood=likelihood(reasons), reasons=reasons)


def likelihood(reasons: Collection[Reason]) -> float:
    """Return the likelihood (0…1) by these reasons together, taken as independent."""
    return round(1 - prod(1 - _WEIGHTS[reason] for reason in reasons), 3)


def _shown(one: LeadDocument, other: LeadDocument, region: str) -> set[Reason]:
    """Return the reasons that both documents show. A missing value never matches."""
    first, second = _values(one, region), _values(other, region)
    return {reason for reason, value in first.items() if value and value == second[reason]}


def _values(lead: LeadDocument, region: str) -> dict[Reason, str | tuple[str, ...] | None]:
    identity = identity_of(lead, region)
    contact: ContactPart = lead.get("contact") or {}
    company: CompanyPart = lead.get("company") or {}
    first, last = name_key(contact.get("firstName")), name_key(contact.get("lastName"))
    return {
        Reason.EMAIL: identity.email,
        Reason.PHONE: identity.phone,
        Reason.NAME: (first, last) if first and last else None,
        Reason.COMPANY: company_key(company.get("name")),
    }
