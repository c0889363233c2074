"""Files of leads into `leads.captured`: opened, judged row by row, published in groups that the broker acknowledges."""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from itertools import islice
from pathlib import Path
from typing import Any

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, SheetTypeEnum, load_workbook

from schemas.topics import CAPTURED
from services.gateway.batches import Rejected, Terms, judge_row
from services.gateway.domain import Fault, event_of
from services.gateway.tables import Row, Table, Unreadable, read_csv, table_of
from shared.events import Outgoing
from shared.log import Publish

ERRORS = "errors"
"""The column that a file of rejected rows has besides those of the file they came from."""
_GROUP = 500
_TEXTS = {".csv", ".tsv", ".txt"}
_WORKBOOKS = {".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"}


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be imported, and as what: `source` is the events' source."""

    table: Table
    mapping: Mapping[str, str]
    terms: Terms
    source: str


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that makes no event, and why."""

    row: Row
    errors: tuple[Fault, ...]

    @property
    def reasons(self) -> str:
        """All that is wrong, column by column."""
        return "; ".join(f"{error.path}: {error.message}" for error in self.errors)


def open_table(file: Path, sheet: str | None = None) -> Table:
    """The table in a file, which of a workbook is in its first sheet with a header, or in `sheet`.

    A column `errors` is left out: it is our own. Raises `Unreadable`.
    """
    kind = file.suffix.lower()
    if kind not in _TEXTS | _WORKBOOKS:
        raise Unreadable(f"Name a file of one of these kinds: {', '.join(sorted(_TEXTS | _WORKBOOKS))}.")
    if kind in _TEXTS and sheet is not None:
        raise Unreadable(f"Only a workbook has sheets; {file.name} is text.")
    try:
        table = read_csv(file.read_bytes()) if kind in _TEXTS else _read_workbook(file, sheet)
    except OSError as error:
        raise Unreadable(f"{file} can't be opened: {error.strerror}.") from None
    except CalamineError as error:
        raise Unreadable(f"{file.name} can't be read as a workbook: {error}.") from None
    return _without_errors(table)


def changed_at(file: Path) -> datetime:
    """The time of rows that name none: when the file was changed last, so that an import repeated is the same."""
    return datetime.fromtimestamp(file.stat().st_mtime, UTC)


async def run(plan: Plan, publish: Publish, advance: Callable[[int], None]) -> list[Reject]:
    """Publish what makes events, group by group; return the rows that make none. `advance` is told rows done."""
    rejected: list[Reject] = []
    rows = iter(plan.table.rows)
    while group := list(islice(rows, _GROUP)):
        outcomes = [_outcome(plan, row) for row in group]
        await publish([one for one in outcomes if isinstance(one, Outgoing)])
        rejected += [one for one in outcomes if isinstance(one, Reject)]
        advance(len(group))
    return rejected


def write_rejects(file: Path, table: Table, rejected: Sequence[Reject]) -> None:
    """Rejected rows as a CSV file that spreadsheets open, to be mended there and imported again."""
    width = len(table.headers)
    with file.open("w", encoding="utf-8-sig", newline="") as text:
        writer = csv.writer(text)
        writer.writerow([*table.headers, ERRORS])
        for one in rejected:
            cells = [*one.row.cells, *[""] * (width - len(one.row.cells))]
            writer.writerow([*cells[:width], one.reasons, *cells[width:]])


def free_name(file: Path) -> Path:
    """The name for the rejected rows of `file`; one that is taken may hold somebody's mending, so it is numbered."""
    names = (file.with_name(f"{file.name}.rejects{number}.csv") for number in ("", *range(2, 1_000)))
    return next(name for name in names if not name.exists())


def _outcome(plan: Plan, row: Row) -> Outgoing | Reject:
    # Numbers that tools give their rows begin at 1 in each file: an id of the row's own would hide another file's row.
    line = judge_row(plan.table, row, plan.mapping, plan.terms, own_id=False)
    if isinstance(line, Rejected):
        return Reject(row, line.errors)
    return event_of(CAPTURED, line.capture, id_=line.id, source=plan.source, at=line.time, region=plan.terms.region)


def _without_errors(table: Table) -> Table:
    at = next((at for at, name in enumerate(table.headers) if name.strip().casefold() == ERRORS), len(table.headers))

    def kept(cells: tuple[str, ...]) -> tuple[str, ...]:
        return cells[:at] + cells[at + 1 :]

    return Table(kept(table.headers), [Row(row.line, kept(row.cells), row.fault) for row in table.rows])


def _read_workbook(file: Path, wanted: str | None) -> Table:
    with load_workbook(file) as book:
        if wanted is not None and wanted not in book.sheet_names:
            raise Unreadable(f"There is no sheet {wanted}; there are: {', '.join(book.sheet_names)}.")
        if wanted is not None:
            return table_of(_sheet_rows(book.get_sheet_by_name(wanted)))
        return _first_table(book)


def _first_table(book: CalamineWorkbook) -> Table:
    for one in book.sheets_metadata:
        if one.typ == SheetTypeEnum.WorkSheet:
            try:
                return table_of(_sheet_rows(book.get_sheet_by_name(one.name)))
            except Unreadable:
                continue
    raise Unreadable("No sheet has a header that names at least two columns.")


def _sheet_rows(sheet: CalamineSheet) -> Iterator[Row]:
    first = sheet.start[0] + 1 if sheet.start else 1
    for number, cells in enumerate(sheet.to_python(), first):
        yield Row(number, tuple(map(_text, cells)))


def _text(cell: Any) -> str:
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else repr(cell)
    return cell.isoformat() if isinstance(cell, datetime | date | time) else str(cell)
