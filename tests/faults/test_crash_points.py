"""Killed at any point that has a name, on a batch's first delivery and on its next, a worker loses and doubles nothing.

    deploy/run pytest tests/faults/test_crash_points.py --full     # the whole table
    PANTRY_TEST_CRASH_POINTS='capture: after|nurture' deploy/run pytest …     # those whose name contains one of these

Without `--full` one point of each worker, chosen by `--seed`. All workers are processes of their own, on real servers
and under load; those whose turn it is die and come again while the others go on. The oracle judges what is left.
"""

import asyncio
import os
import random
import signal
import time
from asyncio import FIRST_COMPLETED
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path

import pytest
import yaml

from schemas.topics import DEADLETTER, TOPICS
from services.composition.workers import WORKERS
from shared.settings import Settings
from tests.faults.cluster import Cluster, cluster
from tests.faults.crash_injector import inject_crash
from tests.faults.edge_case_events import feed_edge_cases
from tests.faults.edges import PUBLISH, parts
from tests.faults.load import Feeder
from tests.faults.offset_watcher import OffsetWatcher
from tests.faults.points import ELSEWHERE, SITES, STEPS, Point, points, step_of, unaided
from tests.faults.process_handles import ProcessHandle
from tests.faults.running import ORPHANS_S, judged, needs_kafka, prepared
from tests.faults.sites import ANY, sites
from tests.harness import until

_AT_ONCE = 4
_LANES, _PEOPLE, _PACE = 2, 25, 5.0
_REACHED_S, _THROUGH_S, _ENDS_S, _SETTLED_S = 600.0, 900.0, 240.0, 1_800.0
_RECORDED, _RECORDED_S = 3, 120.0
_HELD_S = 1_860
_DAY_S = 2.0
"""As long is a day of a sequence here, so that the schedule is at work all the time."""


def test_every_write_and_every_publishing_of_the_sources_is_known() -> None:
    """Each is a step of a worker, or is named with the reason why not: one that is added later can't be forgotten."""
    assert dict(sites()) == SITES
    steps = {parts(step)[0] for of in STEPS.values() for step in of}
    collections = {site for site in SITES if not site.endswith(ANY) and site != PUBLISH}
    assert collections - steps <= ELSEWHERE.keys()
    assert ELSEWHERE.keys() <= SITES.keys()


def test_every_topic_that_a_worker_produces_is_published_at_a_step() -> None:
    produced = {(worker, topic.name) for topic in TOPICS.values() for worker in topic.producers if worker in WORKERS}
    published = {
        (worker, what.removeprefix(f"{PUBLISH} "))
        for worker, of in STEPS.items()
        for what, _ in map(parts, of)
        if what.startswith(PUBLISH) and what != f"{PUBLISH} {DEADLETTER.name}"
    }
    assert published == produced


