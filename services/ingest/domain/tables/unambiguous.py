"""Rewrite a row's cells so that they keep their meaning in a file of other rows. Pure."""

from services.ingest.domain.columns.meanings import CONSENT_PATHS, SourceColumn
from services.ingest.domain.tables.table import SourceRow
from services.ingest.domain.tables.table_reading import TableReading
from services.ingest.domain.values.amounts import with_plain_number
from services.ingest.domain.values.consent_answers import is_letter, read_answer
from services.ingest.domain.values.moment_reading import with_plain_day


def make_unambiguous(row: SourceRow, reading: TableReading) -> tuple[str, ...]:
    """Return the row's cells, rewritten where only their column explained them.

    A part of the rows can suggest another date order, decimal mark or letter meaning than the whole table.
    """
    if row.fault:
        # Its cells may be below the wrong headers.
        return row.cells
    explained = (_cell(cell, column, reading) for cell, column in zip(row.cells, reading.columns, strict=False))
    return (*explained, *row.cells[len(reading.columns) :])


def _cell(cell: str, column: SourceColumn, reading: TableReading) -> str:
    if order := reading.dates.get(column.header):
        return with_plain_day(cell, order)
    if column.header in reading.decimals:
        return with_plain_number(cell, reading.decimals[column.header])
    if column.path in CONSENT_PATHS and not column.negated and is_letter(cell):
        return _answer(cell, column)
    return cell


def _answer(cell: str, column: SourceColumn) -> str:
    answer = read_answer(cell, negated=False, column=column.answers)
    if isinstance(answer, bool):
        return "yes" if answer else "no"
    return cell if cell.endswith("?") else f"{cell}?"
