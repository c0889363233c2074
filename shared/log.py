"""The log itself: creating topics, reading and writing them for commands, and how far each consumer group is."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code
from aiokafka.protocol.admin import CreateAclsRequest

from schemas.topics import DEADLETTER, Topic
from shared.broker import MAX_REQUEST_BYTES, Kafka
from shared.domain.access import Acl
from shared.domain.promises import MIN_IN_SYNC
from shared.events import Outgoing, Record

# Of an ACL, as Kafka's protocol numbers them.
_LITERAL, _ALLOW, _ANY_HOST = 3, 3, "*"


async def create_topics(kafka: Kafka, topics: Iterable[Topic], replication: int = 1) -> list[str]:
    """Create the topics that are missing, and nothing else; return their names.

    Raises `KafkaError` when the broker refuses one: we may not make it, or it has more replicas than there are brokers.
    """
    admin = AIOKafkaAdminClient(**kafka.options)
    await admin.start()
    try:
        there = set(await admin.list_topics())
        missing = [topic for topic in topics if topic.name not in there]
        if missing:
            answer: Any = await admin.create_topics([_new(topic, replication) for topic in missing])
            for name, code, *_ in answer.topic_errors:
                # Another process may have made it in between.
                if code and for_code(code) is not TopicAlreadyExistsError:
                    raise for_code(code)(name)
        return [topic.name for topic in missing]
    finally:
        await admin.close()


def _new(topic: Topic, replication: int) -> NewTopic:
    config = {"retention.ms": str(topic.retention_ms)}
    if replication > MIN_IN_SYNC:
        config["min.insync.replicas"] = str(MIN_IN_SYNC)
    if topic is DEADLETTER:
        config["max.message.bytes"] = str(MAX_REQUEST_BYTES)
    return NewTopic(topic.name, topic.partitions, replication, topic_configs=config)


async def create_acls(kafka: Kafka, acls: Iterable[Acl]) -> None:
    """Give these rights; those that are there stay. Raises `KafkaError` where we may not (`Alter` on the cluster)."""
    admin = AIOKafkaAdminClient(**kafka.options)
    await admin.start()
    try:
        answer: Any = await admin._send_request(_CreateAcls(acls))  # noqa: SLF001 - the client offers no method for it
        for code, _ in answer.creation_responses:
            if code:
                raise for_code(code)
    finally:
        await admin.close()


class _CreateAcls(CreateAclsRequest):
    """All of them at once; the client's own request has one, and each takes the broker a round of its log."""

    def __init__(self, acls: Iterable[Acl]) -> None:
        self._acls = [
            (one.resource, one.name, _LITERAL, one.principal, _ANY_HOST, one.operation, _ALLOW) for one in acls
        ]

    def build(self, request_struct_class: type[Any]) -> Any:
        """What goes over the wire, in each version that names the pattern's kind: 1 and above."""
        return request_struct_class(self._acls)


@asynccontextmanager
async def _reader(kafka: Kafka, group: str | None = None) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(**kafka.options, group_id=group, enable_auto_commit=False, auto_offset_reset="earliest")
    try:
        await consumer.start()
        yield consumer
    finally:
        await consumer.stop()


