"""The world's files (tests/corpus): the right lead, warning or refusal for every row of every file."""

import re
import unicodedata
from contextlib import suppress
from dataclasses import replace
from datetime import UTC
from difflib import unified_diff
from itertools import product

import pytest

from services.ingest.domain.batches import Batch
from services.ingest.domain.batches import judge_batch as read_batch
from services.ingest.domain.lines import Terms, ValidLine, judge_row
from services.ingest.domain.survey import Survey
from services.ingest.domain.tables.table import SourceRow, SourceTable, UnreadableTable
from services.ingest.domain.tables.table_reading import reading_of
from services.ingest.domain.values.moment_reading import DateOrder
from tests.corpus.outcomes import ANY, NOW, Case, cases, column_lines, read, row_lines, table_of, texts

CASES = {case.name: case for case in cases()}
READABLE = [name for name, case in CASES.items() if case.unreadable is None]
SCANNED = [name for name in READABLE if CASES[name].is_text and "map" not in CASES[name].options]


def compare(actual: list[str], expected: list[str]) -> None:
    """Fail with the lines that differ alone: a file has many that don't."""
    parts = [
        line for line in unified_diff(expected, actual, "expected", "actual", n=0, lineterm="") if line[:2] != "@@"
    ]
    if parts:
        pytest.fail("\n".join(parts), pytrace=False)


def test_the_corpus_has_the_files_that_were_asked_for() -> None:
    assert len(CASES) >= 60
    assert {name.partition("/")[0] for name in CASES} >= {
        *"artefacts badges cells columns consent delimiters encodings exports identity languages moments names".split(),
        "workbooks",
    }


@pytest.mark.parametrize("name", READABLE)
def test_every_column_becomes_what_it_should(name: str) -> None:
    reading, _ = read(CASES[name])
    actual, expected = column_lines(CASES[name], reading.columns)
    compare(actual, expected)


@pytest.mark.parametrize("name", READABLE)
def test_every_row_of_an_import_becomes_the_right_lead_warning_or_refusal(name: str) -> None:
    actual, expected = row_lines(CASES[name], read(CASES[name])[1])
    compare(actual, expected)


def scanned(case: Case) -> Batch:
    return read_batch(case.file.read_bytes(), "text/csv", case.terms)


@pytest.mark.parametrize("name", SCANNED)
def test_every_row_of_a_scan_becomes_the_right_lead_warning_or_refusal(name: str) -> None:
    actual, expected = row_lines(CASES[name], scanned(CASES[name]).lines)
    compare(actual, expected)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.unreadable])
def test_a_file_that_cant_be_read_is_refused_in_a_sentence(name: str) -> None:
    with pytest.raises(UnreadableTable) as refusal:
        read(CASES[name])
    assert CASES[name].unreadable in {ANY, *re.findall(r"\w+", str(refusal.value))}
    assert str(refusal.value).endswith(".")


@pytest.mark.parametrize("name", READABLE)
def test_the_user_is_asked_only_for_an_order_of_dates_that_no_date_shows(name: str) -> None:
    reading, _ = read(CASES[name])
    if CASES[name].asks != ANY:
        assert bool(reading.undecided) == ("dates" in CASES[name].asks)


@pytest.mark.parametrize("name", READABLE)
def test_one_address_on_rows_with_different_names_is_remarked(name: str) -> None:
    case = CASES[name]
    survey = Survey(case.terms)
    for line in read(case)[1]:
        survey.add(line)
    remarked = any("different names" in remark for remark in survey.remarks())
    assert remarked == ("same_address_different_names" in case.remarks), survey.remarks()


