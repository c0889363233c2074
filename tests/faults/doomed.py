"""A process that ends itself by SIGKILL at a point that has a name; nothing in the product knows of it.

    python -m tests.faults.doomed 'before insert_new leads @ capture.store._save_leads' --hit 1 capture

Storage's writes, the publisher and the commit are wrapped from outside. A point's name is a moment (`before`, `amid`,
`after`) of a step: `METHOD COLLECTION @ WHO`, `publishing @ WHO`, or `the commit`. WHO is the product's function that
asks for it, so that each write of a handler, and of what runs beside it, is a point of its own.
"""

import argparse
import os
import signal
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from aiokafka.conn import AIOKafkaConnection
from aiokafka.protocol.commit import OffsetCommitRequest

from shared import intake
from shared.broker import Publisher
from shared.storage import Storage

WRITES = ("insert_new", "put", "replace", "change", "change_all", "delete", "delete_guarded", "delete_all")
_OF_MANY = frozenset({"insert_new", "put", "replace", "change", "delete", "delete_guarded"})
"""Writes of several documents; of none, they ask the database nothing."""
_PRODUCT = ("services.", "shared.")


@dataclass(slots=True)
class Doom:
    """Ends this process once it is at `point` for the `hit`-th time (`point` None: never).

    Each point that it comes by is a line in the file `passed`, once.
    """

    point: str | None
    hit: int
    passed: Path
    end: signal.Signals = signal.SIGKILL
    _times: Counter[str] = field(default_factory=Counter)

    def at(self, point: str) -> None:
        self._times[point] += 1
        if self._times[point] == 1:
            with self.passed.open("a") as file:
                file.write(f"{point}\n")
        if point == self.point and self._times[point] == self.hit:
            os.kill(os.getpid(), self.end)

    async def around(self, step: str, act: Callable[[], Awaitable[Any]]) -> Any:
        self.at(f"before {step}")
        result = await act()
        self.at(f"after {step}")
        return result


def doom(point: str | None, hit: int, passed: Path, end: signal.Signals = signal.SIGKILL) -> None:
    """Wrap what every worker of this process writes, publishes and commits by; `end` by SIGSTOP may be none."""
    one = Doom(point, hit, passed, end)
    wrapped: list[tuple[object, str, Callable[..., Any]]]
    wrapped = [(Storage, name, _writing(one, name, getattr(Storage, name))) for name in WRITES]
    wrapped += [(Publisher, "publish", _publishing(one, Publisher.publish))]
    wrapped += [(intake, "_commit", _committing(one, intake._commit))]
    wrapped += [(AIOKafkaConnection, "send", _sending(one, AIOKafkaConnection.send))]
    for owner, name, wrapper in wrapped:
        setattr(owner, name, wrapper)


def _who(frame: FrameType | None) -> str:
    """The function of the product that called, without the comprehensions and nested functions it did so in."""
    while frame is not None:
        module, name = frame.f_globals["__name__"], frame.f_code.co_qualname.replace("<locals>.", "")
        if module.startswith(_PRODUCT) and "<" not in name:
            return f"{module.removeprefix('services.')}.{name}"
        frame = frame.f_back
    raise AssertionError("nobody of the product asks for this")


def _writing(doom_: Doom, method: str, write: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    # No coroutine itself: a coroutine runs in whatever task awaits it, and no longer knows who called.
    def wrapped(self: Storage, collection: str, what: Any, *more: Any) -> Awaitable[Any]:
        what = list(what) if isinstance(what, Iterator) else what
        if not what and method in _OF_MANY:
            return write(self, collection, what, *more)
        step = f"{method} {collection} @ {_who(sys._getframe(1))}"
        return doom_.around(step, lambda: write(self, collection, what, *more))

    return wrapped


def _publishing(doom_: Doom, publish: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    async def told(self: Publisher, worker: str, records: Sequence[Any], step: str) -> None:
        doom_.at(f"before {step}")
        half = len(records) // 2
        if half and doom_.point == f"amid {step}":
            await publish(self, worker, records[:half])
            doom_.at(f"amid {step}")
            records = records[half:]
        await publish(self, worker, records)
        doom_.at(f"after {step}")

    def wrapped(self: Publisher, worker: str, records: Sequence[Any]) -> Awaitable[None]:
        if not records:
            return publish(self, worker, records)
        return told(self, worker, records, f"publishing @ {_who(sys._getframe(1))}")

    return wrapped


def _committing(doom_: Doom, commit: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    return lambda *args: doom_.around("the commit", lambda: commit(*args))


def _sending(doom_: Doom, send: Callable[..., Any]) -> Callable[..., Any]:
    def wrapped(self: AIOKafkaConnection, request: Any, *more: Any, **named: Any) -> Any:
        answer = send(self, request, *more, **named)
        # The request is in the socket; whether the broker heard it, this process never learns.
        if isinstance(request, OffsetCommitRequest):
            doom_.at("amid the commit")
        return answer

    return wrapped


def main() -> None:
    """Run `pantry worker` until the point is reached."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.doomed", description=__doc__)
    parser.add_argument("point", help="its name")
    parser.add_argument("workers", nargs="+", metavar="WORKER")
    parser.add_argument("--hit", type=int, default=1, help="which time that it is reached ends the process")
    parser.add_argument("--passed", type=Path, default=Path(os.devnull), help="a file to name the points in")
    of = parser.parse_args()
    doom(of.point, of.hit, of.passed)
    sys.argv = ["pantry", "worker", *of.workers]
    from services import cli  # noqa: PLC0415 - what it imports takes long, and a wrong call is told at once

    cli.main()


if __name__ == "__main__":
    main()
