"""Whether a worker gets on: when a record of the batch in its hand last found its outcome."""

import time
from collections.abc import Callable, Sequence

from shared.events import Record

_Place = tuple[str, int, int]


class Progress:
    """One worker's; a batch that is given back and fetched anew goes on waiting for its first outcome."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._in_hand, self._since = False, 0.0
        self._left: frozenset[_Place] = frozenset()

    def take(self, records: Sequence[Record]) -> None:
        """These are in hand now."""
        if self._left.isdisjoint(map(_place, records)):
            self._since = self._clock()
        self._in_hand = True

    def advance(self) -> None:
        """Some of what is in hand found its outcome."""
        self._since = self._clock()

    def end(self, left: Sequence[Record]) -> None:
        """Nothing is in hand any more; what is `left` will be fetched anew, here or elsewhere."""
        self._in_hand, self._left = False, frozenset(map(_place, left))

    @property
    def still_s(self) -> float:
        """For how many seconds nothing in hand has found its outcome; 0 with nothing in hand."""
        return self._clock() - self._since if self._in_hand else 0.0


def _place(record: Record) -> _Place:
    return record.topic, record.partition, record.offset
