"""Captures a second, beside bare loops on the same servers in the same run.

`python -m tests.benchmarks.funnel [--backend embedded|apache] [captures]` prints the figures; nothing is asserted.
A bare loop is the least one could write: getmany, JSON, one bulk write, produce; it reads nothing, guards nothing and
has no index. There are three: each capture's data replaced by its id as one document; the documents that the funnel
makes of a capture, as they stand in the end, replaced by id; and the same inserted, which is far faster here.
Each worker is measured in a process of its own working through what the one before it left, then all of them in one.
Beside each rate stand its ratio to each loop, and what it cost in CPU, of the worker's process and of the embedded
database's: the latter has one core.
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer

from deploy.local import LocalServers
from schemas.topics import CAPTURED, CREATED, ENROLLED, REJECTED, SCORED, Topic
from shared.domain.stored.untyped import Document
from shared.mongo.names import CollectionName
from shared.observability.log_setup import configure
from shared.settings import Settings
from tests.benchmarks.cpu import cpu_seconds
from tests.builders import data, event
from tests.collection_names import CAPTURES, ENROLMENTS, IDENTITIES, LEADS, STEPS
from tests.harness import Bench, bench, stop

_STAGES = (("capture", CREATED), ("scoring", SCORED), ("nurture", ENROLLED))


@dataclass(frozen=True, slots=True)
class Figure:
    """Events a second, and the CPU seconds that an event took of our process and of the database's (None: not ours)."""

    rate: float
    own: float
    database: float | None


def _cpu(pid: int | None) -> float | None:
    """CPU seconds that a process has used; None: it is not ours."""
    return None if pid is None else cpu_seconds(pid)


def _spent(pid: int | None, before: float | None, count: int) -> float | None:
    now = _cpu(pid)
    return None if now is None or before is None else (now - before) / count


def _database(on: Bench) -> int | None:
    return on.local.database.pid if on.local.database else None


_Documents = Callable[[Mapping[str, Any]], Mapping[str, Sequence[Document]]]
"""Of a capture's event, the documents to store, by collection."""
_Write = Callable[[CollectionName[Document], Sequence[Document]], Awaitable[object]]
"""How to store documents in a collection."""


def _one(event: Mapping[str, Any]) -> Mapping[str, Sequence[Document]]:
    return {"leads": [{"_id": event["id"], **event["data"]}]}


async def _stored(on: Bench) -> _Documents:
    """The documents that the funnel stored, each with the capture of whose lead it is."""
    of_lead: dict[str, dict[str, list[Document]]] = {}
    for collection in (LEADS, CAPTURES, IDENTITIES, ENROLMENTS, STEPS):
        async for page in on.storage.scan(collection):
            for one in page:
                lead_id = one["_id"] if collection == LEADS else one.get("leadId") or one["leadIds"][0]
                of_lead.setdefault(lead_id, {}).setdefault(collection, []).append(one)
    by_event = {capture["id"]: theirs for theirs in of_lead.values() for capture in theirs[CAPTURES]}
    return lambda event: by_event[event["id"]]


async def bare(on: Bench, count: int, name: str, documents: _Documents, write: _Write) -> Figure:
    """The bare loop, as the consumer group `name`, which its collections are named by too."""
    producer = AIOKafkaProducer(**on.to.kafka.options, acks="all", linger_ms=2)
    await producer.start()
    async with on.reading(CAPTURED, name) as consumer:
        done, began = 0, time.perf_counter()
        own, used = time.process_time(), _cpu(_database(on))
        while done < count:
            for records in (await consumer.getmany(timeout_ms=100, max_records=500)).values():
                made = [documents(json.loads(record.value or b"")) for record in records]
                found = {collection for one in made for collection in one}
                writes = [(of, [document for one in made for document in one.get(of, ())]) for of in found]
                await asyncio.gather(*[write(CollectionName(f"{name}.{of}"), some) for of, some in writes])
                sent = [await producer.send(REJECTED.name, record.value, key=record.key) for record in records]
                await asyncio.gather(*sent)
                done += len(records)
            await consumer.commit()
        figure = Figure(
            count / (time.perf_counter() - began),
            (time.process_time() - own) / count,
            _spent(_database(on), used, count),
        )
    await producer.stop()
    return figure


