"""`python -m tests.faults.planted BUG [--crash POINT] WORKER…`: `pantry worker WORKER…` with a bug in it.

BUG is a name out of `tests.faults.bugs`, or `none`. POINT is where the process ends by SIGKILL: `handle:N` before it
handles its Nth batch, `write:COLLECTION:N` before its Nth write to a collection, `publish:N` and `published:N` before
and after its Nth publishing. The product has no hook for either: both are planted in this process alone.
"""

import argparse
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from services.cli import main
from shared.broker import Publisher
from shared.passage import Passage
from shared.storage import Storage
from tests.faults.bugs import BUGS
from tests.faults.bugs.planting import swap

_WRITES = ("insert_new", "put", "change")


def plant_crash(point: str) -> None:
    """Let this process end at `point`. Raises `ValueError` for one that there isn't."""
    kind, *where, number = point.split(":")
    at = _Countdown(int(number))
    if kind == "handle" and not where:
        swap(Passage, "handle", lambda original: _before(original, at, bool))
    elif kind == "publish" and not where:
        swap(Publisher, "publish", lambda original: _before(original, at, lambda _, records: bool(records)))
    elif kind == "published" and not where:
        swap(Publisher, "publish", lambda original: _after(original, at, lambda _, records: bool(records)))
    elif kind == "write" and len(where) == 1:
        for name in _WRITES:
            swap(Storage, name, lambda original: _before(original, at, lambda to, what: to == where[0] and bool(what)))
    else:
        raise ValueError(f"there is no point {point}")


class _Countdown:
    def __init__(self, left: int) -> None:
        self._left = left

    def tick(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def _before(original: Any, at: _Countdown, counts: Callable[..., bool]) -> Any:
    async def call(self: Any, *args: Any, **more: Any) -> Any:
        if counts(*args):
            at.tick()
        return await original(self, *args, **more)

    return call


def _after(original: Any, at: _Countdown, counts: Callable[..., bool]) -> Any:
    async def call(self: Any, *args: Any, **more: Any) -> Any:
        result = await original(self, *args, **more)
        if counts(*args):
            at.tick()
        return result

    return call


def _run() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.planted", description=__doc__)
    parser.add_argument("bug", choices=["none", *BUGS])
    parser.add_argument("--crash")
    parser.add_argument("workers", nargs="+")
    asked = parser.parse_args()
    if asked.bug != "none":
        BUGS[asked.bug].plant()
    if asked.crash:
        plant_crash(asked.crash)
    sys.argv = ["pantry", "worker", *asked.workers]
    main()


if __name__ == "__main__":
    _run()
