"""Lets programs work through the same captures in turn, each on empty servers, and measures what each used.

A program starts, works through a few captures to warm up, and is stopped by a signal. The load is published, and the
program goes on: so none waits for captures, and no start is measured. It is done when all its outputs are in Kafka.
"""

import asyncio
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Self

from aiokafka import AIOKafkaConsumer

from deploy.local import Backend, LocalServers
from deploy.local.child_process import Process
from schemas.topics import CAPTURED
from shared.kafka.events import Record
from tests.benchmarks.contenders import Contender
from tests.benchmarks.cpu import Cpu
from tests.benchmarks.table import Row
from tests.collection_names import LEADS
from tests.harness import Bench, bench, empty, until

_LOOK_MS = 20
_DEADLINE_S, _PATIENCE_S = 300.0, 20.0


@dataclass(frozen=True, slots=True)
class Figure:
    """Captures a second, and CPU seconds of one."""

    rate: float
    cpu: Cpu


@dataclass(frozen=True, slots=True)
class Task:
    """What a program gets, and how many outputs each hop has for warm-up and load."""

    warmup: Sequence[Record]
    load: Sequence[Record]
    outputs: Sequence[tuple[int, int]]
    leads: int | None = None
    """How many leads are stored in the end."""


class Arena:
    """Servers for one run after the other. Apache Kafka runs on, and is emptied; all others are new for each run."""

    def __init__(self, backend: str, folder: Path) -> None:
        self.backend, self.folder = backend, folder
        self._number, self._stack = count(), ExitStack()
        self._kept: LocalServers | None = None

    def __enter__(self) -> Self:
        if self.backend == Backend.APACHE:
            self._kept = self._stack.enter_context(LocalServers(self.backend, self.folder / "broker"))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @asynccontextmanager
    async def servers(self, data: Path | None = None) -> AsyncIterator[tuple[Bench, Process, Process]]:
        """Yield a bench, its database and its broker. `data` keeps a database from run to run."""
        own = data or self.folder / f"run-{next(self._number)}"
        if self._kept:
            await empty(self._kept)
        bootstrap = self._kept.servers.kafka_bootstrap if self._kept else None
        with LocalServers(Backend.EMBEDDED, own, kafka_bootstrap=bootstrap) as local:
            broker = self._kept.broker if self._kept else local.broker
            if local.database is None or broker is None:
                raise RuntimeError("the servers are not processes of this run")
            async with bench(local) as on:
                yield on, local.database, broker
            if data is None:
                # Nobody reads what it holds any more, so nobody waits for it to close in good order.
                local.database.kill()


async def run(arena: Arena, contender: Contender, task: Task, data: Path | None = None) -> list[Figure]:
    """Measure one run: a figure for each hop. Raises `RuntimeError` if a program ends, or stores other leads."""
    log = arena.folder / "programs.log"
    async with arena.servers(data) as (on, *servers), _watching(on, contender) as seen:
        groups = [f"benchmark.{time.monotonic_ns()}.{place}" for place in range(len(contender.hops))]
        programs = [
            _Program(contender, contender.start(on, place, group, log), look, log)
            for place, (group, look) in enumerate(zip(groups, seen, strict=True))
        ]
        try:
            await _publish(on, task.warmup)
            for program, (before, _) in zip(programs, task.outputs, strict=True):
                await program.work(before)
            await _publish(on, task.load)
            found = [
                await _measured(program, before + more, len(task.load), *servers)
                for program, (before, more) in zip(programs, task.outputs, strict=True)
            ]
            if task.leads is not None and (stored := await on.count(LEADS)) != task.leads:
                raise RuntimeError(f"{contender.name} stored {stored} leads instead of {task.leads}")
            return found
        finally:
            for program in programs:
                program.end()


async def _measured(program: "_Program", outputs: int, captures: int, database: Process, broker: Process) -> Figure:
    """Let a program go on until it has published so much."""
    used, began = Cpu.used(program.pid, database, broker), time.perf_counter()
    await program.work(outputs)
    seconds, spent = time.perf_counter() - began, Cpu.used(program.pid, database, broker).since(used)
    each = Cpu(*(one / captures for one in (spent.own, spent.database, spent.broker)))
    return Figure(captures / seconds, each)


async def _publish(on: Bench, records: Sequence[Record]) -> None:
    await on.publish([one.value for one in records], CAPTURED, [one.key or b"" for one in records])


class _Outputs:
    """Counts the records on some topics."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer, self._seen = consumer, 0

    async def count(self) -> int:
        for records in (await self._consumer.getmany(timeout_ms=_LOOK_MS)).values():
            self._seen += len(records)
        return self._seen


@asynccontextmanager
async def _watching(on: Bench, contender: Contender) -> AsyncIterator[list[_Outputs]]:
    async with AsyncExitStack() as stack:
        watched = []
        for hop in contender.hops:
            names = [topic.name for topic in hop.outputs]
            # Few large fetches: the broker's CPU should be the program's.
            patient: Any = {"fetch_min_bytes": 2**20, "fetch_max_wait_ms": _LOOK_MS}
            consumer = AIOKafkaConsumer(*names, **on.to.kafka.options, auto_offset_reset="earliest", **patient)
            await consumer.start()
            stack.push_async_callback(consumer.stop)
            watched.append(_Outputs(consumer))
        yield watched


@dataclass(frozen=True, slots=True)
class _Program:
    """A program of one hop, which runs only while it is to work."""

    contender: Contender
    process: subprocess.Popen[bytes]
    look: _Outputs
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    async def work(self, outputs: int) -> None:
        """Go on until so much is published, then stop. Raises `RuntimeError` with the end of the log if it ends."""
        self.process.send_signal(signal.SIGCONT)

        async def came() -> bool:
            if self.process.poll() is not None:
                tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])
                raise RuntimeError(f"{self.contender.name} ended with {self.process.returncode}:\n{tail}")
            return await self.look.count() >= outputs

        what = f"{outputs} outputs of {self.contender.name}; its log is {self.log}"
        await until(came, what, _DEADLINE_S, every_s=0)
        self.process.send_signal(signal.SIGSTOP)

    def end(self) -> None:
        """End it: by a signal that it can handle, if it does so."""
        self.process.send_signal(signal.SIGCONT)
        if self.contender.ends:
            self.process.terminate()
        else:
            self.process.kill()
        try:
            self.process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def in_turn(arena: Arena, contenders: Sequence[Contender], task: Task, rounds: int) -> dict[str, list[list[Figure]]]:
    """Run all of them in turn, some rounds; return the figures of each round by name and hop."""
    found: dict[str, list[list[Figure]]] = {one.name: [] for one in contenders}
    for number in range(rounds):
        # Each goes first in turn: what warms up with time favours none.
        for one in [*contenders[number % len(contenders) :], *contenders[: number % len(contenders)]]:
            found[one.name].append(asyncio.run(run(arena, one, task)))
            print(f"  round {number + 1}/{rounds}: {one.name}", flush=True)
    return found


def row_of(section: str, what: str, figures: Sequence[Figure]) -> Row:
    """The row of a program's figures."""
    own, database, broker = (
        [getattr(one.cpu, part) * 1e6 for one in figures] for part in ("own", "database", "broker")
    )
    return Row(section, what, [one.rate for one in figures], own, database, broker)
