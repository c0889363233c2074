"""Records on their way in and on their way out, as every worker sees them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from schemas.base import CONTENT_TYPE, ENVELOPE_LIMIT, CloudEvent, Model
from schemas.reasons import DeadLetterReason
from schemas.topics import DEADLETTER, TOPICS, Topic
from shared.domain.ids import derive, shown


@dataclass(frozen=True, slots=True)
class Record:
    """A Kafka record as it came, byte for byte."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Cause:
    """What an outgoing event was caused by: enough to derive its id and to carry the chain on (contract 1)."""

    key: str
    event_id: str
    correlation_id: str
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Received:
    """A record whose envelope and payload are valid.

    `key` is derived from the event's `source` and `id`: equal keys are one event, however often it is delivered.
    """

    record: Record
    event: CloudEvent
    payload: Any
    key: str
    final: bool = False
    """It has waited for its lead as long as anything may: now it has its outcome, whatever that is."""

    @property
    def cause(self) -> Cause:
        """This event as the cause of others."""
        event = self.event
        return Cause(self.key, event.id, event.correlationid or event.id, event.traceparent)

    @property
    def order(self) -> tuple[str, ...]:
        """Orders events of one thing, whatever order they arrive in: by their time, then by their id."""
        return (self.event.time.astimezone(UTC).isoformat(timespec="microseconds"), self.event.id, self.key)

    @property
    def lead_id(self) -> str | None:
        """The lead that it names by its id; None where it names an address, or nobody yet."""
        lead = getattr(self.payload, "lead", None)
        return lead.id if lead else getattr(self.payload, "lead_id", None)

    @property
    def ids(self) -> dict[str, str]:
        """What a log line says of it: ids, never data."""
        return ids_of(self.event) | ({"lead_id": shown(self.lead_id)} if self.lead_id else {})


def ids_of(event: CloudEvent) -> dict[str, str]:
    """The ids by which an event is found again in logs and topics."""
    return {"event_id": shown(event.id), "correlation_id": shown(event.correlationid or event.id)}


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One record to publish."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, str] = field(default_factory=dict)
    cause: str | None = None
    """The key of what caused it."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A received event that no retry can make useful: it goes to the dead letter as it came."""

    received: Received
    reason: DeadLetterReason
    detail: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """A received event that names a lead which nobody knows yet, by `name`: `lead:ID` or `email:ADDRESS`."""

    received: Received
    name: str


@dataclass(frozen=True, slots=True)
class Deferred:
    """A received command that only the present status of its lead forbids: it is judged again within its patience."""

    received: Received
    status: str
    """The status that forbids it."""

    @property
    def name(self) -> str:
        """The name of its lead, as `Unknown.name`."""
        return f"lead:{self.received.payload.lead_id}"


class TooLarge(ValueError):  # noqa: N818 - the state of the event
    """An event that no reader of ours would take: it has more bytes than the contract allows."""


Result = Outgoing | Refused | Unknown | Deferred
"""What a handler can return for an event: something to publish, a reason to bury it, or what it has to wait for."""


def emit(  # noqa: PLR0913 - an event's parts, each by name
    topic: Topic, payload: Model, *, cause: Cause, key: str, source: str, at: datetime, subject: str | None = None
) -> Outgoing:
    """The event `payload` says, caused by `cause`: caused twice, it has the same id twice.

    `subject` is the lead's id and distinguishes the events that one cause has on several leads. Raises `TooLarge`
    for an event that no reader of ours would take.
    """
    lead_id = subject or key
    event = CloudEvent(
        specversion="1.0",
        id=derive("event", topic.name, cause.key, lead_id),
        source=source,
        type=topic.event_type,
        subject=lead_id,
        time=at,
        correlationid=cause.correlation_id,
        causationid=cause.event_id,
        traceparent=cause.traceparent,
        data=payload.wire(),
    )
    value = encode(event)
    if len(value) > ENVELOPE_LIMIT:
        raise TooLarge(f"{topic.name} would have {len(value)} bytes; {ENVELOPE_LIMIT} are the limit")
    return Outgoing(topic.name, key.encode(), value, {"content-type": CONTENT_TYPE}, cause.key)


def encode(event: CloudEvent) -> bytes:
    """The structured JSON mode of an event (contract 1)."""
    return event.model_dump_json(exclude_none=True).encode()


def dead_letter(  # noqa: PLR0913 - the contract's headers, each by name
    record: Record,
    reason: DeadLetterReason,
    detail: str,
    *,
    consumer: str,
    at: datetime,
    attempts: int,
    source: str = "",
) -> Outgoing:
    """The record for `leads.deadletter`: key and value byte for byte, the failure in headers (contract 2).

    `source` is the event's, as far as it is known; what may not be shown of it is left out.
    """
    headers = {
        **_readable(record.headers),
        "x-reason": reason.value,
        "x-detail": detail[:1_000],
        "x-topic": record.topic,
        "x-partition": str(record.partition),
        "x-offset": str(record.offset),
        "x-consumer": consumer,
        "x-failed-at": at.isoformat(),
        "x-attempts": str(attempts),
        "x-source": shown(source) if source else "",
    }
    return Outgoing(DEADLETTER.name, record.key, record.value, headers)


def _readable(headers: tuple[tuple[str, bytes], ...]) -> dict[str, str]:
    readable = {}
    for name, value in headers:
        try:
            readable[name] = (value or b"").decode()
        except UnicodeDecodeError:
            continue  # a header that isn't text means nothing to any reader of ours; the value stays untouched
    return readable


def topic_of(record: Record) -> Topic:
    """The registered topic that a record came from."""
    return TOPICS[record.topic]
