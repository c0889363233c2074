"""The one way to consume: decode each, handle as a batch, publish, then commit.

Transient faults wait and try again, and nothing is skipped. Offsets are committed after the writes and the acknowledged
publishes of all their records: killed anywhere, the batch comes again. The dead letters of a batch go out last, for
too many of them stop the worker instead.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from shared.breaker import Tripped
from shared.clock import pause
from shared.decoding import Undecodable
from shared.events import Deferred, Received, Record, Unknown
from shared.metrics import Metrics
from shared.passage import Passage, transient
from shared.storage import Unavailable
from shared.waiting import Waiting
from shared.worker import ARRIVALS

_FIRST_PAUSE_S = 0.05
_ARRIVALS = frozenset(topic.name for topic in ARRIVALS)
# Well below Kafka's max.poll.interval (5 min): a batch that waits longer is fetched anew, which keeps us in the group.
_HOLD_S = 60.0
# Fewer records than this are no work worth dividing.
_LANE_MIN = 50

_log = structlog.get_logger()


class Stopping(Exception):  # noqa: N818 - a state, not a fault
    """The process was asked to stop while a batch waited for a server: it stays uncommitted and comes again."""


@dataclass(slots=True)
class Intake:
    """The consume path of one worker in this process."""

    passage: Passage
    metrics: Metrics
    waiting: Waiting | None = None
    retry_max_s: float = 5.0
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    advanced: Callable[[], None] = lambda: None
    tripped: Callable[[Tripped], None] = lambda _: None
    """Told that too much of a batch would go to the dead letter: the worker is to stop."""

    @property
    def _name(self) -> str:
        return self.passage.worker.name

    async def take(self, batch: Sequence[ConsumerRecord[Any, Any]], consumer: AIOKafkaConsumer) -> None:
        """Handle a fetched batch to its end: committed, or rewound so that it is fetched again. Never raises."""
        began = time.monotonic()
        records = [_record(raw) for raw in batch]
        try:
            outcomes = await self._until_through(records)
        except Stopping:
            _rewind(consumer, records)
            return
        except Tripped as error:
            _rewind(consumer, records)
            self.tripped(error)
            return
        except Exception as error:  # noqa: BLE001 - an error that left here would let the next batch commit past this one
            _log.error("batch.rewound", worker=self._name, records=len(records), error=type(error).__name__)
            _rewind(consumer, records)
            await pause(self.stopping, self.retry_max_s)
            return
        await _commit(consumer, records, self._name)
        self.advanced()
        self._account(outcomes, len(records), time.monotonic() - began)

    async def _until_through(self, records: Sequence[Record]) -> Counter[str]:
        wait_s, deadline = _FIRST_PAUSE_S, time.monotonic() + _HOLD_S
        while True:
            self.advanced()
            try:
                return await self._go_through(records)
            except Exception as error:
                if not transient(error) or time.monotonic() > deadline:
                    raise
                self.metrics.retries.labels(self._name).inc()
                _log.warning("batch.waits", worker=self._name, records=len(records), error=_name(error))
            await pause(self.stopping, wait_s)
            if self.stopping.is_set():
                raise Stopping
            wait_s = min(wait_s * 2, self.retry_max_s)

    async def _go_through(self, records: Sequence[Record]) -> Counter[str]:
        inputs = [record for record in records if not self._is_arrival(record)]
        received, undecodable = self.passage.decode(inputs)
        if self.waiting:
            await self.waiting.release([record for record in records if self._is_arrival(record)], received)
        waiting, refused = await self._in_lanes(received)
        buried = await self.passage.bury([*undecodable, *refused], inputs)
        handled = len(inputs) - waiting - buried.total()
        return buried + Counter(handled=handled, waiting=waiting, arrivals=len(records) - len(inputs))

    async def _in_lanes(self, received: Sequence[Received]) -> tuple[int, list[Undecodable]]:
        lanes = [self._lead_through(lane) for lane in _lanes(received, self.passage.worker.lanes)]
        # All of them end before the fault of any is told: the batch may be tried again at once.
        done = await asyncio.gather(*lanes, return_exceptions=True)
        waiting, refused = 0, []
        for one in done:
            if isinstance(one, BaseException):
                raise one
            waiting += one[0]
            refused += one[1]
        return waiting, refused

    async def _lead_through(self, received: Sequence[Received]) -> tuple[int, list[Undecodable]]:
        """Handle and publish; return how many wait, and what is at fault."""
        results = await self.passage.handle(received)
        waiting = sum(isinstance(one, Unknown | Deferred) for one in results)
        if self.waiting:
            results = await self.waiting.part(results)
        return waiting, await self.passage.publish(results)

    def _is_arrival(self, record: Record) -> bool:
        return self.waiting is not None and record.topic in _ARRIVALS

    def _account(self, outcomes: Counter[str], size: int, seconds: float) -> None:
        name = self._name
        for outcome, count in outcomes.items():
            self.metrics.records.labels(name, outcome).inc(count)
        self.metrics.batch_size.labels(name).observe(size)
        self.metrics.batch_seconds.labels(name).observe(seconds)
        _log.info("batch.done", worker=name, records=size, ms=round(seconds * 1000, 1), **outcomes)


def _lanes(received: Sequence[Received], most: int) -> list[list[Received]]:
    """The parts in which a batch is handled; events of one key keep their order in one of them."""
    number = max(1, min(most, len(received) // _LANE_MIN))
    lanes: list[list[Received]] = [[] for _ in range(number)]
    for one in received:
        lanes[crc32(one.record.key or b"") % number].append(one)
    return [lane for lane in lanes if lane]


def _record(raw: ConsumerRecord[Any, Any]) -> Record:
    return Record(raw.topic, raw.partition, raw.offset, raw.key, raw.value, tuple(raw.headers))


def _name(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if isinstance(error, Unavailable) else type(error).__name__


def _rewind(consumer: AIOKafkaConsumer, records: Sequence[Record]) -> None:
    first: dict[TopicPartition, int] = {}
    for record in records:
        first.setdefault(TopicPartition(record.topic, record.partition), record.offset)
    for partition, offset in first.items():
        try:
            consumer.seek(partition, offset)
        except IllegalStateError:
            continue  # it moved to another consumer, which starts at the last commit: the same records


async def _commit(consumer: AIOKafkaConsumer, records: Sequence[Record], worker: str) -> None:
    following = {TopicPartition(record.topic, record.partition): record.offset + 1 for record in records}
    held = {partition: offset for partition, offset in following.items() if partition in consumer.assignment()}
    try:
        if held:
            await consumer.commit(held)
    except (KafkaError, IllegalStateError) as error:
        # The batch is done; uncommitted, it comes again to whoever holds the partitions now, and changes nothing.
        _log.warning("commit.failed", worker=worker, error=type(error).__name__)
