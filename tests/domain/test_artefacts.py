"""What spreadsheets leave in cells goes on the way in; formulas are disarmed on the way out, and read as they were."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.tables.artefacts import clean_cell, disarm_formula
from services.ingest.domain.tables.table import read_csv

FORMULAS = ["=1+1", "+1 303 555", "-2", "@SUM(A1)", " =1", "\t=1", "\uff1d1", "\uff0b1", "\uff0d1", "\uff20a", "'=1"]


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("'+1 303 555-0100", "+1 303 555-0100"),
        ("'=1+1", "=1+1"),
        ("'tis so", "'tis so"),
        ('="00123"', "00123"),
        ('="say ""so"""', 'say "so"'),
        ("#N/A", ""),
        ("#REF!", ""),
        ("#BEZUG!", ""),
        ("######", ""),
        ("#1 in town", "#1 in town"),
        ("\ufeffAna\u200b \u2066Reyes\u2069", "Ana Reyes"),
        ("Blue\xa0Fork\u202f", "Blue Fork"),
        ("soft\xadware", "software"),
        ("a\0b\x81", "ab"),
        ("two\nlines", "two\nlines"),
        ("an\u200da", "ana"),
        ("\u200cعلی\u200c", "علی"),
        ("می\u200cرود", "می\u200cرود"),
        ("क्\u200dष", "क्\u200dष"),
        ("👩\u200d🍳", "👩\u200d🍳"),
    ],
)
def test_what_nobody_typed_goes(cell: str, said: str) -> None:
    assert clean_cell(cell) == said


@pytest.mark.parametrize("cell", FORMULAS)
def test_no_formula_leaves_armed(cell: str) -> None:
    assert disarm_formula(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", [-5, 3.5, None, True, "Ana", "5", "a=b", "", "'tis"])
def test_what_is_no_formula_stays_as_it_is(cell: object) -> None:
    assert disarm_formula(cell) is cell


CELLS = st.text(max_size=12) | st.text(alphabet="'=+-@\"\uff1d ,;|1a\n", max_size=8)


@given(st.lists(CELLS.map(clean_cell), min_size=3, max_size=3))
def test_what_is_written_is_read_as_it_was(cells: list[str]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([["Name", "Email", "Company"], [*map(disarm_formula, ["x", *cells])]])
    (row,) = read_csv(text.getvalue().encode("utf-8-sig", "replace")).rows
    expected = ["x", *(cell.encode("utf-8", "replace").decode() for cell in cells)]
    assert list(row.cells) == expected
