"""Batches of captures as JSON array, JSON lines or CSV. A bad line spoils no other. Pure."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

import pydantic_core

from services.ingest.domain.lines import LINE_MAX, JudgedLine, Terms, judge_item, judge_row, unreadable_line
from services.ingest.domain.survey import Survey
from services.ingest.domain.tables.table import UnreadableTable, read_csv
from services.ingest.domain.tables.table_reading import reading_of

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Batch:
    """The lines of a batch that are not blank, and what looks wrong in the whole batch."""

    lines: tuple[JudgedLine, ...]
    remarks: tuple[str, ...]


def judge_batch(body: bytes, media_type: str, terms: Terms, most: int = 1_000) -> Batch:
    """Judge a batch. Raises `UnreadableTable`, also for more than `most` lines.

    A line states its own `id`, or gets one derived from its content. The same batch always gets the same ids.
    """
    kind = media_type.partition(";")[0].strip().lower()
    if kind == _CSV:
        return _csv(body, terms, most)
    reader = _READERS.get(kind)
    if reader is None:
        raise UnreadableTable(f"The batch must be one of: {', '.join((*_READERS, _CSV))}.")
    lines = _bounded(reader(body, terms), most)
    survey = Survey(terms)
    for line in lines:
        survey.add(line)
    return Batch(lines, tuple(survey.remarks()))


def _bounded(lines: Iterator[JudgedLine], most: int) -> tuple[JudgedLine, ...]:
    found = tuple(islice(lines, most + 1))
    if len(found) > most:
        raise UnreadableTable(f"The batch has more than {most} lines.")
    return found


def _array(body: bytes, terms: Terms) -> Iterator[JudgedLine]:
    try:
        items = _json(body)
    except ValueError:
        items = None
    if not isinstance(items, list):
        raise UnreadableTable("The body is not a JSON array.")
    return (_item(number, item, terms) for number, item in enumerate(items, 1))


def _lines(body: bytes, terms: Terms) -> Iterator[JudgedLine]:
    for number, line in enumerate(body.removeprefix(_BOM).split(b"\n"), 1):
        if not line.strip():
            continue
        if len(line) > LINE_MAX:
            yield unreadable_line(number, f"is larger than {LINE_MAX // 1024} KiB")
            continue
        try:
            yield _item(number, _json(line), terms)
        except ValueError:
            yield unreadable_line(number, "is not JSON in UTF-8")


def _json(text: bytes) -> object:
    return pydantic_core.from_json(text.removeprefix(_BOM), allow_inf_nan=False)


def _item(number: int, item: object, terms: Terms) -> JudgedLine:
    return (
        judge_item(number, item, terms) if isinstance(item, dict) else unreadable_line(number, "must be a JSON object")
    )


def _csv(body: bytes, terms: Terms, most: int) -> Batch:
    table = read_csv(body, most + 1, terms.encoding)
    reading = reading_of(table, dates=terms.dates, attributes=terms.attributes)
    lines = _bounded((judge_row(table, row, reading, terms) for row in table.rows), most)
    survey = Survey(terms)
    for line, row in zip(lines, table.rows, strict=True):
        survey.add(line, table, row)
    return Batch(lines, tuple(survey.remarks(table, reading)))


_CSV = "text/csv"
_READERS: dict[str, Callable[[bytes, Terms], Iterator[JudgedLine]]] = {
    "application/json": _array,
    "application/x-ndjson": _lines,
}
