"""The one way to consume: decode each record, handle the batch, publish, then commit.

While a server is away, the consumer waits and skips nothing. When a batch fails though the servers answer, `isolation`
halves it until the record at fault is alone. The consumer commits offsets after the writes and the acknowledged
publishes of all their records. Dead letters of a batch go out last: too many of them stop the worker instead.

Crash before the commit → the offsets are not committed → Kafka delivers the batch again.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast
from zlib import crc32

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError
from faststream.kafka.annotations import KafkaMessage

from shared.clock import pause
from shared.consuming.circuit_breaker import CircuitOpen
from shared.consuming.isolation import HOLD_S, Failed, Isolation, Stopping
from shared.consuming.pending_events import PendingEvents
from shared.consuming.processor import RecordProcessor, count_handled
from shared.consuming.progress import BatchProgress
from shared.domain.operations.failure_limits import Handled
from shared.kafka.decoding import FailedRecord
from shared.kafka.events import Deferred, Received, Record, Unknown
from shared.observability.error_places import where
from shared.observability.metrics import Metrics

# With fewer records than this, a second lane gains nothing.
_LANE_MIN = 50

BATCH_S = 5.0
"""After so many seconds a batch without a fault is committed up to its last outcome, however many records are left.

On a slow database all records of a batch would take minutes. Until its commit, no lag would show any progress.
"""

_log = structlog.get_logger()
Batch = tuple[ConsumerRecord[bytes | None, bytes | None], ...]


@dataclass(slots=True)
class Outcomes:
    """What became of the first `done` records of a batch."""

    done: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[FailedRecord] = field(default_factory=list)
    """The records to send to the dead letter before the commit."""
    handled: list[Handled] = field(default_factory=list)
    checked: int = 0
    """How many of `handled` the circuit breaker has checked."""
    started: float = field(default_factory=time.monotonic)

    def add(self, more: "Outcomes") -> None:
        """Add the outcomes of the records that follow these."""
        self.done += more.done
        self.counts += more.counts
        self.faults += more.faults
        self.handled += more.handled


@dataclass(slots=True)
class BatchConsumer:
    """The consume path of one worker in this process."""

    processor: RecordProcessor
    metrics: Metrics
    pending: PendingEvents | None = None
    isolation: Isolation = field(default_factory=Isolation)
    progress: BatchProgress = field(default_factory=BatchProgress)
    has_stopped: Callable[[], bool] = lambda: False
    """Whether the worker has stopped for good."""
    on_tripped: Callable[[CircuitOpen], None] = lambda _: None
    """Called when the circuit breaker opens: the worker has to stop."""
    batch_max: int = 500
    """The most records of a batch: one with fewer has all that was there."""

    @property
    def _name(self) -> str:
        return self.processor.worker.name

    async def process(self, message: KafkaMessage) -> None:
        """Handle a fetched batch: commit what has its outcome, rewind the rest. Never raises."""
        if self.has_stopped():
            return  # another process gets what this one fetches while it leaves
        records = [_record(raw) for raw in cast("Batch", message.raw_message)]
        consumer, outcomes, began = cast("AIOKafkaConsumer", message.consumer), None, time.monotonic()
        self.progress.take(records)
        try:
            outcomes = await self._handle_in_parts(records)
        except Stopping:
            pass
        except CircuitOpen as error:
            self.on_tripped(error)
        except Exception as error:  # noqa: BLE001 - if it left here, the next batch would commit past this one
            _log.error("batch.rewound", worker=self._name, records=len(records), error=type(error).__name__)
            await pause(self.isolation.stopping, self.isolation.retry_max_s)
        self.isolation.on_try()
        if outcomes:
            await _commit(consumer, records[: outcomes.done], self._name)
            self._log_batch(outcomes)
        left = records[outcomes.done if outcomes else 0 :]
        _rewind(consumer, left)
        self.progress.end(left)
        if not left and len(records) < self.batch_max:
            await self._rest(began)

    async def _rest(self, began: float) -> None:
        """Let the worker's beat pass, so that the next batch has all events of a burst."""
        left_s = began + self.processor.worker.beat_s - time.monotonic()
        if left_s > 0:
            await pause(self.isolation.stopping, left_s)

    async def _handle_in_parts(self, records: Sequence[Record]) -> Outcomes:
        """Handle these records, in parts if need be, until all are done or the batch takes too long.

        Return what may be committed. Raises the error if none of them is done.
        """
        outcomes = Outcomes()
        try:
            for part in self.isolation.parts(records):
                async with part.trying():
                    outcomes.add(await self.handle_once(part.items))
                if part.failed:
                    self._set_aside(part.failed, outcomes)
                if part.done:
                    self.progress.advance()
                    # The circuit breaker judges all faults of a batch before any goes out: their search goes on.
                    held_s = HOLD_S if part.is_suspected or outcomes.faults else BATCH_S
                    if time.monotonic() > outcomes.started + held_s:
                        break
        except (Stopping, CircuitOpen):
            raise
        except Exception as error:
            if not outcomes.done:
                raise
            _log.error("batch.rewound", worker=self._name, records=len(records) - outcomes.done, error=where(error))
        outcomes.counts += await self.isolation.retry(lambda: self._send_dead_letters(outcomes))
        return outcomes

    def _set_aside(self, failed: Failed[Record], outcomes: Outcomes) -> None:
        """Add a record that failed alone. Raises `CircuitOpen` before any dead letter is sent."""
        fault, counts = self.processor.failure(failed)
        outcomes.add(Outcomes(1, Counter(), [fault], counts))
        self.processor.breaker.check(outcomes.handled, outcomes.checked)
        outcomes.checked = len(outcomes.handled)

    async def handle_once(self, records: Sequence[Record]) -> Outcomes:
        """Handle these records once, and publish the events that they cause.

        The caller sends the faults to the dead letter (`RecordProcessor.send_to_dead_letter`).
        """
        inputs = [record for record in records if not self._is_arrival(record)]
        received, invalid = self.processor.decode(inputs)
        if self.pending:
            await self.pending.release([record for record in records if self._is_arrival(record)], received)
        lanes = _lanes(received, self.processor.worker.lanes)
        if len(lanes) == 1:
            waiting, refused = await self._handle_lane(lanes[0])
        else:
            waiting, refused = await self._handle_side_by_side(lanes)
        faults = [*invalid, *refused]
        arrived, passed = len(records) - len(inputs), len(inputs) - waiting - len(faults)
        counts = Counter(handled=passed, waiting=waiting, arrivals=arrived)
        return Outcomes(len(records), counts, faults, count_handled(received))

    async def _send_dead_letters(self, outcomes: Outcomes) -> Counter[str]:
        return await self.processor.send_to_dead_letter(outcomes.faults, outcomes.handled)

    async def _handle_side_by_side(self, lanes: Sequence[Sequence[Received]]) -> tuple[int, list[FailedRecord]]:
        # All lanes end before this raises an error: the caller may try the batch again at once.
        done = await asyncio.gather(*map(self._handle_lane, lanes), return_exceptions=True)
        waiting, refused = 0, []
        for one in done:
            if isinstance(one, BaseException):
                raise one
            waiting += one[0]
            refused += one[1]
        return waiting, refused

    async def _handle_lane(self, received: Sequence[Received]) -> tuple[int, list[FailedRecord]]:
        """Handle and publish; return how many events are pending, and the faults."""
        results = await self.processor.worker.handle(received)
        waiting = sum(isinstance(one, Unknown | Deferred) for one in results)
        if self.pending:
            results = await self.pending.split(results)
        return waiting, await self.processor.publish(results)

    def _is_arrival(self, record: Record) -> bool:
        return self.pending is not None and record.topic in self.pending.released_by

    def _log_batch(self, outcomes: Outcomes) -> None:
        name, seconds = self._name, time.monotonic() - outcomes.started
        for outcome, count in outcomes.counts.items():
            self.metrics.records.labels(name, outcome).inc(count)
        self.metrics.batch_size.labels(name).observe(outcomes.done)
        self.metrics.batch_seconds.labels(name).observe(seconds)
        _log.info("batch.done", worker=name, records=outcomes.done, ms=round(seconds * 1000, 1), **outcomes.counts)


