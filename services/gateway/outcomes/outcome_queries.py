"""Reads what became of an event: all by id, in two rounds."""

import asyncio

from schemas.topics import CREATED, TOPICS
from services.gateway.outcomes.domain.event_states import EventOutcome, StoredEffects, StoredEvent, judge
from shared.domain.ids import derive
from shared.leads.pending_store import pending_id
from shared.mongo.names import ACTIVITIES, CAPTURES, COMMANDS, LEADS, OUTCOMES, PENDING_EVENTS, TIMELINE
from shared.mongo.storage import Storage

PARKING = frozenset(CREATED.consumers).intersection(
    worker for topic in TOPICS.values() if topic.kind == "input" for worker in topic.consumers
)
"""The workers that may have pending events: they read inputs, and the topics that announce leads."""

_ACTIVITY_FIELDS = ("leadId", "n", "tallied", "eventKey", "owner")
_LEAD_FIELDS = ("decided", "carriedOut", "counted", "seen")


async def find_outcome(storage: Storage, source: str, event_id: str) -> EventOutcome:
    """Return what became of this event of this source."""
    key = derive("cause", source, event_id)
    event = await _read_event(storage, key)
    if event.lead_id is None:
        return judge(event, StoredEffects())
    announced = [event.rescore_key] if event.rescore_key else []
    leads, activities, rescores = await asyncio.gather(
        storage.read(LEADS, [event.lead_id], fields=_LEAD_FIELDS),
        storage.read(ACTIVITIES, event.activity_rows, fields=_ACTIVITY_FIELDS),
        storage.read(TIMELINE, announced, fields=("_id",)),
    )
    return judge(event, StoredEffects(leads.get(event.lead_id), activities, bool(rescores)))


async def _read_event(storage: Storage, key: str) -> StoredEvent:
    captures, verdicts, activities, placed, waiting, noted = await asyncio.gather(
        storage.read(CAPTURES, [key], fields=("leadId", "erased", "applied", "outcome")),
        storage.read(COMMANDS, [key], fields=("leadId", "done", "reason")),
        storage.read(ACTIVITIES, [key], fields=_ACTIVITY_FIELDS),
        storage.read(TIMELINE, [key], fields=("leadId", "topic", "eventId", "details")),
        storage.read(PENDING_EVENTS, [pending_id(worker, key) for worker in sorted(PARKING)], fields=("name",)),
        storage.read(OUTCOMES, [key]),
    )
    return StoredEvent(
        key,
        captures.get(key),
        verdicts.get(key),
        activities.get(key),
        placed.get(key),
        next(iter(waiting.values()), None),
        noted.get(key),
    )
