"""The conversion worker: `leads.convert` becomes `leads.converted` or `leads.rejected`."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from schemas.lead import Lead
from schemas.outputs import LeadConverted
from schemas.topics import CONVERT, CONVERTED
from services.conversion import domain
from shared.commands import Policy, Ruling, carry_out
from shared.domain.statuses import Move, objection
from shared.events import Outgoing, Received, Result, emit
from shared.storage import Document
from shared.worker import ARRIVALS, Runtime, Worker

NAME = "conversion"
TOPICS = (CONVERT, *ARRIVALS)
_SOURCE = f"/services/{NAME}"


def build(runtime: Runtime) -> Worker:
    """The worker, ready to run."""
    policies = {CONVERT.name: Policy(_judge, _announce, _activity)}

    async def handle(received: Sequence[Received]) -> Sequence[Result]:
        return await carry_out(runtime, received, policies, _SOURCE)

    return Worker(NAME, TOPICS, handle, waits=True)


def _judge(lead: Document | None, received: Received, at: datetime) -> Ruling:
    refused = objection(Move.CONVERT, lead)
    if refused or lead is None:
        return Ruling(*refused) if refused else Ruling()
    request = received.payload.opportunity.wire() if received.payload.opportunity else {}
    return Ruling(set=domain.conversion(lead, request, received.key, at))


def _activity(received: Received, lead_id: str, at: datetime) -> Document:
    return domain.follow_up(received.key, lead_id, received.payload.requested_by, at)


def _announce(lead: Document, received: Received, _note: Mapping[str, Any]) -> Sequence[Outgoing]:
    converted = LeadConverted(
        lead=Lead.of(lead),
        opportunity_id=lead["convertedToOpportunityId"],
        opportunity=lead["conversion"]["opportunity"],
        converted_at=lead["convertedAt"],
    )
    at = lead["convertedAt"]
    return [emit(CONVERTED, converted, cause=received.cause, key=lead["_id"], source=_SOURCE, at=at)]
