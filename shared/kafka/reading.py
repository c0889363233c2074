"""Reads and writes topics without a worker, and measures the lag of consumer groups."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from shared.kafka.broker_errors import broker_errors
from shared.kafka.client import MAX_REQUEST_BYTES, Kafka
from shared.kafka.events import Outgoing, Record

# The embedded broker answers a fetch only when its wait is over.
_WAIT_MS = 100


@asynccontextmanager
async def _reader(kafka: Kafka, group: str | None = None) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        **kafka.options,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=_WAIT_MS,
    )
    try:
        with broker_errors():
            await consumer.start()
        yield consumer
    finally:
        await consumer.stop()


async def _partitions(consumer: AIOKafkaConsumer, topics: Sequence[str]) -> list[TopicPartition]:
    client: Any = consumer._client  # noqa: SLF001 - untyped; only so aiokafka fetches metadata without a subscription
    with broker_errors():
        await client.force_metadata_update()
        for topic in topics:
            client.add_topic(topic)
        await client.force_metadata_update()
    numbers = {topic: sorted(consumer.partitions_for_topic(topic) or ()) for topic in topics}
    return [TopicPartition(topic, number) for topic in topics for number in numbers[topic]]


async def read_all(kafka: Kafka, topics: Iterable[str]) -> AsyncIterator[Record]:
    """Yield at least the records that the topics have now, each partition in its order."""
    async with _reader(kafka) as consumer:
        bounds = await _bounds(consumer, topics)
        async for record in _read_from(consumer, {one: begin for one, (begin, _) in bounds.items()}, bounds):
            yield record


async def read_newest(kafka: Kafka, topic: str, most: int, see: Callable[[Record], None]) -> set[int]:
    """Call `see` with at least the newest `most` records of each partition, in its order.

    Returns the partitions that have older records. The cost does not grow with the topic.
    """
    async with _reader(kafka) as consumer:
        bounds = await _bounds(consumer, [topic])
        starts = {one: max(begin, end - most) for one, (begin, end) in bounds.items()}
        async for record in _read_from(consumer, starts, bounds):
            see(record)
        return {one.partition for one, (begin, _) in bounds.items() if starts[one] > begin}


async def read_one(kafka: Kafka, topic: str, partition: int, offset: int) -> Record | None:
    """Return the record at this offset; None if the topic doesn't have it."""
    async with _reader(kafka) as consumer:
        bounds = await _bounds(consumer, [topic])
        place = TopicPartition(topic, partition)
        begin, end = bounds.get(place, (0, 0))
        if offset < begin or end == begin:
            return None
        # The embedded broker's end may lie within the last batch, which begins right before it.
        async for record in _read_from(consumer, {place: min(offset, end - 1)}, bounds):
            if record.offset >= offset:
                return record if record.offset == offset else None
        return None


_Bounds = dict[TopicPartition, tuple[int, int]]


async def _bounds(consumer: AIOKafkaConsumer, topics: Iterable[str]) -> _Bounds:
    """Return the first offset and the end of each partition that has records."""
    partitions = await _partitions(consumer, list(topics))
    with broker_errors():
        ends = await consumer.end_offsets(partitions) if partitions else {}
        begins = await consumer.beginning_offsets(partitions) if partitions else {}
    return {one: (begins[one], ends[one]) for one in partitions if ends[one] > begins[one]}


async def _read_from(
    consumer: AIOKafkaConsumer, starts: dict[TopicPartition, int], bounds: _Bounds
) -> AsyncIterator[Record]:
    """Yield at least the records from these offsets to the ends, each partition in its order.

    The embedded broker's end of a partition is one past the *first* record of its last batch. A fetch returns whole
    batches, so this yields all that it gets, and fetches once more after the last end.
    """
    if not starts:
        return
    consumer.assign(list(starts))
    for partition, offset in starts.items():
        consumer.seek(partition, offset)
    unread, last_look = set(starts), False
    while unread or not last_look:
        last_look = not unread
        with broker_errors():
            fetched = await consumer.getmany(timeout_ms=200)
        for records in fetched.values():
            for raw in records:
                yield Record(raw.topic, raw.partition, raw.offset, raw.key, raw.value, tuple(raw.headers or ()))
        with broker_errors():
            unread = {one for one in unread if await consumer.position(one) < bounds[one][1]}


Publish = Callable[[Sequence[Outgoing]], Awaitable[None]]


@asynccontextmanager
async def publishing(kafka: Kafka, *, idempotence: bool = False) -> AsyncIterator[Publish]:
    """Yield a function that publishes until acknowledged, for commands.

    Both raise `BrokerUnavailable`.
    """
    producer = AIOKafkaProducer(
        **kafka.options, acks="all", enable_idempotence=idempotence, max_request_size=MAX_REQUEST_BYTES
    )

    async def publish(records: Sequence[Outgoing]) -> None:
        with broker_errors():
            sent = [
                await producer.send(
                    *(one.topic, one.value),
                    key=one.key,
                    headers=[(name, text.encode()) for name, text in one.headers.items()],
                )
                for one in records
            ]
            await asyncio.gather(*sent)

    try:
        with broker_errors():
            await producer.start()
        yield publish
    finally:
        await producer.stop()


async def lag(kafka: Kafka, group: str, topics: Iterable[str]) -> dict[TopicPartition, int]:
    """Return how many records of each partition `group` has not committed."""
    async with _reader(kafka, group) as consumer:
        partitions = await _partitions(consumer, list(topics))
        with broker_errors():
            ends, begins = await asyncio.gather(
                consumer.end_offsets(partitions), consumer.beginning_offsets(partitions)
            )
            consumer.assign(partitions)
            committed = {partition: await consumer.committed(partition) for partition in partitions}
        return {p: max(0, ends[p] - (begins[p] if committed[p] is None else committed[p])) for p in partitions}
