"""A kept dump: what database and topics held at one moment, as a gzip of JSON lines.

A line is a document of a collection (`c`, `d`: in MongoDB's canonical extended JSON), a record of a topic (`t`, `p`,
`k`, `v`, `h`; those of a partition in their order), or how far a consumer group was (`g`, `t`, `p`, `o`).
"""

import base64
import gzip
import json
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from bson import json_util

from schemas.topics import TOPICS
from services.composition.workers import TOPICS_OF
from shared.domain.stored.untyped import Document
from shared.kafka.events import Record
from shared.mongo.names import CollectionName
from tests.harness import Bench

_FORM = json_util.CANONICAL_JSON_OPTIONS.with_options(tz_aware=True)
Offsets = dict[str, dict[TopicPartition, int]]


@dataclass(slots=True)
class Dump:
    """What there was: documents by collection, records, and what each group had committed."""

    documents: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)
    committed: Offsets = field(default_factory=dict)


def write(dump: Dump, path: Path) -> None:
    """Keep a dump; the same one makes the same bytes."""
    text = "".join(line + "\n" for line in _lines(dump))
    path.write_bytes(gzip.compress(text.encode(), mtime=0))


def read(path: Path) -> Dump:
    """The dump that was kept here."""
    dump = Dump()
    for line in gzip.decompress(path.read_bytes()).decode().splitlines():
        one = json.loads(line)
        if "c" in one:
            dump.documents.setdefault(one["c"], []).append(json_util.loads(json.dumps(one["d"]), json_options=_FORM))
        elif "g" in one:
            dump.committed.setdefault(one["g"], {})[TopicPartition(one["t"], one["p"])] = one["o"]
        else:
            headers = tuple((name, _bytes(value) or b"") for name, value in one["h"])
            dump.records.append(Record(one["t"], one["p"], one["o"], _bytes(one["k"]), _bytes(one["v"]), headers))
    return dump


def _lines(dump: Dump) -> Iterator[str]:
    for name, documents in sorted(dump.documents.items()):
        for one in documents:
            yield json.dumps({"c": name, "d": json.loads(json_util.dumps(one, json_options=_FORM))})
    for record in sorted(dump.records, key=lambda one: (one.topic, one.partition, one.offset)):
        place = {"t": record.topic, "p": record.partition, "o": record.offset}
        headers = [[name, _text(value)] for name, value in record.headers]
        yield json.dumps({**place, "k": _text(record.key), "v": _text(record.value), "h": headers})
    for group, offsets in sorted(dump.committed.items()):
        for partition, offset in sorted(offsets.items()):
            yield json.dumps({"g": group, "t": partition.topic, "p": partition.partition, "o": offset})


def _text(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)


async def taken(on: Bench) -> Dump:
    """What these servers hold now; nothing may run on them."""
    documents = {name: [one async for one in _documents(on, name)] for name in await on.storage.collections()}
    records = {(one.topic, one.partition, one.offset): one for one in await on.records(*TOPICS.values())}
    committed = {f"pantry.{name}": await committed_by(on, f"pantry.{name}", of) for name, of in TOPICS_OF.items()}
    return Dump({name: rows for name, rows in documents.items() if rows}, list(records.values()), committed)


async def _documents(on: Bench, collection: CollectionName[Document]) -> AsyncIterator[Document]:
    async for page in on.storage.scan(collection):
        for one in page:
            yield one


def _partitions(topics: Iterable[str]) -> list[TopicPartition]:
    return [TopicPartition(name, number) for name in topics for number in range(TOPICS[name].partitions)]


async def committed_by(on: Bench, group: str, topics: Sequence[str]) -> dict[TopicPartition, int]:
    """How far this group is in each partition that it has committed."""
    consumer = AIOKafkaConsumer(**on.to.kafka.options, group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign(_partitions(topics))
        found = {one: await consumer.committed(one) for one in _partitions(topics)}
        return {one: offset for one, offset in found.items() if offset is not None}
    finally:
        await consumer.stop()


async def restored(on: Bench, dump: Dump) -> None:
    """Put all of it on these servers, which hold topics and indexes and nothing else."""
    for name, documents in dump.documents.items():
        await on.storage.put(CollectionName(name), documents)
    await _publish(on, dump.records)
    for group, offsets in dump.committed.items():
        await _commit(on, group, offsets)


async def _publish(on: Bench, records: Sequence[Record]) -> None:
    producer = AIOKafkaProducer(**on.to.kafka.options, acks="all", max_request_size=2**21)
    await producer.start()
    try:
        pending = [
            await producer.send(one.topic, one.value, key=one.key, partition=one.partition, headers=list(one.headers))
            for one in records
        ]
        places = [await one for one in pending]
    finally:
        await producer.stop()
    # A group's offsets mean something only while each record stands where it stood.
    assert [place.offset for place in places] == [one.offset for one in records]


async def _commit(on: Bench, group: str, offsets: dict[TopicPartition, int]) -> None:
    consumer = AIOKafkaConsumer(**on.to.kafka.options, group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign(list(offsets))
        await consumer.commit(offsets)
    finally:
        await consumer.stop()


def ends(records: Iterable[Record]) -> dict[TopicPartition, int]:
    """Where each partition ends; what the embedded broker says of it itself can be short of it."""
    found: dict[TopicPartition, int] = {}
    for one in records:
        place = TopicPartition(one.topic, one.partition)
        found[place] = max(found.get(place, 0), one.offset + 1)
    return found
