"""A rolling restart under load: each new process comes up, the old one is asked to end, and nothing is lost."""

import asyncio
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from services.composition.workers import WORKERS
from tests.faults.cluster import Cluster, cluster
from tests.faults.load import Feeder
from tests.faults.offset_watcher import OffsetWatcher
from tests.faults.process_handles import ProcessHandle
from tests.faults.running import ORPHANS_S, judged, needs_kafka, prepared
from tests.harness import DEADLINE_S, until

_PEOPLE, _PEOPLE_FULL = 150, 3_000
# Records a second, below what these machines take: where more comes in than goes out, all wait for the database.
_PACE = 40.0
_SETTLES_S = 900.0
_LOOK_S = 0.25


@pytest.mark.long
@pytest.mark.thorough
@pytest.mark.timeout(0)
async def test_a_rolling_restart_of_every_worker_under_load_loses_nothing(
    seed: int, *, full: bool, directory: Path, figure: Callable[[str], None]
) -> None:
    needs_kafka()
    ledger = directory / "ledger"
    with cluster(directory, PANTRY_ORPHAN_TTL=str(ORPHANS_S)) as one:
        await prepared(one)
        old = {worker: one.start(worker) for worker in WORKERS}
        feeder = Feeder(one.bootstrap, seed, _PEOPLE_FULL if full else _PEOPLE, ledger, pace=_PACE)
        async with OffsetWatcher(one.bootstrap) as watch, feeder:
            stalls = [asyncio.create_task(_longest_stall(watch, worker)) for worker in WORKERS]
            for worker, life in old.items():
                await _replace(one, worker, life)
            for stall in stalls:
                stall.cancel()
            longest = dict(zip(WORKERS, await asyncio.gather(*stalls), strict=True))
            feeder.pace = None
            await feeder.settled(_SETTLES_S)
            for worker in WORKERS:
                await watch.through(worker, await watch.ends(worker))
        verdict = await judged(one, ledger)
    told = ", ".join(f"{worker} {seconds:.1f} s" for worker, seconds in longest.items())
    figure(f"the longest that a worker had records before it and committed none: {told}")
    figure(f"{verdict.counts['repeatedEvents']} events published again under their ids")
    assert verdict.violations == []


async def _replace(one: Cluster, worker: str, old: ProcessHandle) -> None:
    """As an orchestrator does: the new process first, then the old one's end."""
    log = old.birth.log
    begun = log.read_text().count("service.started")
    one.start(worker)

    async def up() -> bool:
        return log.read_text().count("service.started") > begun

    await until(up, f"another {worker}")
    old.signal(signal.SIGTERM)
    assert await asyncio.to_thread(old.wait, DEADLINE_S) == 0, f"{worker} did not end as it was asked to"


async def _longest_stall(watch: OffsetWatcher, worker: str) -> float:
    """In seconds, until it is cancelled."""
    longest, since, before = 0.0, time.monotonic(), -1
    try:
        while True:
            done = await watch.done(worker)
            behind = await watch.behind(worker, await watch.ends(worker))
            now = time.monotonic()
            since = since if behind and done == before else now
            longest, before = max(longest, now - since), done
            await asyncio.sleep(_LOOK_S)
    except asyncio.CancelledError:
        return longest
