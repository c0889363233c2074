"""What surrounds a worker's handler: decode, publish, dead letter."""

import logging
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import structlog

from schemas.attributes import Attributes
from schemas.reasons import DeadLetterReason
from schemas.topics import DEADLETTER
from shared.clock import Clock
from shared.consuming.circuit_breaker import CircuitBreaker
from shared.consuming.invalid_records import InvalidRecords
from shared.consuming.isolation import Failed
from shared.consuming.worker import Worker
from shared.domain.operations.failure_limits import Handled
from shared.kafka.broker_errors import RecordRefused
from shared.kafka.client import Publisher
from shared.kafka.dead_letter import is_replayed
from shared.kafka.decoding import FailedRecord, decode
from shared.kafka.events import Outgoing, Received, Record, Refused, Result, Unknown, dead_letter, topic_of
from shared.observability.error_places import where

_LINES_MAX = 20
"""Dead letters of a batch that get a log line each; `InvalidRecords` counts all."""
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RecordProcessor:
    """Processes the records of one worker. `region` is the phone numbers' default region."""

    worker: Worker
    publisher: Publisher
    clock: Clock
    region: str
    breaker: CircuitBreaker = field(default_factory=CircuitBreaker)
    invalid: InvalidRecords = field(default_factory=InvalidRecords)

    @property
    def attributes(self) -> Attributes | None:
        """The attributes by which the worker validates what it keeps."""
        return self.worker.attributes.current if self.worker.attributes else None

    def decode(self, records: Sequence[Record], *, final: bool = False) -> tuple[list[Received], list[FailedRecord]]:
        """Return the valid events and the invalid records. `final` events may wait no longer."""
        attributes = self.attributes
        decoded = [decode(record, self.region, attributes, final=final) for record in records]
        received = [one for one in decoded if isinstance(one, Received)]
        invalid = [one for one in decoded if isinstance(one, FailedRecord)]
        # Most processes show no line for each record: its ids would cost more than the check.
        for one in received if _log.is_enabled_for(logging.DEBUG) else ():
            _log.debug("event.received", worker=self.worker.name, type=one.event.type, **one.ids)
        return received, [] if self.worker.ignores_invalid else invalid

    async def publish(self, results: Sequence[Result]) -> list[FailedRecord]:
        """Publish the events among these results; return the faults for `send_to_dead_letter`."""
        events = [one for one in results if isinstance(one, Outgoing)]
        await self.publisher.publish(self.worker.name, events)
        self.worker.on_published(events)
        return [_failed_record(one) for one in results if isinstance(one, Refused)]

    def failure(self, failed: Failed[Record]) -> tuple[FailedRecord, list[Handled]]:
        """Return the fault of a record that failed alone, and how the circuit breaker counts it."""
        record, reason, detail = failed.item, DeadLetterReason.HANDLER_FAILED, where(failed.error)
        try:
            decoded = decode(record, self.region, self.attributes)
        except Exception:  # noqa: BLE001 - a record that breaks decoding has its outcome too
            decoded = FailedRecord(record, reason, detail)
        if isinstance(decoded, FailedRecord):
            # Without a source, each key counts as a producer.
            source = decoded.source or str(record.key)
            counts = [] if is_replayed(record) else [Handled(source, source, failed=True)]
            return replace(decoded, reason=reason, detail=detail, attempts=failed.attempts), counts
        fault = FailedRecord(record, reason, detail, decoded.ids, decoded.event.source, failed.attempts)
        return fault, [replace(one, failed=True) for one in count_handled([decoded])]

    async def send_to_dead_letter(self, faults: Sequence[FailedRecord], among: Sequence[Handled]) -> Counter[str]:
        """Publish the dead letters of these `faults`; return how many, by reason.

        Raises `CircuitOpen`, and publishes none, if the handler failed on too many of the records `among`.
        """
        self.breaker.check(among)
        if faults:
            _log.debug("dead_letters.publishing", worker=self.worker.name, records=len(faults))
        # A dead letter that fails once more is in its topic already: a second one would come back for ever.
        dead_letters = [self._dead_letter(one) for one in faults if one.record.topic != DEADLETTER.name]
        try:
            await self.publisher.publish(self.worker.name, dead_letters)
        except RecordRefused:
            for outgoing in dead_letters:
                for form in _smaller_forms(outgoing):
                    with suppress(RecordRefused):
                        await self.publisher.publish(self.worker.name, [form])
                        break
                else:
                    raise
        self.breaker.record(among)
        self._log_faults(faults)
        return Counter(one.reason.value for one in faults)

    def _dead_letter(self, fault: FailedRecord) -> Outgoing:
        return dead_letter(
            fault.record,
            fault.reason,
            fault.detail,
            consumer=self.worker.group,
            at=self.clock(),
            attempts=fault.attempts,
            source=fault.source,
        )

    def _log_faults(self, faults: Sequence[FailedRecord]) -> None:
        """Log and count the records that went to the dead letter."""
        for fault in faults[:_LINES_MAX]:
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
        self.invalid.count(self.worker.name, [(one.source, one.reason) for one in faults])


def count_handled(received: Sequence[Received]) -> list[Handled]:
    """Return how these events count at the circuit breaker. Replayed ones don't count."""
    return [_count_one(one) for one in received if not is_replayed(one.record)]


def _count_one(received: Received) -> Handled:
    payload = received.payload
    contact = getattr(payload, "contact", None)
    address = getattr(payload, "email", None) or (contact and (contact.email or contact.phone))
    source = received.event.source if topic_of(received.record).kind == "input" else ""
    return Handled(source, str(received.lead_id or address or received.key))


def _smaller_forms(outgoing: Outgoing) -> tuple[Outgoing, ...]:
    """The forms to try: whole, without the record's headers, without key and value too."""
    ours = {name: text for name, text in outgoing.headers.items() if name.startswith("x-")}
    return outgoing, replace(outgoing, headers=ours), replace(outgoing, headers=ours, key=None, value=None)


def resolve_unknown(results: Sequence[Result], why: str = "") -> list[Result]:
    """Turn `Unknown` results of final events into refusals; `why` extends their detail."""
    return [
        Refused(one.received, DeadLetterReason.LEAD_NOT_FOUND, f"data: no lead is known by its {_kind(one)}{why}")
        if isinstance(one, Unknown)
        else one
        for one in results
    ]


def _kind(unknown: Unknown) -> str:
    return "leadId" if unknown.name.startswith("lead:") else "email"


def _failed_record(refused: Refused) -> FailedRecord:
    received = refused.received
    return FailedRecord(received.record, refused.reason, refused.detail, received.ids, received.event.source)
