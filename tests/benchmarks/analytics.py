"""The analytics' cost at a number of stored leads, beside the naive aggregation over the same documents.

`python -m tests.benchmarks.analytics [--leads N] [--data DIR]` loads N leads into the embedded database, or goes on
with those that DIR has, and prints figures; nothing is asserted. Each question is asked over HTTP
at a gateway process of its own: `changed` after a lead was counted, so that buckets are read, `unchanged` when not.
"""

import argparse
import asyncio
import random
import statistics
import time
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
from motor.motor_asyncio import AsyncIOMotorClient

from deploy.local import LocalServers
from services.insights.rebuild import rebuild
from shared.clock import system_clock
from shared.mongo.storage import Storage
from tests.benchmarks.stored_leads import UTC, load, touch
from tests.collection_names import LEADS
from tests.gateway import gateway_process, new_key
from tests.harness import Bench, bench

_REBUILT_MAX = 50_000
"""More would take longer than anybody waits for a figure."""
_ROUNDS = 30
_QUESTIONS = {
    **{
        f"{what} by {frame}": f"/v1/analytics/{what}?timeframe={frame}"
        for what in ("leads", "conversions")
        for frame in ("week", "month", "quarter")
    },
    "first page of the list": "/v1/leads",
    "list by status and owner": "/v1/leads?status=qualified&assignedTo=owner-3",
    "list by score": "/v1/leads?minScore=85",
    "search for a name": "/v1/leads?q=rosa+harvest",
    "search for an address": "/v1/leads?q=77.person@example.com",
}


async def rebuilt(on: Bench) -> None:
    """How long a rebuild takes."""
    began = time.monotonic()
    counted = [done async for done in rebuild(on.storage, UTC)]
    print(f"rebuilt the roll-ups of {counted[-1]:,} leads in {time.monotonic() - began:.0f} s", flush=True)


async def timed(rounds: int, ask: Callable[[], Awaitable[Any]], before: Callable[[], Awaitable[Any]]) -> list[float]:
    """Milliseconds of each asking."""
    found = []
    for _ in range(rounds):
        await before()
        began = time.perf_counter()
        await ask()
        found.append((time.perf_counter() - began) * 1000)
    return sorted(found)


def told(found: list[float]) -> str:
    return f"median {statistics.median(found):7.1f} ms   p90 {found[int(len(found) * 0.9)]:7.1f} ms"


async def naive(on: Bench, days: int) -> list[float]:
    """The same question, asked of the documents."""
    leads: Any = AsyncIOMotorClient(on.to.mongo.url)["test"][LEADS]
    window = {"createdAt": {"$gte": system_clock() - timedelta(days=days)}}
    group = {"_id": {"source": "$source", "status": "$status"}, "leads": {"$sum": 1}, "score": {"$sum": "$score"}}

    async def ask() -> None:
        await leads.aggregate([{"$match": window}, {"$group": group}]).to_list(None)

    return await timed(3, ask, nothing)


async def nothing() -> None:
    """No preparation."""


async def measure(on: Bench) -> None:
    """Ask everything, and print."""
    key = await new_key(on, f"bench-{time.time_ns()}", per_minute=1_000_000)
    async with gateway_process(on, PANTRY_LOG_LEVEL="error") as (_, url), aiohttp.ClientSession() as http:
        for name, path in _QUESTIONS.items():

            async def ask(path: str = path) -> None:
                async with http.get(url + path, headers={"authorization": f"Bearer {key}"}) as answer:
                    answer.raise_for_status()
                    await answer.read()

            changed = await timed(_ROUNDS, ask, lambda: touch(on, random.randrange(1_000)))
            print(
                f"{name:26} changed   {told(changed)}\n{'':26} unchanged {told(await timed(_ROUNDS, ask, nothing))}",
                flush=True,
            )
    for frame, days in (("week", 7), ("quarter", 90)):
        print(f"naive aggregation, {frame:8}         {told(await naive(on, days))}", flush=True)


async def main(leads: int, local: LocalServers) -> None:
    """The whole run."""
    async with bench(local) as on:
        on.storage = Storage(on.to.mongo, "test", timeout_ms=60_000)
        await load(on, leads)
        await measure(on)
        if leads <= _REBUILT_MAX:
            await rebuilt(on)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--leads", type=int, default=100_000)
    parser.add_argument("--data", type=Path)
    options = parser.parse_args()
    with (
        nullcontext(options.data) if options.data else TemporaryDirectory() as folder,
        LocalServers("embedded", Path(folder), kafka_bootstrap=None, mongo_url=None) as servers,
    ):
        asyncio.run(main(options.leads, servers))
