"""The real workers on a real database, with a log, a clock and accidents of the test's own.

A `Process` is one incarnation of one worker. Its steps are counted: each call of the database, each record it
publishes, each commit. An `Accident` meets it at one of them: a crash (nothing of it runs on, its batch comes again to
a process built from nothing), or a pause, in which others go on, its own worker's other processes among them, and after
which it writes late. The log gives a worker its records in any order, in any batches, more than once: all that Kafka
may do and more, so that a seed decides what happens. Real brokers are `tests/worker`'s subject.
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
from services.catalogue import TOPICS_OF, WORKERS, create_indexes
from shared.broker import Publisher
from shared.collections import ORPHANS
from shared.events import Outgoing, Received, Record, Result
from shared.intake import Intake
from shared.isolation import transient
from shared.metrics import Metrics
from shared.orphans import Orphans
from shared.passage import Passage
from shared.settings import Settings
from shared.storage import Document, Storage
from shared.waiting import Waiting
from shared.worker import Runtime, Worker
from tests.builders import NOW, event

SETTINGS = Settings(erasure_pepper=SecretStr("salt"))
SOURCE = "/tests"
LEASE = timedelta(seconds=61)
"""After this long nobody holds what a dead process held; anything that the contract gives a minute is done."""

_METRICS = Metrics()
_TRIES = 5
_ROUNDS = 100
Work = Callable[[], Awaitable[Any]]


class Crash(BaseException):
    """The process is no more. No handler can catch it, as none can catch a SIGKILL."""


@dataclass(frozen=True, slots=True)
class Accident:
    """What meets a process right before its step number `at`."""

    at: int
    pauses: bool = False


class Life:
    """The steps of one process, one after the other, until its accident."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._steps, self._accident = 0, Accident(0)
        self.dead, self.begun = False, 0
        self.paused, self._goes_on = asyncio.Event(), asyncio.Event()

    def meet(self, accident: Accident | None) -> None:
        """The next accident; steps are counted from here."""
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
    """A process's way to the database: every call is a step."""

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
    """A process's way to the log: every record is a step, and so is the acknowledgement of all."""

    rig: "Rig"
    life: Life

    async def publish(self, _worker: str, records: Sequence[Outgoing]) -> None:
        for record in records:
            await self.life.step(partial(self.rig.append, record, self.life.begun))
        await self.life.step(_nothing)


async def _nothing() -> None:
    return None


class Process:
    """One incarnation of the worker `name`, built from nothing."""

    def __init__(self, name: str, rig: "Rig") -> None:
        self.name, self.life, self._rig = name, Life(), rig
        storage = cast("Storage", _Port(rig.storage, self.life))
        publisher = cast("Publisher", _Teller(rig, self.life))
        worker = self._watched(WORKERS[name](Runtime(SETTINGS, storage, publisher, rig.clock)))
        passage = Passage(worker, publisher, rig.clock, SETTINGS.region)
        ttl, patience = timedelta(seconds=SETTINGS.orphan_ttl), timedelta(seconds=SETTINGS.command_patience)
        orphans = Orphans(storage, name, ttl, patience)
        waiting = (
            Waiting(orphans, storage, passage, SETTINGS.erasure_pepper.get_secret_value()) if worker.waits else None
        )
        self._intake, self._passage = Intake(passage, _METRICS, waiting), passage
        self._alarms = [alarm.take for alarm in worker.alarms]
        self._waiting = waiting
        self.looks, self.observes = bool(self._alarms or waiting), worker.observes

    def _watched(self, worker: Worker) -> Worker:
        async def handle(received: Sequence[Received]) -> Sequence[Result]:
            try:
                return await worker.handle(received)
            except Exception as error:
                if not transient(error):
                    self._rig.faults.append(f"{self.name}: {error!r}")
                raise

        return replace(worker, handle=handle)

    async def take(self, records: Sequence[Record]) -> None:
        """One batch to its end."""
        through = await self._intake.process(records)
        await self._passage.bury(through.faults, through.handled)
        await self.life.step(_nothing)

    async def look(self) -> tuple[int, int]:
        """See to what is due, once; return how much that was, and how many events that wait were looked at."""
        due = sum([await alarm() for alarm in self._alarms])
        if self._waiting:
            await self._waiting.reconsider(await self._waiting.watch.changed())
        return due, await self._waiting.look() if self._waiting else 0


