"""Read the topics, the collections, the ledger, the groups and the gateway, each once."""

import asyncio
import base64
import json
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from pymongo import MongoClient

from tests.faults.oracle.world import COLLECTIONS, DEADLETTER, INPUTS, OUTPUTS, Document, Line, Record

_TOPICS = (*INPUTS, *OUTPUTS, DEADLETTER)
_HTTP_S = 10.0


def ledger(paths: Sequence[Path]) -> list[Line]:
    """Return the lines of these ledgers. Raises `OSError` or `ValueError`."""
    return [_line(json.loads(text)) for path in paths for text in path.read_text().splitlines()]


def _line(it: Mapping[str, Any]) -> Line:
    key, value = (None if it[name] is None else base64.b64decode(it[name]) for name in ("key", "value"))
    return Line(it["topic"], key, value, it.get("expected"), it.get("person"))


def documents(url: str, database: str) -> dict[str, list[Document]]:
    """Return the collections that other programs may read, whole. Raises `PyMongoError`.

    They are listed in schemas/README.md#collections.
    """
    with MongoClient[dict[str, Any]](url, tz_aware=True, serverSelectionTimeoutMS=10_000) as client:
        return {name: list(client[database][name].find()) for name in COLLECTIONS}


async def records(bootstrap: str, **options: Any) -> dict[str, list[Record]]:
    """Return all records of the topics, each partition in its order. Raises `KafkaError`."""
    found: dict[str, list[Record]] = {topic: [] for topic in _TOPICS}
    async with _consumer(bootstrap, **options) as consumer:
        consumer.assign(await _partitions(consumer))
        ends = await consumer.end_offsets(consumer.assignment())
        begins = await consumer.beginning_offsets(consumer.assignment())
        consumer.assign([one for one, end in ends.items() if end > begins[one]])
        async for raw in _until(consumer, ends):
            headers = {name: value or b"" for name, value in raw.headers or ()}
            at = datetime.fromtimestamp(raw.timestamp / 1000, UTC)
            place = raw.topic, raw.partition, raw.offset
            found[raw.topic].append(Record(*place, at, raw.key, raw.value, headers))
    return found


async def _until(consumer: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]) -> Any:
    """Return all records up to these ends, and those that a look after the last end finds.

    A broker may tell the end as one past the first record of the last batch; a batch is fetched whole.
    """
    left, again = set(consumer.assignment()), bool(consumer.assignment())
    while left or again:
        again = bool(left)
        for some in (await consumer.getmany(timeout_ms=300)).values():
            for raw in some:
                yield raw
        left = {one for one in left if await consumer.position(one) < ends[one]}


async def lag(bootstrap: str, **options: Any) -> dict[str, int]:
    """Return each group's lag by group and partition. Raises `KafkaError`.

    Of a topic that a group has ever committed to, all partitions count.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, **options)
    await admin.start()
    try:
        groups = [name for name, *_ in await admin.list_consumer_groups() if name.startswith("pantry.")]
        committed = {group: await admin.list_consumer_group_offsets(group) for group in groups}
    finally:
        await admin.close()
    async with _consumer(bootstrap, **options) as consumer:
        partitions = await _partitions(consumer)
        ends, begins = await consumer.end_offsets(partitions), await consumer.beginning_offsets(partitions)
    return dict(_behind(committed, ends, begins))


def _behind(
    committed: Mapping[str, Mapping[TopicPartition, Any]],
    ends: Mapping[TopicPartition, int],
    begins: Mapping[TopicPartition, int],
) -> Iterator[tuple[str, int]]:
    for group, offsets in committed.items():
        held = {one: it.offset for one, it in offsets.items() if it.offset >= 0}
        topics = {one.topic for one in held}
        for one in (one for one in ends if one.topic in topics):
            yield f"{group} {one.topic}/{one.partition}", max(0, ends[one] - held.get(one, begins[one]))


async def _partitions(consumer: AIOKafkaConsumer) -> list[TopicPartition]:
    """Return the existing partitions of these topics.

    Without a subscription the client knows none until it looks.
    """
    for topic in _TOPICS:
        consumer._client.add_topic(topic)
    await consumer._client.force_metadata_update()
    return [TopicPartition(topic, n) for topic in _TOPICS for n in sorted(consumer.partitions_for_topic(topic) or ())]


@asynccontextmanager
async def _consumer(bootstrap: str, **options: Any) -> Any:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=4 * 1024 * 1024,
        **options,
    )
    try:
        await consumer.start()
        yield consumer
    finally:
        await consumer.stop()


async def answers(gateway: str, token: str) -> dict[str, Any]:
    """Return the gateway's figures of a quarter. Raises `OSError`."""
    names = ("leads", "conversions")
    found = [await asyncio.to_thread(_ask, f"{gateway}/v1/analytics/{name}?timeframe=quarter", token) for name in names]
    return dict(zip(names, found, strict=True))


def _ask(url: str, token: str) -> Any:
    # Whoever starts the judge says where the gateway is.
    request = urllib.request.Request(  # noqa: S310 - as above
        url, headers={"Authorization": f"Bearer {token}"}
    )
    with urllib.request.urlopen(request, timeout=_HTTP_S) as answer:  # noqa: S310 - as above
        return json.load(answer)
