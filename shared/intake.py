"""The one way to consume: decode each, handle as a batch, publish, then commit.

A server that is away is waited for, and nothing is skipped. A batch that makes no progress though the servers answer is
cut until the record at fault is alone (`shared.isolation`). Offsets are committed after the writes and the acknowledged
publishes of all their records: killed anywhere, the batch comes again. The dead letters of a batch go out last, for too
many of them stop the worker instead.
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
from shared.domain.breaker import Handled
from shared.errors import where
from shared.events import Deferred, Received, Record, Unknown
from shared.isolation import HOLD_S, Done, Failed, Isolation, Stopping
from shared.metrics import Metrics
from shared.passage import Passage, handled
from shared.progress import Progress
from shared.waiting import Waiting
from shared.worker import ARRIVALS

_ARRIVALS = frozenset(topic.name for topic in ARRIVALS)
# Fewer records than this are no work worth dividing.
_LANE_MIN = 50

_log = structlog.get_logger()


@dataclass(slots=True)
class Outcomes:
    """What became of a batch so far: of its first records, `done` of them."""

    done: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[Undecodable] = field(default_factory=list)
    """What goes to the dead letter before any of it is committed."""
    handled: list[Handled] = field(default_factory=list)
    judged: int = 0
    """How many of `handled` the breaker has judged."""
    began: float = field(default_factory=time.monotonic)

    def add(self, more: "Outcomes") -> None:
        """Take in what became of the records behind these."""
        self.done += more.done
        self.counts += more.counts
        self.faults += more.faults
        self.handled += more.handled


@dataclass(slots=True)
class Intake:
    """The consume path of one worker in this process."""

    passage: Passage
    metrics: Metrics
    waiting: Waiting | None = None
    isolation: Isolation = field(default_factory=Isolation)
    progress: Progress = field(default_factory=Progress)
    tripped: Callable[[Tripped], None] = lambda _: None
    """Told that the handler fails on too much: the worker is to stop."""

    @property
    def _name(self) -> str:
        return self.passage.worker.name

    async def take(self, batch: Sequence[ConsumerRecord[Any, Any]], consumer: AIOKafkaConsumer) -> None:
        """Handle a fetched batch: what is through is committed, the rest rewound and fetched again. Never raises."""
        records = [_record(raw) for raw in batch]
        self.progress.take(records)
        through = await self._take(records)
        self.isolation.trying()
        if through:
            await _commit(consumer, records[: through.done], self._name)
            self._account(through)
        left = records[through.done if through else 0 :]
        _rewind(consumer, left)
        self.progress.end(left)

    async def _take(self, records: Sequence[Record]) -> "Outcomes | None":
        """Go through a batch; return what may be committed of it."""
        try:
            outcomes = await self._go_through(records)
            outcomes.counts += await self.isolation.insist(lambda: self._set_aside(outcomes))
        except Stopping:
            return None
        except Tripped as error:
            self.tripped(error)
            return None
        except Exception as error:  # noqa: BLE001 - an error that left here would let the next batch commit past this one
            _log.error("batch.rewound", worker=self._name, records=len(records), error=type(error).__name__)
            await pause(self.isolation.stopping, self.isolation.retry_max_s)
            return None
        return outcomes

    async def _go_through(self, records: Sequence[Record]) -> Outcomes:
        """Handle these records, in parts if need be, until all are done or no more can be for now.

        Raises an error when none is done.
        """
        outcomes = Outcomes()
        try:
            async for told in self.isolation.each(records, self.process):
                self._note(told, outcomes)
                if time.monotonic() > outcomes.began + HOLD_S:
                    break
        except (Stopping, Tripped):
            raise
        except Exception as error:
            if not outcomes.done:
                raise
            _log.error("batch.rewound", worker=self._name, records=len(records) - outcomes.done, error=where(error))
        return outcomes

    def _note(self, told: "Done[Record, Outcomes] | Failed[Record]", outcomes: Outcomes) -> None:
        """Add what became of some records. Raises `Tripped`, before any of a batch goes to the dead letter."""
        if isinstance(told, Failed):
            fault, counts = self.passage.failure(told)
            outcomes.add(Outcomes(1, Counter(), [fault], counts))
            self.passage.breaker.judge(outcomes.handled, outcomes.judged)
            outcomes.judged = len(outcomes.handled)
        else:
            outcomes.add(told.result)
        self.progress.advance()

    async def process(self, records: Sequence[Record]) -> Outcomes:
        """Handle these records once, and publish what they cause; what is at fault is left for `Passage.bury`."""
        inputs = [record for record in records if not self._is_arrival(record)]
        received, undecodable = self.passage.decode(inputs)
        if self.waiting:
            await self.waiting.release([record for record in records if self._is_arrival(record)], received)
        waiting, refused = await self._in_lanes(received)
        faults = [*undecodable, *refused]
        arrived, passed = len(records) - len(inputs), len(inputs) - waiting - len(faults)
        counts = Counter(handled=passed, waiting=waiting, arrivals=arrived)
        return Outcomes(len(records), counts, faults, handled(received))

    async def _set_aside(self, outcomes: Outcomes) -> Counter[str]:
        return await self.passage.bury(outcomes.faults, outcomes.handled)

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

    def _account(self, outcomes: Outcomes) -> None:
        name, seconds = self._name, time.monotonic() - outcomes.began
        for outcome, count in outcomes.counts.items():
            self.metrics.records.labels(name, outcome).inc(count)
        self.metrics.batch_size.labels(name).observe(outcomes.done)
        self.metrics.batch_seconds.labels(name).observe(seconds)
        _log.info("batch.done", worker=name, records=outcomes.done, ms=round(seconds * 1000, 1), **outcomes.counts)


def _lanes(received: Sequence[Received], most: int) -> list[list[Received]]:
    """The parts in which a batch is handled; events of one key keep their order in one of them."""
    number = max(1, min(most, len(received) // _LANE_MIN))
    lanes: list[list[Received]] = [[] for _ in range(number)]
    for one in received:
        lanes[crc32(one.record.key or b"") % number].append(one)
    return [lane for lane in lanes if lane]


def _record(raw: ConsumerRecord[Any, Any]) -> Record:
    return Record(raw.topic, raw.partition, raw.offset, raw.key, raw.value, tuple(raw.headers))


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
