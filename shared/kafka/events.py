"""The records that workers consume and publish, and the results of handlers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic_core import to_json

from schemas.base import CONTENT_TYPE, ENVELOPE_LIMIT, ID_MAX, JSON_DATA, SOURCE_MAX, CloudEvent, Model
from schemas.reasons import DeadLetterReason
from schemas.topics import DEADLETTER, TOPICS, Topic
from shared.domain.ids import derive, loggable_id
from shared.domain.moments import learned_at, truncate_to_ms
from shared.errors import Permanent


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
    """The cause of an outgoing event: its id is derived from it (schemas/README.md#ids)."""

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
    payload: Any  # of the topic's model, which only the topic's handler knows
    key: str
    final: bool = False
    """Whether the event may wait no longer: it must get its outcome now."""

    @property
    def cause(self) -> Cause:
        """This event as the cause of others."""
        event = self.event
        return Cause(self.key, event.id, event.correlationid or event.id, event.traceparent)

    @property
    def order(self) -> tuple[str, ...]:
        """The sort key of events about one thing: by time, then by id."""
        return (self.event.time.astimezone(UTC).isoformat(timespec="microseconds"), self.event.id, self.key)

    @property
    def lead_id(self) -> str | None:
        """The id of the lead that the event names; None if it names an address, or no lead."""
        lead = getattr(self.payload, "lead", None)
        return lead.id if lead else getattr(self.payload, "lead_id", None)

    @property
    def is_historical(self) -> bool:
        """Whether the event is history: it starts nothing (schemas/README.md#history)."""
        return bool(getattr(self.payload, "historical", None))

    def known_at(self, now: datetime) -> datetime:
        """Return since when the product counts as knowing the event (`shared.domain.moments`)."""
        return learned_at(truncate_to_ms(self.event.time), now, historical=self.is_historical)

    @property
    def ids(self) -> dict[str, str]:
        """The ids of the event for a log line, without personal data."""
        return ids_of(self.event) | ({"lead_id": loggable_id(self.lead_id)} if self.lead_id else {})


def ids_of(event: CloudEvent) -> dict[str, str]:
    """Return the ids by which logs and topics show the event."""
    return {"event_id": loggable_id(event.id), "correlation_id": loggable_id(event.correlationid or event.id)}


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One record to publish."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, str] = field(default_factory=dict)
    cause: str | None = None
    """The key of the cause."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A received event that no retry can help: its record goes to the dead letter."""

    received: Received
    reason: DeadLetterReason
    detail: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """A received event whose lead doesn't exist yet; `name` is `lead:ID` or `email:ADDRESS`."""

    received: Received
    name: str


@dataclass(frozen=True, slots=True)
class Deferred:
    """A received command that only its lead's current status forbids; it is judged again."""

    received: Received
    status: str
    """The status that forbids the command."""

    @property
    def name(self) -> str:
        """The name of the lead, as in `Unknown.name`."""
        return f"lead:{self.received.payload.lead_id}"


class TooLarge(Permanent, ValueError):
    """An event has more than `ENVELOPE_LIMIT` bytes: no worker would read it."""


Result = Outgoing | Refused | Unknown | Deferred
"""A result of a handler: an event to publish, a refusal, or what the event waits for."""


def emit(  # noqa: PLR0913 - an event's parts, each by name
    topic: Topic, payload: Model, *, cause: Cause, key: str, source: str, at: datetime, subject: str | None = None
) -> Outgoing:
    """Return an event with this payload. Its id is derived from topic, cause and lead.

    `subject` is the lead's id; None: the key. Raises `TooLarge`.
    """
    lead_id = subject or key
    id_ = derive("event", topic.name, cause.key, lead_id)
    return emit_once(topic, payload, id_=id_, cause=cause, key=key, source=source, at=at, subject=lead_id)


def emit_once(  # noqa: PLR0913 - an event's parts, each by name
    topic: Topic,
    payload: Model,
    *,
    id_: str,
    key: str,
    source: str,
    at: datetime,
    subject: str,
    cause: Cause | None = None,
) -> Outgoing:
    """Return an event with this payload and id, whatever its cause. Raises `TooLarge`."""
    value = _envelope(
        {
            "id": id_,
            "source": source,
            "type": topic.event_type,
            "subject": subject,
            "time": at,
            "datacontenttype": JSON_DATA,
            "correlationid": cause.correlation_id if cause else None,
            "causationid": cause.event_id if cause else None,
            "traceparent": cause.traceparent if cause else None,
        },
        payload,
    )
    if len(value) > ENVELOPE_LIMIT:
        raise TooLarge(f"{topic.name} would have {len(value)} bytes; {ENVELOPE_LIMIT} are the limit")
    return Outgoing(topic.name, key.encode(), value, {"content-type": CONTENT_TYPE}, cause.key if cause else None)


def encode(event: CloudEvent) -> bytes:
    """Return an event in structured JSON mode (schemas/README.md#envelope)."""
    return event.model_dump_json(exclude_none=True).encode()


def encode_input(  # noqa: PLR0913 - an event's parts, each by name
    payload: Model, *, id_: str, source: str, type_: str, at: datetime, subject: str | None, traceparent: str | None
) -> bytes:
    """Return an input as `encode` writes it, without copying and checking its payload once more.

    The payload's model has checked `subject`. Raises `ValueError` for other attributes that no reader would take.
    """
    if not (0 < len(id_) <= ID_MAX and 0 < len(source) <= SOURCE_MAX and at.tzinfo):
        raise ValueError("the id or the source is empty or too long, or the time has no zone")
    attributes = {
        "id": id_,
        "source": source,
        "type": type_,
        "subject": subject,
        "time": at,
        "datacontenttype": JSON_DATA,
        "traceparent": traceparent,
    }
    return _envelope(attributes, payload)


def _envelope(attributes: Mapping[str, object], payload: Model) -> bytes:
    """Return what `encode` returns for an event with these valid attributes (None: missing) and this payload."""
    given = {name: value for name, value in attributes.items() if value is not None}
    head = to_json({"specversion": "1.0", **given})
    return b'%s,"data":%s}' % (head[:-1], payload.wire_json())


def dead_letter(  # noqa: PLR0913 - headers, each by name
    record: Record,
    reason: DeadLetterReason,
    detail: str,
    *,
    consumer: str,
    at: datetime,
    attempts: int,
    source: str = "",
) -> Outgoing:
    """Return the dead letter: key and value byte for byte, the failure in headers.

    `schemas/README.md#leadsdeadletter` lists the headers. `source` is the event's; empty if unknown.
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
        "x-source": loggable_id(source) if source else "",
    }
    return Outgoing(DEADLETTER.name, record.key, record.value, headers)


def _readable(headers: tuple[tuple[str, bytes], ...]) -> dict[str, str]:
    readable = {}
    for name, value in headers:
        try:
            readable[name] = (value or b"").decode()
        except UnicodeDecodeError:
            continue  # no worker reads a header that is not text; the value stays as it came
    return readable


def topic_of(record: Record) -> Topic:
    """Return the registered topic of a record."""
    return TOPICS[record.topic]
