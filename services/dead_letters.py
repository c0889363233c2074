"""Dead letters: what they are, why, and back to their topics once whatever was wrong is mended."""

from collections.abc import Iterable

from schemas.topics import DEADLETTER
from shared.broker import Kafka
from shared.letters import DeadLetter
from shared.log import publishing, read_all


async def read(kafka: Kafka) -> list[DeadLetter]:
    """All dead letters that the topic holds, in the order they failed."""
    letters = [DeadLetter(record) async for record in read_all(kafka, [DEADLETTER.name])]
    return sorted(letters, key=lambda letter: letter.header("x-failed-at"))


async def replay(kafka: Kafka, letters: Iterable[DeadLetter], mended: bytes | None = None) -> int:
    """Publish records to the topic they came from, byte for byte, or `mended` in their place; return how many."""
    records = [letter.back(mended) for letter in letters]
    async with publishing(kafka) as publish:
        await publish(records)
    return len(records)
