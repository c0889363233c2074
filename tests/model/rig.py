"""The real workers on a real database, with the test's own log, clock and accidents.

A `Process` is one incarnation of one worker. Its steps are counted: each database call, each published record, each
commit. An `Accident` happens at one of them. A crash ends the process, and a new one gets its batch again. A pause lets
other processes continue, also of the same worker, and the paused one writes late. The log delivers records in any
order, in any batches, more than once: more than Kafka may do, and all decided by a seed. `tests/worker` tests real
brokers.
"""

import asyncio
import inspect
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, cast

from pydantic import SecretStr

from schemas.topics import Topic
from services.composition.workers import TOPICS_OF, WORKERS, create_indexes
from shared.consuming.consumer import BatchConsumer
from shared.consuming.processor import RecordProcessor
from shared.consuming.worker import Runtime, Worker
from shared.domain.stored.untyped import Document
from shared.errors import Transient
from shared.kafka.client import Publisher
from shared.kafka.events import Outgoing, Received, Record, Result
from shared.leads.pending import PendingProcessor
from shared.leads.pending_store import PendingStore
from shared.mongo.storage import Storage
from shared.observability.metrics import Metrics
from shared.settings import Settings
from tests.builders import NOW, event
from tests.collection_names import PENDING_EVENTS

SETTINGS = Settings(erasure_pepper=SecretStr("salt"))
SOURCE = "/tests"
LEASE = timedelta(seconds=61)
"""After this long any lease has expired, and anything that may take a minute has happened."""

_METRICS = Metrics()
_TRIES = 5
_ROUNDS = 100
Work = Callable[[], Awaitable[Any]]


class Crash(BaseException):
    """The process is dead. Like SIGKILL, no handler can catch it."""


@dataclass(frozen=True, slots=True)
class Accident:
    """What happens to a process right before its step number `at`."""

    at: int
    pauses: bool = False


class Life:
    """The steps of one process until its accident."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._steps, self._accident = 0, Accident(0)
        self.dead, self.begun = False, 0
        self.paused, self._goes_on = asyncio.Event(), asyncio.Event()

    def meet(self, accident: Accident | None) -> None:
        """Set the next accident; steps are counted from here."""
        self._steps, self._accident = 0, accident or Accident(0)

    def go_on(self, accident: Accident | None) -> None:
        self.meet(accident)
        self.paused.clear()
        self._goes_on.set()

    async def step(self, act: Work) -> Any:
        async with self._lock:
            self._steps += 1
            if self._steps == self._accident.at:
                await self._happen(self._accident)
            if self.dead:
                raise Crash
            return await act()

    async def _happen(self, accident: Accident) -> None:
        self.dead = not accident.pauses
        if accident.pauses:
            self._goes_on.clear()
            self.paused.set()
            await self._goes_on.wait()


class _Port:
    """A process's access to the database: every call is a step."""

    def __init__(self, storage: Storage, life: Life) -> None:
        self._storage, self._life = storage, life

    def __getattr__(self, name: str) -> Callable[..., Any]:
        call = getattr(self._storage, name)
        if inspect.isasyncgenfunction(call):
            return lambda *args, **kwargs: self._paged(call(*args, **kwargs))
        return lambda *args, **kwargs: self._life.step(lambda: call(*args, **kwargs))

    async def _paged(self, pages: AsyncIterator[Any]) -> AsyncIterator[Any]:
        while page := await self._life.step(lambda: anext(pages, None)):
            yield page


@dataclass(frozen=True, slots=True)
class _Teller:
    """A process's access to the log: every record is a step, and so is their acknowledgement."""

    rig: "Rig"
    life: Life

    async def publish(self, _worker: str, records: Sequence[Outgoing]) -> None:
        for record in records:
            await self.life.step(partial(self.rig.append, record, self.life.begun))
        await self.life.step(_nothing)


async def _nothing() -> None:
    return None


