"""What remains of an erased lead's activities and engagements: that they were its, by hashes of their sources and ids.

Captures and commands have rows that outlive the lead. Of these events an erasure leaves nothing, so their senders would
be told that they are unknown.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from schemas.topics import DEADLETTER
from shared.domain.activity_documents import RECORDED
from shared.domain.stored.insights_documents import EventRow, OutcomeRow, TimelineRow
from shared.mongo.names import OUTCOMES, TIMELINE
from shared.mongo.storage import Storage

_FIELDS = ("leadId", "topic")


async def note_erased(storage: Storage, erased: Mapping[str, datetime]) -> None:
    """Note the events in the timelines of these leads, by the times of their erasures; then delete the timelines.

    Crash after some notes → the timelines are there → the redelivery notes the same.
    """
    async for page in storage.pages_in(TIMELINE, "leadId", erased, fields=_FIELDS):
        await storage.put(OUTCOMES, [_row(row, row["leadId"], erased[row["leadId"]]) for row in _recorded(page)])


async def note_late(storage: Storage, lead_ids: Collection[str], now: datetime) -> None:
    """Note the events in the timelines of leads that are erased already. A dead letter may be all that they became."""
    async for page in storage.pages_in(TIMELINE, "leadId", lead_ids, fields=_FIELDS):
        rows: list[OutcomeRow] = [{**_row(row, row["leadId"], now), "late": True} for row in _recorded(page)]
        await storage.insert_new(OUTCOMES, rows)


async def note_effects(storage: Storage, events: Iterable[tuple[EventRow, str]], now: datetime) -> None:
    """Note these events, each with its lead, which is erased. Effects show that a worker handled them."""
    there = [(row, lead_id) for row, lead_id in events if row["topic"] in RECORDED]
    await storage.put(OUTCOMES, [_row(row, lead_id, now) for row, lead_id in there])


def _recorded(rows: Iterable[TimelineRow]) -> list[TimelineRow]:
    return [row for row in rows if row["topic"] in RECORDED]


def _row(event: EventRow, lead_id: str, at: datetime) -> OutcomeRow:
    return {
        "_id": event["_id"],
        "state": "erased",
        "leadId": lead_id,
        "topic": event["topic"],
        "at": at,
        # As long as that of a dead letter.
        "expiresAt": at + DEADLETTER.retention,
    }