def test_no_file_and_no_part_of_one_raises_anything_but_unreadable() -> None:
    for case, dates in product(CASES.values(), DateOrder):
        with suppress(UnreadableTable):
            read(replace(case, options={**case.options, "dates": dates}))
    for body in {case.file.read_bytes() for case in CASES.values()}:
        for part in (body, body[: len(body) // 3], body[1:]):
            with suppress(UnreadableTable):
                read_batch(part, "text/csv", Terms("DE", None, NOW))


EMAIL = re.compile(r"[a-z0-9.]+@[a-z]+\.(?:example|com|org|net)")
PHONE = re.compile(r"\+1 \d{3} 555 01\d\d")
DIALLED = re.compile(r"[\d+().\s\N{HYPHEN}-]+(?:(?:x|ext\.?) ?\d+)?")
NAMES = {"contact.firstName", "contact.lastName", "contact.name", "company.name"}


def usable(case: Case, cells: dict[str, str]) -> bool:
    """Whether a row plainly names somebody and how to reach them, judged by what the corpus says of its columns."""
    of = {header: path.removesuffix(" (guessed)") for header, path in case.columns.items()}
    named = any(re.fullmatch(r"\w{4,}", text) for header, text in cells.items() if of.get(header) in NAMES)
    mail = any(EMAIL.fullmatch(text) for header, text in cells.items() if of.get(header) == "contact.email")
    phone = any(PHONE.fullmatch(text) for header, text in cells.items() if of.get(header) == "contact.phone")
    return named and (mail or phone)


def test_a_row_with_a_usable_name_and_a_usable_address_or_phone_is_never_refused() -> None:
    seen = 0
    for case in map(CASES.__getitem__, READABLE):
        table = table_of(case.file, case.options.get("sheet"))
        lines = {line.line: line for line in read(case)[1]}
        for row in table.rows:
            if usable(case, table.cells(row)) and not row.fault and "noemail" not in str(row.cells):
                seen += 1
                assert isinstance(lines[row.line], ValidLine), (case.name, lines[row.line])
    assert seen > 250


# One header for each path that a row can do without.
OPTIONAL = (
    "Phone,Mobile,Second Email,Job Title,Industry,Company Size,Website,Annual Revenue,Budget,Timeline,Decision Makers,"
    "Pain Points,Current Solution,Source,Scan Date,Time,Email Consent,Phone Consent,Consent Date,Consent Wording,"
    "Campaign,Booth,Notes,Email Opt Out,Do Not Call,Newsletter,Id"
).split(",")


def test_no_optional_cell_of_the_corpus_costs_a_lead_in_any_column() -> None:
    cells = sorted(
        {cell for case in map(CASES.__getitem__, READABLE) for row in read_table(case).rows for cell in row.cells}
    )
    assert len(cells) > 500
    headers = ("First Name", "Last Name", "Company", "Email", *OPTIONAL)
    rows = [
        SourceRow(
            at,
            (
                "Ana",
                "Reyes",
                "Blue Fork",
                "ana@bluefork.example",
                *(cells[(at + 97 * by) % len(cells)] for by in range(len(OPTIONAL))),
            ),
        )
        for at in range(len(cells))
    ]
    table = SourceTable(headers, rows)
    terms = Terms("US", "trade_show", NOW, UTC)
    for dates in (None, *DateOrder):
        reading = reading_of(table, None, dates)
        refused = [
            line for line in (judge_row(table, row, reading, terms) for row in rows) if not isinstance(line, ValidLine)
        ]
        assert not refused


def read_table(case: Case) -> SourceTable:
    return table_of(case.file, case.options.get("sheet"))


def test_no_lead_holds_an_invisible_character_or_a_guard() -> None:
    for case in map(CASES.__getitem__, READABLE):
        for line in read(case)[1]:
            for place, text in texts(line) if isinstance(line, ValidLine) else ():
                odd = [char for char in text if unicodedata.category(char) in {"Cf", "Cc"} and char not in "\n\r\t"]
                assert not odd, (case.name, line.line, place, text)
                assert place == "company.name" or not text.startswith("'"), (case.name, line.line, place, text)
                assert place != "contact.phone" or DIALLED.fullmatch(text), (case.name, line.line, text)
