"""Batches of captures: a JSON array, JSON lines or CSV. A line that can't be used spoils no other. All is pure."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from itertools import islice
from typing import Annotated, Any, TypeVar

import pydantic_core
from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, ValidationError

from schemas.base import Moment
from schemas.captures import LeadCaptured
from services.gateway import fields
from services.gateway.domain import DEPTH_MAX, Fault, faults_of, flaw_of, with_batch_consent
from services.gateway.tables import Row, Table, Unreadable, read_csv
from shared.domain.ids import derive

__all__ = ["LINE_MAX", "Line", "Rejected", "Terms", "Unreadable", "Valid", "judge", "judge_row", "read"]

LINE_MAX = 200 * 1024
"""Most bytes of one capture; below the record's limit, for the event has more to say than its data."""
_WHOLE = "(line)"
_BOM = b"\xef\xbb\xbf"
_YEARS = range(1970, 2200)
_SECTIONS = tuple(field.alias or name for name, field in LeadCaptured.model_fields.items())


@dataclass(frozen=True, slots=True)
class Valid:
    """A line that makes an event. `line` counts from 1, as an editor does; in an array, the items."""

    line: int
    capture: LeadCaptured
    id: str
    time: datetime


@dataclass(frozen=True, slots=True)
class Rejected:
    """A line that makes none, and why."""

    line: int
    errors: tuple[Fault, ...]


Line = Valid | Rejected


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for all lines: the phone numbers' region; the source, time and zone of a line that names none."""

    region: str
    default_source: str | None
    now: datetime
    zone: tzinfo = UTC


def _representable(moment: datetime) -> datetime:
    if moment.year not in _YEARS:
        raise ValueError(f"must lie in the years {_YEARS.start} to {_YEARS.stop - 1}")
    return moment


_M = TypeVar("_M", bound=BaseModel)


class _Attributes(BaseModel):
    model_config = ConfigDict(extra="ignore")

    id: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)] | None = None
    time: Annotated[Moment, AfterValidator(_representable)] | None = None


def read(  # noqa: PLR0913 - what holds for a batch, each by name
    body: bytes, media_type: str, *, region: str, default_source: str | None, now: datetime, most: int = 1_000
) -> list[Line]:
    """The lines of a batch that are not blank. Raises `Unreadable`, also for one of more than `most` lines.

    A line names its own `id`, or has one that derives from what it says: the same batch has the same ids again.
    """
    reader = _READERS.get(media_type.partition(";")[0].strip().lower())
    if reader is None:
        raise Unreadable(f"The batch must be one of: {', '.join(_READERS)}.")
    lines = list(islice(reader(body, Terms(region, default_source, now), most + 1), most + 1))
    if len(lines) > most:
        raise Unreadable(f"The batch has more than {most} lines.")
    return lines


def judge(line: int, item: Mapping[str, Any], terms: Terms, *, own_id: bool = True) -> Line:
    """Whether a capture's wire form, with `id` and `time` if it has any, makes an event.

    Without `own_id` the id that it names is content like the rest, from which its id derives.
    """
    said = {name: item[name] for name in (*_SECTIONS, *_Attributes.model_fields) if item.get(name) is not None}
    if terms.default_source:
        said.setdefault("source", terms.default_source)
    flaws = [Fault(name, flaw) for name, value in said.items() if (flaw := flaw_of(value, DEPTH_MAX - 1))]
    if flaws:
        return Rejected(line, tuple(flaws))
    content = json.dumps(said, sort_keys=True)
    if len(content) > LINE_MAX:
        return _rejected(line, f"is larger than {LINE_MAX // 1024} KiB")
    return _validated(line, said, terms, derive("capture", content), own_id=own_id)


def judge_row(table: Table, row: Row, mapping: Mapping[str, str], terms: Terms, *, own_id: bool = True) -> Line:
    """Whether this row makes a capture; faults name its columns."""
    if row.fault:
        return _rejected(row.line, row.fault)
    cells = fields.capture_of(table.cells(row), mapping, terms.default_source, terms.zone)
    line = judge(row.line, {**cells.data, "id": cells.id, "time": cells.time}, terms, own_id=own_id)
    if isinstance(line, Valid):
        return line
    return Rejected(line.line, tuple(Fault(fields.column_of(one.path, mapping), one.message) for one in line.errors))


def _validated(line: int, said: Mapping[str, Any], terms: Terms, derived: str, *, own_id: bool) -> Line:
    attributes = _parsed(_Attributes, said, terms)
    at = attributes.time if isinstance(attributes, _Attributes) and attributes.time else terms.now
    capture = _parsed(LeadCaptured, with_batch_consent(said), terms)
    if isinstance(attributes, _Attributes) and isinstance(capture, LeadCaptured):
        return Valid(line, capture, (own_id and attributes.id) or derived, at)
    faults = [*(attributes if isinstance(attributes, list) else ()), *(capture if isinstance(capture, list) else ())]
    return Rejected(line, tuple(faults))


def _parsed(model: type[_M], data: Mapping[str, Any], terms: Terms) -> _M | list[Fault]:
    try:
        return model.model_validate(data, context={"region": terms.region})
    except ValidationError as error:
        return faults_of(error)


def _array(body: bytes, terms: Terms, _: int) -> Iterator[Line]:
    try:
        items = _json(body)
    except ValueError:
        items = None
    if not isinstance(items, list):
        raise Unreadable("The body is no JSON array.")
    return (_item(number, item, terms) for number, item in enumerate(items, 1))


def _lines(body: bytes, terms: Terms, _: int) -> Iterator[Line]:
    for number, line in enumerate(body.removeprefix(_BOM).split(b"\n"), 1):
        if not line.strip():
            continue
        if len(line) > LINE_MAX:
            yield _rejected(number, f"is larger than {LINE_MAX // 1024} KiB")
            continue
        try:
            yield _item(number, _json(line), terms)
        except ValueError:
            yield _rejected(number, "is not JSON in UTF-8")


def _json(text: bytes) -> Any:
    return pydantic_core.from_json(text.removeprefix(_BOM), allow_inf_nan=False)


def _item(number: int, item: Any, terms: Terms) -> Line:
    return judge(number, item, terms) if isinstance(item, dict) else _rejected(number, "must be a JSON object")


def _csv(body: bytes, terms: Terms, most: int) -> Iterator[Line]:
    table = read_csv(body, most)
    mapping = fields.guess(table.headers)
    return (judge_row(table, row, mapping, terms) for row in table.rows)


def _rejected(line: int, message: str) -> Rejected:
    return Rejected(line, (Fault(_WHOLE, message),))


_READERS: dict[str, Callable[[bytes, Terms, int], Iterator[Line]]] = {
    "application/json": _array,
    "application/x-ndjson": _lines,
    "text/csv": _csv,
}
