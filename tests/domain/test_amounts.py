"""Amounts of files: read by their column, as they are meant, or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.batches import judge_batch
from services.ingest.domain.lines import Terms, ValidLine
from services.ingest.domain.values.amounts import decimals_of, parse_amount
from tests.builders import NOW


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *((text, 12_500.0) for text in ("12500", "$12,500.00", "12.500,00 €", "12.5k", "12 500", "CHF 12'500.00")),
        *(
            (text, 1_200_000.0)
            for text in ("1.2 M", "1,2 Mio. €", "1.200.000", "12,00,000", "R$ 1.200.000,00", "1.2E+06")
        ),
        *((text, 3e9) for text in ("€ 3bn", "3 Mrd. EUR", "3 milliards")),
        *(("250 T€", 250_000.0), ("TEUR 250", 250_000.0), ("1.500,-", 1_500.0), ("0", 0.0), ("5,5", 5.5)),
        *(
            (text, None)
            for text in ("10-20k", "$1M-$5M", "-5", "1,2,3", "about 5k", "12 50", "9" * 400, "1e400", "", "k")
        ),
    ],
)
def test_an_amount_is_read_when_it_can_mean_one_thing_only(text: str, number: float | None) -> None:
    assert parse_amount(text) == number


@pytest.mark.parametrize(
    ("columns", "decimals"),
    [
        ({"a": ["1.234", "12,5"]}, {"a": ","}),
        ({"a": ["1.234", "1,234.50"]}, {"a": "."}),
        ({"a": ["1.234", "1.234.567"]}, {"a": ","}),
        ({"a": ["1.234"], "b": ["0,5"]}, {"a": ","}),
        ({"a": ["1.234"], "b": ["0,5"], "c": ["0.5"]}, {"a": None}),
        ({"a": ["1.234", "5"]}, {"a": None}),
        ({"a": ["5", "0,5", "x"]}, {}),
    ],
)
def test_the_mark_of_decimals_is_what_the_column_shows_or_the_others(
    columns: dict[str, list[str]], decimals: dict[str, str | None]
) -> None:
    assert decimals_of(columns) == decimals


@pytest.mark.parametrize(
    ("text", "decimal", "number"), [("1.234", ".", 1.234), ("1.234", ",", 1_234), ("1.234", None, 1_234)]
)
def test_what_can_be_read_in_two_ways_has_decimals_only_where_its_column_shows_it(
    text: str, decimal: str | None, number: float
) -> None:
    assert parse_amount(text, decimal) == number
    assert parse_amount(text.replace(".", ","), {".": ",", ",": "."}.get(decimal or "")) == number


def test_amounts_of_a_file_are_read_by_their_column() -> None:
    rows = [f"Ana Reyes;a{n}@example.com;Blue Fork;{text}" for n, text in enumerate(("1.234", "99,50", "lots"))]
    terms = Terms("US", "website", NOW)
    batch = judge_batch("\n".join(("Name;Email;Company;Budget", *rows)).encode(), "text/csv", terms)
    lines = [one for one in batch.lines if isinstance(one, ValidLine)]
    budgets = [one.capture.requirements and one.capture.requirements.budget for one in lines]
    assert budgets == [1_234, 99.5, None]
    alone = judge_batch("\n".join(("Name;Email;Company;Budget", rows[0])).encode(), "text/csv", terms)
    assert [remark for remark in (*batch.remarks, *alone.remarks) if "1.234" in remark] == [
        "amounts such as 1.234 in 'Budget' are read as 1234, because no other amount has decimals"
    ]


@pytest.mark.timeout(60)
@given(
    st.text(max_size=70) | st.text(alphabet="0123456789.,' km€$eE+-", max_size=70), st.sampled_from([None, ".", ","])
)
def test_no_text_raises_anything(text: str, decimal: str | None) -> None:
    found = parse_amount(text, decimal)
    assert found is None or found >= 0
    decimals_of({"a": [text]})