async def _partitions(consumer: AIOKafkaConsumer, topics: Iterable[str]) -> list[TopicPartition]:
    await consumer._client.force_metadata_update()  # noqa: SLF001 - without a subscription nothing else fetches it
    found = []
    for topic in topics:
        consumer._client.add_topic(topic)  # noqa: SLF001 - likewise
    await consumer._client.force_metadata_update()  # noqa: SLF001 - likewise
    for topic in topics:
        found += [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
    return found


async def read_all(kafka: Kafka, topics: Iterable[str]) -> AsyncIterator[Record]:
    """At least every record that the topics hold at the time of the call, each partition in its order."""
    async with _reader(kafka) as consumer:
        bounds = await _bounds(consumer, topics)
        async for record in _read_from(consumer, {one: begin for one, (begin, _) in bounds.items()}, bounds):
            yield record


async def read_newest(kafka: Kafka, topic: str, most: int, see: Callable[[Record], None]) -> set[int]:
    """Show `see` the newest `most` records of each partition at least, in its order; return which have older ones.

    What it costs doesn't grow with the topic.
    """
    async with _reader(kafka) as consumer:
        bounds = await _bounds(consumer, [topic])
        starts = {one: max(begin, end - most) for one, (begin, end) in bounds.items()}
        async for record in _read_from(consumer, starts, bounds):
            see(record)
        return {one.partition for one, (begin, _) in bounds.items() if starts[one] > begin}


async def read_one(kafka: Kafka, topic: str, partition: int, offset: int) -> Record | None:
    """The record at this offset, if the topic holds it."""
    async with _reader(kafka) as consumer:
        bounds = await _bounds(consumer, [topic])
        place = TopicPartition(topic, partition)
        begin, end = bounds.get(place, (0, 0))
        if offset < begin or end == begin:
            return None
        # The told end may lie in the midst of the last batch, which begins right before it.
        async for record in _read_from(consumer, {place: min(offset, end - 1)}, bounds):
            if record.offset >= offset:
                return record if record.offset == offset else None
        return None


_Bounds = dict[TopicPartition, tuple[int, int]]


async def _bounds(consumer: AIOKafkaConsumer, topics: Iterable[str]) -> _Bounds:
    """Where each partition begins and ends, those that hold nothing left out."""
    partitions = await _partitions(consumer, list(topics))
    ends = await consumer.end_offsets(partitions) if partitions else {}
    begins = await consumer.beginning_offsets(partitions) if partitions else {}
    return {one: (begins[one], ends[one]) for one in partitions if ends[one] > begins[one]}


async def _read_from(
    consumer: AIOKafkaConsumer, starts: dict[TopicPartition, int], bounds: _Bounds
) -> AsyncIterator[Record]:
    """At least every record from these offsets to the ends, each partition in its order.

    The embedded broker tells the end of a partition as one past the *first* record of its last batch. A batch is
    fetched whole; so whatever comes with it is given, and one more look is taken after the last end is reached.
    """
    if not starts:
        return
    consumer.assign(list(starts))
    for partition, offset in starts.items():
        consumer.seek(partition, offset)
    open_, last_look = set(starts), False
    while open_ or not last_look:
        last_look = not open_
        for records in (await consumer.getmany(timeout_ms=200)).values():
            for raw in records:
                yield Record(raw.topic, raw.partition, raw.offset, raw.key, raw.value, tuple(raw.headers or ()))
        open_ = {partition for partition in open_ if await consumer.position(partition) < bounds[partition][1]}


Publish = Callable[[Sequence[Outgoing]], Awaitable[None]]


@asynccontextmanager
async def publishing(kafka: Kafka, *, idempotence: bool = False) -> AsyncIterator[Publish]:
    """A command's way to publish: it returns when all replicas in sync have the records. Raises `KafkaError`."""
    producer = AIOKafkaProducer(
        **kafka.options, acks="all", enable_idempotence=idempotence, max_request_size=MAX_REQUEST_BYTES
    )

    async def publish(records: Sequence[Outgoing]) -> None:
        sent = [
            await producer.send(
                one.topic, one.value, key=one.key, headers=[(name, text.encode()) for name, text in one.headers.items()]
            )
            for one in records
        ]
        await asyncio.gather(*sent)

    try:
        await producer.start()
        yield publish
    finally:
        await producer.stop()


async def lag(kafka: Kafka, group: str, topics: Iterable[str]) -> dict[TopicPartition, int]:
    """How many records each partition holds that `group` has not committed."""
    async with _reader(kafka, group) as consumer:
        partitions = await _partitions(consumer, list(topics))
        ends, begins = await asyncio.gather(consumer.end_offsets(partitions), consumer.beginning_offsets(partitions))
        consumer.assign(partitions)
        committed = {partition: await consumer.committed(partition) for partition in partitions}
        return {p: max(0, ends[p] - (begins[p] if committed[p] is None else committed[p])) for p in partitions}
