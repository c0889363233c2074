"""Apply a schedule of faults to a cluster, and time the recovery from each kill."""

import asyncio
import random
import signal
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.faults.cluster import KAFKA, SESSION_S, Cluster
from tests.faults.offset_watcher import Offsets, OffsetWatcher
from tests.faults.process_handles import ProcessHandle
from tests.faults.proxy import Mode
from tests.faults.schedule import Fault, Kind

CLOCK_WRONG_S = 120.0
"""The most that a jump shifts a clock; scores that age within it may go either way."""

_ENDS_S = 60.0
_LATE_S = (0.02, 0.3)


@dataclass
class Chaos:
    """The source of all faults; `seed` decides what the schedule leaves open."""

    cluster: Cluster
    watch: OffsetWatcher
    seed: int
    happened: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    """What no fault explains: a worker that ended by itself, or did not end on SIGTERM."""
    recoveries: list[tuple[Kind, str, float]] = field(default_factory=list)
    """The target of each kill, and the seconds until all earlier records were committed."""
    _told_to_end: set[int] = field(default_factory=set)
    _locks: defaultdict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))
    _awaited: list[asyncio.Task[None]] = field(default_factory=list)

    async def run(self, faults: Sequence[Fault]) -> None:
        """Apply all faults, each at its time, or later when its target has recovered."""
        began, rng = time.monotonic(), random.Random(f"chaos/{self.seed}")
        tasks = []
        for fault in faults:
            await asyncio.sleep(max(0.0, fault.at - (time.monotonic() - began)))
            tasks.append(asyncio.create_task(self._happen(fault, random.Random(rng.random()))))
        await asyncio.gather(*tasks)

    async def heal(self) -> None:
        """End all faults; give each worker a process."""
        await asyncio.to_thread(self.cluster.proxies.heal)
        for worker in {life.birth.name for life in self.cluster.lives}:
            self.cluster.clock(worker).write_text("0")
            if not self.cluster.of(worker):
                self.cluster.start(worker)
        await asyncio.gather(*self._awaited)
        self.wrong += [
            f"{life.birth.name} ended by itself with status {life.status}"
            for life in self.cluster.lives
            if life.status is not None and life.pid not in self._told_to_end
        ]

    async def _happen(self, fault: Fault, rng: random.Random) -> None:
        async with self._locks[fault.target]:
            self.happened.append(str(fault))
            await _DEEDS[fault.kind](self, fault, rng)

    async def kill(self, fault: Fault, _: random.Random) -> None:
        began, ends = time.monotonic(), await self.watch.ends(fault.target)
        (life,) = self.cluster.of(fault.target)
        self._told_to_end.add(life.pid)
        await asyncio.to_thread(life.kill)
        await asyncio.sleep(fault.seconds / 4)
        self.cluster.start(fault.target)
        self._recovers(fault.kind, fault.target, began, ends)

    async def term(self, fault: Fault, _: random.Random) -> None:
        (life,) = self.cluster.of(fault.target)
        await self._end(life)
        self.cluster.start(fault.target)

    async def freeze(self, fault: Fault, _: random.Random) -> None:
        """Stop a process until its partitions have moved to another one, then let it continue."""
        (zombie,) = self.cluster.of(fault.target)
        zombie.signal(signal.SIGSTOP)
        self.cluster.start(fault.target)
        await asyncio.sleep(SESSION_S + fault.seconds)
        zombie.signal(signal.SIGCONT)
        await asyncio.sleep(fault.seconds)
        await self._end(zombie)

    async def join(self, fault: Fault, _: random.Random) -> None:
        (older,) = self.cluster.of(fault.target)
        self.cluster.start(fault.target)
        await asyncio.sleep(1 + fault.seconds)
        await self._end(older)

    async def clock(self, fault: Fault, rng: random.Random) -> None:
        self.cluster.clock(fault.target).write_text(f"{rng.uniform(-CLOCK_WRONG_S, CLOCK_WRONG_S):.3f}")
        await asyncio.sleep(fault.seconds)
        self.cluster.clock(fault.target).write_text("0")

    async def disturb(self, fault: Fault, rng: random.Random) -> None:
        way = KAFKA if fault.kind.name.endswith("BROKER") else fault.target
        mode = Mode[fault.kind.name.partition("_")[0]]
        await asyncio.to_thread(self.cluster.proxies.turn, way, mode, rng.uniform(*_LATE_S))
        await asyncio.sleep(fault.seconds)
        await asyncio.to_thread(self.cluster.proxies.turn, way, Mode.FORWARD)

    async def kill_server(self, fault: Fault, _: random.Random) -> None:
        server = self.cluster.broker if fault.kind is Kind.KILL_BROKER else self.cluster.database
        began, ends = time.monotonic(), await self.watch.ends("insights")
        await asyncio.to_thread(server.kill)
        await asyncio.sleep(fault.seconds)
        await asyncio.to_thread(server.start)
        self._recovers(fault.kind, "insights", began, ends)

    async def _end(self, life: ProcessHandle) -> None:
        self._told_to_end.add(life.pid)
        life.signal(signal.SIGTERM)
        status = await asyncio.to_thread(life.wait, _ENDS_S)
        # A process that gets SIGTERM before it handles signals dies of it; it had not started yet.
        if status not in (0, -signal.SIGTERM):
            self.wrong.append(f"{life.birth.name} was asked to end, and its status is {status}")
            await asyncio.to_thread(life.kill)

    def _recovers(self, kind: Kind, worker: str, began: float, ends: Offsets) -> None:
        async def recover() -> None:
            await self.watch.through(worker, ends)
            self.recoveries.append((kind, worker, time.monotonic() - began))

        self._awaited.append(asyncio.create_task(recover()))


_Deed = Callable[[Chaos, Fault, random.Random], Awaitable[None]]
_DEEDS: Mapping[Kind, _Deed] = {
    Kind.KILL: Chaos.kill,
    Kind.TERM: Chaos.term,
    Kind.FREEZE: Chaos.freeze,
    Kind.JOIN: Chaos.join,
    Kind.CLOCK: Chaos.clock,
    Kind.KILL_BROKER: Chaos.kill_server,
    Kind.KILL_DATABASE: Chaos.kill_server,
    **{kind: Chaos.disturb for kind in Kind if kind.name.partition("_")[0] in ("CUT", "STOP", "SLOW")},
}
