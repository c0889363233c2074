"""Nothing lost, nothing twice: every part is broken at random under load, and a stranger judges what is left.

    deploy/run pytest tests/faults/test_faults.py --seed 7 --minutes 8     # 10,000 people, 100 faults

The load, the schedule and what a fault leaves open follow from the seed; which record a kill meets does not.
"""

import secrets
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import ClientError, ClientSession

from deploy.local import Backend, Servers
from deploy.local.process import ServerFailed
from deploy.local.servers import kafka_jars
from services.catalogue import WORKERS
from services.gateway import access, keys, store
from services.gateway.access import Kind, Scope
from services.running import connections, prepare
from shared.clock import system_clock
from shared.mongo import Mongo
from shared.settings import Settings
from shared.storage import Storage
from tests.faults.chaos import CLOCK_WRONG_S, Chaos
from tests.faults.cluster import DATABASE, Cluster, cluster
from tests.faults.judging import Verdict, judge
from tests.faults.load import Feeder
from tests.faults.memory import Memory
from tests.faults.schedule import schedule
from tests.faults.watching import Watch
from tests.harness import until

_ORPHANS_S = 30.0
_PATIENCE_S = 300.0
Tell = Callable[[str], None]


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--seed"))


@pytest.fixture
def minutes(request: pytest.FixtureRequest) -> float:
    return float(request.config.getoption("--minutes"))


@pytest.mark.long
@pytest.mark.timeout(0)
async def test_random_faults_lose_nothing_and_nothing_happens_twice(
    seed: int, minutes: float, tmp_path: Path, figure: Tell
) -> None:
    try:
        kafka_jars()
    except ServerFailed as error:
        pytest.skip(f"needs Apache Kafka: {error}")
    people, ledger = round(80 + 1_240 * minutes), tmp_path / "ledger"
    faults = schedule(seed, round(12 + 11 * minutes), 60 * minutes, tuple(WORKERS))
    with cluster(tmp_path, PANTRY_ORPHAN_TTL=str(_ORPHANS_S)) as one:
        await _prepare(one)
        for worker in WORKERS:
            one.start(worker)
        feeder = Feeder(one.bootstrap, seed, people, ledger, pace=people * 3.4 / (60 * minutes))
        async with Watch(one.bootstrap) as watch, feeder, Memory(one.lives) as memory:
            chaos = Chaos(one, watch, seed)
            await chaos.run(faults)
            await chaos.heal()
            feeder.pace = None
            await feeder.settled(_PATIENCE_S)
            for worker in WORKERS:
                await watch.through(worker, await watch.ends(worker), _PATIENCE_S)
            assert chaos.wrong == []
            assert memory.grown() == []
        verdict = await _judge(one, ledger)
    _tell(figure, seed, people, chaos, verdict)
    assert verdict.violations == [], "\n".join(chaos.happened)


async def _prepare(one: Cluster) -> None:
    settings = Settings(mongo_database=DATABASE)
    await prepare(settings, connections(settings, Servers(one.bootstrap, one.mongo_url, Backend.APACHE, Backend.NAMED)))


async def _judge(one: Cluster, ledger: Path) -> Verdict:
    """The oracle's verdict, roll-ups among it, as a gateway tells them."""
    secret, storage = secrets.token_urlsafe(24), Storage(Mongo(one.mongo_url), DATABASE)
    try:
        key = keys.made("oracle", Kind.SERVER, secret, system_clock(), scopes=tuple(Scope))
        assert await store.create_key(storage, key)
    finally:
        storage.close()
    url = one.gateway(PANTRY_GATEWAY_SECRET=secret)
    await until(lambda: _answers(url), "the gateway's answer")
    token = access.token(Kind.SERVER, "oracle", secret)
    more = ("--gateway", url, "--token", token, "--skew", str(CLOCK_WRONG_S), "--orphan-ttl", str(_ORPHANS_S))
    return await judge(one.bootstrap, one.mongo_url, DATABASE, ledger, *more)


async def _answers(url: str) -> bool:
    try:
        async with ClientSession() as http, http.get(f"{url}/readyz") as answer:
            return answer.status == 200
    except (ClientError, OSError):
        return False


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
