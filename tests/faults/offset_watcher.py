"""Read how far each worker's consumer group is from the broker, and time its recovery."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Self, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from schemas.topics import TOPICS
from services.composition.workers import TOPICS_OF
from tests.harness import until

_T = TypeVar("_T")
Offsets = Mapping[TopicPartition, int]


class OffsetWatcher:
    """A context with its own connection past the proxies; it survives the broker's absences."""

    def __init__(self, bootstrap: str) -> None:
        self._consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, request_timeout_ms=5_000)
        self._admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=5_000)

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        await self._admin.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()
        await self._admin.close()

    async def ends(self, worker: str) -> Offsets:
        """Return the end offsets of the worker's topics; waits for an absent broker."""
        partitions = [
            TopicPartition(topic, number) for topic in TOPICS_OF[worker] for number in range(TOPICS[topic].partitions)
        ]
        return await self._patiently(lambda: self._consumer.end_offsets(partitions))

    async def behind(self, worker: str, ends: Offsets) -> int:
        """Return how many records before these ends the worker has not committed."""
        committed = await self._committed(worker)
        return sum(max(0, end - committed.get(place, 0)) for place, end in ends.items())

    async def done(self, worker: str) -> int:
        """Return how many records the worker has committed in all."""
        return sum((await self._committed(worker)).values())

    async def through(self, worker: str, ends: Offsets, deadline_s: float = 1_800.0) -> float:
        """Wait until everything before these ends is committed; return the seconds it took."""
        began = time.monotonic()

        async def there() -> bool:
            return await self.behind(worker, ends) == 0

        await until(there, f"{worker} through what it had before it", deadline_s, every_s=0.2)
        return time.monotonic() - began

    async def _committed(self, worker: str) -> Offsets:
        found = await self._patiently(lambda: self._admin.list_consumer_group_offsets(f"pantry.{worker}"))
        return {place: max(0, one.offset) for place, one in found.items()}

    async def _patiently(self, ask: Callable[[], Awaitable[_T]]) -> _T:
        while True:
            try:
                return await ask()
            except (KafkaError, OSError, TimeoutError):
                await asyncio.sleep(0.3)
