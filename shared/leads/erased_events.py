"""What remains of an erased lead's activities and engagements: that they were its, by hashes of their sources and ids.

Captures and commands have rows that outlive the lead. Of these events an erasure leaves nothing, so their senders would
be told that they are unknown.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from schemas.topics import DEADLETTER
from shared.domain.activity_documents import RECORDED
from shared.domain.stored.insights_documents import OutcomeRow
from shared.mongo.names import OUTCOMES, TIMELINE
from shared.mongo.storage import Storage


async def note_erased(storage: Storage, erased: Mapping[str, datetime]) -> None:
    """Note the events in the timelines of these leads, by the times of their erasures; then delete the timelines.

    Crash after some notes → the timelines are there → the redelivery notes the same.
    """
    async for page in storage.pages_in(TIMELINE, "leadId", erased, fields=("leadId", "topic")):
        await put_erased(storage, ((row["_id"], row["leadId"], row["topic"]) for row in page), erased)


async def put_erased(storage: Storage, events: Iterable[tuple[str, str, str]], erased: Mapping[str, datetime]) -> None:
    """Note these events: triples of key, lead id and topic."""
    rows = [_row(key, lead_id, topic, erased[lead_id]) for key, lead_id, topic in events if topic in RECORDED]
    await storage.put(OUTCOMES, rows)


def _row(key: str, lead_id: str, topic: str, at: datetime) -> OutcomeRow:
    # As long as that of a dead letter.
    expires = at + DEADLETTER.retention
    return {"_id": key, "state": "erased", "leadId": lead_id, "topic": topic, "at": at, "expiresAt": expires}
