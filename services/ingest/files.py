"""Import lead files: open a file, judge its rows, publish them to `leads.captured`.

Rows are published in groups; each group is acknowledged before the next is read.
"""

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from schemas.topics import CAPTURED
from services.ingest.domain.capture_events import event_of
from services.ingest.domain.lines import JudgedLine, RejectedLine, Terms, ValidLine, judge_row
from services.ingest.domain.survey import Survey, whole_reason_of
from services.ingest.domain.tables.artefacts import disarm_formula
from services.ingest.domain.tables.file_kinds import LOOKED_AT, is_workbook, why_no_table
from services.ingest.domain.tables.table import SourceRow, SourceTable, UnreadableTable, read_csv
from services.ingest.domain.tables.table_reading import TableReading
from services.ingest.domain.tables.unambiguous import make_unambiguous
from services.ingest.workbooks import read_workbook
from shared.kafka.events import Outgoing
from shared.kafka.reading import Publish

REASON = "reason for rejection"
"""The first column of a rejects file; the imported file does not have it."""
_OURS = frozenset({REASON, "errors"})
_GROUP = 500
_FILE_MAX = 256 * 1024**2


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """What an import publishes; `source` is the source of its events. `historical`: they tell of the past."""

    table: SourceTable
    reading: TableReading
    terms: Terms
    source: str
    historical: bool = False


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that makes no event; `reason` says why in plain words."""

    row: SourceRow
    reason: str


def open_table(file: Path, sheet: str | None = None, encoding: str | None = None) -> SourceTable:
    """Return the table in a text file or workbook. Raises `UnreadableTable`.

    The content decides the kind of the file, not its name. `encoding` applies to text only. Columns that an earlier
    import added to a rejects file are left out.
    """
    try:
        if file.stat().st_size > _FILE_MAX:
            raise UnreadableTable(f"{file.name} is larger than {_FILE_MAX // 1024**2} MiB: split it.")
        table = _open(file, sheet, encoding)
    except OSError as error:
        raise UnreadableTable(f"{file} can't be opened: {error.strerror}.") from None
    return _without_reasons(table)


def _open(file: Path, sheet: str | None, encoding: str | None) -> SourceTable:
    with file.open("rb") as opened:
        start = opened.read(LOOKED_AT)
        if is_workbook(start):
            return read_workbook(file, sheet)
        if why := why_no_table(start, encoding):
            raise UnreadableTable(f"{file.name} {why}")
        if sheet is not None:
            raise UnreadableTable(f"Only a workbook has sheets; {file.name} is text.")
        return read_csv(start + opened.read(), encoding=encoding)


def modified_at(file: Path) -> datetime:
    """Return when the file was last modified: the time of rows that state none.

    A repeated import then makes the same events.
    """
    return datetime.fromtimestamp(file.stat().st_mtime, UTC)


def survey_rows(plan: ImportPlan, advance: Callable[[int], None]) -> Survey:
    """Judge all rows and publish nothing. `advance` gets the number of new rows, repeatedly."""
    survey = Survey(plan.terms)
    for at, row in enumerate(plan.table.rows, 1):
        survey.add(_judge(plan, row), plan.table, row)
        if at % _GROUP == 0:
            advance(_GROUP)
    return survey


async def publish_rows(plan: ImportPlan, publish: Publish, advance: Callable[[int], None]) -> list[RejectedRow]:
    """Publish the rows that make events; return the others. `advance` gets the rows done."""
    rejected: list[RejectedRow] = []
    rows = iter(plan.table.rows)
    while group := list(islice(rows, _GROUP)):
        outcomes = [_outcome(plan, row) for row in group]
        await publish([one for one in outcomes if isinstance(one, Outgoing)])
        rejected += [one for one in outcomes if isinstance(one, RejectedRow)]
        advance(len(group))
    return rejected


def write_rejects(file: Path, table: SourceTable, reading: TableReading, rejected: Sequence[RejectedRow]) -> None:
    """Write rejected rows as a CSV file for spreadsheets, to be fixed and imported again.

    Ambiguous cells, such as dates, are rewritten so that they keep their meaning outside the whole table.
    """
    width = len(table.headers)
    with file.open("w", encoding="utf-8-sig", newline="") as text:
        writer = csv.writer(text)
        writer.writerow(map(disarm_formula, [REASON, *table.headers]))
        for one in rejected:
            cells = make_unambiguous(one.row, reading)
            cells = (*cells, *[""] * (width - len(cells)))
            writer.writerow(map(disarm_formula, [one.reason, *cells]))


def free_rejects_name(file: Path) -> Path:
    """Return an unused name for the rejects of `file`: users may be editing an earlier one."""
    names = (file.with_name(f"{file.name}.rejects{number}.csv") for number in ("", *range(2, 1_000)))
    return next(name for name in names if not name.exists())


def _judge(plan: ImportPlan, row: SourceRow) -> JudgedLine:
    # Tools number the rows of each file from 1. Such an id would collide with a row of another file.
    return judge_row(plan.table, row, plan.reading, plan.terms, own_id=False)


def _outcome(plan: ImportPlan, row: SourceRow) -> Outgoing | RejectedRow:
    line = _judge(plan, row)
    if isinstance(line, RejectedLine):
        return RejectedRow(row, whole_reason_of(line))
    capture = line.capture.model_copy(update={"historical": True}) if plan.historical else line.capture
    return event_of(CAPTURED, capture, id_=line.id, source=plan.source, at=line.time, region=plan.terms.region)


def captured_rows(plan: ImportPlan) -> Iterator[tuple[SourceRow, ValidLine]]:
    """Yield the rows that make captures, each with its capture."""
    for row in plan.table.rows:
        line = _judge(plan, row)
        if isinstance(line, ValidLine):
            yield row, line


def _without_reasons(table: SourceTable) -> SourceTable:
    ours = {at for at, name in enumerate(table.headers) if name.strip().casefold() in _OURS}
    if not ours:
        return table

    def kept(cells: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(cell for at, cell in enumerate(cells) if at not in ours)

    rows = [replace(row, cells=kept(row.cells)) for row in table.rows]
    # The user emptied a row in which only our columns remain.
    return replace(table, headers=kept(table.headers), rows=[row for row in rows if any(row.cells)])
