"""One passage of records through a worker: decode each, handle as a batch, say what to publish and what went wrong."""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import structlog

from schemas.reasons import DeadLetterReason
from shared.breaker import Breaker
from shared.broker import Publisher
from shared.clock import Clock
from shared.decoding import Undecodable, decode
from shared.domain.breaker import Handled
from shared.errors import where
from shared.events import Outgoing, Received, Record, Refused, Result, Unknown, dead_letter, topic_of
from shared.invalid import InvalidRecords
from shared.isolation import REFUSALS, Failed
from shared.letters import is_replayed
from shared.worker import Worker

_LINES_MAX = 20
"""Dead letters of one batch that have a log line each; the others are counted in one of all."""
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Passage:
    """How records go through one worker in this process; `region` is the phone numbers' default region."""

    worker: Worker
    publisher: Publisher
    clock: Clock
    region: str
    breaker: Breaker = field(default_factory=Breaker)
    invalid: InvalidRecords = field(default_factory=InvalidRecords)

    def decode(self, records: Sequence[Record], *, final: bool = False) -> tuple[list[Received], list[Undecodable]]:
        """The valid events, and the records that are none; `final` events are at the end of their waiting."""
        decoded = [decode(record, self.region) for record in records]
        received = [replace(one, final=final) for one in decoded if isinstance(one, Received)]
        undecodable = [one for one in decoded if isinstance(one, Undecodable)]
        return received, [] if self.worker.observes else undecodable

    async def handle(self, received: Sequence[Received]) -> Sequence[Result]:
        """What the worker makes of these events. Raises what the worker raises."""
        if not received:
            return ()
        for one in received:
            _log.debug("event.received", worker=self.worker.name, type=one.event.type, **one.ids)
        return await self.worker.handle(received)

    async def publish(self, results: Sequence[Result]) -> list[Undecodable]:
        """Publish the events among these results; return what is at fault, for `bury`."""
        events = [one for one in results if isinstance(one, Outgoing)]
        await self.publisher.publish(self.worker.name, events)
        self.worker.acknowledged(events)
        return [_undecodable(one) for one in results if isinstance(one, Refused)]

    def failure(self, failed: Failed[Record]) -> tuple[Undecodable, list[Handled]]:
        """A record whose handling failed alone: what its dead letter says, and how it counts."""
        record, reason, detail = failed.item, DeadLetterReason.HANDLER_FAILED, where(failed.error)
        try:
            decoded = decode(record, self.region)
        except Exception:  # noqa: BLE001 - what can't even be decoded has its outcome all the same
            decoded = Undecodable(record, reason, detail)
        if isinstance(decoded, Undecodable):
            # Who sent it may not be known: then it counts as a producer's of its own.
            source = decoded.source or str(record.key)
            counts = [] if is_replayed(record) else [Handled(source, source, failed=True)]
            return replace(decoded, reason=reason, detail=detail, attempts=failed.attempts), counts
        fault = Undecodable(record, reason, detail, decoded.ids, decoded.event.source, failed.attempts)
        return fault, [replace(one, failed=True) for one in handled([decoded])]

    async def bury(self, faults: Sequence[Undecodable], among: Sequence[Handled]) -> Counter[str]:
        """Publish the dead letters of these `faults`; return how many, by reason.

        Raises `Tripped` when the handler failed on too many `among` the records of a passage; none is published then.
        """
        self.breaker.judge(among)
        if faults:
            _log.debug("dead_letters.publishing", worker=self.worker.name, records=len(faults))
        letters = [self._letter(one) for one in faults]
        try:
            await self.publisher.publish(self.worker.name, letters)
        except REFUSALS:
            for letter in letters:
                for form in _forms(letter):
                    with suppress(*REFUSALS):
                        await self.publisher.publish(self.worker.name, [form])
                        break
                else:
                    raise
        self.breaker.note(among)
        self._tell(faults)
        return Counter(one.reason.value for one in faults)

    def _letter(self, fault: Undecodable) -> Outgoing:
        return dead_letter(
            fault.record,
            fault.reason,
            fault.detail,
            consumer=self.worker.group,
            at=self.clock(),
            attempts=fault.attempts,
            source=fault.source,
        )

    def _tell(self, faults: Sequence[Undecodable]) -> None:
        """Log and count what went to the dead letter."""
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


def handled(received: Sequence[Received]) -> list[Handled]:
    """How these events count at the breaker; one that came back from the dead letter counts no more."""
    return [_handled(one) for one in received if not is_replayed(one.record)]


def _handled(received: Received) -> Handled:
    payload = received.payload
    contact = getattr(payload, "contact", None)
    address = getattr(payload, "email", None) or (contact and (contact.email or contact.phone))
    source = received.event.source if topic_of(received.record).kind == "input" else ""
    return Handled(source, str(received.lead_id or address or received.key))


def _forms(letter: Outgoing) -> tuple[Outgoing, ...]:
    """A dead letter whole, without the record's own headers, and without the record, which stays in its topic."""
    ours = {name: text for name, text in letter.headers.items() if name.startswith("x-")}
    return letter, replace(letter, headers=ours), replace(letter, headers=ours, key=None, value=None)


def given_up(results: Sequence[Result], why: str = "") -> list[Result]:
    """Results of final events: what is still unknown has its outcome now; `why` goes on its detail."""
    return [
        Refused(one.received, DeadLetterReason.LEAD_NOT_FOUND, f"data: no lead is known by its {_kind(one)}{why}")
        if isinstance(one, Unknown)
        else one
        for one in results
    ]


def _kind(unknown: Unknown) -> str:
    return "leadId" if unknown.name.startswith("lead:") else "email"


def _undecodable(refused: Refused) -> Undecodable:
    received = refused.received
    return Undecodable(received.record, refused.reason, refused.detail, received.ids, received.event.source)
