"""CPU of each worker's own code per record, without servers.

`python -m tests.benchmarks.handling [--rounds N] [--profile WORKER] [captures]` prints µs of CPU; nothing is asserted.
The database and the broker are doubles in memory, which take little time: what is left is decoding, deciding,
encoding and handing over to the client. For figures that a user meets, see `tests.benchmarks.funnel`.
Each round is a fresh funnel: scoring gets what capture published, nurture what scoring published.
"""

import argparse
import asyncio
import cProfile
import pstats
import statistics
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, cast

from aiokafka.partitioner import DefaultPartitioner
from aiokafka.producer.message_accumulator import BatchBuilder
from faststream.kafka.publisher.state import RealProducer

from schemas.topics import CAPTURED, CREATED, SCORED, TOPICS
from services.composition.workers import WORKERS
from shared.clock import system_clock
from shared.consuming.consumer import BatchConsumer
from shared.consuming.processor import RecordProcessor
from shared.consuming.worker import Runtime
from shared.kafka.client import MAX_REQUEST_BYTES, Kafka, Publisher, connect
from shared.kafka.events import Record
from shared.mongo.storage import Change, Storage
from shared.observability.log_setup import configure
from shared.observability.metrics import Metrics
from shared.settings import Settings
from tests.builders import data, event

_STAGES = (("capture", CREATED), ("scoring", SCORED), ("nurture", None))
_BATCH = 500


class _Documents:
    """A database in memory, as far as these workers use one."""

    def __init__(self) -> None:
        self._of: dict[str, dict[str, Any]] = {}

    def _rows(self, collection: str) -> dict[str, Any]:
        return self._of.setdefault(collection, {})

    async def read(self, collection: str, ids: Iterable[str], **_: object) -> dict[str, Any]:
        rows = self._rows(collection)
        return {one: rows[one] for one in ids if one in rows}

    async def find_in(self, collection: str, field: str, values: Iterable[str], **_: object) -> list[Any]:
        rows = self._rows(collection)
        if field == "_id":
            return [rows[one] for one in values if one in rows]
        wanted = set(values)
        return [row for row in rows.values() if row.get(field) in wanted]

    async def insert_new(self, collection: str, documents: Sequence[Any]) -> set[str]:
        rows = self._rows(collection)
        existed = {one["_id"] for one in documents if one["_id"] in rows}
        rows.update((one["_id"], one) for one in documents if one["_id"] not in existed)
        return existed

    async def change(self, collection: str, changes: Sequence[Change]) -> bool:
        rows = self._rows(collection)
        matched = [one for one in changes if one.id in rows and _matches(rows[one.id], one.guard)]
        for one in matched:
            rows[one.id] = {**rows[one.id], **one.update.get("$set", {})}
        return len(matched) == len(changes)

    async def replace(self, collection: str, documents: Sequence[Any]) -> bool:
        self._rows(collection).update((one["_id"], one) for _, one in documents)
        return True

    async def change_all(self, *_: object) -> int:
        return 0

    async def delete_guarded(self, *_: object) -> bool:
        return True

    delete = delete_all = change_all


def _matches(row: Mapping[str, Any], guard: Mapping[str, Any]) -> bool:
    return all(
        (name in row) is wanted["$exists"] if isinstance(wanted, dict) else row.get(name) == wanted
        for name, wanted in guard.items()
        if "." not in name
    )


