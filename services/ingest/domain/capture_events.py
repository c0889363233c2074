"""Turn requests into events, with their ids and keys. Pure."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

import pydantic_core
from pydantic import TypeAdapter, ValidationError

from schemas.attributes import Attributes
from schemas.base import CONTENT_TYPE, ENVELOPE_LIMIT, Model, Moment
from schemas.captures import LeadCaptured
from schemas.topics import ACTIVITIES, CAPTURED, TASKS, Topic
from shared.domain.identity.normal_forms import email_key, phone_key
from shared.errors import Permanent
from shared.kafka.events import Outgoing, encode_input

DEPTH_MAX = 20
_MOMENT: TypeAdapter[datetime] = TypeAdapter(Moment)
_INTEGER_LIMIT = 2**63
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_ID = re.compile(r"[\x21-\x7e]{1,200}")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one field. The message never quotes the input."""

    path: str
    message: str


class Invalid(Permanent):
    """An input that is not valid, with all its faults."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__("; ".join(f"{fault.path}: {fault.message}" for fault in faults))
        self.faults = faults


def parse_json(body: bytes) -> object:
    """Return the JSON value in `body`. Raises `Invalid`, also if it can't be stored."""
    try:
        value = pydantic_core.from_json(body, allow_inf_nan=False)
    except ValueError:
        raise Invalid(Fault("(body)", "is not JSON")) from None
    if flaw := json_flaw_of(value):
        raise Invalid(Fault("(body)", flaw))
    return value


def parse_json_object(body: bytes) -> dict[str, object]:
    """Return the JSON object in `body`. Raises `Invalid`."""
    value = parse_json(body)
    if not isinstance(value, dict):
        raise Invalid(Fault("(body)", "must be a JSON object"))
    return value


def json_flaw_of(value: object, levels: int = DEPTH_MAX) -> str | None:
    """Return why a JSON value can't be read or stored; None if it can.

    `levels` is the greatest depth allowed.
    """
    if isinstance(value, str):
        return "has a NUL character" if "\0" in value else None
    if isinstance(value, float):
        return None if math.isfinite(value) else "is not a finite number"
    if isinstance(value, int):
        return None if abs(value) < _INTEGER_LIMIT else "is too large a number"
    if isinstance(value, dict):
        return _flaw_of_parts(chain(value, value.values()), levels)
    return _flaw_of_parts(value, levels) if isinstance(value, list) else None


def _flaw_of_parts(parts: Iterable[object], levels: int) -> str | None:
    if levels == 0:
        return f"is nested deeper than {DEPTH_MAX} levels"
    for part in parts:
        if flaw := json_flaw_of(part, levels - 1):
            return flaw
    return None


def payload_of(topic: Topic, data: Mapping[str, object], region: str, attributes: Attributes | None = None) -> Model:
    """Return the payload as each reader of the topic will see it. Raises `Invalid`.

    `attributes` are the declared ones; a payload without any needs none.
    """
    try:
        return topic.model.model_validate(data, context={"region": region, "attributes": attributes})
    except ValidationError as error:
        raise Invalid(*faults_of(error)) from None


def faults_of(error: ValidationError) -> list[Fault]:
    """Return the faults, at most 50."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    return [Fault(".".join(map(str, one["loc"])) or "(body)", one["msg"]) for one in found[:50]]


def historical_time(data: Mapping[str, object]) -> datetime | None:
    """Return the `time` that history states beside its payload; None if the event is no history or states none.

    Raises `Invalid`.
    """
    if not data.get("historical") or data.get("time") is None:
        return None
    try:
        return _MOMENT.validate_python(data["time"])
    except ValidationError as error:
        raise Invalid(Fault("time", faults_of(error)[0].message)) from None


def event_of(  # noqa: PLR0913 - an event's parts, each by name
    topic: Topic, payload: Model, *, id_: str, source: str, at: datetime, region: str, traceparent: str | None = None
) -> Outgoing:
    """Return the record to publish. Raises `Invalid` if it is larger than a record may be."""
    # No capture names a lead: asking a model for a field that it lacks costs as much as its whole validation.
    named = None if isinstance(payload, LeadCaptured) else getattr(payload, "lead_id", None)
    value = encode_input(
        payload,
        id_=id_,
        source=source,
        type_=topic.event_type,
        subject=named,
        at=at,
        traceparent=traceparent if _TRACEPARENT.fullmatch(traceparent or "") else None,
    )
    if len(value) > ENVELOPE_LIMIT:
        raise Invalid(Fault("(body)", f"makes a record of more than {ENVELOPE_LIMIT // 1024} KiB"))
    key = named or _person(payload, region)
    return Outgoing(topic.name, key.encode() if key else None, value, {"content-type": CONTENT_TYPE})


def _person(payload: Model, region: str) -> str | None:
    """Return the key of an event without a lead id: the normalised e-mail, else the phone.

    See schemas/README.md#keys.
    """
    if isinstance(payload, LeadCaptured):
        return email_key(payload.contact.email) or phone_key(payload.contact.phone, region)
    return email_key(getattr(payload, "email", None))


def check_event_id(given: str) -> str:
    """Return an idempotency key that is usable as an event id. Raises `Invalid`."""
    if not _ID.fullmatch(given):
        raise Invalid(Fault("Idempotency-Key", "must be 1 to 200 printable ASCII characters without spaces"))
    return given


def with_consent(data: Mapping[str, object], now: datetime) -> dict[str, object]:
    """Return the capture with the time and wording of its consent, also in its `context`."""
    given = data.get("consent")
    if isinstance(given, dict) and any(given.get(name) for name in ("email", "phone")):
        return _with_wording({**data, "consent": {"capturedAt": now.isoformat(), **given}})
    return _with_wording(data)


def with_batch_consent(data: Mapping[str, object]) -> dict[str, object]:
    """Return a batch or import line; consent without a date is marked as undated."""
    given = data.get("consent")
    if isinstance(given, dict) and _is_missing(given.get("capturedAt")):
        return _with_wording({**data, "consent": {**given, "dated": False}})
    return _with_wording(data)


def _is_missing(value: object) -> bool:
    """Return whether the model treats the value as missing; a blank text is missing."""
    return value is None or (isinstance(value, str) and not value.strip())


def _with_wording(data: Mapping[str, object]) -> dict[str, object]:
    consent, context = data.get("consent"), data.get("context")
    if not isinstance(consent, dict):
        return dict(data)
    result = dict(data)
    if consent.get("wording") and (context is None or isinstance(context, dict)):
        result["context"] = {**(context or {}), "consentWording": consent["wording"]}
    return result


def as_sent(
    topic: Topic, data: Mapping[str, object], lead_id: str | None, who: str, *, in_person: bool = False
) -> dict[str, object]:
    """Return a command or an activity of the path's lead; `who` is who requested or did it.

    An activity or a task names its lead itself.

    An API key may name another person on whose behalf it acts. A signed-in user acts `in_person` and may not.
    """
    if topic is ACTIVITIES and isinstance(activity := data.get("activity"), dict):
        return {**data, "activity": _signed(activity, "createdBy", who, always=in_person)}
    if topic is TASKS:
        return _signed(data, "requestedBy", who, always=in_person)
    if lead_id is None or topic is CAPTURED:
        return dict(data)
    return {**_signed(data, "requestedBy", who, always=in_person), "leadId": lead_id}


def _signed(data: Mapping[str, object], name: str, who: str, *, always: bool) -> dict[str, object]:
    return {**data, name: who} if always else {name: who, **data}
