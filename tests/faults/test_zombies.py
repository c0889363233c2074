"""A worker that is frozen past its session, and goes on when its partitions have moved, undoes and doubles nothing.

    deploy/run pytest tests/faults/test_zombies.py --full     # frozen before each of its steps

It freezes itself right before a write, a publishing or the commit: its decision is taken on what was true then. Without
`--full` before one step of each worker, chosen by `--seed`. Another process takes its partitions and handles the same
records; then the zombie goes on, and writes and says what it meant to. The oracle judges what is left.
"""

import asyncio
import random
import signal
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from services.catalogue import WORKERS
from shared import intake
from tests.faults.cluster import Cluster, cluster
from tests.faults.doomed import doom
from tests.faults.lives import Life
from tests.faults.points import points
from tests.faults.running import ORPHANS_S, judged, needs_kafka, people_coming, prepared
from tests.faults.watching import Watch
from tests.harness import until

_PEOPLE, _PACE = 40, 15.0
_ENDS_S = 60.0
_TELLS = "publishing @ shared.passage.Passage.publish"
# Those that any load comes by soon.
_USUAL = {
    "capture": ("insert_new identities", "insert_new leads", _TELLS, "the commit"),
    "scoring": ("change leads @ scoring.worker", _TELLS, "the commit"),
    "assignment": ("change leads @ assignment.store.assign", "change owners", _TELLS, "the commit"),
    "engagement": ("insert_new activities", "change leads", _TELLS, "the commit"),
    "qualification": ("insert_new commands", "change leads", "change commands", _TELLS, "the commit"),
    "nurture": ("insert_new nurture_steps", "insert_new enrolments", _TELLS, "the commit"),
    "conversion": ("insert_new commands", "change leads", "change commands", _TELLS, "the commit"),
    "erasure": ("insert_new tombstones", "delete_guarded leads", "put captures", _TELLS, "the commit"),
    "insights": ("change rollups", "insert_new timeline @ insights.placing.place", "the commit"),
    "prediction": ("insert_new predictions", "the commit"),
}


def _chosen(seed: int, *, full: bool) -> dict[str, list[str]]:
    """Before which steps each worker freezes."""
    rng = random.Random(f"zombies/{seed}")
    of = {worker: [name for step in _USUAL[worker] for name in _before(worker, step)] for worker in WORKERS}
    return of if full else {worker: [rng.choice(names)] for worker, names in of.items()}


def _before(worker: str, step: str) -> list[str]:
    found = [point.name for point in points(worker) if point.name.startswith(f"before {step}")]
    assert found, f"{worker} has no step {step}"
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
        async with Watch(one.bootstrap) as watch:
            async with people_coming(one, seed, ledger, _PEOPLE, _PACE), asyncio.TaskGroup() as group:
                for worker in WORKERS:
                    group.create_task(_haunt(one, watch, worker, chosen[worker]))
            for worker in WORKERS:
                await watch.through(worker, await watch.ends(worker))
        verdict = await judged(one, ledger)
    figure(f"frozen and thawed: {sum(map(len, chosen.values()))}; {verdict.counts['repeatedEvents']} events told again")
    assert verdict.violations == [], chosen


async def _haunt(one: Cluster, watch: Watch, worker: str, before: Sequence[str]) -> None:
    """Freeze one process of this worker after the other; each time another takes over."""
    commits, passed = one.directory / f"{worker}.commits", one.directory / f"{worker}.passed"
    living: Life | None = None
    for point in before:
        changes = [partial(doom, point, 1, passed, signal.SIGSTOP), partial(note_commits, commits)]
        zombie = one.start(worker, changes)
        if living:
            await _end(living)
        await until(partial(_is_frozen, zombie), f"{worker} frozen {point}")
        living = one.start(worker)
        await watch.through(worker, await watch.ends(worker))
        so_far = _size(commits)
        zombie.signal(signal.SIGCONT)
        await until(partial(_has_more, commits, so_far), f"{worker}, thawed, through what it had in hand")
        await _end(zombie)


def note_commits(file: Path) -> None:
    """Note each time that this process was through with a batch, whether the broker took the commit or not."""
    commit = intake._commit

    async def noted(*args: Any) -> None:
        await commit(*args)
        with file.open("a") as notes:
            notes.write(".")

    vars(intake)["_commit"] = noted


async def _is_frozen(life: Life) -> bool:
    """Whether it has stopped itself."""
    assert life.status is None, f"{life.birth.name} ended with status {life.status}"
    return life.frozen


async def _has_more(file: Path, than: int) -> bool:
    return _size(file) > than


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


async def _end(life: Life) -> None:
    life.signal(signal.SIGTERM)
    assert await asyncio.to_thread(life.wait, _ENDS_S) == 0, f"{life.birth.name} did not end as it was asked to"
