"""A worker that is frozen past its session, and goes on when its partitions have moved, undoes and doubles nothing.

    deploy/run pytest tests/faults/test_zombies.py --full     # frozen before each of its steps

It freezes itself right before a write, a publishing or the commit: its decision is taken on what was true then. Without
`--full` before one step of each worker, chosen by `--seed`. Another process takes its partitions and handles the same
records; then the zombie goes on, and writes and says what it meant to. The oracle judges what is left.
"""

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from services.composition.workers import WORKERS
from shared.consuming.consumer import BatchConsumer
from tests.faults.cluster import Cluster, cluster
from tests.faults.crash_injector import inject_crash
from tests.faults.edges import on_batch
from tests.faults.offset_watcher import OffsetWatcher
from tests.faults.points import points
from tests.faults.process_handles import ProcessHandle
from tests.faults.running import ORPHANS_S, judged, needs_kafka, people_coming, prepared
from tests.harness import until

_PEOPLE, _PACE = 40, 15.0
_ENDS_S = 60.0
# Those that any load comes by soon.
_USUAL = {
    "capture": ("insert_new identities", "insert_new leads", "publish leads.created", "commit"),
    "scoring": ("change leads", "publish leads.scored", "commit"),
    "assignment": ("change leads", "change owners", "publish leads.assigned", "commit"),
    "engagement": ("insert_new activities", "change leads", "publish leads.updated", "commit"),
    "qualification": ("insert_new commands", "change leads", "change commands", "publish leads.qualified", "commit"),
    "nurture": ("insert_new nurture_steps", "insert_new enrolments", "publish nurture.enrolled", "commit"),
    "tasks": ("insert_new tasks", "publish tasks.created", "commit"),
    "conversion": ("insert_new commands", "change leads", "change commands", "publish leads.converted", "commit"),
    "erasure": ("insert_new tombstones", "delete_guarded leads", "put captures", "publish leads.erased", "commit"),
    "insights": ("change rollups", "change rollups [$unset]", "insert_new timeline", "commit"),
    "prediction": ("insert_new predictions", "commit"),
}


def _chosen(seed: int, *, full: bool) -> dict[str, list[str]]:
    """Before which steps each worker freezes."""
    rng = random.Random(f"zombies/{seed}")
    of = {worker: [_before(worker, step) for step in _USUAL[worker]] for worker in WORKERS}
    return of if full else {worker: [rng.choice(names)] for worker, names in of.items()}


def _before(worker: str, step: str) -> str:
    found = f"before {step}"
    assert found in {point.name for point in points(worker)}, f"{worker} has no step {step}"
    return found


@pytest.mark.long
@pytest.mark.thorough
@pytest.mark.timeout(0)
async def test_a_worker_that_is_frozen_while_another_takes_over_undoes_and_doubles_nothing(
    seed: int,
    full: bool,  # noqa: FBT001 - a fixture
    directory: Path,
    figure: Callable[[str], None],
) -> None:
    needs_kafka()
    ledger, chosen = directory / "ledger", _chosen(seed, full=full)
    with cluster(directory, PANTRY_ORPHAN_TTL=str(ORPHANS_S)) as one:
        await prepared(one)
        async with OffsetWatcher(one.bootstrap) as watch:
            async with people_coming(one, seed, ledger, _PEOPLE, _PACE), asyncio.TaskGroup() as group:
                for worker in WORKERS:
                    group.create_task(_haunt(one, watch, worker, chosen[worker]))
            for worker in WORKERS:
                await watch.through(worker, await watch.ends(worker))
        verdict = await judged(one, ledger)
    figure(f"frozen and thawed: {sum(map(len, chosen.values()))}; {verdict.counts['repeatedEvents']} events told again")
    assert verdict.violations == [], chosen


async def _haunt(one: Cluster, watch: OffsetWatcher, worker: str, before: Sequence[str]) -> None:
    """Freeze one process of this worker after the other; each time another takes over."""
    batches, passed = one.directory / f"{worker}.batches", one.directory / f"{worker}.passed"
    living: ProcessHandle | None = None
    for point in before:
        changes = [partial(inject_crash, worker, point, 1, passed, signal.SIGSTOP), partial(note_batches, batches)]
        zombie = one.start(worker, changes)
        if living:
            await _end(living)
        await until(partial(_is_frozen, zombie), f"{worker} frozen {point}")
        living = one.start(worker)
        await watch.through(worker, await watch.ends(worker))
        so_far = _size(batches)
        zombie.signal(signal.SIGCONT)
        await until(partial(_has_more, batches, so_far), f"{worker}, thawed, through what it had in hand")
        await _end(zombie)


def note_batches(file: Path) -> None:
    """Note each time that this process was through with a batch, whether the broker took the commit or not."""

    def make(take: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        async def noted(self: BatchConsumer, message: Any) -> None:
            await take(self, message)
            with file.open("a") as notes:
                notes.write(".")

        return noted

    on_batch(make)


async def _is_frozen(life: ProcessHandle) -> bool:
    """Whether it has stopped itself."""
    assert life.status is None, f"{life.birth.name} ended with status {life.status}"
    return life.frozen


async def _has_more(file: Path, than: int) -> bool:
    return _size(file) > than


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


async def _end(life: ProcessHandle) -> None:
    life.signal(signal.SIGTERM)
    assert await asyncio.to_thread(life.wait, _ENDS_S) == 0, f"{life.birth.name} did not end as it was asked to"