@dataclass
class _Stage:
    """The cluster, who lives in it, and what happened; `table` has a row for each point that was met."""

    cluster: Cluster
    watch: OffsetWatcher
    healthy: dict[str, ProcessHandle] = field(default_factory=dict)
    table: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=count)
    _trainings: Iterator[int] = field(default_factory=count)
    _began: float = field(default_factory=time.monotonic)
    _locks: defaultdict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))

    def passed(self, worker: str) -> Path:
        """The file that names the points which this worker came by."""
        return self.cluster.directory / f"{worker}.passed"

    def begin(self, worker: str, point: str | None = None) -> ProcessHandle:
        # Training begins anew for another horizon, and rules are rolled out when their file has changed.
        more = {"PANTRY_PREDICTION_HORIZON_DAYS": str(30 + next(self._numbers) % 700)}
        more |= {"PANTRY_SESSION_TIMEOUT_MS": "1000"} if point else {}
        if worker == "prediction":
            # Who trains and is killed holds the job for half an hour: it is over for the next.
            self.cluster.clock(worker).write_text(str(_HELD_S * next(self._trainings)))
        if worker == "scoring":
            with _rules(self.cluster.directory).open("a") as file:
                file.write("# saved once more\n")
        return self.cluster.start(worker, [partial(inject_crash, worker, point, 1, self.passed(worker))], **more)

    async def dies(self, worker: str, point: str) -> bool:
        """Whether a process of this worker ends itself there."""
        life = self.begin(worker, point)
        status = await asyncio.to_thread(life.wait, _REACHED_S)
        if status != -signal.SIGKILL:
            self.complain(f"{worker}: {point}: {'never reached' if status is None else f'status {status}'}")
            life.kill()
        return status == -signal.SIGKILL

    async def recover(self, worker: str) -> None:
        """Let a healthy process take in all that is there."""
        self.healthy[worker] = self.begin(worker)
        try:
            await self.watch.through(worker, await self.watch.ends(worker), _THROUGH_S)
        except AssertionError as error:
            self.complain(str(error))

    def complain(self, of: str) -> None:
        """Note what no kill explains; the rest is done all the same."""
        self.wrong.append(f"{time.monotonic() - self._began:6.0f} s {of}")
        print(self.wrong[-1], flush=True)

    async def retire(self, worker: str) -> None:
        """End the healthy process as an operator does."""
        life = self.healthy.pop(worker, None)
        if life is None:
            return
        await until(lambda: _hears(life), f"{worker} ready to be asked to end")
        life.signal(signal.SIGTERM)
        status = await asyncio.to_thread(life.wait, _ENDS_S)
        if status != 0:
            self.complain(f"{worker}: asked to end, its status is {status}")
            life.kill()

    @asynccontextmanager
    async def dead(self, beside: tuple[str, str] | None) -> AsyncIterator[None]:
        """Another worker lies dead at its point as long as this lasts."""
        if beside is None:
            yield
            return
        worker, point = beside
        await self.retire(worker)
        await self.dies(worker, point)
        yield
        await self.recover(worker)

    async def meet(self, worker: str, of: Sequence[Point]) -> None:
        """Kill this worker at each of these points, on both deliveries."""
        once = [point for point in of if point.once]
        for point in once:
            self._note(point, [await self.dies(worker, name) for name in point.deliveries])
        if once:
            await self.recover(worker)
        for point in of:
            if not point.once:
                async with AsyncExitStack() as held:
                    # In one order, whoever asks: those who die beside others don't die at points of their own then.
                    for one in sorted({worker, *(point.beside or ())[:1]}):
                        await held.enter_async_context(self._locks[one])
                    await self._meet(point)

    async def _meet(self, point: Point) -> None:
        # Who dies beside leaves work to this one, which must not have done it before it can be killed at it.
        await self.retire(point.worker)
        async with self.dead(point.beside):
            self._note(point, [await self.dies(point.worker, name) for name in point.deliveries])
            await self.recover(point.worker)

    def _note(self, point: Point, died: Sequence[bool]) -> None:
        marks = ["killed" if one else "NOT THERE" for one in died]
        first = "" if point.after else marks[0]
        second = marks[1] if len(marks) > 1 else ""
        at = time.monotonic() - self._began
        self.table.append(f"{at:6.0f} s {point.worker:13} {first:9} {second:9} {point.name}")
        print(self.table[-1], flush=True)


async def _hears(life: ProcessHandle) -> bool:
    """Whether it does something of its own when it is asked to end (or has ended)."""
    if life.status is not None:
        return True
    told = await asyncio.to_thread(Path(f"/proc/{life.pid}/status").read_text)
    state = dict(line.split(":\t", 1) for line in told.splitlines())
    return bool(int(state["SigCgt"], 16) >> (signal.SIGTERM - 1) & 1)


def _rules(directory: Path) -> Path:
    return directory / "rules" / "rules.yaml"


def _settings(directory: Path) -> Mapping[str, str]:
    """Settings under which a worker comes by all of its points soon."""
    usual, sequences = Settings(), directory / "sequences" / "sequences.yaml"
    for path in (sequences, _rules(directory)):
        path.parent.mkdir()
    config = yaml.safe_load(usual.sequences_file.read_text())
    for step in (step for sequence in config["sequences"] for step in sequence["steps"]):
        step["delay"] *= _DAY_S / 86_400
    sequences.write_text(yaml.safe_dump(config))
    _rules(directory).write_bytes(usual.rules_file.read_bytes())
    return {
        "PANTRY_SEQUENCES_FILE": str(sequences),
        "PANTRY_RULES_FILE": str(_rules(directory)),
        "PANTRY_ORPHAN_TTL": str(ORPHANS_S),
        "PANTRY_LEASE_S": "3",
        # More bad records come in here than any worker should bear.
        "PANTRY_BREAKER_SHARE": "1",
        "PANTRY_BREAKER_IN_A_ROW": "0",
    }


def _chosen(seed: int, full: bool) -> dict[str, list[Point]]:  # noqa: FBT001 - a fixture's value
    """The points to meet, by worker."""
    rng, wanted = random.Random(f"points/{seed}"), os.environ.get("PANTRY_TEST_CRASH_POINTS")
    chosen = {}
    for worker in WORKERS:
        of = list(points(worker))
        if wanted:
            of = [point for point in of if any(one in f"{worker}: {point.name}" for one in wanted.split("|"))]
        elif not full:
            of = [rng.choice([point for point in of if not (point.beside or point.once)])]
        chosen[worker] = of
    return chosen


