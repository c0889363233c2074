"""Judge one line, a JSON item or a table row: does it make an event? Pure."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, ValidationError
from pydantic_core import to_json

from schemas.attributes import NO_ATTRIBUTES, Attributes
from schemas.base import Moment
from schemas.captures import LeadCaptured
from schemas.lead import Source
from services.ingest.domain.capture_events import Fault, faults_of, json_flaw_of
from services.ingest.domain.draft import CellOrigins, Notice
from services.ingest.domain.lenient import WHOLE, capture_from
from services.ingest.domain.rows import (
    RowCapture,
    capture_of,
    column_of,
    date_refusals,
    without_agreement,
    without_nothing,
)
from services.ingest.domain.tables.table import SourceRow, SourceTable
from services.ingest.domain.tables.table_reading import TableReading
from services.ingest.domain.values.consent_answers import read_answer
from services.ingest.domain.values.moment_reading import DateOrder
from shared.domain.identity.placeholders import NO_PLACEHOLDERS, Placeholders
from shared.domain.ids import derive

LINE_MAX = 200 * 1024
"""The most bytes of one capture. The event adds an envelope, so a record allows more."""
_TOO_LARGE = f"is larger than {LINE_MAX // 1024} KiB"
UNKEPT = {
    "consent.email": "refuses e-mail: this refusal is not stored until the row can be used",
    "consent.phone": "refuses calls: this refusal is not stored until the row can be used",
}
"""The message about a no in a rejected line, by the path of the consent."""
_YEARS = range(1970, 2200)
_SECTIONS = tuple(field.alias or name for name, field in LeadCaptured.model_fields.items())


@dataclass(frozen=True, slots=True)
class ValidLine:
    """A line that makes an event. `line` counts from 1: file lines, or items of an array."""

    line: int
    capture: LeadCaptured
    id: str
    time: datetime
    warnings: tuple[Notice, ...] = ()
    """What was changed; the path is the column's name, or the place in the item."""
    defaulted: bool = False
    """Whether the default source applies, because the line states none that can be used."""


@dataclass(frozen=True, slots=True)
class RejectedLine:
    """A line that makes no event, and why."""

    line: int
    errors: tuple[Fault, ...]
    unkept: tuple[Fault, ...] = ()
    """Each no to mail or calls that is lost with the line: nothing says whose it is."""


JudgedLine = ValidLine | RejectedLine


@dataclass(frozen=True, slots=True)
class Terms:
    """What applies to all lines: the phone region, and the default source, time and zone.

    `dates` is the order of dates and `encoding` the encoding of the text, where the sender states them.
    """

    region: str
    default_source: str | None
    now: datetime
    zone: tzinfo = UTC
    dates: DateOrder | None = None
    sources: frozenset[str] | None = None
    """The sources that a line may state; the default replaces any other."""
    placeholders: Placeholders = NO_PLACEHOLDERS
    attributes: Attributes = NO_ATTRIBUTES
    """The declared attributes; others are ignored."""
    encoding: str | None = None


def _representable(moment: datetime) -> datetime:
    if moment.year not in _YEARS:
        raise ValueError(f"must be in the years {_YEARS.start} to {_YEARS.stop - 1}")
    return moment


class _Attributes(BaseModel):
    model_config = ConfigDict(extra="ignore")

    id: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)] | None = None
    time: Annotated[Moment, AfterValidator(_representable)] | None = None


def judge_item(line: int, item: Mapping[str, object], terms: Terms, *, own_id: bool = True) -> JudgedLine:
    """Judge a capture in wire form, which may state its `id` and `time`.

    Without `own_id` a stated id is content like the rest, and the event's id derives from all of it.
    """
    values = _line_values(item, terms)
    content = json.dumps(values, sort_keys=True)
    if len(content) > LINE_MAX and len(to_json(values)) > LINE_MAX:
        return RejectedLine(line, (Fault(WHOLE, _TOO_LARGE),), _unkept(_with_answers(values), str))
    # The names inside a free part are the sender's, and no message quotes them.
    origin = CellOrigins(lambda path: "context" if path.startswith("context.") else path, lambda _: None)
    return _judge_values(line, _with_answers(values), origin, terms, derive("capture", content), own_id=own_id)


