"""Decodes one record to a valid event, or to the reason why it is none."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import ValidationError
from pydantic_core import from_json

from schemas.attributes import Attributes
from schemas.base import ENVELOPE_LIMIT, CloudEvent
from schemas.outputs import DeadLetter
from schemas.reasons import DeadLetterReason
from schemas.topics import DEADLETTER
from shared.domain.ids import derive
from shared.kafka.events import Received, Record, ids_of, topic_of


@dataclass(frozen=True, slots=True)
class FailedRecord:
    """A record that could not be used, and why. `detail` names paths, never values."""

    record: Record
    reason: DeadLetterReason
    detail: str
    ids: Mapping[str, str] = field(default_factory=dict)
    """The ids of the event for the log, as far as they are known."""
    source: str = ""
    """The `source` of the event; empty if the record is no event."""
    attempts: int = 1


def decode(
    record: Record, region: str, attributes: Attributes | None = None, *, final: bool = False
) -> Received | FailedRecord:
    """Return the event in `record`. Never raises. `region` is the phones' default region.

    `attributes` are those that the installation declares; None: the reader keeps no values of them.
    A `final` event may wait no longer. A dead letter is the event that failed, with its headers as the payload.
    """
    if record.topic == DEADLETTER.name:
        return _decode_dead_letter(record)
    value = record.value or b""
    if len(value) > ENVELOPE_LIMIT:
        detail = f"{len(value)} bytes are more than the {ENVELOPE_LIMIT} that a record may have"
        return FailedRecord(record, DeadLetterReason.TOO_LARGE, detail)
    try:
        # NaN and Infinity are no JSON: the next event would have null instead of the value.
        event = CloudEvent.model_validate(from_json(value, allow_inf_nan=False))
    except ValidationError as error:
        return FailedRecord(record, DeadLetterReason.NOT_CLOUDEVENT, explain(error))
    except ValueError as error:
        return FailedRecord(record, DeadLetterReason.NOT_JSON, f"(record): Invalid JSON: {error}")
    return _decode_data(record, event, {"region": region, "attributes": attributes}, final=final)


def _decode_dead_letter(record: Record) -> Received | FailedRecord:
    headers = {name: (value or b"").decode(errors="replace") for name, value in record.headers}
    try:
        # The event may be of any type and size: that may be why it failed.
        event = CloudEvent.model_validate(from_json(record.value or b"", allow_inf_nan=False))
        why = DeadLetter.model_validate(headers)
    except ValueError:
        return FailedRecord(record, DeadLetterReason.NOT_CLOUDEVENT, "(record): is no event with `source` and `id`")
    return Received(record, event, why, derive("cause", event.source, event.id))


def _decode_data(
    record: Record, event: CloudEvent, context: Mapping[str, object], *, final: bool
) -> Received | FailedRecord:
    topic = topic_of(record)
    if event.type != topic.event_type:
        name, _, _ = event.type.rpartition(".")
        if name == topic.name:
            detail = f"type: this reader knows {topic.event_type} only"
            return FailedRecord(record, DeadLetterReason.UNSUPPORTED_VERSION, detail, ids_of(event), event.source)
        detail = f"type: expected {topic.event_type} on this topic"
        return FailedRecord(record, DeadLetterReason.NOT_CLOUDEVENT, detail, ids_of(event), event.source)
    try:
        payload = topic.model.model_validate(event.data, context=context)
    except ValidationError as error:
        return FailedRecord(record, DeadLetterReason.INVALID_DATA, explain(error, "data"), ids_of(event), event.source)
    return Received(record, event, payload, derive("cause", event.source, event.id), final)


def explain(error: ValidationError, *prefix: str) -> str:
    """Return each fault as `path: message`, without the wrong values."""
    faults = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(
        f"{'.'.join([*prefix, *map(str, fault['loc'])]) or '(record)'}: {fault['msg']}" for fault in faults[:20]
    )
