"""Placing: each event into the timeline of the lead that it touched, once.

An output names its lead. An input may name an address, or a lead that nobody knows yet: then it stands aside, in
`unplaced`, until the worker that answers for it has said whom it is about; whichever of both is seen first.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from schemas import topics
from services.insights.timeline import TOLD, activity_id, caused, row_of
from shared.collections import ACTIVITIES, CAPTURES, COMMANDS, LEADS, TIMELINE, UNPLACED
from shared.domain.activities import row_id
from shared.domain.identity import email_key
from shared.events import Received
from shared.leads import leads_by_email
from shared.storage import Storage

# As long as whoever answers for an event can still read it.
_KEPT = topics.CAPTURED.retention
_ANSWERS = {
    topics.CAPTURED.name: CAPTURES,
    topics.ACTIVITIES.name: ACTIVITIES,
    topics.ENGAGEMENTS.name: ACTIVITIES,
    topics.QUALIFY.name: COMMANDS,
    topics.UPDATE.name: COMMANDS,
    topics.CONVERT.name: COMMANDS,
}
"""Where a worker notes, under an input's key, which lead it is about."""


async def place(storage: Storage, received: Sequence[Received], now: datetime) -> None:
    """Put these events where they belong."""
    told = {one.key: one for one in received if one.record.topic in TOLD}
    named = {key: one.lead_id for key, one in told.items() if one.lead_id}
    inputs = {key: one for key, one in told.items() if one.record.topic in _ANSWERS}
    placed = named | await _answered(storage, [one for key, one in inputs.items() if key not in named])
    there = await _existing(storage, placed.values())
    placed = {key: lead for key, lead in placed.items() if lead in there}
    await storage.insert_new(TIMELINE, [{**row_of(told[key]), "leadId": lead} for key, lead in placed.items()])
    aside = [one for key, one in inputs.items() if key not in placed]
    await storage.insert_new(UNPLACED, [{**row_of(one), "expiresAt": now + _KEPT} for one in aside])
    # The worker may have answered in between, and another process seen it before the event stood aside.
    effects = await _caused(storage, received)
    late = await _answered(storage, aside) | effects
    await _bring(storage, late, effects)
    # Nobody answers for an input any more once its lead is erased: whoever was killed right here had placed it yet.
    before = await storage.read(TIMELINE, (one.key for one in aside), fields=("leadId",))
    met = {*named.values(), *placed.values(), *late.values(), *(one.lead_id for one in received if one.lead_id)}
    await _forget(storage, met | {row["leadId"] for row in before.values()})


async def _answered(storage: Storage, inputs: Sequence[Received]) -> dict[str, str]:
    """The leads that these inputs turned out to be about, by the inputs' keys."""
    asked: dict[str, list[str]] = {}
    for one in inputs:
        asked.setdefault(_ANSWERS[one.record.topic], []).append(one.key)
    found = await asyncio.gather(*(storage.read(place, keys, fields=("leadId",)) for place, keys in asked.items()))
    answers = {key: row["leadId"] for rows in found for key, row in rows.items()}
    return answers | await _recorded(storage, [one for one in inputs if one.key not in answers])


async def _recorded(storage: Storage, inputs: Sequence[Received]) -> dict[str, str]:
    """The leads of those of these inputs that name an address and are an activity of its lead: its row has no key."""
    named = {one.key: email_key(one.payload.email) for one in inputs if _ANSWERS[one.record.topic] == ACTIVITIES}
    by_email = await leads_by_email(storage, (email for email in named.values() if email))
    leads = {key: by_email[email] for key, email in named.items() if email in by_email}
    rows = {one.key: row_id(leads[one.key], activity_id(one)) for one in inputs if one.key in leads}
    there = await storage.read(ACTIVITIES, rows.values(), fields=("_id",))
    return {key: leads[key] for key, row in rows.items() if row in there}


async def _existing(storage: Storage, lead_ids: Iterable[str]) -> set[str]:
    return set(await storage.read(LEADS, lead_ids, fields=("_id",)))


async def _caused(storage: Storage, received: Sequence[Received]) -> dict[str, str]:
    """The leads of events that stand aside, as what they caused tells: by their keys."""
    effects = [one for one in received if one.event.causationid]
    rows = await storage.find_in(UNPLACED, "eventId", (str(one.event.causationid) for one in effects))
    return caused(rows, effects)


async def _bring(storage: Storage, leads: Mapping[str, str], had_effects: Collection[str]) -> None:
    """Bring events that stand aside to their leads.

    A capture is noted before its lead is stored: one whose lead isn't there stays aside, until what it caused is told.
    After that, a lead that isn't there was erased.
    """
    rows = await storage.read(UNPLACED, leads)
    there = await _existing(storage, leads.values())
    found = [{**row, "leadId": leads[key]} for key, row in rows.items() if leads[key] in there]
    for row in found:
        del row["expiresAt"]
    await storage.insert_new(TIMELINE, found)
    await storage.delete(UNPLACED, [key for key in rows if leads[key] in there or key in had_effects])


async def _forget(storage: Storage, lead_ids: Iterable[str]) -> None:
    """Leave no timeline of leads that were erased, be it while their events were placed."""
    wanted = set(lead_ids)
    gone = sorted(wanted - await _existing(storage, wanted))
    if gone:
        await storage.delete_all(TIMELINE, {"leadId": {"$in": gone}})


async def clear(storage: Storage, now: datetime) -> None:
    """Drop what stood aside until now, and is nobody's."""
    await storage.delete_all(UNPLACED, {"expiresAt": {"$lt": now}})


async def create_indexes(storage: Storage) -> None:
    """Each lead's timeline, and what stands aside by the event that it is."""
    await storage.create_index(TIMELINE, [("leadId", 1), ("key", -1)])
    await storage.create_index(UNPLACED, [("eventId", 1)])
    await storage.create_index(UNPLACED, [("expiresAt", 1)])