def judge_row(
    table: SourceTable, row: SourceRow, reading: TableReading, terms: Terms, *, own_id: bool = True
) -> JudgedLine:
    """Judge one table row; faults and warnings name its columns."""
    if row.fault:
        return unreadable_line(row.line, row.fault)
    texts = without_nothing(table.cells(row), reading.columns)
    cells = capture_of(texts, reading, None, terms.zone)
    if row.remark:
        # One surplus comma would put another column's answer below "Newsletter".
        cells = without_agreement(cells, texts)
    origin = _origin(cells, texts, reading)
    values = _line_values({**cells.data, "id": cells.id, "time": cells.time}, terms)
    derived = derive("capture", json.dumps(values, sort_keys=True))
    consent = values.get("consent") if cells.refused else None
    if isinstance(consent, dict) and (cells.time or any(cells.refused) or "capturedAt" in consent):
        # This comes after the id: the same row in a newer file is the same capture.
        values["consent"] = date_refusals(consent, cells.refused, terms.now)
    line = _judge_values(row.line, values, origin, terms, derived, own_id=own_id)
    if row.remark is None or not isinstance(line, ValidLine):
        return line
    return replace(line, warnings=(*line.warnings, Notice(WHOLE, row.remark)))


def _line_values(item: Mapping[str, object], terms: Terms) -> dict[str, object]:
    values = {name: item[name] for name in (*_SECTIONS, *_Attributes.model_fields) if item.get(name) is not None}
    return {"source": terms.default_source, **values} if terms.default_source else values


def _with_answers(values: dict[str, object]) -> dict[str, object]:
    """Return the item with consent words such as "unsubscribed" read as yes or no."""
    consent = values.get("consent")
    if not isinstance(consent, dict):
        return values
    words = {name: consent[name] for name in ("email", "phone") if isinstance(consent.get(name), str)}
    read = {name: read_answer(word, negated=False) for name, word in words.items()}
    return {**values, "consent": {**consent, **{name: one for name, one in read.items() if isinstance(one, bool)}}}


def _origin(cells: RowCapture, texts: Mapping[str, str], reading: TableReading) -> CellOrigins:
    def place(path: str) -> str:
        return column_of(path, reading.columns, cells.headers)

    def raw(path: str) -> str | None:
        # A date and a time are two cells.
        return {"time": cells.time, "id": cells.id}.get(path) or texts.get(place(path))

    return CellOrigins(place, raw, [(one.header, one.path, one.text) for one in cells.spare])


def _judge_values(  # noqa: PLR0913 - a line's parts, each by name
    line: int, values: Mapping[str, object], origin: CellOrigins, terms: Terms, derived: str, *, own_id: bool
) -> JudgedLine:
    attributes = _attributes(values)
    made = capture_from(
        {name: value for name, value in values.items() if name in _SECTIONS or name not in attributes.model_fields_set},
        origin,
        region=terms.region,
        source=terms.default_source or Source.TRADE_SHOW,
        sources=terms.sources,
        placeholders=terms.placeholders,
        attributes=terms.attributes,
    )
    if isinstance(made.capture, tuple):
        return RejectedLine(line, made.capture, _unkept(values, origin.place))
    id_ = (own_id and attributes.id) or derived
    return ValidLine(line, made.capture, id_, attributes.time or terms.now, made.warnings, made.defaulted)


def _unkept(values: Mapping[str, object], place: Callable[[str], str]) -> tuple[Fault, ...]:
    consent = values.get("consent")
    if not isinstance(consent, dict):
        return ()
    # The schema reads a 0 as a no, too.
    refused = (path for path in UNKEPT if consent.get(path.removeprefix("consent.")) == 0)
    return tuple(Fault(place(path), UNKEPT[path]) for path in refused)


def _attributes(values: Mapping[str, object]) -> _Attributes:
    """Return the usable `id` and `time`."""
    named = {
        name: values[name] for name in _Attributes.model_fields if name in values and not json_flaw_of(values[name])
    }
    try:
        return _Attributes.model_validate(named)
    except ValidationError as error:
        bad = {fault.path.partition(".")[0] for fault in faults_of(error)}
        return _Attributes.model_validate({name: value for name, value in named.items() if name not in bad})


def unreadable_line(line: int, message: str) -> RejectedLine:
    """Return the rejection of a line that can't be read at all."""
    return RejectedLine(line, (Fault(WHOLE, message),))
