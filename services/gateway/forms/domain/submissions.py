"""Form submissions: their fields, bot traps, redirects and ids. Pure."""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from urllib.parse import parse_qsl, urlsplit

from schemas.attributes import NO_ATTRIBUTES, Attributes, AttributeType
from services.gateway.auth.domain.principals import ApiKey
from services.gateway.auth.domain.signing import why_no_person
from services.ingest.domain.capture_events import Fault, Invalid, json_flaw_of
from services.ingest.domain.columns.meanings import CONTEXT, columns_of
from services.ingest.domain.draft import entry_of
from services.ingest.domain.fitting import fit_context, put_entry
from services.ingest.domain.rows import CONSENTS, LISTS, capture_of
from services.ingest.domain.tables.table_reading import TableReading
from shared.domain.ids import derive

KEY, TOKEN, TRAP, REDIRECT = "_key", "_token", "_website", "_redirect"
_FIELDS_MAX = 100


def fields_of(body: bytes) -> dict[str, str]:
    """Return the fields of a form post; the last of one name counts. Raises `Invalid`."""
    return {name: texts[-1] for name, texts in boxes_of(body).items()}


def boxes_of(body: bytes) -> dict[str, list[str]]:
    """Return the fields of a form post with all values of a name. Raises `Invalid`."""
    try:
        text = body.decode("ascii")
        sent = parse_qsl(text, keep_blank_values=True, max_num_fields=_FIELDS_MAX, errors="strict")
    except ValueError:
        raise Invalid(Fault("(body)", f"is not a form in UTF-8 with at most {_FIELDS_MAX} fields")) from None
    fields: dict[str, list[str]] = {}
    for name, value in sent:
        fields.setdefault(name, []).append(value)
    if flaw := json_flaw_of(fields):
        raise Invalid(Fault("(body)", flaw))
    return fields


def capture_in(fields: Mapping[str, Sequence[str]], attributes: Attributes = NO_ATTRIBUTES) -> dict[str, object]:
    """Return the capture in a form's fields. Fields that begin with `_` are the gateway's own.

    Several values of one name are a list where the capture has a list, and one text in the context. Elsewhere the last
    filled value counts. Consent that is neither yes nor no becomes None, and its text goes to the context: a visitor
    can't fix a site's form. `attributes` are the declared ones.
    """
    columns = columns_of([name for name in fields if not name.startswith("_")], attributes=attributes)
    # Browsers send the number of a field with a decimal point.
    numbers = {one.header: "." for one in columns if one.attribute and one.attribute.type is AttributeType.NUMBER}
    cells = {column.header: _joined(column.path or "", fields[column.header]) for column in columns}
    found = capture_of(cells, TableReading(columns, decimals=numbers), None)
    aside = [(spare.header, spare.text) for spare in found.spare]
    consent = dict(_part(found.data, "consent"))
    for path in CONSENTS:
        name = path.removeprefix("consent.")
        if isinstance(text := consent.get(name), str):
            aside.append((found.headers[path], text))
            consent[name] = None
    if not aside:
        return found.data
    context = dict(_part(found.data, "context"))
    for header, text in aside:
        put_entry(context, entry_of(header), text)
    return {**found.data, "context": fit_context(context)[0], **({"consent": consent} if consent else {})}


def unclear_in(data: Mapping[str, object]) -> list[str]:
    """Return the paths of consent that is neither yes nor no."""
    consent = _part(data, "consent")
    return sorted(path for path in CONSENTS if consent.get(path.removeprefix("consent."), "") is None)


def _joined(path: str, texts: Sequence[str]) -> str:
    filled = list(dict.fromkeys(text for text in texts if text.strip()))
    if path in LISTS:
        return "\n".join(filled)
    return "; ".join(filled) if path.startswith(CONTEXT) else "".join(filled[-1:])


def with_boxes(data: Mapping[str, object]) -> dict[str, object]:
    """Return the capture with a no for each consent box that was shown and not ticked.

    Browsers leave out boxes that are not ticked.
    """
    if not _part(data, "context").get("consentWording"):
        return dict(data)
    return {**data, "consent": {"email": False, "phone": False, **_part(data, "consent")}}


def _part(data: Mapping[str, object], name: str) -> Mapping[str, object]:
    found = data.get(name)
    return found if isinstance(found, dict) else {}


def check_person(key: ApiKey, token: str, age: timedelta | None, trap: str) -> None:
    """Raises `Invalid` for a bot: the submission is refused, not dropped silently.

    `age` is the time since the form with this token was rendered. A form without a token of ours has no age.
    """
    if trap:
        raise Invalid(Fault("form", "A hidden field was filled in. Please leave it empty."))
    if not token and not key.needs_token:
        return
    if why := why_no_person(age, key.fill_s):
        raise Invalid(Fault("form", why))


def way_back(key: ApiKey, wanted: str | None) -> str | None:
    """Return the URL to redirect to, one of the key's; None: our page. Raises `Invalid`."""
    if wanted and wanted not in key.redirects:
        raise Invalid(Fault(REDIRECT, "is not a thank-you page of this form"))
    return wanted or next(iter(key.redirects), None)


def submission_event_id(key: ApiKey, token: str, data: Mapping[str, object]) -> str:
    """Return the same id for repeated submissions of one rendered form with the same content."""
    return derive("form", key.name, token, json.dumps(data, sort_keys=True))


def places(key: ApiKey) -> str:
    """Return the sites that a form of this key may lead to, for a content security policy."""
    return " ".join(sorted({f"{one.scheme}://{one.netloc}" for one in map(urlsplit, key.redirects)}))
