"""A dead letter: what it says of its record's failure, and the record as it goes back to its topic."""

from dataclasses import dataclass

from schemas.base import CONTENT_TYPE
from shared.events import Outgoing, Record

_REPLAYED = "x-replayed"


def is_replayed(record: Record) -> bool:
    """Whether this record came back to its topic from the dead letter."""
    return any(name == _REPLAYED for name, _ in record.headers)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record of `leads.deadletter`; `id` is PARTITION:OFFSET there."""

    record: Record

    @property
    def id(self) -> str:
        """How commands name it."""
        return f"{self.record.partition}:{self.record.offset}"

    @property
    def topic(self) -> str:
        """The topic that the record came from."""
        return self.header("x-topic")

    def header(self, name: str) -> str:
        """One of the contract's `x-…` headers."""
        return next((value.decode(errors="replace") for key, value in self.record.headers if key == name), "")

    def back(self, mended: bytes | None = None) -> Outgoing:
        """The record for the topic it came from, byte for byte, or with `mended` in its value's place.

        Publishing it twice is harmless: an event that was handled once changes nothing (contract 1).
        """
        value = self.record.value if mended is None else mended
        return Outgoing(self.topic, self.record.key, value, {"content-type": CONTENT_TYPE, _REPLAYED: "1"})
