"""Dead letters: what they are, why, and back to their topics once whatever was wrong is mended."""

from collections.abc import Iterable
from dataclasses import dataclass

from schemas.base import CONTENT_TYPE
from schemas.topics import DEADLETTER
from shared.events import Outgoing, Record
from shared.log import publishing, read_all


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record of `leads.deadletter`; `id` is PARTITION:OFFSET there."""

    record: Record

    @property
    def id(self) -> str:
        """How commands name it."""
        return f"{self.record.partition}:{self.record.offset}"

    def header(self, name: str) -> str:
        """One of the contract's `x-…` headers."""
        return next((value.decode() for key, value in self.record.headers if key == name), "")


async def read(bootstrap: str) -> list[DeadLetter]:
    """All dead letters that the topic holds, in the order they failed."""
    letters = [DeadLetter(record) async for record in read_all(bootstrap, [DEADLETTER.name])]
    return sorted(letters, key=lambda letter: letter.header("x-failed-at"))


async def replay(bootstrap: str, letters: Iterable[DeadLetter], mended: bytes | None = None) -> int:
    """Publish records to the topic they came from, byte for byte, or `mended` in their place; return how many.

    Replaying twice is harmless: an event that was handled once changes nothing (contract 1).
    """
    records = [
        Outgoing(
            letter.header("x-topic"),
            letter.record.key,
            letter.record.value if mended is None else mended,
            {"content-type": CONTENT_TYPE},
        )
        for letter in letters
    ]
    async with publishing(bootstrap) as publish:
        await publish(records)
    return len(records)