async def rate(on: Bench, topic: Topic, workers: Sequence[str], count: int, skip: int = 0) -> Figure:
    """Events on `topic` between the first and the last of `count`, after the `skip` that are there already.

    The workers run in one process that is started for it.
    """
    async with on.reading(topic) as consumer:
        process, used = on.process(*workers), _cpu(_database(on))
        started = 0.0
        seen: list[tuple[float, int]] = []
        total = -skip
        while total < count:
            batches = await consumer.getmany(timeout_ms=200)
            total += sum(len(records) for records in batches.values())
            if batches and total > 0:
                started = started or (_cpu(process.pid) or 0.0)
                seen.append((time.perf_counter(), total))
        own, spent = _spent(process.pid, started, count), _spent(_database(on), used, count)
        stop(process)
    (began, first), (ended, last) = seen[0], seen[-1]
    return Figure((last - first) / (ended - began), own or 0.0, spent)


async def alone(on: Bench, count: int) -> dict[str, Figure]:
    """Captures a second of each worker in a process of its own."""
    return {name: await rate(on, topic, (name,), count) for name, topic in _STAGES}


async def together(on: Bench, count: int) -> Figure:
    """Captures a second to enrolment, all workers of the funnel in one process."""
    await on.publish([event(data(email=f"t{n}@example.com")) for n in range(count)])
    return await rate(on, ENROLLED, [name for name, _ in _STAGES], count, skip=count)


async def latency(on: Bench, samples: int = 20) -> list[float]:
    """Seconds from publishing a capture to reading its `nurture.enrolled`, one after the other on an idle system."""
    found: list[float] = []
    async with on.running("capture", "scoring", "nurture"), on.reading(ENROLLED) as consumer:
        for number in range(samples):
            began = time.perf_counter()
            await on.publish([event(data(email=f"latency.{number}@example.com"))])
            await consumer.getone()
            found.append(time.perf_counter() - began)
    return sorted(found)


async def main(backend: str, count: int) -> None:
    """Run and print."""
    configure(Settings(log_level="error"))
    with tempfile.TemporaryDirectory() as directory, LocalServers(backend, Path(directory) / "a") as local:
        async with bench(local) as on:
            await on.publish([event(data(email=f"b{n}@example.com")) for n in range(count)])
            put, insert = on.storage.put, on.storage.insert_new
            loops = {"one document, replaced": await bare(on, count, "one", _one, put)}
            figures = {f"{name} alone": figure for name, figure in (await alone(on, count)).items()}
            stored = await _stored(on)
            loops["the funnel's, replaced"] = await bare(on, count, "same", stored, put)
            loops["the funnel's, inserted"] = await bare(on, count, "new", stored, insert)
            figures["all three in one process"] = await together(on, count)
            print(f"broker {local.servers.broker}, database {local.servers.database}, {count} captures")
            for name, figure in {**loops, **figures}.items():
                print(f"{name:<26}{_told(figure, list(loops.values()))}")
    with tempfile.TemporaryDirectory() as directory, LocalServers(backend, Path(directory) / "b") as local:
        async with bench(local) as on:
            spread = await latency(on)
            half, most = spread[len(spread) // 2], spread[-1]
            print(f"one capture to {ENROLLED.name} when idle: median {half * 1000:.0f} ms, worst {most * 1000:.0f} ms")


def _told(figure: Figure, loops: Sequence[Figure]) -> str:
    database = "" if figure.database is None else f", database {figure.database * 1e6:5.0f} µs"
    ratios = " ".join(f"{figure.rate / one.rate:5.2f}" for one in loops)
    return f"{figure.rate:8.0f} captures/s   ratios {ratios}   CPU a capture: own {figure.own * 1e6:5.0f} µs{database}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--backend", default="embedded")
    parser.add_argument("captures", type=int, nargs="?", default=5_000)
    arguments = parser.parse_args()
    asyncio.run(main(arguments.backend, arguments.captures))
