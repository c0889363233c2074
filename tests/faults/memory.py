"""Detect processes whose memory grows."""

import asyncio
import statistics
from collections import defaultdict
from collections.abc import Sequence
from typing import Self

from tests.faults.process_handles import ProcessHandle

_EVERY_S = 2.0
# A process fills caches and pools first, so a short life proves nothing.
_SAMPLES_MIN = 60
_MIB = 2**20
_GROWTH, _SLACK_B = 1.25, 20 * _MIB


class Memory:
    """A context that records the memory of these processes, and of later ones."""

    def __init__(self, lives: Sequence[ProcessHandle]) -> None:
        self._lives = lives
        self._seen: defaultdict[int, list[int]] = defaultdict(list)

    async def __aenter__(self) -> Self:
        self._noting = asyncio.create_task(self._note())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._noting.cancel()

    def grown(self) -> list[str]:
        """Return the processes whose last quarter needs a quarter and 20 MiB more than the second."""
        lives = {life.pid: life.birth.name for life in self._lives}
        return [
            f"{lives[pid]} grew from {early / _MIB:.0f} to {late / _MIB:.0f} MiB"
            for pid, seen in self._seen.items()
            if len(seen) >= _SAMPLES_MIN
            for early, late in [_quarters(seen)]
            if late > early * _GROWTH + _SLACK_B
        ]

    async def _note(self) -> None:
        while True:
            for life in self._lives:
                resident = life.resident() if life.status is None else None
                if resident:
                    self._seen[life.pid].append(resident)
            await asyncio.sleep(_EVERY_S)


def _quarters(seen: Sequence[int]) -> tuple[float, float]:
    quarter = len(seen) // 4
    return statistics.median(seen[quarter : 2 * quarter]), statistics.median(seen[-quarter:])
