"""The funnel's workers over a database and a broker in memory, which take little time."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from aiokafka.partitioner import DefaultPartitioner
from aiokafka.producer.message_accumulator import BatchBuilder
from faststream.kafka.publisher.state import RealProducer

from schemas.topics import TOPICS
from services.composition.workers import WORKERS
from shared.clock import system_clock
from shared.consuming.consumer import BatchConsumer
from shared.consuming.processor import RecordProcessor
from shared.consuming.worker import Runtime
from shared.kafka.client import MAX_REQUEST_BYTES, Kafka, Publisher, connect
from shared.kafka.events import Record
from shared.mongo.storage import Change, Storage
from shared.observability.metrics import Metrics
from shared.settings import Settings

WORKERS_OF_FUNNEL = ("capture", "scoring", "nurture")


class Documents:
    """A database in memory, as far as these workers use one."""

    def __init__(self) -> None:
        self._of: dict[str, dict[str, Any]] = {}

    def _rows(self, collection: str) -> dict[str, Any]:
        return self._of.setdefault(collection, {})

    async def read(
        self,
        collection: str,
        ids: Iterable[str],
        fields: Sequence[str] | None = None,  # noqa: ARG002 - a document may have more
    ) -> dict[str, Any]:
        rows = self._rows(collection)
        return {one: rows[one] for one in ids if one in rows}

    async def find_in(
        self,
        collection: str,
        field: str,
        values: Iterable[str],
        *,
        fields: Sequence[str] | None = None,  # noqa: ARG002 - as above
    ) -> list[Any]:
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

    def __init__(self, documents: Documents | None = None) -> None:
        settings, metrics = Settings(log_level="error"), Metrics()
        storage, self.producer = cast("Storage", documents or Documents()), _Producer()
        broker = connect(Kafka("nowhere:9092"), idempotence=False, metrics=metrics)
        inner: Any = broker.config.producer  # FastStream has no public way in
        inner._producer = RealProducer(cast("Any", self.producer))
        publisher = Publisher(broker, metrics)
        runtime = Runtime(settings, storage, publisher, system_clock, metrics=metrics)
        self._consumers = {
            name: BatchConsumer(
                RecordProcessor(WORKERS[name](runtime), publisher, system_clock, settings.region), metrics
            )
            for name in WORKERS_OF_FUNNEL
        }

    async def handle(self, name: str, records: Sequence[Record], batch: int = 500) -> list[Record]:
        """Let this worker handle the records; return what it publishes."""
        self.producer.sent.clear()
        for start in range(0, len(records), batch):
            await self._consumers[name].handle_once(records[start : start + batch])
        return [
            Record(topic, 0, number, key, value, tuple(headers))
            for number, (topic, key, value, headers) in enumerate(self.producer.sent)
        ]
