"""What it takes to find leads: pages of the list, searches and figures, at a number of stored leads.

`python -m tests.benchmarks.finding [--leads N] [--data DIR] [--rounds N]` loads N leads into the embedded database, or
goes on with those that DIR has, and prints figures; nothing is asserted. Each question is asked over HTTP at a
gateway process of its own, one request at a time; figures each time after a lead has changed. Beside the times stands
the CPU that a request took of the database's process and of the gateway's.

Before that, some leads change and are counted: this prints the CPU of the database for each.
"""

import argparse
import asyncio
import random
import statistics
import time
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp

from deploy.local import LocalServers
from services.insights.rollup_store import Watermark, count_leads
from shared.clock import system_clock
from shared.mongo.storage import Change, Storage
from tests.benchmarks.cpu import cpu_seconds
from tests.benchmarks.stored_leads import COMMON, RARE, UTC, lead_id, load, touch
from tests.collection_names import LEADS
from tests.gateway import gateway_process, new_key
from tests.harness import Bench, bench

_CHANGED, _BATCH = 2_000, 200
_DEEP_PAGES = 20
_FRAMES = ("week", "month", "quarter")
_QUESTIONS = {
    "list: first page": "/v1/leads?",
    "list: deep page": "/v1/leads?",
    "list: status": "/v1/leads?status=qualified",
    "list: owner": "/v1/leads?assignedTo=owner-3",
    "list: score": "/v1/leads?minScore=85",
    "list: status, owner": "/v1/leads?status=qualified&assignedTo=owner-3",
    "list: status, source, owner": "/v1/leads?status=lost&source=phone&assignedTo=owner-3",
    "list: owner, score": "/v1/leads?assignedTo=owner-3&minScore=85",
    "search: rare name": f"/v1/leads?q={RARE}",
    "search: very common name": f"/v1/leads?q={COMMON}",
    "search: no such name": "/v1/leads?q=nobody",
    "search: two names": "/v1/leads?q=rosa+harvest",
    "search: common and rare": f"/v1/leads?q={COMMON}+{RARE}",
    "search: common and a number": f"/v1/leads?q={COMMON}+7777",
    "search: name, status": f"/v1/leads?q={COMMON}&status=qualified",
    "search: e-mail": "/v1/leads?q=7777.person@example.com",
    "search: phone": "/v1/leads?q=312+000+7777",
    **{
        f"figures: {what}, {frame}": f"/v1/analytics/{what}?timeframe={frame}"
        for what in ("leads", "conversions")
        for frame in _FRAMES
    },
}
Ask = Callable[[str], Awaitable[dict[str, object]]]
Before = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Figure:
    """Milliseconds: of each request in order, and the CPU of a request in the database and in the gateway."""

    times: list[float]
    database: float
    gateway: float

    def __str__(self) -> str:
        median, p95 = statistics.median(self.times), self.times[int(len(self.times) * 0.95)]
        return f"{median:9.1f} {p95:9.1f} {self.database:9.1f} {self.gateway:9.1f}"


async def changed(on: Bench, leads: int) -> float:
    """Milliseconds of the database's CPU for a lead that changes and is counted."""
    database, used = on.local.database, 0.0
    assert database
    for first in range(0, min(leads, _CHANGED), _BATCH):
        ids = [lead_id(number) for number in range(first, first + _BATCH)]
        await on.storage.change(
            LEADS, [Change(one, {}, {"$set": {"score": 100 - random.randrange(10)}}) for one in ids]
        )
        before, now = cpu_seconds(database.pid), system_clock()
        await count_leads(on.storage, ids, UTC, Watermark(now, now))
        used += cpu_seconds(database.pid) - before
    return used * 1000 / min(leads, _CHANGED)


async def measured(ask: Ask, path: str, rounds: int, pids: tuple[int, int], before: Before) -> Figure:
    """The figure of one question, which a first request has warmed up."""
    await ask(path)
    times, used = [], [0.0, 0.0]
    for _ in range(rounds):
        await before()
        as_was, began = [cpu_seconds(pid) for pid in pids], time.perf_counter()
        await ask(path)
        times.append((time.perf_counter() - began) * 1000)
        used = [so_far + cpu_seconds(pid) - was for so_far, pid, was in zip(used, pids, as_was, strict=True)]
    database, gateway = (seconds * 1000 / rounds for seconds in used)
    return Figure(sorted(times), database, gateway)


async def nothing() -> None:
    """No preparation."""


async def deep(ask: Ask) -> str:
    """The cursor of a page far down the list."""
    cursor = ""
    for _ in range(_DEEP_PAGES):
        cursor = f"&cursor={(await ask(f'/v1/leads?limit=200{cursor}'))['nextCursor']}"
    return cursor


async def measure(on: Bench, rounds: int) -> None:
    """Ask everything, and print."""
    key = await new_key(on, f"bench-{time.time_ns()}", per_minute=1_000_000)
    assert on.local.database
    async with gateway_process(on, PANTRY_LOG_LEVEL="error") as (process, url), aiohttp.ClientSession() as http:

        async def ask(path: str) -> dict[str, object]:
            async with http.get(url + path, headers={"authorization": f"Bearer {key}"}) as answer:
                answer.raise_for_status()
                found: dict[str, object] = await answer.json()
                return found

        print(f"{'ms':28} {'median':>9} {'p95':>9} {'database':>9} {'gateway':>9}", flush=True)
        for name, path in _QUESTIONS.items():
            further = await deep(ask) if "deep" in name else ""
            before = partial(touch, on, 1) if "figures" in name else nothing
            figure = await measured(ask, path + further, rounds, (on.local.database.pid, process.pid), before)
            print(f"{name:28} {figure}", flush=True)


async def main(leads: int, rounds: int, local: LocalServers) -> None:
    """The whole run."""
    async with bench(local) as on:
        on.storage = Storage(on.to.mongo, "test", timeout_ms=60_000)
        await load(on, leads)
        print(f"a lead that changes takes {await changed(on, leads):.2f} ms of the database's CPU", flush=True)
        await measure(on, rounds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--leads", type=int, default=20_000)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--rounds", type=int, default=30)
    options = parser.parse_args()
    with (
        nullcontext(options.data) if options.data else TemporaryDirectory() as folder,
        LocalServers("embedded", Path(folder), kafka_bootstrap=None, mongo_url=None) as servers,
    ):
        asyncio.run(main(options.leads, options.rounds, servers))