class Process:
    """One new incarnation of the worker `name`."""

    def __init__(self, name: str, rig: "Rig") -> None:
        self.name, self.life, self._rig = name, Life(), rig
        storage = cast("Storage", _Port(rig.storage, self.life))
        publisher = cast("Publisher", _Teller(rig, self.life))
        worker = self._watched(WORKERS[name](Runtime(SETTINGS, storage, publisher, rig.clock)))
        passage = RecordProcessor(worker, publisher, rig.clock, SETTINGS.region)
        ttl, patience = timedelta(seconds=SETTINGS.orphan_ttl), timedelta(seconds=SETTINGS.command_patience)
        orphans = PendingStore(storage, name, ttl, patience)
        waiting = (
            PendingProcessor(orphans, storage, passage, SETTINGS.erasure_pepper.get_secret_value())
            if worker.parks_unknown_leads
            else None
        )
        self._intake, self._passage = BatchConsumer(passage, _METRICS, waiting), passage
        self._alarms = [alarm.take for alarm in worker.pollers]
        self._waiting = waiting
        self.looks, self.ignores_invalid = bool(self._alarms or waiting), worker.ignores_invalid

    def _watched(self, worker: Worker) -> Worker:
        async def handle(received: Sequence[Received]) -> Sequence[Result]:
            try:
                return await worker.handle(received)
            except Exception as error:
                if not isinstance(error, Transient):
                    self._rig.faults.append(f"{self.name}: {error!r}")
                raise

        return replace(worker, handle=handle)

    async def take(self, records: Sequence[Record]) -> None:
        """Process one batch."""
        through = await self._intake.handle_once(records)
        await self._passage.send_to_dead_letter(through.faults, through.handled)
        await self.life.step(_nothing)

    async def look(self) -> tuple[int, int]:
        """Process what is due, once; return how much that was, and the pending events read."""
        due = sum([await alarm() for alarm in self._alarms])
        if self._waiting:
            await self._waiting.reconsider(await self._waiting.watch.pop_changed())
        return due, await self._waiting.look() if self._waiting else 0


@dataclass(frozen=True, slots=True)
class Entry:
    """A record of the log: its moment, its event, and the turn in which its publisher started."""

    record: Record
    at: datetime
    event: dict[str, Any]
    begun: int


@dataclass(slots=True)
class Said:
    """An input event, and the moments (turn and clock) between which it took effect."""

    id: str
    topic: Topic
    data: dict[str, Any]
    time: datetime
    value: bytes
    begun: tuple[int, datetime] | None = None
    ended: tuple[int, datetime] | None = None
    place: int = 0
    """Its position in its first batch."""
    waits: bool = False
    copies: int = 0
    shaken: bool = False
    """Another event came between its start and its end."""
    since: int = 0
    """The log position from which it counts, after it expired or its lead was erased."""

    def begin_anew(self, since: int) -> None:
        """Become an event that never arrived."""
        self.begun, self.ended, self.waits, self.copies, self.since = None, None, False, 0, since
        self.shaken = False


@dataclass(eq=False, slots=True)
class Job:
    """A batch that a process handles, or without records a look at what is due."""

    process: Process
    numbers: tuple[int, ...]
    task: "asyncio.Task[Any]" = field(init=False)
    moved: bool = False
    """Its partitions moved to another process, which gets the records again."""


