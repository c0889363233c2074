"""Run a worker process that kills itself with SIGKILL at a named crash point.

    python -m tests.faults.crash_injector 'before insert_new leads' capture --hit 1

The product has no hook for this. A point is a moment (`before`, `amid`, `after`) of a step. `tests.faults.edges`
defines steps, and `tests.faults.points` lists those of each worker.
"""

import argparse
import os
import signal
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from aiokafka.conn import AIOKafkaConnection
from aiokafka.protocol.commit import OffsetCommitRequest

from shared.kafka.client import Publisher
from shared.mongo.storage import Storage
from tests.faults.edges import (
    COMMIT,
    OF_MANY,
    PUBLISH,
    WRITES,
    Before,
    marks,
    on_commit,
    on_publish,
    on_write,
    step,
    topics,
)
from tests.faults.points import STEPS
from tests.swapping import swap


@dataclass(slots=True)
class CrashInjector:
    """Ends this process when it reaches `point` for the `hit`-th time (None: never).

    The file `passed` gets one line for each point that the process reaches.
    """

    known: Collection[str]
    """The steps of the process's workers."""
    point: str | None
    hit: int
    passed: Path
    end: signal.Signals = signal.SIGKILL
    before: Before = field(default_factory=Before)
    _times: Counter[str] = field(default_factory=Counter)

    def at(self, point: str) -> None:
        self._times[point] += 1
        if self._times[point] == 1:
            with self.passed.open("a") as file:
                file.write(f"{point}\n")
        if point == self.point and self._times[point] == self.hit:
            os.kill(os.getpid(), self.end)

    async def around(self, steps: Sequence[str], act: Callable[[], Awaitable[Any]]) -> Any:
        for one in steps:
            self.at(f"before {one}")
        result = await act()
        for one in steps:
            self.at(f"after {one}")
        return result


def inject_crash(worker: str, point: str | None, hit: int, passed: Path, end: signal.Signals = signal.SIGKILL) -> None:
    """Wrap all writes, publishes and commits of this process's only worker.

    A process that `end` stops with SIGSTOP may continue. Raises `MissingTargetError` if `edges` names a missing edge.
    """
    one = CrashInjector(STEPS[worker], point, hit, passed, end)
    assert point is None or point.partition(" ")[2] in one.known, f"{worker} has no {point}"
    for write in WRITES.values():
        on_write(write, partial(_writing, one))
    on_publish(partial(_publishing, one))
    on_commit(partial(_committing, one))
    swap(AIOKafkaConnection, AIOKafkaConnection.send, partial(_sending, one))


def _writing(injector: CrashInjector, write: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    method = write.__name__

    async def wrapped(self: Storage, collection: str, what: Any, *more: Any) -> Any:
        what = list(what) if isinstance(what, Iterator) else what
        name = f"{method} {collection}"
        before = injector.before.then(name)
        if not what and method in OF_MANY:
            return await write(self, collection, what, *more)
        found = step(name, before | marks(method, what), injector.known)
        return await injector.around([found], lambda: write(self, collection, what, *more))

    return wrapped


def _publishing(injector: CrashInjector, publish: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    async def wrapped(self: Publisher, worker: str, records: Sequence[Any]) -> None:
        before = injector.before.then(PUBLISH)
        found = [step(f"{PUBLISH} {topic}", before, injector.known) for topic in topics(records)]
        await injector.around(found, lambda: parted(self, worker, records, [f"amid {one}" for one in found]))

    async def parted(self: Publisher, worker: str, records: Sequence[Any], amid: Collection[str]) -> None:
        half = len(records) // 2
        if half and injector.point and injector.point in amid:
            await publish(self, worker, records[:half])
            injector.at(injector.point)
            records = records[half:]
        await publish(self, worker, records)

    return wrapped


def _committing(injector: CrashInjector, commit: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    async def wrapped(*args: Any, **named: Any) -> None:
        injector.before.then(COMMIT)
        await injector.around([COMMIT], lambda: commit(*args, **named))

    return wrapped


def _sending(injector: CrashInjector, send: Callable[..., Any]) -> Callable[..., Any]:
    def wrapped(self: AIOKafkaConnection, request: Any, *more: Any, **named: Any) -> Any:
        answer = send(self, request, *more, **named)
        # The request is in the socket. This process can't know whether the broker received it.
        if isinstance(request, OffsetCommitRequest):
            injector.at(f"amid {COMMIT}")
        return answer

    return wrapped


def main() -> None:
    """Run `pantry worker` until it reaches the point."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.crash_injector", description=__doc__)
    parser.add_argument("point", help="its name")
    parser.add_argument("worker", choices=STEPS)
    parser.add_argument("--hit", type=int, default=1, help="which time that it is reached ends the process")
    parser.add_argument("--passed", type=Path, default=Path(os.devnull), help="a file to name the points in")
    of = parser.parse_args()
    inject_crash(of.worker, of.point, of.hit, of.passed)
    sys.argv = ["pantry", "worker", of.worker]
    from services.cli import main as cli  # noqa: PLC0415 - what it imports takes long, and a wrong call is told at once

    cli.main()


if __name__ == "__main__":
    main()