@dataclass(frozen=True, slots=True)
class Entry:
    """A record of the log: when it was told, the event it is, and the turn in which the telling process began."""

    record: Record
    at: datetime
    event: dict[str, Any]
    begun: int


@dataclass(slots=True)
class Said:
    """An input event: what it says, and the moments (turn and clock) between which its effect came about."""

    id: str
    topic: Topic
    data: dict[str, Any]
    time: datetime
    value: bytes
    begun: tuple[int, datetime] | None = None
    ended: tuple[int, datetime] | None = None
    place: int = 0
    """Where in its first batch it stood."""
    waits: bool = False
    copies: int = 0
    shaken: bool = False
    """Something came between its beginning and its end."""
    since: int = 0
    """Where in the log its life begins: what was given up, or went with an erased lead, has another when it comes."""

    def begin_anew(self, since: int) -> None:
        """Be an event that never came."""
        self.begun, self.ended, self.waits, self.copies, self.since = None, None, False, 0, since
        self.shaken = False


@dataclass(eq=False, slots=True)
class Job:
    """A batch (or, without records, a look at what is due) in the hands of a process."""

    process: Process
    numbers: tuple[int, ...]
    task: "asyncio.Task[Any]" = field(init=False)
    moved: bool = False
    """Its partitions went to another process meanwhile, which gets the records again."""


class Rig:
    """Everything that runs, and what it left; `say` puts an event into the log, the rest moves things on."""

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
        """End all processes, and forget all they stored."""
        for job in self.paused:
            job.process.life.dead = True
            job.process.life.go_on(None)
            await asyncio.wait([job.task])
            job.task.exception()
        await self.storage.drop()
        self.storage.close()

    async def say(self, event_id: str, topic: Topic, data: dict[str, Any], time: datetime) -> None:
        """A producer publishes an event, or the same event again."""
        fresh = Said(event_id, topic, data, time, event(data, topic, event_id, SOURCE, time=time.isoformat()))
        said = self.said.setdefault(event_id, fresh)
        await self.append(Outgoing(said.topic.name, event_id.encode(), said.value))

    async def append_from(self, source: str, topic: Topic, event_id: str, data: dict[str, Any], time: datetime) -> None:
        """A producer of this source publishes an event that nobody looks after."""
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
        """Give these records to a process of this worker; they are pending no more, or taken ones delivered again."""
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
        """Let a process of this worker see to what is due; return what `Process.look` does (0, 0 after an accident)."""
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
        """Let a paused process go on."""
        self.turn += 1
        self.paused.remove(job)
        job.process.life.go_on(accident)
        await self._until_still(job)

    def move(self, job: Job) -> None:
        """Give a paused process's partitions to another one: its batch is delivered again."""
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
        """The input events of a job that its worker answers for."""
        if job.process.observes:
            return []
        ids = [self.log[number].event["id"] for number in job.numbers]
        return [self.said[one] for one in ids if one in self.said]

    async def waiting(self) -> set[str]:
        """The ids of the input events that wait for their lead."""
        rows = await self.storage.find(ORPHANS, {}, fields=("value",))
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
        """Run everything until nothing is left to do now; return whether there was anything but waiting."""
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
        """Whether a command waits for another status of its lead."""
        rows = await self.storage.find(ORPHANS, {}, fields=("waitsFor",))
        return any("|status|" in row["waitsFor"] for row in rows)

    async def stored(self) -> dict[str, list[Document]]:
        """Every document there is, by collection."""
        return {name: await self.storage.find(name, {}) for name in await self.storage.collections()}


def _encoded(record: Outgoing) -> list[tuple[str, bytes]]:
    return [(name, value.encode()) for name, value in record.headers.items()]
