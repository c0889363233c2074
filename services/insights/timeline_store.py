"""Puts each event once into the timeline of the lead that it touched.

An output names its lead. An input may name an e-mail, or a lead that isn't stored yet. Such an event waits in
`unplaced` until the worker that handles it has stored its lead. Either may come first.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from schemas import topics
from schemas.reasons import RejectionReason
from services.insights.domain.timeline import DETAILS, activity_id, leads_of_effects, timeline_row
from shared.domain.activity_documents import row_id
from shared.domain.identity.normal_forms import email_key
from shared.domain.stored.insights_documents import TimelinePendingRow, TimelineRow
from shared.kafka.events import Received
from shared.leads.documents import leads_by_email
from shared.leads.erased_events import note_effects, note_late
from shared.mongo.names import ACTIVITIES, CAPTURES, COMMANDS, LEADS, TIMELINE, TIMELINE_PENDING, CollectionName
from shared.mongo.storage import Storage

# As long as the worker that handles an event can still read it.
_KEPT = topics.CAPTURED.retention
# Their documents have different types; only `leadId` is read.
_ANSWERS: Mapping[str, CollectionName[Any]] = {
    topics.CAPTURED.name: CAPTURES,
    topics.ACTIVITIES.name: ACTIVITIES,
    topics.ENGAGEMENTS.name: ACTIVITIES,
    topics.QUALIFY.name: COMMANDS,
    topics.UPDATE.name: COMMANDS,
    topics.TASKS.name: COMMANDS,
    topics.CONVERT.name: COMMANDS,
}
"""The collection in which a worker stores an input's lead under the input's key. `Any`: they differ in all but that."""


async def place_events(storage: Storage, received: Sequence[Received], now: datetime) -> set[str]:
    """Put these events into the timelines of their leads; return the leads, all of which have existed.

    Call `forget_erased` for them afterwards: an erasure may have met these rows on their way.
    """
    events = {one.key: one for one in received if one.record.topic in DETAILS}
    named = {key: one.lead_id for key, one in events.items() if one.lead_id}
    inputs = {key: one for key, one in events.items() if one.record.topic in _ANSWERS}
    answered = await _stored_leads(storage, [one for key, one in inputs.items() if key not in named])
    unsure = {one.key for one in received if not _shows_lead(one)}
    existed = {one.lead_id for one in received if one.lead_id and one.key not in unsure}
    there = existed | await _existing(storage, {*named.values(), *answered.values()} - existed)
    placed = {key: lead for key, lead in (named | answered).items() if lead in there}
    rows: list[TimelineRow] = [{**timeline_row(events[key]), "leadId": lead} for key, lead in placed.items()]
    await storage.insert_new(TIMELINE, rows)
    aside = [one for key, one in inputs.items() if key not in placed]
    waiting: list[TimelinePendingRow] = [{**timeline_row(one), "expiresAt": now + _KEPT} for one in aside]
    await storage.insert_new(TIMELINE_PENDING, waiting)
    # The worker and another process may have finished before this process stored the pending event.
    effects = await _effect_leads(storage, received)
    late = await _stored_leads(storage, aside) | effects
    moved = await _move_pending(storage, late, effects, existed, now)
    # Crash here, then an erasure → rows that no worker's document leads to → this read finds and deletes them.
    before = await storage.read(TIMELINE, unsure - placed.keys(), fields=("leadId",))
    return {*existed, *placed.values(), *moved, *(row["leadId"] for row in before.values())}


def _shows_lead(received: Received) -> bool:
    """Return whether the event shows that its lead has existed: an output does; an input may come before its lead."""
    topic = topics.TOPICS[received.record.topic]
    if topic is topics.REJECTED:
        return bool(received.payload.reason != RejectionReason.LEAD_NOT_FOUND)
    return topic.kind != "input"


async def _stored_leads(storage: Storage, inputs: Sequence[Received]) -> dict[str, str]:
    """Return the leads of these inputs by the inputs' keys, as far as workers stored them."""
    asked: dict[CollectionName[Any], list[str]] = {}  # see `_ANSWERS`
    for one in inputs:
        asked.setdefault(_ANSWERS[one.record.topic], []).append(one.key)
    found = await asyncio.gather(*(storage.read(place, keys, fields=("leadId",)) for place, keys in asked.items()))
    answers = {key: row["leadId"] for rows in found for key, row in rows.items()}
    return answers | await _recorded(storage, [one for one in inputs if one.key not in answers])


