"""The conversion worker: `leads.convert` becomes `leads.converted` or `leads.rejected`."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from schemas.lead import Lead
from schemas.outputs import LeadConverted
from schemas.topics import CONVERT, CONVERTED
from services.conversion.domain import decide
from shared.consuming.worker import Manifest, Runtime, Worker
from shared.domain.statuses import Move, objection
from shared.domain.stored.activity_row import ActivityRow
from shared.domain.stored.lead_document import LeadDocument
from shared.kafka.events import Outgoing, Received, Result, emit
from shared.leads.command_policies import CommandPolicy, Ruling, fixed
from shared.leads.commands import carry_out_commands
from shared.leads.pending import LEAD_EXISTS
from shared.leads.rights import COMMANDED

NAME = "conversion"
TOPICS = (CONVERT, *LEAD_EXISTS)
_SOURCE = f"/services/{NAME}"


def build(runtime: Runtime) -> Worker:
    """Return the worker."""
    prepare = fixed({CONVERT.name: CommandPolicy(_judge, _announce, _activity)})

    async def handle(received: Sequence[Received]) -> Sequence[Result]:
        return await carry_out_commands(runtime, received, prepare, _SOURCE)

    return Worker(NAME, TOPICS, handle, parks_unknown_leads=True)


def _judge(lead: LeadDocument | None, received: Received, at: datetime) -> Ruling:
    refused = objection(Move.CONVERT, lead)
    if refused or lead is None:
        return Ruling(*refused) if refused else Ruling()
    request = received.payload.opportunity.wire() if received.payload.opportunity else {}
    return Ruling(set=decide.convert_lead(lead, request, received.key, at))


def _activity(received: Received, lead_id: str, at: datetime) -> ActivityRow:
    return decide.conversion_activity(received.key, lead_id, received.payload.requested_by, at)


def _announce(lead: LeadDocument, received: Received, _note: Mapping[str, object]) -> Sequence[Outgoing]:
    converted = LeadConverted(
        lead=Lead.of(lead),
        opportunity_id=lead["convertedToOpportunityId"],
        opportunity=lead["conversion"]["opportunity"],
        converted_at=lead["convertedAt"],
        historical=received.is_historical or None,
    )
    at = lead["convertedAt"]
    return [emit(CONVERTED, converted, cause=received.cause, key=lead["_id"], source=_SOURCE, at=at)]


MANIFEST = Manifest(
    name=NAME,
    says="makes a qualified lead one opportunity",
    stage=70,
    topics=TOPICS,
    build=build,
    rights=COMMANDED,
)
