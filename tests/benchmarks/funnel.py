"""Captures a second through the whole funnel in one process, beside a bare loop on the same servers in the same run.

`python -m tests.benchmarks.funnel [--backend embedded|apache] [captures]` prints the figures; nothing is asserted.
The bare loop is the least one could write: getmany, JSON, one bulk write of the same documents, produce.
"""

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from deploy.local import LocalServers
from schemas.topics import CAPTURED, CREATED, ENROLLED, REJECTED
from tests.builders import data, event
from tests.harness import Bench, bench, until


async def bare(on: Bench, count: int) -> float:
    """Captures a second of the bare loop."""
    consumer = AIOKafkaConsumer(
        CAPTURED.name, bootstrap_servers=on.to.kafka_bootstrap, group_id="bare", auto_offset_reset="earliest",
        enable_auto_commit=False,
    )  # fmt: skip
    producer = AIOKafkaProducer(bootstrap_servers=on.to.kafka_bootstrap, acks="all", linger_ms=2)
    await consumer.start()
    await producer.start()
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
    await consumer.stop()
    await producer.stop()
    return rate


async def funnel(on: Bench, count: int) -> tuple[float, float]:
    """Captures a second until all are created, and until all are enrolled (capture, scoring and nurture together)."""
    async with on.running("capture", "scoring", "nurture"):
        began = time.perf_counter()

        async def through(collection: str) -> bool:
            return await on.count(collection) >= count

        await until(lambda: through("leads"), "all leads")
        created = count / (time.perf_counter() - began)
        await until(lambda: through("enrolments"), "all enrolments")
        return created, count / (time.perf_counter() - began)


async def latency(on: Bench, samples: int = 20) -> list[float]:
    """Seconds from publishing a capture to reading its `nurture.enrolled`, one after the other on an idle system."""
    found: list[float] = []
    async with on.running("capture", "scoring", "nurture"):
        consumer = AIOKafkaConsumer(ENROLLED.name, bootstrap_servers=on.to.kafka_bootstrap, fetch_max_wait_ms=100)
        await consumer.start()
        for number in range(samples):
            began = time.perf_counter()
            await on.publish([event(data(email=f"latency.{number}@example.com"))])
            await consumer.getone()
            found.append(time.perf_counter() - began)
        await consumer.stop()
    return sorted(found)


async def main(backend: str, count: int) -> None:
    """Run and print."""
    with tempfile.TemporaryDirectory() as directory, LocalServers(backend, Path(directory)) as local:
        async with bench(local) as on:
            spread = await latency(on)
            await on.publish([event(data(email=f"b{n}@example.com")) for n in range(count)])
            base = await bare(on, count)
            created, enrolled = await funnel(on, count)
            print(f"broker {local.servers.broker}, database {local.servers.database}, {count} captures, one process")
            print(f"bare loop                       {base:8.0f} captures/s")
            print(f"capture → {CREATED.name:<22}{created:8.0f} captures/s   ratio {created / base:.2f}")
            print(f"capture → {ENROLLED.name:<22}{enrolled:8.0f} captures/s   ratio {enrolled / base:.2f}")
            half, most = spread[len(spread) // 2], spread[-1]
            print(f"one capture to {ENROLLED.name} when idle: median {half * 1000:.0f} ms, worst {most * 1000:.0f} ms")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--backend", default="embedded")
    parser.add_argument("captures", type=int, nargs="?", default=3_000)
    arguments = parser.parse_args()
    asyncio.run(main(arguments.backend, arguments.captures))
