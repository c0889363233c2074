"""Requests a second through the gateway, beside the same framework's empty endpoint on this machine in the same run.

`python -m tests.benchmarks.gateway [--backend embedded|apache] [requests]` prints figures; nothing is asserted. Each
is measured as a process of its own: first as many requests as fifty connections can send, then half of that at an even
pace, whose p50 and p99 are told. The client has the second core, and is the slower of both at the empty endpoint.
"""

import argparse
import asyncio
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from fastapi import FastAPI
from fastapi.responses import Response

from deploy.local import LocalServers
from deploy.local.child_process import free_port
from shared.http.health import HttpServer
from tests.builders import data
from tests.gateway import gateway_process, new_key
from tests.harness import bench, until

_CONNECTIONS = 50


@dataclass(frozen=True, slots=True)
class Figure:
    """Requests a second at full load; seconds to the answer at half of that."""

    rate: float
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


async def measured(url: str, key: str, count: int) -> Figure:
    """The figures of one endpoint."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        load = Load(http, url, key)
        await load.full(count // 10)
        rate = await load.full(count)
        seconds = await load.paced(count, rate / 2)
    return Figure(rate, seconds[len(seconds) // 2], seconds[int(len(seconds) * 0.99)])


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
async def empty_process() -> AsyncIterator[str]:
    """The empty endpoint in a process of its own."""
    port = free_port()
    process = _serve(port)
    try:
        await until(lambda: _listens(port), "the empty endpoint")
        yield f"http://127.0.0.1:{port}/empty"
    finally:
        process.kill()


async def _listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


async def main(backend: str, count: int) -> None:
    """Run and print."""
    with tempfile.TemporaryDirectory() as directory, LocalServers(backend, Path(directory)) as local:
        async with bench(local) as on:
            key = await new_key(on, per_minute=10**8)
            async with empty_process() as url:
                base = await measured(url, key, count)
            async with gateway_process(on) as (_, url):
                figure = await measured(f"{url}/v1/leads", key, count)
        print(f"broker {local.servers.broker}, database {local.servers.database}, {count} requests")
        for name, one in (("empty endpoint", base), ("POST /v1/leads", figure)):
            print(
                f"{name:<16}{one.rate:7.0f} requests/s   ratio {one.rate / base.rate:.2f}"
                f"   at half load p50 {one.p50 * 1000:5.1f} ms, p99 {one.p99 * 1000:5.1f} ms"
            )


def arguments() -> Any:
    """What the command line says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--backend", default="embedded")
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    parser.add_argument("requests", type=int, nargs="?", default=10_000)
    return parser.parse_args()


if __name__ == "__main__":
    given = arguments()
    if given.serve:
        asyncio.run(HttpServer(empty(), "127.0.0.1", given.serve).serve())
    else:
        asyncio.run(main(given.backend, given.requests))
