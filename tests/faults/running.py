"""Start and end of every fault test: a cluster with topics and indexes, and a verdict."""

import asyncio
import itertools
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientError, ClientSession

from deploy.local import Backend, Servers
from deploy.local.child_process import ServerFailed
from deploy.local.servers import kafka_jars
from services.composition.process import connections, prepare
from services.gateway.auth import key_store
from services.gateway.auth.domain import key_lifecycle, principals
from services.gateway.auth.domain.principals import KeyKind, Scope
from shared.clock import system_clock
from shared.mongo.storage import Storage
from shared.settings import Settings
from tests.faults.cluster import DATABASE, Cluster
from tests.faults.judging import Verdict, judge
from tests.faults.load import Feeder
from tests.harness import mongo_at, until

ORPHANS_S = 30.0
"""How long an event waits for an unknown lead; then the load's strays have an outcome."""

_QUIET_S = ORPHANS_S + 15
"""Silence longer than any wait for a lead: what is missing after it stays missing."""

_SETTLES_S = 300.0


def needs_kafka() -> None:
    """Skip the test without Apache Kafka: another broker's rebalances would prove little."""
    try:
        kafka_jars()
    except ServerFailed as error:
        pytest.skip(f"needs Apache Kafka: {error}")


async def prepared(one: Cluster) -> None:
    """Create topics and indexes."""
    settings = Settings(mongo_database=DATABASE)
    await prepare(settings, connections(settings, Servers(one.bootstrap, one.mongo_url, Backend.APACHE, Backend.NAMED)))


@asynccontextmanager
async def people_coming(one: Cluster, seed: int, ledger: Path, people: int, pace: float) -> AsyncIterator[None]:
    """Feed groups of `people` while the context lasts, at `pace` records a second; then settle."""
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
    """Return the oracle's verdict, including a gateway's figures."""
    secret, storage = secrets.token_urlsafe(24), Storage(mongo_at(one.mongo_url), DATABASE)
    try:
        key = key_lifecycle.new_key("oracle", KeyKind.SERVER, secret, system_clock(), scopes=tuple(Scope))
        assert await key_store.create_key(storage, key)
    finally:
        await storage.close()
    url = one.gateway(PANTRY_GATEWAY_SECRET=secret)
    await until(lambda: _answers(url), "the gateway's answer")
    figures = ("--gateway", url, "--token", principals.format_key(KeyKind.SERVER, "oracle", secret))
    waits = ("--orphan-ttl", str(ORPHANS_S), "--quiet", str(_QUIET_S), "--patience", str(4 * _QUIET_S))
    return await judge(one.bootstrap, one.mongo_url, DATABASE, ledger, *figures, *waits, *more)


async def _answers(url: str) -> bool:
    try:
        async with ClientSession() as http, http.get(f"{url}/readyz") as answer:
            return answer.status == 200
    except (ClientError, OSError):
        return False