class _Producer:
    """aiokafka's producer, up to the queue of its sender."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes | None, bytes | None, Any]] = []
        self._partition = DefaultPartitioner()

    async def partitions_for(self, topic: str) -> set[int]:
        return set(range(TOPICS[topic].partitions))

    async def send(self, topic: str, value: Any, key: Any, headers: Any = (), **_: object) -> asyncio.Future[None]:
        self._partition(key, list(range(TOPICS[topic].partitions)), [])
        self.sent.append((topic, key, value, headers))
        return _done()

    def create_batch(self) -> "_Batch":
        return _Batch(MAX_REQUEST_BYTES, 0)

    async def send_batch(self, batch: "_Batch", topic: str, **_: object) -> asyncio.Future[None]:
        self.sent += [(topic, *one) for one in batch.kept]
        return _done()


class _Batch(BatchBuilder):
    """A batch of the client that also keeps what it was given."""

    def __init__(self, *sizes: int) -> None:
        super().__init__(*sizes)  # type: ignore[no-untyped-call] # aiokafka has no types for it
        self.kept: list[tuple[bytes | None, bytes | None, Any]] = []

    def append(self, *, timestamp: Any, key: Any, value: Any, headers: Sequence[Any] = ()) -> Any:
        self.kept.append((key, value, headers))
        return super().append(timestamp=timestamp, key=key, value=value, headers=headers)


def _done() -> asyncio.Future[None]:
    future = asyncio.get_running_loop().create_future()
    future.set_result(None)
    return future


class Funnel:
    """The workers over doubles in memory."""

    def __init__(self) -> None:
        settings, metrics = Settings(log_level="error"), Metrics()
        storage, self.producer = cast("Storage", _Documents()), _Producer()
        broker = connect(Kafka("nowhere:9092"), idempotence=False, metrics=metrics)
        inner: Any = broker.config.producer  # FastStream has no public way in
        inner._producer = RealProducer(cast("Any", self.producer))
        publisher = Publisher(broker, metrics)
        runtime = Runtime(settings, storage, publisher, system_clock, metrics=metrics)
        self._consumers = {
            name: BatchConsumer(
                RecordProcessor(WORKERS[name](runtime), publisher, system_clock, settings.region), metrics
            )
            for name, _ in _STAGES
        }

    async def handle(self, name: str, records: Sequence[Record]) -> list[Record]:
        """Let this worker handle the records; return what it publishes."""
        self.producer.sent.clear()
        for start in range(0, len(records), _BATCH):
            await self._consumers[name].handle_once(records[start : start + _BATCH])
        return [
            Record(topic, 0, number, key, value, tuple(headers))
            for number, (topic, key, value, headers) in enumerate(self.producer.sent)
        ]


def captures(count: int) -> list[Record]:
    """Return captures of as many persons; every third has a phone number and consent."""
    headers = (("content-type", b"application/json"),)
    values = [event(_person(number)) for number in range(count)]
    return [Record(CAPTURED.name, 0, number, b"%d" % number, value, headers) for number, value in enumerate(values)]


def _person(number: int) -> dict[str, Any]:
    whole = number % 3 == 0
    more: dict[str, Any] = {"phone": f"+1415555{number % 10_000:04}", "consent": {"email": True}} if whole else {}
    return data(email=f"p{number}@example{number % 50}.com", first=f"Ana{number}", company=f"Fork {number}", **more)


async def measure(count: int, profile: str | None = None) -> dict[str, float]:
    """Return µs of CPU per record of each worker, in one fresh funnel."""
    funnel, records, found = Funnel(), captures(count), dict[str, float]()
    for name, topic in _STAGES:
        began = time.process_time()
        with _profiled() if name == profile else nullcontext():
            published = await funnel.handle(name, records)
        found[name] = (time.process_time() - began) / len(records) * 1e6
        records = [one for one in published if topic and one.topic == topic.name]
    return found


@contextmanager
def _profiled() -> Iterator[None]:
    with cProfile.Profile() as found:
        yield
    pstats.Stats(found).sort_stats("tottime").print_stats(45)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--profile", choices=[name for name, _ in _STAGES])
    parser.add_argument("captures", type=int, nargs="?", default=3_000)
    arguments = parser.parse_args()
    configure(Settings(log_level="error"))
    if arguments.profile:
        asyncio.run(measure(arguments.captures, arguments.profile))
        return
    rounds = [asyncio.run(measure(arguments.captures)) for _ in range(arguments.rounds)]
    for name, _ in _STAGES:
        print(f"{name:<10}{statistics.median(one[name] for one in rounds):6.0f} µs of CPU a record")


if __name__ == "__main__":
    main()