def _lanes(received: Sequence[Received], most: int) -> list[list[Received]]:
    """Split a batch into lanes. Events of one key stay in one lane, in their order."""
    number = max(1, min(most, len(received) // _LANE_MIN))
    lanes: list[list[Received]] = [[] for _ in range(number)]
    for one in received:
        lanes[crc32(one.record.key or b"") % number].append(one)
    return [lane for lane in lanes if lane]


def _record(raw: ConsumerRecord[bytes | None, bytes | None]) -> Record:
    return Record(raw.topic, raw.partition, raw.offset, raw.key, raw.value, tuple(raw.headers))


def _rewind(consumer: AIOKafkaConsumer, records: Sequence[Record]) -> None:
    first: dict[TopicPartition, int] = {}
    for record in records:
        first.setdefault(TopicPartition(record.topic, record.partition), record.offset)
    for partition, offset in first.items():
        try:
            consumer.seek(partition, offset)
        except IllegalStateError:
            continue  # another consumer has the partition now, and starts at the last commit


async def _commit(consumer: AIOKafkaConsumer, records: Sequence[Record], worker: str) -> None:
    following = {TopicPartition(record.topic, record.partition): record.offset + 1 for record in records}
    assigned = {partition: offset for partition, offset in following.items() if partition in consumer.assignment()}
    try:
        if assigned:
            await consumer.commit(assigned)
    except (KafkaError, IllegalStateError) as error:
        # Kafka delivers the batch again to the partitions' consumer; the redelivery changes nothing.
        _log.warning("commit.failed", worker=worker, error=type(error).__name__)
