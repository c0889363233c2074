"""Kafka clients of the outside world that never give up, whatever the harness breaks."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from schemas.base import CONTENT_TYPE
from schemas.topics import TOPICS

_HEADERS = [("content-type", CONTENT_TYPE.encode())]
_AWAY = (KafkaError, OSError, TimeoutError)
_ACK_S = 20.0
_PAUSE_S = 0.3
_LEAVE_S = 5.0
# A consumer that is silent for good (aio-libs/aiokafka#1037) looks like a quiet topic. A new one shows.
_SILENT_S = 10.0


@dataclass(frozen=True, slots=True)
class Letter:
    """One record to send; without `partition` its key decides."""

    topic: str
    key: bytes | None
    value: bytes | None
    partition: int | None = None


class Sender:
    """Send until the broker acknowledges; a late acknowledgement may leave a record twice."""

    def __init__(self, bootstrap: str, **options: Any) -> None:
        """`options` are aiokafka's, for a broker that authenticates."""
        self._bootstrap, self._options = bootstrap, options
        self._producer: AIOKafkaProducer | None = None
        self._starting: asyncio.Future[None]

    async def deliver(self, letters: Sequence[Letter]) -> None:
        """Return once all records are acknowledged, however long the broker is absent."""
        left = list(letters)
        while left:
            left = await self._try(left)
            if left:
                await self.close()
                await asyncio.sleep(_PAUSE_S)

    async def _try(self, letters: Sequence[Letter]) -> list[Letter]:
        """Return the records that were not acknowledged."""
        done = await asyncio.gather(*(self._send(one) for one in letters), return_exceptions=True)
        for one in done:
            if isinstance(one, BaseException) and not isinstance(one, _AWAY):
                raise one
        return [letter for letter, error in zip(letters, done, strict=True) if error is not None]

    async def _send(self, one: Letter) -> None:
        async with asyncio.timeout(_ACK_S):
            producer = await self._connected()
            await producer.send_and_wait(one.topic, one.value, key=one.key, partition=one.partition, headers=_HEADERS)

    async def _connected(self) -> AIOKafkaProducer:
        if self._producer is None:
            self._producer = producer = AIOKafkaProducer(
                bootstrap_servers=self._bootstrap,
                acks="all",
                linger_ms=5,
                max_request_size=2**21,
                request_timeout_ms=10_000,
                **self._options,
            )
            self._starting = asyncio.ensure_future(producer.start())
        await asyncio.shield(self._starting)
        return self._producer

    async def close(self) -> None:
        """Disconnect; the next delivery connects again."""
        producer, self._producer = self._producer, None
        if producer is not None:
            self._starting.cancel()
            await _abandon(producer)


class Watcher:
    """Read everything on topics from now on, each partition in order; some older records too."""

    def __init__(self, bootstrap: str, topics: Sequence[str], **options: Any) -> None:
        """`options` are aiokafka's, for a broker that authenticates."""
        self._bootstrap, self._options = bootstrap, options
        self._partitions = [TopicPartition(name, n) for name in topics for n in range(TOPICS[name].partitions)]
        self._positions: dict[TopicPartition, int] = {}

    async def begin(self) -> None:
        """Take the current ends as the start."""
        while not self._positions:
            try:
                consumer = await self._consumer({})
                try:
                    self._positions = await consumer.end_offsets(self._partitions)
                finally:
                    await _abandon(consumer)
            except _AWAY:
                await asyncio.sleep(_PAUSE_S)

    async def records(self) -> AsyncIterator[Sequence[ConsumerRecord[Any, Any]]]:
        """Yield new records forever; an empty sequence after a while without any."""
        while True:
            try:
                async for batch in self._through(await self._consumer(self._positions)):
                    yield batch
            except _AWAY:
                await asyncio.sleep(_PAUSE_S)

    async def _through(self, consumer: AIOKafkaConsumer) -> AsyncIterator[Sequence[ConsumerRecord[Any, Any]]]:
        """Yield what this consumer reads until it is silent."""
        loop = asyncio.get_running_loop()
        last = loop.time()
        try:
            while loop.time() - last < _SILENT_S:
                found = await consumer.getmany(timeout_ms=100)
                self._positions |= {partition: records[-1].offset + 1 for partition, records in found.items()}
                last = loop.time() if found else last
                yield [record for records in found.values() for record in records]
        finally:
            await _abandon(consumer)

    async def _consumer(self, positions: Mapping[TopicPartition, int]) -> AIOKafkaConsumer:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            request_timeout_ms=10_000,
            **self._options,
        )
        try:
            await consumer.start()
            consumer.assign(self._partitions)
            for partition, offset in positions.items():
                consumer.seek(partition, offset)
        except BaseException:
            await _abandon(consumer)
            raise
        return consumer


async def _abandon(client: Any) -> None:
    """Stop a client; ignore failures and leaks of one whose broker is absent."""
    stopping: asyncio.Task[None] = asyncio.ensure_future(client.stop())
    await asyncio.wait({stopping}, timeout=_LEAVE_S)
    if not stopping.cancel() and not stopping.cancelled():
        stopping.exception()  # retrieved, so that asyncio does not report it as lost


def event_in(value: bytes | None) -> dict[str, Any]:
    """Return the event in a record; empty for a dead letter without one."""
    try:
        event = json.loads(value or b"")
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}
