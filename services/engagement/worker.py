"""The engagement worker: `leads.activities` is stored once and counted on its lead."""

from collections.abc import Mapping, Sequence

from schemas.outputs import RescoreRequested
from schemas.reasons import DeadLetterReason
from schemas.topics import ACTIVITIES, RESCORE
from services.engagement import store
from shared.domain.activities import activity
from shared.domain.identity import email_key
from shared.domain.moments import stored
from shared.events import Outgoing, Received, Refused, emit
from shared.leads import read_leads
from shared.storage import Document
from shared.worker import Runtime, Worker, settle

NAME = "engagement"
TOPICS = (ACTIVITIES,)


def build(runtime: Runtime) -> Worker:
    """The worker, ready to run."""
    storage, clock = runtime.storage, runtime.clock

    async def handle(received: Sequence[Received]) -> Sequence[Outgoing | Refused]:
        unique = {one.key: one for one in received}
        lead_of = await _find_leads(runtime, list(unique.values()))
        known = [one for key, one in unique.items() if key in lead_of]
        pending = await store.record(storage, [_document(one, lead_of[one.key]) for one in known])
        await settle(lambda: store.tally(storage, pending, clock()))
        return [
            *(_rescore(one, lead_of[one.key]) for one in known),
            *(_unknown(one) for key, one in unique.items() if key not in lead_of),
        ]

    return Worker(NAME, TOPICS, handle)


async def _find_leads(runtime: Runtime, received: Sequence[Received]) -> Mapping[str, str]:
    claims = {one.key: f"email:{email_key(one.payload.email)}" for one in received if not one.payload.lead_id}
    by_email = await store.leads_by_email(runtime.storage, claims.values())
    named = {one.key: one.payload.lead_id or by_email.get(claims[one.key]) for one in received}
    leads = await read_leads(runtime.storage, (lead for lead in named.values() if lead))
    return {key: lead for key, lead in named.items() if lead in leads}


def _document(received: Received, lead_id: str) -> Document:
    given = received.payload.activity
    return activity(
        received.key,
        lead_id,
        given.type.value,
        stored(received.event.time),
        created_by=given.created_by,
        description=given.description,
        outcome=given.outcome,
        scheduled_at=given.scheduled_at,
        completed_at=given.completed_at,
    )


def _rescore(received: Received, lead_id: str) -> Outgoing:
    payload = RescoreRequested(lead_id=lead_id, reason="activity_recorded")
    at = stored(received.event.time)
    return emit(RESCORE, payload, cause=received.cause, key=lead_id, source=f"/services/{NAME}", at=at)


def _unknown(received: Received) -> Refused:
    named = "leadId" if received.payload.lead_id else "email"
    return Refused(received, DeadLetterReason.LEAD_NOT_FOUND, f"data.{named}: no lead is known by it")
