"""Notes which inputs are dead letters, so that their senders can ask what became of them.

This worker reads the dead letters' topic. So no other worker waits for the database, or needs a right, for a note. An
event that was handled after a replay has another document too: its sender is answered by that one.
"""

from collections.abc import Mapping, Sequence

from schemas.topics import DEADLETTER, TOPICS
from shared.domain.moments import truncate_to_ms
from shared.domain.stored.insights_documents import OutcomeRow
from shared.kafka.events import Received
from shared.mongo.names import OUTCOMES
from shared.mongo.storage import Change, Storage, replacement

_INPUTS = frozenset(name for name, topic in TOPICS.items() if topic.kind == "input")


async def save_dead_letters(storage: Storage, received: Sequence[Received]) -> None:
    """Store a row for each input of these dead letters; of several for one event the newest holds.

    Crash between the two writes → a row has an older dead letter → the redelivery changes it.
    """
    inputs = [one for one in received if one.payload.topic in _INPUTS]
    by_time = sorted(inputs, key=lambda one: one.payload.failed_at)
    rows = {one.key: _row(one) for one in by_time}
    there = await storage.insert_new(OUTCOMES, list(rows.values()))
    newer = [Change(key, guard, _replacing(rows[key])) for key in sorted(there) for guard in _guards(rows[key])]
    await storage.change(OUTCOMES, newer)


def _guards(row: OutcomeRow) -> tuple[Mapping[str, object], ...]:
    """Return what a row may be that this dead letter replaces.

    A late copy of an event that was counted, and then erased with its lead, tells nothing new of the event.
    """
    return {"state": row["state"], "at": {"$lt": row["at"]}}, {"late": True}


def _replacing(row: OutcomeRow) -> Mapping[str, Mapping[str, object]]:
    return replacement(row, gone=("leadId", "late"))


def _row(received: Received) -> OutcomeRow:
    why, at = received.payload, truncate_to_ms(received.payload.failed_at)
    return {
        "_id": received.key,
        "state": "dead_lettered",
        "reason": why.reason,
        "topic": why.topic,
        "at": at,
        "expiresAt": at + DEADLETTER.retention,
    }


async def create_indexes(storage: Storage) -> None:
    """Create the index by which the database drops rows of dead letters that Kafka has deleted."""
    await storage.create_index(OUTCOMES, [("expiresAt", 1)], expires=True)
