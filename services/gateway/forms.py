"""What a form adds to a capture: the bots' traps, the way back, and an id for what was sent twice. All is pure."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from services.gateway.access import Key
from services.gateway.domain import Fault, Invalid, flaw_of
from services.gateway.signing import why_no_person
from shared.domain.ids import derive

KEY, TOKEN, TRAP, REDIRECT = "_key", "_token", "_website", "_redirect"
_FIELDS_MAX = 100


def fields_of(body: bytes) -> dict[str, str]:
    """The fields of a plain form post; the last of one name wins. Raises `Invalid`."""
    try:
        text = body.decode("ascii")
        fields = dict(parse_qsl(text, keep_blank_values=True, max_num_fields=_FIELDS_MAX, errors="strict"))
    except ValueError:
        raise Invalid(Fault("(body)", f"is no form of at most {_FIELDS_MAX} fields in UTF-8")) from None
    if flaw := flaw_of(fields):
        raise Invalid(Fault("(body)", flaw))
    return fields


def with_boxes(data: Mapping[str, Any]) -> dict[str, Any]:
    """A form's capture, in which a consent box that was shown and not ticked is a refusal: browsers leave it out."""
    if not (data.get("context") or {}).get("consentWording"):
        return dict(data)
    return {**data, "consent": {"email": False, "phone": False, **(data.get("consent") or {})}}


def check_person(key: Key, token: str, age: timedelta | None, trap: str) -> None:
    """Let people through. Raises `Invalid` for a bot: what it sends is refused, not swallowed.

    `age` is how long ago the form with that token was rendered; a form without a token of ours has no age to judge.
    """
    if trap:
        raise Invalid(Fault("form", "A field that people don't see was filled in: please leave it empty."))
    if not token and not key.needs_token:
        return
    if why := why_no_person(age, key.fill_s):
        raise Invalid(Fault("form", why))


def way_back(key: Key, wanted: str | None) -> str | None:
    """Where to send the browser: one of the key's own URLs; None: to our own page. Raises `Invalid` for another."""
    if wanted and wanted not in key.redirects:
        raise Invalid(Fault(REDIRECT, "is none of this form's thank-you pages"))
    return wanted or next(iter(key.redirects), None)


def event_id(key: Key, token: str, data: Mapping[str, Any]) -> str:
    """One id for what one rendered form sent, however often the button was pressed; mended content is another."""
    return derive("form", key.name, token, json.dumps(data, sort_keys=True))


def places(key: Key) -> str:
    """The sites that a form of this key may lead to, for a content security policy."""
    return " ".join(sorted({f"{one.scheme}://{one.netloc}" for one in map(urlsplit, key.redirects)}))
