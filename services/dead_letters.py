"""Dead letters: what they are, why, and back to their topics once whatever was wrong is mended."""

from collections.abc import Iterable
from dataclasses import dataclass

from aiokafka import AIOKafkaProducer

from schemas.base import CONTENT_TYPE
from schemas.topics import DEADLETTER
from shared.events import Record
from shared.log import read_all


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
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", max_request_size=2 * 1024 * 1024)
    await producer.start()
    try:
        headers = [("content-type", CONTENT_TYPE.encode())]
        sent = 0
        for letter in letters:
            value = letter.record.value if mended is None else mended
            await producer.send_and_wait(letter.header("x-topic"), value, key=letter.record.key, headers=headers)
            sent += 1
        return sent
    finally:
        await producer.stop()
