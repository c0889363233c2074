"""One passage of records through a worker: decode each, handle as a batch, say what to publish and what went wrong.

A handler that fails on a batch gets its events one by one, so that only the event at fault ends in the dead letter.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import structlog
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from schemas.reasons import DeadLetterReason
from shared.breaker import Breaker
from shared.broker import Publisher
from shared.clock import Clock
from shared.decoding import Undecodable, decode
from shared.events import Outgoing, Received, Record, Refused, Result, Unknown, dead_letter
from shared.storage import Unavailable
from shared.worker import Contention, Worker

_HANDLER_ATTEMPTS = 3
_log = structlog.get_logger()


def transient(error: BaseException) -> bool:
    """Whether trying the very same again can help."""
    if isinstance(error, MessageSizeTooLargeError):
        return False
    return isinstance(error, Unavailable | Contention | KafkaError | OSError | TimeoutError)


@dataclass(frozen=True, slots=True)
class Passage:
    """How records go through one worker in this process; `region` is the phone numbers' default region."""

    worker: Worker
    publisher: Publisher
    clock: Clock
    region: str
    breaker: Breaker = field(default_factory=Breaker)

    def decode(self, records: Sequence[Record], *, final: bool = False) -> tuple[list[Received], list[Undecodable]]:
        """The valid events, and the records that are none; `final` events are at the end of their waiting."""
        decoded = [decode(record, self.region) for record in records]
        received = [replace(one, final=final) for one in decoded if isinstance(one, Received)]
        undecodable = [one for one in decoded if isinstance(one, Undecodable)]
        return received, [] if self.worker.observes else undecodable

    async def handle(self, received: Sequence[Received]) -> Sequence[Result]:
        """What the worker makes of these events. Raises only what is transient."""
        if not received:
            return ()
        for one in received:
            _log.debug("event.received", worker=self.worker.name, type=one.event.type, **one.ids)
        try:
            return await self.worker.handle(received)
        except Exception as error:
            if transient(error):
                raise
            _log.error("handler.failed", worker=self.worker.name, records=len(received), error=where(error))
        if len(received) > 1:
            return [result for one in received for result in await self.handle((one,))]
        with structlog.contextvars.bound_contextvars(**received[0].ids):
            return await self._insist(received[0])

    async def _insist(self, received: Received) -> Sequence[Result]:
        detail = ""
        for _ in range(_HANDLER_ATTEMPTS - 1):
            try:
                return await self.worker.handle((received,))
            except Exception as error:
                if transient(error):
                    raise
                detail = where(error)
        return (Refused(received, DeadLetterReason.HANDLER_FAILED, detail),)

    async def publish(self, results: Sequence[Result]) -> list[Undecodable]:
        """Publish the events among these results; return what is at fault, for `bury`."""
        events = [one for one in results if isinstance(one, Outgoing)]
        await self.publisher.publish(self.worker.name, events)
        self.worker.acknowledged(events)
        return [_undecodable(one) for one in results if isinstance(one, Refused)]

    async def bury(self, faults: Sequence[Undecodable], among: Sequence[Record]) -> Counter[str]:
        """Publish the dead letters of these `faults` `among` the records of a passage; return how many, by reason.

        Raises `Tripped` when they are too many, and none of them is published. One whose lead nobody knows is no sign
        of a bad deploy, and counts as any good record.
        """
        bad = {_place(one.record) for one in faults if one.reason is not DeadLetterReason.LEAD_NOT_FOUND}
        dead = [_place(record) in bad for record in among]
        self.breaker.judge(dead)
        await self.publisher.publish(self.worker.name, [self._letter(one) for one in faults])
        self.breaker.note(dead)
        return Counter(one.reason.value for one in faults)

    def _letter(self, fault: Undecodable) -> Outgoing:
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
        attempts = _HANDLER_ATTEMPTS if fault.reason is DeadLetterReason.HANDLER_FAILED else 1
        return dead_letter(
            fault.record, fault.reason, fault.detail, consumer=self.worker.group, at=self.clock(), attempts=attempts
        )


def given_up(results: Sequence[Result]) -> list[Result]:
    """Results of final events: what is still unknown has its outcome now."""
    return [
        Refused(one.received, DeadLetterReason.LEAD_NOT_FOUND, f"data: no lead is known by its {_kind(one)}")
        if isinstance(one, Unknown)
        else one
        for one in results
    ]


def _kind(unknown: Unknown) -> str:
    return "leadId" if unknown.name.startswith("lead:") else "email"


def _place(record: Record) -> tuple[str, int, int]:
    return record.topic, record.partition, record.offset


def _undecodable(refused: Refused) -> Undecodable:
    return Undecodable(refused.received.record, refused.reason, refused.detail, refused.received.ids)


def where(error: BaseException) -> str:
    """The error's class, and the line that raised it."""
    # The text of an arbitrary error may quote a lead; its class and the line that raised it can't.
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    place = f" at {frame.tb_frame.f_globals.get('__name__')}:{frame.tb_lineno}" if frame else ""
    return f"{type(error).__name__}{place}"
