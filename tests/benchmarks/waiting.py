"""How long people wait: from a form to each stage of an idle system, and for the whole demo."""

import asyncio
import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
from aiokafka import AIOKafkaConsumer

from deploy.local import LocalServers
from schemas.topics import CREATED, ENROLLED, SCORED
from tests.benchmarks.table import Row
from tests.builders import data
from tests.gateway import gateway_process, new_key
from tests.harness import DEADLINE_S, PANTRY, Bench, bench, stop

LATENCY = "Latency: from sending a form, on an idle system"
DEMO = "Demo: people through everything, from the command to its end"
_STAGES = {CREATED: "created", SCORED: "scored", ENROLLED: "enrolled"}
_WARM = 5
_READ_MS = 10
"""How often the stages' readers ask: a figure is too high by half of it."""


async def latency(backend: str, samples: int) -> list[Row]:
    """Send forms one after the other, and wait for each stage."""
    with tempfile.TemporaryDirectory() as folder, LocalServers(backend, Path(folder)) as local:
        async with bench(local, partitions=None) as on, AsyncExitStack() as stack:
            key = await new_key(on, per_minute=10**6)
            _, url = await stack.enter_async_context(gateway_process(on))
            workers = on.process("capture", "scoring", "nurture")
            stack.callback(stop, workers)
            http = await stack.enter_async_context(aiohttp.ClientSession(headers={"authorization": f"Bearer {key}"}))
            found = await _samples(on, http, f"{url}/v1/leads", samples)
    return [
        Row(LATENCY, stage, times={"p50": [one[len(one) // 2]], "p99": [one[int(len(one) * 0.99)]]})
        for stage, one in found.items()
    ]


async def _samples(on: Bench, http: aiohttp.ClientSession, url: str, samples: int) -> dict[str, list[float]]:
    """The milliseconds of each stage, sorted."""
    async with AsyncExitStack() as stack:
        readers = {
            stage: await stack.enter_async_context(on.reading(topic, wait_ms=_READ_MS))
            for topic, stage in _STAGES.items()
        }
        found: dict[str, list[float]] = {stage: [] for stage in ("202, in Kafka", *readers)}
        for number in range(_WARM + samples):
            times = await _one(readers, http, url, number)
            for stage, milliseconds in times.items():
                found[stage] += [milliseconds] if number >= _WARM else []
        return {stage: sorted(one) for stage, one in found.items()}


async def _one(
    readers: Mapping[str, AIOKafkaConsumer], http: aiohttp.ClientSession, url: str, number: int
) -> dict[str, float]:
    """Send a form; each stage has one event for it."""
    began = time.perf_counter()

    def since() -> float:
        return (time.perf_counter() - began) * 1e3

    async def came(reader: AIOKafkaConsumer) -> float:
        await reader.getone()
        return since()

    waiting = [asyncio.ensure_future(came(reader)) for reader in readers.values()]
    async with http.post(url, json=data(email=f"latency.{number}@example.com")) as answer:
        answer.raise_for_status()
        accepted = since()
    async with asyncio.timeout(DEADLINE_S):
        times = await asyncio.gather(*waiting)
    return {"202, in Kafka": accepted, **dict(zip(readers, times, strict=True))}


def demo(backend: str, rounds: int, leads: int) -> list[Row]:
    """Run `pantry demo` as a user does."""
    return [Row(DEMO, f"pantry demo --leads {leads}", times={"whole": [_demo(backend, leads) for _ in range(rounds)]})]


def _demo(backend: str, leads: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PANTRY_BACKEND": backend, "PANTRY_DATA_DIR": folder, "PANTRY_HTTP_PORT": "0"}
        command: Sequence[str] = (*PANTRY, "demo", "--leads", str(leads), "--json")
        began = time.perf_counter()
        subprocess.run(command, env=environment, check=True, capture_output=True)
        return (time.perf_counter() - began) * 1e3


def latency_rows(backend: str, samples: int) -> list[Row]:
    """The rows of the table."""
    return asyncio.run(latency(backend, samples))
