"""The file of rejected rows: it says why in front, runs nothing in a spreadsheet, and can be imported again."""

import csv
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.lines import Terms, ValidLine, judge_row
from services.ingest.domain.tables.table import SourceRow, SourceTable
from services.ingest.domain.tables.table_reading import reading_of
from services.ingest.domain.values.amounts import parse_amount, with_plain_number
from services.ingest.domain.values.moment_reading import DateOrder, parse_moment, with_plain_day
from services.ingest.files import REASON, RejectedRow, open_table, write_rejects
from tests.builders import NOW

HEADERS = ("Name", "Notes", "Email")
CELLS = ("=cmd()", '+1 "x"\nline', "a;b")


def test_the_reason_is_in_the_first_column_and_no_cell_is_a_formula(tmp_path: Path) -> None:
    file = tmp_path / "rejects.csv"
    table = SourceTable(HEADERS, [])
    write_rejects(
        file,
        table,
        reading_of(table),
        [RejectedRow(SourceRow(2, CELLS), "has no e-mail address"), RejectedRow(SourceRow(3, ("-",)), "-")],
    )
    with file.open(encoding="utf-8-sig", newline="") as text:
        rows = list(csv.reader(text))
    assert rows[0] == [REASON, *HEADERS]
    assert rows[1] == ["has no e-mail address", "'=cmd()", '\'+1 "x"\nline', "a;b"]
    assert rows[2] == ["'-", "'-", "", ""]


def test_imported_again_the_rows_are_what_they_were_without_the_reason(tmp_path: Path) -> None:
    file = tmp_path / "rejects.csv"
    empty = SourceTable(HEADERS, [])
    write_rejects(file, empty, reading_of(empty), [RejectedRow(SourceRow(2, CELLS), "has no e-mail address")])
    table = open_table(file)
    assert (table.headers, [row.cells for row in table.rows]) == (HEADERS, [CELLS])


def _as_read(table: SourceTable, at: int) -> dict[str, Any]:
    """What a row of a table says, with the time of its event."""
    line = judge_row(table, table.rows[at], reading_of(table), Terms("US", "website", NOW))
    assert isinstance(line, ValidLine)
    wire = line.capture.wire()
    return {"time": line.time, **{name: wire.get(name) for name in ("requirements", "consent")}}


@pytest.mark.parametrize(
    ("header", "cells"),
    [
        ("Budget", ["1.234", "12,5"]),
        ("Budget", ["1.234", "12.50"]),
        ("Budget", ["1,234", "12.50"]),
        ("Budget", ["$1,234", "1,234,567.00"]),
        ("Budget", ["1.234 k€", "12,5"]),
        ("Budget", ["1.234M", "x"]),
        ("Scan Date", ["03/04/2026", "25/12/2026"]),
        ("Scan Date", ["03/04/2026", "12/25/2026"]),
        ("Scan Date", ["Fri 03/04/2026 2:03 PM", "25/12/2026"]),
        ("Scan Date", ["03-04-26", "25-12-26"]),
        ("Consent Date,Newsletter", ["03/04/2026,yes", "12/25/2026,yes"]),
        ("Newsletter", ["O", "N"]),
        ("Newsletter", ["O", "I"]),
        ("Newsletter", ["x", "✓"]),
        ("Newsletter", ["1", "2"]),
        ("Newsletter", ["S", "N"]),
        ("Email Opt Out", ["O", "I"]),
    ],
)
def test_alone_in_its_file_a_rejected_row_says_what_it_said_among_others(
    header: str, cells: list[str], tmp_path: Path
) -> None:
    headers = ("Name", "Email", *header.split(","))
    rows = [SourceRow(at, ("Ana Reyes", "ana@blue.example", *cell.split(","))) for at, cell in enumerate(cells, 2)]
    whole = SourceTable(headers, rows)
    file = tmp_path / "rejects.csv"
    write_rejects(file, whole, reading_of(whole), [RejectedRow(rows[0], "has no e-mail address")])
    alone = open_table(file)
    reading = reading_of(alone)
    assert (reading.dates, reading.decimals) == ({}, {})
    assert _as_read(alone, 0) == _as_read(whole, 0)


def test_cells_that_a_broken_row_may_hold_below_wrong_headers_are_kept_as_they_are(tmp_path: Path) -> None:
    rows = [SourceRow(2, ("Ana", "03/04/2026"), fault="has broken quotes"), SourceRow(3, ("Bo", "25/12/2026"))]
    table = SourceTable(("Name", "Scan Date"), rows)
    write_rejects(tmp_path / "rejects.csv", table, reading_of(table), [RejectedRow(rows[0], "has broken quotes")])
    assert open_table(tmp_path / "rejects.csv").rows[0].cells == ("Ana", "03/04/2026")


@given(
    st.from_regex(r"[$€]?[0-9]{1,3}[.,][0-9]{1,4}([.,][0-9]{3})?( ?(k|M|Mio|EUR))?", fullmatch=True),
    st.sampled_from([".", ",", None]),
)
def test_a_plain_number_is_the_same_with_every_mark(text: str, mark: str | None) -> None:
    plain = with_plain_number(text, mark)
    assert {parse_amount(plain, other) for other in (".", ",", None)} == {parse_amount(text, mark)}


@given(
    st.from_regex(r"(Mon )?[0-9]{1,2}([-/.])[0-9]{1,2}\2[0-9]{4}( [0-9]{1,2}:[0-5][0-9]( [ap]m)?)?", fullmatch=True),
    st.sampled_from(DateOrder),
)
def test_a_plain_day_is_the_same_in_every_order(text: str, order: DateOrder) -> None:
    plain, meant = with_plain_day(text, order), parse_moment(text, order=order)
    assert meant is None or {parse_moment(plain, order=other) for other in (*DateOrder, None)} == {meant}
