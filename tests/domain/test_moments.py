"""Dates and times of files: read as they are meant, or not at all."""

from datetime import timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.batches import judge_batch
from services.ingest.domain.lines import Terms, ValidLine
from services.ingest.domain.tables.table import read_csv
from services.ingest.domain.tables.table_reading import reading_of
from services.ingest.domain.values.moment_reading import DateOrder, combine_moment, order_of, parse_moment
from tests.builders import NOW

ZONE = timezone(timedelta(hours=-5))
DAY_FIRST, MONTH_FIRST = DateOrder.DAY_FIRST, DateOrder.MONTH_FIRST
ON_THE_16TH = """
    2026-05-16 | 2026/05/16 | 2026.5.16 | 16-May-2026 | 16-mai-26 | May 16, 2026 | Sat, May 16th, 2026 | 16. Mai 2026
    Samstag, 16. Mai 2026 | sam. 16 mai 2026 | sábado, 16 de mayo de 2026 | 16 de maio de 2026 | 16 maggio 2026
    za 16 mei 2026 | 16.05.2026 | 16. 05. 2026 | 16.05.26 | 2026 May 16 | 46158 | 46158.0 | 46158,00
"""
AT_HALF_PAST_TWO = """
    2026-05-16 14:30 | 16 May 2026 2:30 PM | 16 May 2026 2:30\u202fPM | 16.05.2026 14:30 Uhr | 16.05.2026 um 14.30 Uhr
    16 mai 2026 à 14h30 | 16/5/2026 14.30 | 16/05/2026 2:30 p. m. | May 16, 2026 at 2:30pm | 16.05.2026, 14:30:00
    16 de mayo de 2026 a las 14:30 | 16 maggio 2026 alle ore 14:30 | za 16 mei 2026 om 14:30 uur | 2:30 PM 16 May 2026
    2026-05-16T14:30:00-05:00 | 2026-05-16 19:30:00Z | 2026-05-16 19:30:00 UTC | Sat, 16 May 2026 19:30:00 GMT
    16.05.2026 21:30 MESZ | 05.16.2026 14:30 EST | 16 May 2026 21:30 +0200 | 46158.604166667
    Sat May 16 2026 14:30:00 GMT-0500 (Central Daylight Time)
"""


def split(texts: str) -> list[str]:
    return [text.strip() for line in texts.strip().splitlines() for text in line.split(" | ")]


@pytest.mark.parametrize("text", split(ON_THE_16TH))
def test_a_day_is_read_however_it_is_written(text: str) -> None:
    assert parse_moment(text, ZONE) == "2026-05-16T00:00:00-05:00"


@pytest.mark.parametrize("text", split(AT_HALF_PAST_TWO))
def test_a_time_is_read_with_its_zone_or_in_the_one_that_is_given(text: str) -> None:
    found = parse_moment(text, ZONE, MONTH_FIRST if text.startswith("05") else DAY_FIRST)
    assert found is not None
    assert found.startswith(("2026-05-16T14:30:00-05:00", "2026-05-16T19:30:00+00:00", "2026-05-16T21:30:00+02:00"))


@pytest.mark.parametrize(
    "text",
    [
        *("yesterday", "14:30", "16.05.", "May 2026", "31.02.2026", "2026-05-16 25:00", "32 May 2026", "0000-00-00"),
        *("1778940180", "1778940180000", "46158.5.1", "19999", "80000", "1e5", "5", "-46158", "20260516", "01/02/1900"),
        *("03/04/2026", "16/05/2026", "9999-12-31", "16 May 2026 14:30 XYZ", "January 16 February 2026", "x" * 1_000),
    ],
)
def test_what_is_no_moment_is_not_understood(text: str) -> None:
    assert parse_moment(text) is None


@pytest.mark.parametrize(
    ("texts", "order"),
    [
        (["03/04/2026", "16/05/2026 14:00"], DAY_FIRST),
        (["3-4-26", "05-16-26"], MONTH_FIRST),
        (["03/04/2026", "05/05/2026"], None),
        (["03.04.2026"], DAY_FIRST),
        (["05.16.2026"], MONTH_FIRST),
        (["16/05/2026", "17/05/2026", "05/18/2026"], DAY_FIRST),
        (["16/05/2026", "05/18/2026"], None),
        (["2026-05-16", "May 3, 2026", "", "46158"], None),
    ],
)
def test_the_order_is_what_the_dates_of_the_column_show(texts: list[str], order: DateOrder | None) -> None:
    assert order_of(texts) is order


