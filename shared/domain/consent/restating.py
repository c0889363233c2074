"""A lead's consent at a new address, with what erasure markers keep of that address. Pure."""

from collections.abc import Mapping, Sequence

from shared.domain.consent.statements import EMAIL, PHONE, Restated, Statement, restate
from shared.domain.identity.normal_forms import Identity
from shared.domain.stored.identity_documents import ErasureMarker
from shared.domain.stored.lead_document import LeadDocument


def kept_refusals(identity: Identity, markers: Mapping[str, ErasureMarker]) -> list[Statement]:
    """Return the refusals that the person's erasure markers keep."""
    addresses = ((EMAIL, identity.email, identity.email_claim), (PHONE, identity.phone, identity.person_claim))
    return [
        Statement(
            channel, address, given=False, at=one["at"], source="/services/erasure", cause=claim, reason=one["reason"]
        )
        for channel, address, claim in addresses
        if claim is not None and claim in markers
        for one in markers[claim].get("refused", ())
    ]


def restate_lead(lead: LeadDocument, statements: Sequence[Statement], region: str) -> Restated:
    """Return how these statements, and the earlier ones at a new address, change the lead."""
    if not statements and not lead.get("standing"):
        return Restated({}, {})
    return restate(lead, statements, region)
