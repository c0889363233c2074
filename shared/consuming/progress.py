"""When a record of a worker's current batch last got its outcome."""

import time
from collections.abc import Callable, Sequence

from shared.kafka.events import Record

_Place = tuple[str, int, int]


class BatchProgress:
    """The progress of one worker. A refetched batch keeps the time of its last outcome."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._has_batch, self._since = False, 0.0
        self._left: frozenset[_Place] = frozenset()

    def take(self, records: Sequence[Record]) -> None:
        """Start a batch of these records."""
        if self._left.isdisjoint(map(_place, records)):
            self._since = self._clock()
        self._has_batch = True

    def advance(self) -> None:
        """Note that some records of the batch got their outcome."""
        self._since = self._clock()

    def end(self, left: Sequence[Record]) -> None:
        """End the batch. The records `left` are fetched again, here or by another process."""
        self._has_batch, self._left = False, frozenset(map(_place, left))

    @property
    def stalled_s(self) -> float:
        """Seconds since a record of the batch got its outcome; 0 without a batch."""
        return self._clock() - self._since if self._has_batch else 0.0


def _place(record: Record) -> _Place:
    return record.topic, record.partition, record.offset
