"""Nothing lost, nothing twice: every part is broken at random under load, and a stranger judges what is left.

    deploy/run pytest tests/faults/test_faults.py --seed 7 --minutes 8     # 10,000 people, 100 faults

The load, the schedule and what a fault leaves open follow from the seed; which record a kill meets does not.
"""

import statistics
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest

from services.composition.workers import WORKERS
from tests.faults.chaos import CLOCK_WRONG_S, Chaos
from tests.faults.cluster import cluster
from tests.faults.judging import Verdict
from tests.faults.load import Feeder
from tests.faults.memory import Memory
from tests.faults.offset_watcher import OffsetWatcher
from tests.faults.running import ORPHANS_S, judged, needs_kafka, prepared
from tests.faults.schedule import schedule

_PATIENCE_S = 1_800.0
Tell = Callable[[str], None]


@pytest.mark.long
@pytest.mark.thorough
@pytest.mark.timeout(0)
async def test_random_faults_lose_nothing_and_nothing_happens_twice(
    seed: int, minutes: float, directory: Path, figure: Tell
) -> None:
    needs_kafka()
    people, ledger = round(80 + 1_240 * minutes), directory / "ledger"
    faults = schedule(seed, round(12 + 11 * minutes), 60 * minutes, tuple(WORKERS))
    with cluster(directory, PANTRY_ORPHAN_TTL=str(ORPHANS_S)) as one:
        await prepared(one)
        for worker in WORKERS:
            one.start(worker)
        feeder = Feeder(one.bootstrap, seed, people, ledger, pace=people * 3.4 / (60 * minutes))
        async with OffsetWatcher(one.bootstrap) as watch, feeder, Memory(one.lives) as memory:
            chaos = Chaos(one, watch, seed)
            await chaos.run(faults)
            await chaos.heal()
            feeder.pace = None
            await feeder.settled(_PATIENCE_S)
            for worker in WORKERS:
                await watch.through(worker, await watch.ends(worker), _PATIENCE_S)
            assert chaos.wrong == []
            assert memory.grown() == []
        verdict = await judged(one, ledger, "--skew", str(CLOCK_WRONG_S))
    _tell(figure, seed, people, chaos, verdict)
    assert verdict.violations == [], "\n".join(chaos.happened)


def _tell(figure: Tell, seed: int, people: int, chaos: Chaos, verdict: Verdict) -> None:
    by_kind = defaultdict[str, list[float]](list)
    for kind, _, seconds in chaos.recoveries:
        by_kind[kind.value].append(seconds)
    figure(f"seed {seed}: {people} people under {len(chaos.happened)} faults")
    for name, took in by_kind.items():
        usual, worst = statistics.median(took), max(took)
        figure(f"{name}: {len(took)} times, lag of that moment zero after {usual:.1f} s, {worst:.1f} s at most")
    figure(f"the oracle counted {dict(verdict.counts)}")
    figure(f"violations: {dict(Counter(one['law'] for one in verdict.violations))}")
