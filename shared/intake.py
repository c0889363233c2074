"""The one way to consume: decode each, handle as a batch, publish, then commit.

Transient faults wait and try again, and nothing is skipped. A handler that fails on a batch gets its events one by one,
so that only the event at fault ends in the dead letter. Offsets are committed after the writes and the acknowledged
publishes of all their records: killed anywhere, the batch comes again.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError, MessageSizeTooLargeError

from schemas.reasons import DeadLetterReason
from shared.broker import Publisher
from shared.clock import Clock
from shared.decoding import Undecodable, decode
from shared.events import Outgoing, Received, Record, Refused, dead_letter
from shared.metrics import Metrics
from shared.storage import Unavailable
from shared.worker import Contention, Worker

_HANDLER_ATTEMPTS = 3
_FIRST_PAUSE_S = 0.05
# Well below Kafka's max.poll.interval (5 min): a batch that waits longer is fetched anew, which keeps us in the group.
_HOLD_S = 60.0

_log = structlog.get_logger()


class Stopping(Exception):  # noqa: N818 - a state, not a fault
    """The process was asked to stop while a batch waited for a server: it stays uncommitted and comes again."""


def transient(error: BaseException) -> bool:
    """Whether trying the very same again can help."""
    if isinstance(error, MessageSizeTooLargeError):
        return False
    return isinstance(error, Unavailable | Contention | KafkaError | OSError | TimeoutError)


@dataclass(slots=True)
class Intake:
    """The consume path of one worker in this process."""

    worker: Worker
    publisher: Publisher
    clock: Clock
    metrics: Metrics
    region: str = "US"
    retry_max_s: float = 5.0
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    advanced: Callable[[], None] = lambda: None

    async def take(self, batch: Sequence[ConsumerRecord[Any, Any]], consumer: AIOKafkaConsumer) -> None:
        """Handle a fetched batch to its end: committed, or rewound so that it is fetched again. Never raises."""
        began = time.monotonic()
        records = [_record(raw) for raw in batch]
        try:
            outcomes = await self._until_through(records)
        except Stopping:
            _rewind(consumer, records)
            return
        except Exception as error:  # noqa: BLE001 - an error that left here would let the next batch commit past this one
            _log.error("batch.rewound", worker=self.worker.name, records=len(records), error=type(error).__name__)
            _rewind(consumer, records)
            await self._pause(self.retry_max_s)
            return
        await _commit(consumer, records, self.worker.name)
        self.advanced()
        self._account(outcomes, len(records), time.monotonic() - began)

    async def _until_through(self, records: Sequence[Record]) -> Counter[str]:
        pause, deadline = _FIRST_PAUSE_S, time.monotonic() + _HOLD_S
        while True:
            self.advanced()
            try:
                return await self._go_through(records)
            except Exception as error:
                if not transient(error) or time.monotonic() > deadline:
                    raise
                self.metrics.retries.labels(self.worker.name).inc()
                _log.warning("batch.waits", worker=self.worker.name, records=len(records), error=_name(error))
            await self._pause(pause)
            if self.stopping.is_set():
                raise Stopping
            pause = min(pause * 2, self.retry_max_s)

    async def _go_through(self, records: Sequence[Record]) -> Counter[str]:
        outcomes: Counter[str] = Counter()
        received, outgoing = [], []
        for record in records:
            decoded = decode(record, self.region)
            if isinstance(decoded, Received):
                received.append(decoded)
            else:
                outgoing.append(self._bury(decoded, 1))
                outcomes[decoded.reason.value] += 1
        for result in await self._handle(received):
            if isinstance(result, Outgoing):
                outgoing.append(result)
            else:
                refused = Undecodable(result.received.record, result.reason, result.detail, result.received.ids)
                attempts = _HANDLER_ATTEMPTS if result.reason is DeadLetterReason.HANDLER_FAILED else 1
                outgoing.append(self._bury(refused, attempts))
                outcomes[result.reason.value] += 1
        await self.publisher.publish(self.worker.name, outgoing)
        outcomes["handled"] = len(records) - outcomes.total()
        return outcomes

    async def _handle(self, received: Sequence[Received]) -> Sequence[Outgoing | Refused]:
        if not received:
            return ()
        for one in received:
            _log.debug("event.received", worker=self.worker.name, type=one.event.type, **one.ids)
        try:
            return await self.worker.handle(received)
        except Exception as error:
            if transient(error):
                raise
            _log.error("handler.failed", worker=self.worker.name, records=len(received), error=_where(error))
        if len(received) > 1:
            return [result for one in received for result in await self._handle((one,))]
        return await self._handle_alone(received[0])

    async def _handle_alone(self, received: Received) -> Sequence[Outgoing | Refused]:
        with structlog.contextvars.bound_contextvars(**received.ids):
            return await self._insist(received)

    async def _insist(self, received: Received) -> Sequence[Outgoing | Refused]:
        detail = ""
        for _ in range(_HANDLER_ATTEMPTS - 1):
            try:
                return await self.worker.handle((received,))
            except Exception as error:
                if transient(error):
                    raise
                detail = _where(error)
        return (Refused(received, DeadLetterReason.HANDLER_FAILED, detail),)

    def _bury(self, fault: Undecodable, attempts: int) -> Outgoing:
        _log.warning(
            "record.dead_lettered",
            worker=self.worker.name,
            reason=fault.reason.value,
            detail=fault.detail,
            **fault.ids,
            topic=fault.record.topic,
            partition=fault.record.partition,
            offset=fault.record.offset,
        )
        return dead_letter(
            fault.record, fault.reason, fault.detail, consumer=self.worker.group, at=self.clock(), attempts=attempts
        )

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self.stopping.wait(), seconds)
        except TimeoutError:
            return

    def _account(self, outcomes: Counter[str], size: int, seconds: float) -> None:
        name = self.worker.name
        for outcome, count in outcomes.items():
            self.metrics.records.labels(name, outcome).inc(count)
        self.metrics.batch_size.labels(name).observe(size)
        self.metrics.batch_seconds.labels(name).observe(seconds)
        _log.info("batch.done", worker=name, records=size, ms=round(seconds * 1000, 1), **outcomes)


def _record(raw: ConsumerRecord[Any, Any]) -> Record:
    return Record(raw.topic, raw.partition, raw.offset, raw.key, raw.value, tuple(raw.headers))


def _name(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if isinstance(error, Unavailable) else type(error).__name__


def _where(error: BaseException) -> str:
    # The text of an arbitrary error may quote a lead; its class and the line that raised it can't.
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    place = f" at {frame.tb_frame.f_globals.get('__name__')}:{frame.tb_lineno}" if frame else ""
    return f"{type(error).__name__}{place}"


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
