"""Requests become events: what is published for each, under which id and key. All is pure."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any

import pydantic_core
from pydantic import ValidationError

from schemas.base import CONTENT_TYPE, ENVELOPE_LIMIT, CloudEvent, Model
from schemas.captures import LeadCaptured
from schemas.topics import ACTIVITIES, CAPTURED, Topic
from shared.domain.identity import email_key, identity_of
from shared.events import Outgoing, encode

DEPTH_MAX = 20
_INTEGER_LIMIT = 2**63
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_ID = re.compile(r"[\x21-\x7e]{1,200}")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one field; nothing of what was sent is quoted."""

    path: str
    message: str


class Invalid(Exception):  # noqa: N818 - the answer to a request
    """Input that no reader would take, fault by fault."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__("; ".join(f"{fault.path}: {fault.message}" for fault in faults))
        self.faults = faults


def parse(body: bytes) -> Any:
    """The JSON value in `body`. Raises `Invalid`, also for one that nobody could keep."""
    try:
        value = pydantic_core.from_json(body, allow_inf_nan=False)
    except ValueError:
        raise Invalid(Fault("(body)", "is not JSON")) from None
    if flaw := flaw_of(value):
        raise Invalid(Fault("(body)", flaw))
    return value


def parse_object(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`. Raises `Invalid`."""
    value = parse(body)
    if not isinstance(value, dict):
        raise Invalid(Fault("(body)", "must be a JSON object"))
    return value


def flaw_of(value: Any, levels: int = DEPTH_MAX) -> str | None:
    """What no reader or database of ours could take in a JSON value of at most so many `levels`."""
    if isinstance(value, str):
        return "has a NUL character" if "\0" in value else None
    if isinstance(value, float):
        return None if math.isfinite(value) else "is no finite number"
    if isinstance(value, int):
        return None if abs(value) < _INTEGER_LIMIT else "is too large a number"
    if not isinstance(value, dict | list):
        return None
    if levels == 0:
        return f"is nested deeper than {DEPTH_MAX} levels"
    parts = chain(value, value.values()) if isinstance(value, dict) else value
    return next(filter(None, (flaw_of(part, levels - 1) for part in parts)), None)


def payload_of(topic: Topic, data: Mapping[str, Any], region: str) -> Model:
    """The payload that every reader of the topic will see. Raises `Invalid`."""
    try:
        return topic.model.model_validate(data, context={"region": region})
    except ValidationError as error:
        raise Invalid(*faults_of(error)) from None


def faults_of(error: ValidationError) -> list[Fault]:
    """The faults, at most 50 of them."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    return [Fault(".".join(map(str, one["loc"])) or "(body)", one["msg"]) for one in found[:50]]


def event_of(  # noqa: PLR0913 - an event's parts, each by name
    topic: Topic, payload: Model, *, id_: str, source: str, at: datetime, region: str, traceparent: str | None = None
) -> Outgoing:
    """The record to publish. Raises `Invalid` for one that is larger than a record may be."""
    named, data = getattr(payload, "lead_id", None), payload.wire()
    event = CloudEvent(
        specversion="1.0",
        id=id_,
        source=source,
        type=topic.event_type,
        subject=named,
        time=at,
        traceparent=traceparent if _TRACEPARENT.fullmatch(traceparent or "") else None,
        data=data,
    )
    value = encode(event)
    if len(value) > ENVELOPE_LIMIT:
        raise Invalid(Fault("(body)", f"makes a record of more than {ENVELOPE_LIMIT // 1024} KiB"))
    key = named or _person(payload, data, region)
    return Outgoing(topic.name, key.encode() if key else None, value, {"content-type": CONTENT_TYPE})


def _person(payload: Model, data: Mapping[str, Any], region: str) -> str | None:
    """The key of an event that names no lead: the normalised e-mail, else the phone (contract 2)."""
    if isinstance(payload, LeadCaptured):
        identity = identity_of(data, region)
        return identity.email or identity.phone
    return email_key(getattr(payload, "email", None))


def checked_id(given: str) -> str:
    """An idempotency key that can be an event's id. Raises `Invalid`."""
    if not _ID.fullmatch(given):
        raise Invalid(Fault("Idempotency-Key", "must be 1 to 200 printable ASCII characters without spaces"))
    return given


def with_consent(data: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """A capture whose consent, if it has any, says when it was given and to which words (also in `context`)."""
    given = data.get("consent")
    if isinstance(given, dict) and any(given.get(name) for name in ("email", "phone")):
        return _with_wording({**data, "consent": {"capturedAt": now.isoformat(), **given}})
    return _with_wording(data)


def with_batch_consent(data: Mapping[str, Any]) -> dict[str, Any]:
    """A line of a batch or an import, whose consent says that it has no date if it has none (contract 3, Consent)."""
    given = data.get("consent")
    if isinstance(given, dict) and _is_missing(given.get("capturedAt")):
        return _with_wording({**data, "consent": {**given, "dated": False}})
    return _with_wording(data)


def _is_missing(value: Any) -> bool:
    """Whether the model takes it for no value; a blank text is none."""
    return value is None or (isinstance(value, str) and not value.strip())


def _with_wording(data: Mapping[str, Any]) -> dict[str, Any]:
    consent, context = data.get("consent"), data.get("context")
    if not isinstance(consent, dict):
        return dict(data)
    result = dict(data)
    if consent.get("wording") and (context is None or isinstance(context, dict)):
        result["context"] = {**(context or {}), "consentWording": consent["wording"]}
    return result


def as_sent(
    topic: Topic, data: Mapping[str, Any], lead_id: str | None, who: str, *, in_person: bool = False
) -> dict[str, Any]:
    """What a command or an activity says: the lead is the path's, and `who` sends it is who asked or did it.

    A channel may name somebody else, for whom it speaks; a person who signed in speaks `in_person`.
    """
    if topic is ACTIVITIES and isinstance(data.get("activity"), dict):
        return {**data, "activity": _signed(data["activity"], "createdBy", who, always=in_person)}
    if lead_id is None or topic is CAPTURED:
        return dict(data)
    return {**_signed(data, "requestedBy", who, always=in_person), "leadId": lead_id}


def _signed(data: Mapping[str, Any], name: str, who: str, *, always: bool) -> dict[str, Any]:
    return {**data, name: who} if always else {name: who, **data}
