"""Reads dead letters, and replays them to their topics."""

from collections.abc import Iterable

from schemas.topics import DEADLETTER
from shared.kafka.client import Kafka
from shared.kafka.dead_letter import DeadLetterRecord
from shared.kafka.reading import publishing, read_all


async def read_dead_letters(kafka: Kafka) -> list[DeadLetterRecord]:
    """Return all dead letters of the topic, in the order in which they failed."""
    dead_letters = [DeadLetterRecord(record) async for record in read_all(kafka, [DEADLETTER.name])]
    return sorted(dead_letters, key=lambda one: one.header("x-failed-at"))


async def replay(kafka: Kafka, dead_letters: Iterable[DeadLetterRecord], fixed: bytes | None = None) -> int:
    """Publish dead letters to their first topics; return how many. `fixed`: a new value."""
    records = [one.back(fixed) for one in dead_letters]
    async with publishing(kafka) as publish:
        await publish(records)
    return len(records)
