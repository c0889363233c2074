"""A dead letter: the reason of its record's failure, and the record for a replay."""

from dataclasses import dataclass

from schemas.base import CONTENT_TYPE
from shared.kafka.events import Outgoing, Record

_REPLAYED = "x-replayed"


def is_replayed(record: Record) -> bool:
    """Return whether a replay published this record."""
    return _REPLAYED in dict(record.headers)


@dataclass(frozen=True, slots=True)
class DeadLetterRecord:
    """A record of `leads.deadletter`; `id` is PARTITION:OFFSET there."""

    record: Record

    @property
    def id(self) -> str:
        """The id by which commands name the dead letter."""
        return f"{self.record.partition}:{self.record.offset}"

    @property
    def topic(self) -> str:
        """The topic from which the record came."""
        return self.header("x-topic")

    def header(self, name: str) -> str:
        """Return one of the `x-…` headers, or "" (schemas/README.md#leadsdeadletter)."""
        return next((value.decode(errors="replace") for key, value in self.record.headers if key == name), "")

    def back(self, fixed: bytes | None = None) -> Outgoing:
        """Return the record for its first topic, byte for byte, or with `fixed` as its value.

        Publishing it twice is harmless: a redelivery changes nothing.
        """
        value = self.record.value if fixed is None else fixed
        return Outgoing(self.topic, self.record.key, value, {"content-type": CONTENT_TYPE, _REPLAYED: "1"})
