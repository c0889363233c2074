"""Requests a second through the gateway, beside the same framework's empty endpoint on this machine in the same run.

Both run as processes of their own, in turn. The first load is as many requests as fifty connections can send. The
second has half that rate at an even pace: p50 and p99 are of it. The CPU is of the process under the first load. The
client has the second core, and limits the empty endpoint.
"""

import argparse
import asyncio
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from fastapi import FastAPI
from fastapi.responses import Response

from deploy.local import LocalServers
from deploy.local.child_process import free_port
from shared.http.health import HttpServer
from tests.benchmarks.cpu import cpu_seconds
from tests.benchmarks.table import Row, compared
from tests.builders import data
from tests.gateway import gateway_process, new_key
from tests.harness import bench, until

_CONNECTIONS = 50
SECTION = "Gateway: requests of 50 connections, and their answers at half that rate"


@dataclass(frozen=True, slots=True)
class Figure:
    """Requests a second at full load, and CPU seconds of one; seconds to the answer at half of that."""

    rate: float
    cpu: float
    p50: float
    p99: float


class Load:
    """Sends captures to one URL."""

    def __init__(self, http: aiohttp.ClientSession, url: str, key: str) -> None:
        self._http, self._url = http, url
        self._headers = {"authorization": f"Bearer {key}"}

    async def one(self, number: int) -> float:
        """Send one; return the seconds that it took."""
        began = time.perf_counter()
        body = data(email=f"b{number}@example.com")
        async with self._http.post(self._url, json=body, headers=self._headers) as answer:
            await answer.read()
            if answer.status != 202:
                raise RuntimeError(f"answered {answer.status}")
        return time.perf_counter() - began

    async def full(self, count: int) -> float:
        """Requests a second of all connections at once."""
        numbers = iter(range(count))

        async def connection(numbers: Iterator[int]) -> None:
            for number in numbers:
                await self.one(number)

        began = time.perf_counter()
        await asyncio.gather(*(connection(numbers) for _ in range(_CONNECTIONS)))
        return count / (time.perf_counter() - began)

    async def paced(self, count: int, rate: float) -> list[float]:
        """Seconds of each of `count` requests that are sent at this rate, whether or not others were answered."""
        began = time.perf_counter()
        sent = []
        for number in range(count):
            await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
            sent.append(asyncio.create_task(self.one(count + number)))
        return sorted(await asyncio.gather(*sent))


async def measured(pid: int, url: str, key: str, count: int) -> Figure:
    """The figures of one endpoint and its process."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        load = Load(http, url, key)
        await load.full(count // 10)
        used = cpu_seconds(pid)
        rate = await load.full(count)
        used = (cpu_seconds(pid) - used) / count
        seconds = await load.paced(count, rate / 2)
    return Figure(rate, used, seconds[len(seconds) // 2], seconds[int(len(seconds) * 0.99)])


def empty() -> FastAPI:
    """The least endpoint of the framework."""
    app = FastAPI()

    @app.post("/empty")
    async def nothing() -> Response:
        return Response(status_code=202)

    return app


def _serve(port: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "tests.benchmarks.gateway", "--serve", str(port)])


@asynccontextmanager
async def empty_process() -> AsyncIterator[tuple[int, str]]:
    """The empty endpoint in a process of its own: its number and URL."""
    port = free_port()
    process = _serve(port)
    try:
        await until(lambda: _listens(port), "the empty endpoint")
        yield process.pid, f"http://127.0.0.1:{port}/empty"
    finally:
        process.kill()


async def _listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


async def measure(backend: str, rounds: int, count: int) -> list[Row]:
    """Measure both in turn."""
    base, figures = [], []
    with tempfile.TemporaryDirectory() as directory, LocalServers(backend, Path(directory)) as local:
        async with bench(local) as on:
            key = await new_key(on, per_minute=10**8)
            async with empty_process() as (pid, empty_url), gateway_process(on) as (process, url):
                for _ in range(rounds):
                    base.append(await measured(pid, empty_url, key, count))
                    figures.append(await measured(process.pid, f"{url}/v1/leads", key, count))
    least, ours = _row("the framework's empty endpoint", base), _row("POST /v1/leads", figures)
    return [least, compared(ours, least, "it ÷ empty")]


def _row(what: str, figures: Sequence[Figure]) -> Row:
    return Row(
        SECTION,
        what,
        [one.rate for one in figures],
        [one.cpu * 1e6 for one in figures],
        times={"p50": [one.p50 * 1e3 for one in figures], "p99": [one.p99 * 1e3 for one in figures]},
    )


def gateway_rows(backend: str, rounds: int, count: int) -> list[Row]:
    """The rows of the table."""
    return asyncio.run(measure(backend, rounds, count))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--serve", type=int, required=True)
    asyncio.run(HttpServer(empty(), "127.0.0.1", parser.parse_args().serve).serve())