@given(st.lists(st.sampled_from(["03/04/2026", "16/05/2026", "05/16/2026", "1.2.2026", "x"]), max_size=6))
def test_the_order_does_not_depend_on_that_of_the_rows(texts: list[str]) -> None:
    assert order_of(texts) is order_of(sorted(texts))


def table(*rows: str) -> bytes:
    return "\n".join(("Name,Email,Company,Scanned at,Consent date,Expires", *rows)).encode()


@pytest.mark.parametrize(
    ("row", "dates"),
    [
        ("3/4/2026,16/5/2026,", {"Scanned at": DAY_FIRST, "Consent date": DAY_FIRST}),
        ("3/4/2026,,5/16/2026", {"Scanned at": MONTH_FIRST}),
        ("3/4/2026,,", {"Scanned at": None}),
        ("3/4/2026,16/5/2026,5/16/2026", {"Scanned at": None, "Consent date": DAY_FIRST}),
        ("2026-04-03,5/5/2026,16/5/2026", {}),
        ("3/4/2026,,01-23-45-67-89", {"Scanned at": None}),
    ],
)
def test_a_column_that_shows_no_order_has_that_of_the_others_or_is_asked_about(
    row: str, dates: dict[str, DateOrder | None]
) -> None:
    reading = reading_of(read_csv(table(f"Ana Reyes,ana@example.com,Blue Fork,{row}")))
    assert reading.dates == dates
    assert reading.undecided == tuple(header for header, order in dates.items() if order is None)


def test_the_order_that_the_user_gives_holds() -> None:
    rows = [f"Ana Reyes,ana@example.com,Blue Fork,{day},," for day in ("3/4/2026", "16/5/2026")]
    assert reading_of(read_csv(table(*rows)), dates=MONTH_FIRST).dates == {"Scanned at": MONTH_FIRST}


def test_the_rows_of_a_batch_are_read_in_one_order() -> None:
    rows = [f"Ana Reyes,a{n}@example.com,Blue Fork,{day},," for n, day in enumerate(("3/4/2026", "16/5/2026"))]
    found = judge_batch(table(*rows), "text/csv", Terms("US", "website", NOW)).lines
    assert [f"{one.time:%m-%d}" for one in found if isinstance(one, ValidLine)] == ["04-03", "05-16"]
    told = judge_batch(table(rows[0]), "text/csv", Terms("US", "website", NOW, dates=MONTH_FIRST)).lines
    assert [f"{one.time:%m-%d}" for one in told if isinstance(one, ValidLine)] == ["03-04"]


@pytest.mark.parametrize(
    ("date", "time", "iso"),
    [
        ("16.05.2026", "14h30", "2026-05-16T14:30:00-05:00"),
        ("46158", "0.604166667", "2026-05-16T14:30:00-05:00"),
        ("2026-05-16 0:00", "2:30 PM", "2026-05-16T14:30:00-05:00"),
        ("2026-05-16", "", "2026-05-16T00:00:00-05:00"),
        ("", "2026-05-16 14:30", "2026-05-16T14:30:00-05:00"),
        ("2026-05-15", "2026-05-16 14:30", "2026-05-16T14:30:00-05:00"),
        ("2026-05-16", "soon", "2026-05-16T00:00:00-05:00"),
        ("", "14:30", None),
        ("soon", "14:30", None),
    ],
)
def test_a_day_and_a_time_in_two_cells_are_one_moment(date: str, time: str, iso: str | None) -> None:
    assert combine_moment(date, time, ZONE) == iso


@given(st.text(max_size=90) | st.text(alphabet="0123456789 ./:-+,apmhTZGMT", max_size=90), st.sampled_from(DateOrder))
def test_no_text_raises_anything(text: str, order: DateOrder) -> None:
    parse_moment(text, ZONE, order)
    combine_moment(text, text, ZONE, (order, order))
    order_of([text])