async def _recorded(storage: Storage, inputs: Sequence[Received]) -> dict[str, str]:
    """Return the leads of inputs that name an e-mail and are stored as activities.

    Their rows have no key of the input.
    """
    named = {one.key: one.payload.email for one in inputs if _ANSWERS[one.record.topic] == ACTIVITIES}
    by_email = await leads_by_email(storage, named.values())
    leads = {key: by_email[email] for key, given in named.items() if (email := email_key(given)) in by_email}
    rows = {one.key: row_id(leads[one.key], activity_id(one)) for one in inputs if one.key in leads}
    there = await storage.read(ACTIVITIES, rows.values(), fields=("_id",))
    return {key: leads[key] for key, row in rows.items() if row in there}


async def _existing(storage: Storage, lead_ids: Iterable[str]) -> set[str]:
    return set(await storage.read(LEADS, lead_ids, fields=("_id",)))


async def _effect_leads(storage: Storage, received: Sequence[Received]) -> dict[str, str]:
    """Return the leads of pending events by key, as the events' effects name them."""
    effects = [one for one in received if one.event.causationid]
    rows = await storage.find_in(TIMELINE_PENDING, "eventId", (str(one.event.causationid) for one in effects))
    return leads_of_effects(rows, effects)


async def _move_pending(
    storage: Storage, leads: Mapping[str, str], had_effects: Collection[str], existed: Collection[str], now: datetime
) -> set[str]:
    """Move pending events to their leads' timelines; return these leads. The leads in `existed` need no look.

    A capture's row is stored before its lead. Without a lead it stays pending until an effect of it arrives. After
    that a missing lead was erased.
    """
    rows = await storage.read(TIMELINE_PENDING, leads)
    wanted = {leads[key] for key in rows}
    there = wanted & ({*existed} | await _existing(storage, wanted - {*existed}))
    found = [_placed(row, leads[key]) for key, row in rows.items() if leads[key] in there]
    await storage.insert_new(TIMELINE, found)
    gone = [(row, leads[key]) for key, row in rows.items() if leads[key] not in there and key in had_effects]
    await note_effects(storage, gone, now)
    await storage.delete(TIMELINE_PENDING, [key for key in rows if leads[key] in there or key in had_effects])
    return there


def _placed(row: TimelinePendingRow, lead_id: str) -> TimelineRow:
    # A filtered copy loses its type.
    return cast(
        "TimelineRow", {name: value for name, value in row.items() if name != "expiresAt"} | {"leadId": lead_id}
    )


async def forget_erased(storage: Storage, lead_ids: Collection[str], now: datetime) -> None:
    """Delete the timelines of those leads that are erased: they may have got events meanwhile.

    All of them have existed. The timeline of a lead that is yet to come must not be deleted.
    """
    gone = sorted({*lead_ids} - await _existing(storage, lead_ids))
    if gone:
        await note_late(storage, gone, now)
        await storage.delete_all(TIMELINE, {"leadId": {"$in": gone}})


async def drop_expired(storage: Storage, now: datetime) -> None:
    """Delete pending events whose time is over."""
    await storage.delete_all(TIMELINE_PENDING, {"expiresAt": {"$lt": now}})


async def create_indexes(storage: Storage) -> None:
    """Create the indexes of each lead's timeline, and of pending events by event."""
    await storage.create_index(TIMELINE, [("leadId", 1), ("key", -1)])
    await storage.create_index(TIMELINE_PENDING, [("eventId", 1)])
    await storage.create_index(TIMELINE_PENDING, [("expiresAt", 1)])
