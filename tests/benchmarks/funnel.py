"""Captures a second, beside a bare loop on the same servers in the same run.

`python -m tests.benchmarks.funnel [--backend embedded|apache] [captures]` prints the figures; nothing is asserted.
The bare loop is the least one could write: getmany, JSON, one bulk write of the same documents, produce. Each worker is
measured in a process of its own working through what the one before it left, then all of them in one process.
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from deploy.local import LocalServers
from schemas.topics import CAPTURED, CREATED, ENROLLED, REJECTED, SCORED, Topic
from tests.builders import data, event
from tests.harness import Bench, bench, stop

_STAGES = (("capture", CREATED), ("scoring", SCORED), ("nurture", ENROLLED))


@asynccontextmanager
async def _reading(on: Bench, topic: Topic, group: str | None = None) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        topic.name,
        bootstrap_servers=on.to.kafka_bootstrap,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        fetch_max_wait_ms=100,
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


async def bare(on: Bench, count: int) -> float:
    """Captures a second of the bare loop."""
    producer = AIOKafkaProducer(bootstrap_servers=on.to.kafka_bootstrap, acks="all", linger_ms=2)
    await producer.start()
    async with _reading(on, CAPTURED, "bare") as consumer:
        done, began = 0, time.perf_counter()
        while done < count:
            for records in (await consumer.getmany(timeout_ms=100, max_records=500)).values():
                events = [json.loads(record.value or b"") for record in records]
                await on.storage.put("bare", [{"_id": one["id"], **one["data"]} for one in events])
                sent = [await producer.send(REJECTED.name, record.value, key=record.key) for record in records]
                await asyncio.gather(*sent)
                done += len(records)
            await consumer.commit()
        rate = count / (time.perf_counter() - began)
    await producer.stop()
    return rate


async def rate(on: Bench, topic: Topic, workers: Sequence[str], count: int, skip: int = 0) -> float:
    """Events a second on `topic` between the first and the last of `count`, after the `skip` that are there already.

    The workers run in one process that is started for it.
    """
    async with _reading(on, topic) as consumer:
        process = on.process(*workers)
        seen: list[tuple[float, int]] = []
        total = -skip
        while total < count:
            batches = await consumer.getmany(timeout_ms=200)
            total += sum(len(records) for records in batches.values())
            if batches and total > 0:
                seen.append((time.perf_counter(), total))
        stop(process)
    (began, first), (ended, last) = seen[0], seen[-1]
    return (last - first) / (ended - began)


async def alone(on: Bench, count: int) -> dict[str, float]:
    """Captures a second of each worker in a process of its own."""
    return {name: await rate(on, topic, (name,), count) for name, topic in _STAGES}


async def together(on: Bench, count: int) -> float:
    """Captures a second to enrolment, all workers of the funnel in one process."""
    await on.publish([event(data(email=f"t{n}@example.com")) for n in range(count)])
    return await rate(on, ENROLLED, [name for name, _ in _STAGES], count, skip=count)


async def latency(on: Bench, samples: int = 20) -> list[float]:
    """Seconds from publishing a capture to reading its `nurture.enrolled`, one after the other on an idle system."""
    found: list[float] = []
    async with on.running("capture", "scoring", "nurture"), _reading(on, ENROLLED) as consumer:
        for number in range(samples):
            began = time.perf_counter()
            await on.publish([event(data(email=f"latency.{number}@example.com"))])
            await consumer.getone()
            found.append(time.perf_counter() - began)
    return sorted(found)


async def main(backend: str, count: int) -> None:
    """Run and print."""
    with tempfile.TemporaryDirectory() as directory, LocalServers(backend, Path(directory) / "a") as local:
        async with bench(local) as on:
            await on.publish([event(data(email=f"b{n}@example.com")) for n in range(count)])
            base = await bare(on, count)
            rates = {f"{name} alone": figure for name, figure in (await alone(on, count)).items()}
            rates["all three in one process"] = await together(on, count)
            print(f"broker {local.servers.broker}, database {local.servers.database}, {count} captures")
            print(f"{'bare loop':<26}{base:8.0f} captures/s")
            for name, figure in rates.items():
                print(f"{name:<26}{figure:8.0f} captures/s   ratio {figure / base:.2f}")
    with tempfile.TemporaryDirectory() as directory, LocalServers(backend, Path(directory) / "b") as local:
        async with bench(local) as on:
            spread = await latency(on)
            half, most = spread[len(spread) // 2], spread[-1]
            print(f"one capture to {ENROLLED.name} when idle: median {half * 1000:.0f} ms, worst {most * 1000:.0f} ms")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--backend", default="embedded")
    parser.add_argument("captures", type=int, nargs="?", default=5_000)
    arguments = parser.parse_args()
    asyncio.run(main(arguments.backend, arguments.captures))