class Rig:
    """All processes and their results; `say` adds an event, the rest makes progress."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.now = NOW
        self.turn = 0
        self.log: list[Entry] = []
        self.said: dict[str, Said] = {}
        self.pending: dict[str, list[int]] = {name: [] for name in WORKERS}
        self.taken: dict[str, list[int]] = {name: [] for name in WORKERS}
        self.paused: list[Job] = []
        self.faults: list[str] = []
        self._processes: dict[str, Process] = {}

    def clock(self) -> datetime:
        return self.now

    async def open(self) -> None:
        await create_indexes(self.storage)

    async def close(self) -> None:
        """End all processes, and delete all they stored."""
        for job in self.paused:
            job.process.life.dead = True
            job.process.life.go_on(None)
            await asyncio.wait([job.task])
            job.task.exception()
        await self.storage.drop()
        await self.storage.close()

    async def say(self, event_id: str, topic: Topic, data: dict[str, Any], time: datetime) -> None:
        """Publish an event as a producer, or publish it again."""
        fresh = Said(event_id, topic, data, time, event(data, topic, event_id, SOURCE, time=time.isoformat()))
        said = self.said.setdefault(event_id, fresh)
        await self.append(Outgoing(said.topic.name, event_id.encode(), said.value))

    async def append_from(self, source: str, topic: Topic, event_id: str, data: dict[str, Any], time: datetime) -> None:
        """Publish an event from this source that no check covers."""
        value = event(data, topic, event_id, source, time=time.isoformat())
        await self.append(Outgoing(topic.name, event_id.encode(), value))

    async def append(self, record: Outgoing, begun: int = 0) -> None:
        number = len(self.log)
        kept = Record(record.topic, 0, number, record.key, record.value, tuple(_encoded(record)))
        self.log.append(Entry(kept, self.now, json.loads(record.value or b"{}"), begun))
        for name, topics in TOPICS_OF.items():
            if record.topic in topics:
                self.pending[name].append(number)

    async def run(self, name: str, numbers: Sequence[int], accident: Accident | None = None) -> None:
        """Give these records to a process of this worker: pending ones, or redelivered ones."""
        given = set(numbers)
        self.pending[name] = [number for number in self.pending[name] if number not in given]
        process = self._processes.get(name) or Process(name, self)
        records = [self.log[number].record for number in numbers]
        self.turn += 1
        job = Job(process, tuple(numbers))
        for place, said in enumerate(self._inputs(job)):
            said.copies += 1
            if said.begun is None:
                said.begun, said.place = (self.turn, self.now), place
        await self._follow(job, lambda: process.take(records), accident)

    async def look(self, name: str, accident: Accident | None = None) -> tuple[int, int]:
        """Let a process of this worker do what is due; return the result of `Process.look`.

        After an accident it returns (0, 0).
        """
        process = self._processes[name] = self._processes.get(name) or Process(name, self)
        if not process.looks:
            return 0, 0
        job = Job(process, ())
        self.turn += 1
        await self._follow(job, process.look, accident)
        through = job.task.done() and not job.task.exception()
        return cast("tuple[int, int]", job.task.result()) if through else (0, 0)

    async def _follow(self, job: Job, work: Work, accident: Accident | None) -> None:
        self._processes.pop(job.process.name, None)
        job.process.life.begun = self.turn
        job.process.life.meet(accident)
        job.task = asyncio.create_task(cast("Any", work()))
        await self._until_still(job)

    async def resume(self, job: Job, accident: Accident | None = None) -> None:
        """Let a paused process continue."""
        self.turn += 1
        self.paused.remove(job)
        job.process.life.go_on(accident)
        await self._until_still(job)

    def move(self, job: Job) -> None:
        """Move a paused process's partitions to another one, which gets the batch again."""
        if not job.moved:
            self.pending[job.process.name] += job.numbers
        job.moved = True

    async def _until_still(self, job: Job) -> None:
        paused = asyncio.create_task(job.process.life.paused.wait())
        await asyncio.wait({job.task, paused}, return_when=asyncio.FIRST_COMPLETED)
        paused.cancel()
        if not job.task.done() or job.task.exception():
            for said in self._inputs(job):
                said.shaken = True
        if not job.task.done():
            self.paused.append(job)
            return
        error = job.task.exception()
        if error is None:
            self._processes.setdefault(job.process.name, job.process)
            self.taken[job.process.name] += job.numbers
            await self._end(job)
            return
        self.move(job)
        if not isinstance(error, Crash):
            self.faults.append(f"{job.process.name}: {error!r}")

    async def _end(self, job: Job) -> None:
        self.turn += 1
        inputs = self._inputs(job)
        waiting = await self.waiting() if inputs else set()
        for said in inputs:
            said.ended = said.ended or (self.turn, self.now)
            said.waits = said.waits or said.id in waiting

    def _inputs(self, job: Job) -> list[Said]:
        """Return the input events of a job that its worker answers."""
        if job.process.ignores_invalid:
            return []
        ids = [self.log[number].event["id"] for number in job.numbers]
        return [self.said[one] for one in ids if one in self.said]

    async def waiting(self) -> set[str]:
        """Return the ids of the pending input events."""
        rows = await self.storage.find(PENDING_EVENTS, {}, fields=("value",))
        return {str(json.loads(row["value"])["id"]) for row in rows}

    async def settle(self) -> None:
        """Run everything until nothing is left to do, now or within a minute."""
        for job in list(self.paused):
            await self.resume(job)
        await self._rest()
        for _ in range(_ROUNDS):
            self.now += LEASE
            if not await self._rest() and not await self._deferred():
                return
        raise AssertionError(f"something is due every minute, {_ROUNDS} times")

    async def _rest(self) -> bool:
        """Run everything until nothing is left to do now; return whether anything was done."""
        stirred = False
        for _ in range(_ROUNDS):
            busy = [name for name, numbers in self.pending.items() if numbers]
            for name in busy:
                await self.run(name, list(self.pending[name]))
            looks = [] if busy else [await self.look(name) for name in WORKERS]
            due, waiting = sum(one for one, _ in looks), sum(two for _, two in looks)
            stirred |= bool(busy or due)
            if not (busy or due or waiting):
                return stirred
        raise AssertionError(f"no rest after {_ROUNDS} rounds; pending: {self.pending}")

    async def _deferred(self) -> bool:
        """Return whether a command is deferred until its lead has another status."""
        rows = await self.storage.find(PENDING_EVENTS, {}, fields=("waitsFor",))
        return any("|status|" in row["waitsFor"] for row in rows)

    async def stored(self) -> dict[str, list[Document]]:
        """Return all documents, by collection."""
        return {name: await self.storage.find(name, {}) for name in await self.storage.collections()}


def _encoded(record: Outgoing) -> list[tuple[str, bytes]]:
    return [(name, value.encode()) for name, value in record.headers.items()]