@asynccontextmanager
async def _load(one: Cluster, seed: int, ledger: Path) -> AsyncIterator[None]:
    """Feed people all the time; in the end, wait until all of them have their outcomes."""
    stopping = asyncio.Event()
    told = asyncio.create_task(stopping.wait())

    async def lane(number: int) -> None:
        for round_ in count():
            of = 1_000 * seed + _LANES * round_ + number
            async with Feeder(one.bootstrap, of, _PEOPLE, ledger, pace=_PACE, with_strays=False) as feeder:
                settled = asyncio.create_task(feeder.settled(_SETTLED_S))
                await asyncio.wait((settled, told), return_when=FIRST_COMPLETED)
                feeder.pace = None
                await settled
            if stopping.is_set():
                return

    async with asyncio.TaskGroup() as group:
        for number in range(_LANES):
            group.create_task(lane(number))
        group.create_task(feed_edge_cases(one.bootstrap, ledger, stopping))
        yield
        stopping.set()


@pytest.mark.long
@pytest.mark.thorough
@pytest.mark.timeout(0)
async def test_killed_at_any_point_on_any_delivery_a_worker_loses_nothing_and_nothing_happens_twice(
    seed: int,
    full: bool,  # noqa: FBT001 - a fixture
    directory: Path,
    figure: Callable[[str], None],
) -> None:
    needs_kafka()
    chosen, ledger = _chosen(seed, full), directory / "ledger"
    with cluster(directory, **_settings(directory)) as one:
        await prepared(one)
        async with OffsetWatcher(one.bootstrap) as watch:
            stage = _Stage(one, watch)
            async with _load(one, seed, ledger):
                await _meet(stage, chosen)
            for worker in WORKERS:
                await watch.through(worker, await watch.ends(worker), _THROUGH_S)
        verdict = await judged(one, ledger)
    table = "\n    ".join(["      at worker        1st       2nd       point", *stage.table])
    assert verdict.violations == [], table
    assert stage.wrong == [], "\n".join([table, *stage.wrong])
    unknown = {worker: _unknown(stage.passed(worker), worker) for worker in WORKERS}
    assert {worker: steps for worker, steps in unknown.items() if steps} == {}
    deaths = table.count("killed")
    figure(f"{len(stage.table)} points, {deaths} processes killed at one, by the oracle's word all green\n    {table}")
    figure(f"the oracle counted {dict(verdict.counts)}")


@pytest.mark.long
@pytest.mark.thorough
@pytest.mark.timeout(0)
async def test_what_a_worker_comes_by_under_load_are_the_steps_that_are_listed(seed: int, directory: Path) -> None:
    needs_kafka()
    with cluster(directory, **_settings(directory)) as one:
        await prepared(one)
        async with OffsetWatcher(one.bootstrap) as watch:
            stage = _Stage(one, watch)
            async with _load(one, seed, directory / "ledger"), asyncio.TaskGroup() as group:
                for worker in WORKERS:
                    group.create_task(_record(stage, worker))
            assert stage.wrong == []
        unknown = {worker: _unknown(stage.passed(worker), worker) for worker in WORKERS}
        missing = {worker: sorted(unaided(worker) - _passed(stage.passed(worker))) for worker in WORKERS}
    assert {worker: steps for worker, steps in unknown.items() if steps} == {}
    assert {worker: steps for worker, steps in missing.items() if steps} == {}


async def _record(stage: _Stage, worker: str) -> None:
    """Let it run until it came by all that is listed, or for long enough; some steps are of a second process's."""

    async def complete() -> bool:
        return unaided(worker) <= _passed(stage.passed(worker))

    stage.passed(worker).touch()
    for _ in range(_RECORDED):
        stage.healthy[worker] = stage.begin(worker)
        with suppress(AssertionError):
            await until(complete, f"all steps of {worker}", _RECORDED_S)
            return
        await stage.retire(worker)
    stage.healthy[worker] = stage.begin(worker)


async def _meet(stage: _Stage, chosen: Mapping[str, Sequence[Point]]) -> None:
    """All workers, a few of them at a time."""
    for worker, of in chosen.items():
        if not any(point.once for point in of):
            stage.healthy[worker] = stage.begin(worker)
    turns = asyncio.Semaphore(_AT_ONCE)

    async def turn(worker: str) -> None:
        async with turns:
            await stage.meet(worker, chosen[worker])

    # Those that nobody else would begin come first: the others wait for what they do.
    order = sorted(chosen, key=lambda worker: not any(point.once for point in chosen[worker]))
    async with asyncio.TaskGroup() as group:
        for worker in order:
            group.create_task(turn(worker))


def _passed(passed: Path) -> set[str]:
    """The steps that this file says a worker came by."""
    return {step_of(line) for line in passed.read_text().splitlines()}


def _unknown(passed: Path, worker: str) -> list[str]:
    """What this worker came by that is no step of it."""
    return sorted(_passed(passed) - set(STEPS[worker]))
