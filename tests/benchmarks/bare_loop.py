"""The least program that could stand in a worker's place: consume, validate, write, publish, commit.

It decides nothing. It repeats what the worker read, wrote and published for each event (`recording.py`): one bulk for
each collection and batch. With `--reads` it also does the worker's reads and guards its updates.
"""

import argparse
import asyncio
import gc
import os
import pickle
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from pydantic_core import from_json, to_json
from pymongo import InsertOne, UpdateOne

from schemas.base import CloudEvent
from schemas.topics import TOPICS
from shared.mongo.drivers import open_client
from shared.settings import Settings
from tests.benchmarks.recording import Plan, Read, Step, Write

_BATCH = 500


class Loop:
    """One hop's loop."""

    def __init__(self, database: Any, steps: Mapping[str, Step], *, reads: bool) -> None:
        self._database, self._steps, self._reads = database, steps, reads

    def decode(self, record: Any) -> Step:
        """Validate envelope and payload by the published schemas."""
        event = CloudEvent.model_validate(from_json(record.value))
        TOPICS[record.topic].model.model_validate(event.data, context={"region": "US"})
        return self._steps[event.id]

    async def handle(self, steps: Sequence[Step]) -> None:
        """Do a batch's reads and writes."""
        if self._reads:
            await self._read([read for step in steps for read in step.reads if not read.late])
        writes = folded(write for step in steps for write in step.writes)
        await asyncio.gather(*(self._write(name, some) for name, some in writes.items()))
        if self._reads:
            await self._read([read for step in steps for read in step.reads if read.late])

    async def _read(self, reads: Iterable[Read]) -> None:
        wanted: dict[tuple[int, str, str, tuple[str, ...]], dict[str, None]] = {}
        for one in reads:
            place = wanted.setdefault((one.turn, one.collection, one.field, one.fields), {})
            place.update(dict.fromkeys(one.values))
        for turn in sorted({key[0] for key in wanted}):
            await asyncio.gather(*(self._find(key, list(ids)) for key, ids in wanted.items() if key[0] == turn))

    async def _find(self, key: tuple[int, str, str, tuple[str, ...]], values: list[str]) -> None:
        _, collection, by, fields = key
        shown = dict.fromkeys(fields, 1) if fields else None
        await self._database[collection].find({by: {"$in": values}}, shown).to_list(None)

    async def _write(self, collection: str, writes: Iterable[Write]) -> None:
        guards = self._reads
        bulk = [
            UpdateOne({"_id": one.id, **(one.guard if guards else {})}, one.update)
            if one.new is None
            else InsertOne(one.new)
            for one in writes
        ]
        await self._database[collection].bulk_write(bulk, ordered=False)


def folded(writes: Iterable[Write]) -> dict[str, list[Write]]:
    """The writes of a batch by collection, those of one document as one as far as they set whole fields."""
    found: dict[str, dict[str, Write]] = {}
    rest: dict[str, list[Write]] = {}
    for one in writes:
        of = found.setdefault(one.collection, {})
        before, fields = of.get(one.id), one.update.get("$set", {})
        plain = set(one.update) <= {"$set"} and not any("." in name for name in fields)
        if before is None or one.new is not None:
            of[one.id] = one
        elif plain and before.new is not None:
            of[one.id] = Write(one.collection, one.id, {**before.new, **fields})
        elif plain and set(before.update) <= {"$set"}:
            both = {"$set": {**before.update.get("$set", {}), **fields}}
            of[one.id] = Write(one.collection, one.id, None, before.guard, both)
        else:
            rest.setdefault(one.collection, []).append(one)
    return {name: [*of.values(), *rest.get(name, ())] for name, of in found.items()}


async def run(worker: str, topics: Sequence[str], steps: Plan, *, reads: bool) -> None:
    """Consume until the process is killed."""
    bootstrap = os.environ["PANTRY_KAFKA_BOOTSTRAP"]
    # The same driver as ours, by the same setting.
    client = open_client(Settings().mongo_driver, os.environ["PANTRY_MONGO_URL"])
    loop = Loop(client[os.environ["PANTRY_MONGO_DATABASE"]], steps[worker], reads=reads)
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=2, max_batch_size=256 * 1024)
    await producer.start()
    consumer = AIOKafkaConsumer(
        *topics,
        bootstrap_servers=bootstrap,
        group_id=os.environ["BENCHMARK_GROUP"],
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        session_timeout_ms=int(os.environ["PANTRY_SESSION_TIMEOUT_MS"]),
    )
    await consumer.start()
    while True:
        fetched = await consumer.getmany(timeout_ms=200, max_records=_BATCH)
        batch = [loop.decode(record) for record in chain.from_iterable(fetched.values())]
        if batch:
            await loop.handle(batch)
            sent = [
                await producer.send(topic, to_json(event), key=key, headers=list(headers))
                for step in batch
                for topic, key, event, headers in step.published
            ]
            await asyncio.gather(*sent)
            await consumer.commit()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("worker")
    parser.add_argument("topics", nargs="+")
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("--reads", action="store_true")
    given = parser.parse_args()
    # The plan comes from the process that started this one.
    recorded: Plan = pickle.loads(given.plan.read_bytes())  # noqa: S301
    # A loop that decides would not hold them all: the garbage collector must not walk over them.
    gc.collect()
    gc.freeze()
    asyncio.run(run(given.worker, given.topics, recorded, reads=given.reads))
