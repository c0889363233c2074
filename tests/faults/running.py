"""What every test of faults begins and ends with: a cluster with topics and indexes, and the oracle's verdict on it."""

import asyncio
import itertools
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientError, ClientSession

from deploy.local import Backend, Servers
from deploy.local.process import ServerFailed
from deploy.local.servers import kafka_jars
from services.gateway import access, keys, store
from services.gateway.access import Kind, Scope
from services.running import connections, prepare
from shared.clock import system_clock
from shared.mongo import Mongo
from shared.settings import Settings
from shared.storage import Storage
from tests.faults.cluster import DATABASE, Cluster
from tests.faults.judging import Verdict, judge
from tests.faults.load import Feeder
from tests.harness import until

ORPHANS_S = 30.0
"""How long an event waits for a lead that nobody knows: the load's strays have their outcome after this."""

_QUIET_S = ORPHANS_S + 15
"""Nothing moves for so long only if nothing waits for a lead any more either: what is missing then stays so."""

_SETTLES_S = 300.0


def needs_kafka() -> None:
    """Skip the test where Apache Kafka can't be had: zombies and rebalances of another broker would prove little."""
    try:
        kafka_jars()
    except ServerFailed as error:
        pytest.skip(f"needs Apache Kafka: {error}")


async def prepared(one: Cluster) -> None:
    """Topics and indexes are there."""
    settings = Settings(mongo_database=DATABASE)
    await prepare(settings, connections(settings, Servers(one.bootstrap, one.mongo_url, Backend.APACHE, Backend.NAMED)))


@asynccontextmanager
async def people_coming(one: Cluster, seed: int, ledger: Path, people: int, pace: float) -> AsyncIterator[None]:
    """So many people at a time, as long as the context lasts, at `pace` records a second; then until all is settled."""
    over = asyncio.Event()

    async def come() -> None:
        for number in itertools.count():
            feeder = Feeder(one.bootstrap, 1_000 * seed + number, people, ledger, pace=pace, with_strays=False)
            async with feeder:
                await feeder.settled(_SETTLES_S)
            if over.is_set():
                return

    coming = asyncio.create_task(come())
    try:
        yield
    except BaseException:
        coming.cancel()
        raise
    over.set()
    await coming


async def judged(one: Cluster, ledger: Path, *more: str) -> Verdict:
    """The oracle's verdict, on the figures that a gateway tells besides."""
    secret, storage = secrets.token_urlsafe(24), Storage(Mongo(one.mongo_url), DATABASE)
    try:
        key = keys.made("oracle", Kind.SERVER, secret, system_clock(), scopes=tuple(Scope))
        assert await store.create_key(storage, key)
    finally:
        storage.close()
    url = one.gateway(PANTRY_GATEWAY_SECRET=secret)
    await until(lambda: _answers(url), "the gateway's answer")
    figures = ("--gateway", url, "--token", access.token(Kind.SERVER, "oracle", secret))
    waits = ("--orphan-ttl", str(ORPHANS_S), "--quiet", str(_QUIET_S), "--patience", str(4 * _QUIET_S))
    return await judge(one.bootstrap, one.mongo_url, DATABASE, ledger, *figures, *waits, *more)


async def _answers(url: str) -> bool:
    try:
        async with ClientSession() as http, http.get(f"{url}/readyz") as answer:
            return answer.status == 200
    except (ClientError, OSError):
        return False
