"""Cells as people and tools fill them."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.columns.meanings import TARGETS, ColumnOrigin, SourceColumn
from services.ingest.domain.rows import RowCapture, capture_of, column_of
from services.ingest.domain.tables.table_reading import TableReading
from services.ingest.domain.values import blanks
from services.ingest.domain.values.moment_reading import DateOrder


def as_columns(paths: Mapping[str, str]) -> tuple[SourceColumn, ...]:
    return tuple(SourceColumn(header, path, ColumnOrigin.GIVEN) for header, path in paths.items())


def as_read(paths: Mapping[str, str], dates: DateOrder | None = None) -> TableReading:
    return TableReading(as_columns(paths), dict.fromkeys(paths, dates))


ROWS: list[tuple[dict[str, str], RowCapture]] = [
    ({"contact.firstName": " Ana ", "company.name": " "}, RowCapture({"contact": {"firstName": "Ana"}}, None, None)),
    (
        {"id": "7", "time": "2026-05-16 14:03", "source": "Trade Show"},
        RowCapture({"source": "trade_show"}, "7", "2026-05-16T14:03:00+00:00"),
    ),
    (
        {"date": "05/16/2026", "time": "2:03 PM", "company.annualRevenue": "$1.2M", "company.size": "LARGE"},
        RowCapture({"company": {"annualRevenue": 1_200_000.0, "size": "large"}}, None, "2026-05-16T14:03:00+00:00"),
    ),
    (
        {"contact.name": "Reyes, Ana", "contact.firstName": "Anita", "requirements.painPoints": "rust; | mice\nrats"},
        RowCapture(
            {
                "contact": {"firstName": "Anita", "lastName": "Reyes"},
                "requirements": {"painPoints": ["rust", "mice", "rats"]},
            },
            None,
            None,
        ),
    ),
    (
        {"consent.email": "x", "consent.phone": "No", "consent.capturedAt": "2026-05-16", "consent.wording": "I agree"},
        RowCapture(
            {
                "consent": {"email": True, "phone": False, "capturedAt": "2026-05-16T00:00:00+00:00"},
                "context": {"consentWording": "I agree"},
            },
            None,
            None,
        ),
    ),
]


@pytest.mark.parametrize(("row", "said"), ROWS)
def test_a_row_says_what_its_cells_mean(row: dict[str, str], said: RowCapture) -> None:
    assert capture_of(row, as_read({path: path for path in row}, DateOrder.MONTH_FIRST), None) == said


@pytest.mark.parametrize(("named", "source"), [({}, "trade_show"), ({"source": "Email"}, "email")])
def test_the_default_source_is_for_rows_that_name_none(named: dict[str, str], source: str) -> None:
    assert capture_of(named, as_read({"source": "source"}), "trade_show").data == {"source": source}


@pytest.mark.parametrize(
    ("full", "first", "last"),
    [
        ("Reyes, Ana", "Ana", "Reyes"),
        ("Ana Maria Reyes", "Ana Maria", "Reyes"),
        ("Juan de la Cruz", "Juan", "de la Cruz"),
        ("John Smith Jr.", "John", "Smith Jr."),
        ("John Smith, MD, PhD", "John", "Smith MD PhD"),
        ("Van Morrison", "Van", "Morrison"),
        ("Cher", "Cher", ""),
        (",", "", ""),
    ],
)
def test_a_full_name_is_split(full: str, first: str, last: str) -> None:
    assert blanks.split_name(full) == (first, last)


@given(st.text(), st.text())
def test_no_text_is_refused_by_any_reader(text: str, other: str) -> None:
    row = dict.fromkeys(TARGETS, text) | {"date": other}
    assert isinstance(capture_of(row, as_read({path: path for path in TARGETS}), None), RowCapture)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("text", ["5" + " " * 100_000 + "x", "a" + " " * 100_000 + "b", "1," * 50_000, "a" * 100_000])
def test_a_long_cell_takes_no_long_time(text: str) -> None:
    capture_of(dict.fromkeys(TARGETS, text), as_read({path: path for path in TARGETS}), None)


MAPPING: Mapping[str, Any] = {"Who": "contact.name", "Mail": "contact.email", "Pains": "requirements.painPoints"}


@pytest.mark.parametrize(
    ("path", "column"),
    [
        ("contact.email", "Mail"),
        ("contact.lastName", "Who"),
        ("requirements.painPoints.3", "Pains"),
        ("contact", "contact"),
        ("company.name", "company.name"),
        ("time", "time"),
    ],
)
def test_a_fault_is_told_of_its_column(path: str, column: str) -> None:
    assert column_of(path, as_columns(MAPPING)) == column
