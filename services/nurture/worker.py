"""The nurture worker: a first score or a trigger enrols a lead; its steps go out when they are due."""

from collections.abc import Iterator, Sequence

from schemas.topics import CONVERTED, ENROLLED, SCORED, TRIGGERED, UPDATED
from services.nurture import sequences as config
from services.nurture import store
from services.nurture.domain import Cause, ending, enrol, enrolled, pick
from services.nurture.scheduler import Scheduler
from shared.collections import ENROLMENTS
from shared.config import Reloading
from shared.events import Outgoing, Received, emit
from shared.leads import read_leads
from shared.storage import Document
from shared.worker import Runtime, Worker

NAME = "nurture"
TOPICS = (SCORED, TRIGGERED, CONVERTED, UPDATED)
_Enrolment = tuple[Received, Document, list[Document]]


def build(runtime: Runtime) -> Worker:
    """The worker, ready to run. Raises `ConfigError` when the sequences file is wrong."""
    sequences = Reloading(runtime.settings.sequences_file, config.Sequences)
    scheduler = Scheduler(runtime, NAME)
    storage = runtime.storage

    async def handle(received: Sequence[Received]) -> Sequence[Outgoing]:
        unique = list({one.key: one for one in received}.values())
        leads = await read_leads(storage, (_lead_id(one) for one in unique))
        over = {lead_id: why for lead_id, lead in leads.items() if (why := ending(lead))}
        wanted = [
            (one, *enrol(leads[lead_id], sequence, sequences.current, _cause(one), runtime.clock()))
            for one in unique
            if (lead_id := _lead_id(one)) in leads and lead_id not in over
            for sequence in _wanted(one, leads[lead_id], sequences.current)
        ]
        events = await _enrol(runtime, wanted)
        await store.cancel(storage, over, runtime.clock())
        scheduler.alarm.wake()
        return events

    return Worker(NAME, TOPICS, handle, (scheduler.alarm.run, sequences.watch))


async def _enrol(runtime: Runtime, wanted: Sequence[_Enrolment]) -> list[Outgoing]:
    """Enrol those that aren't; tell of each enrolment that one of these events caused, now or before."""
    if not wanted:
        return []
    planned = {step["_id"]: step for _, _, steps in wanted for step in steps}
    enrolments = {enrolment["_id"]: enrolment for _, enrolment, _ in wanted}
    there = await runtime.storage.read(ENROLMENTS, enrolments)
    fresh = [one for one in wanted if one[1]["_id"] not in there]
    added = await store.add(runtime.storage, [one[1] for one in fresh], [step for one in fresh for step in one[2]])
    if there or not added:
        enrolments, planned = await store.stored(runtime.storage, list(enrolments.values()), list(planned.values()))
    return [
        _event(received, enrolments[enrolment["_id"]], [planned[s["_id"]] for s in steps if s["_id"] in planned])
        for received, enrolment, steps in wanted
        if enrolments[enrolment["_id"]]["cause"] == received.key
    ]


def _lead_id(received: Received) -> str:
    payload = received.payload
    return str(payload.lead.id if received.record.topic == CONVERTED.name else payload.lead_id)


def _cause(received: Received) -> Cause:
    return Cause(received.key, received.event.id, received.cause.correlation_id)


def _wanted(received: Received, lead: Document, sequences: config.Sequences) -> Iterator[config.Sequence]:
    """The sequences that this event enrols the lead in."""
    if received.record.topic == SCORED.name and received.payload.previous_score is None:
        # The score told is the lead's first; the document may show a later one by now.
        yield pick({**lead, "score": received.payload.score}, sequences)
    if received.record.topic == TRIGGERED.name:
        yield from (one for one in sequences.sequences if received.payload.trigger in one.triggers)


def _event(received: Received, enrolment: Document, steps: Sequence[Document]) -> Outgoing:
    payload = enrolled(enrolment, steps)
    lead_id, source = enrolment["leadId"], f"/services/{NAME}"
    return emit(ENROLLED, payload, cause=received.cause, key=lead_id, source=source, at=enrolment["at"])
