"""Reports: the analytics' own numbers, told in words, drawn, and put in tables."""

import csv
import io
import re
from collections.abc import Iterable
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cli.commands import report as report_cli
from services.cli.commands.report import write_report as command
from services.gateway.analytics.domain.figures import FreshnessFigures
from services.gateway.analytics.domain.measures import Answers
from services.gateway.analytics.queries import Figures
from services.gateway.report.domain import drawing, formatting
from services.gateway.report.domain.content import Report, build_report, warning_of
from services.gateway.report.domain.csv_export import COLUMNS, export_csv
from services.gateway.report.domain.drawing import Count, Share
from services.gateway.report.domain.figure import Figure
from services.gateway.report.page import render_report
from shared.errors import UsageError
from shared.mongo.storage import Unavailable
from tests.builders import NOW, lead
from tests.report import answers, leads

EVIL = "</style><script>alert(1)</script><img src=x onerror=a()>"


class _Markup(HTMLParser):
    """What a browser makes of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def made(of: tuple[Answers, Answers]) -> Report:
    return build_report(*of, NOW)


def figure(told: Report, key: str) -> Figure:
    return next(one for one in told.figures if one.key == key)


def column(of: Figure, number: int) -> list[int]:
    assert of.table
    return [int(row[number].replace(",", "")) for row in of.table.rows]


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


def values(text: str, section: str, measure: str) -> dict[str, str]:
    return {row["name"]: row["value"] for row in rows(text) if (row["section"], row["measure"]) == (section, measure)}


@pytest.mark.parametrize("timeframe", ["week", "month", "quarter"])
def test_each_table_adds_up_to_all_leads(timeframe: str) -> None:
    now, before = answers(leads(900), timeframe)
    told, total, won = made((now, before)), now.leads["totalLeads"], now.conversions["convertedLeads"]
    assert total > 20
    assert won > 0
    series, scores, owners = (figure(told, key) for key in ("series", "scores", "owners"))
    assert (sum(column(series, 1)), sum(column(series, 2))) == (total, won)
    assert sum(column(scores, 1)) + now.leads["unscored"] == total
    assert sum(column(figure(told, "statuses"), 1)) == total
    assert (sum(column(figure(told, "sources"), 3)), sum(column(figure(told, "sources"), 2))) == (total, won)
    assert sum(column(figure(told, "times"), 1)) == won
    assert sum(column(figure(told, "industries"), 1)) == total
    assert (sum(column(owners, 2)), sum(column(owners, 3))) == (total, won)
    funnel = column(figure(told, "funnel"), 1)
    assert (funnel[0], funnel[-1]) == (total, won)
    assert funnel == sorted(funnel, reverse=True)


def test_the_sheet_has_the_same_numbers_with_those_of_the_window_before_beside_them() -> None:
    now, before = answers(leads(900))
    text = export_csv(now, before, NOW)
    assert text.startswith("\ufeff" + ",".join(COLUMNS) + "\r\n")
    assert all(len(row) == len(COLUMNS) for row in csv.reader(io.StringIO(text, newline="")))
    total = now.leads["totalLeads"]
    assert sum(map(int, values(text, "leads over time", "leads").values())) == total
    for section in ("status", "industry", "score"):
        assert sum(map(int, values(text, section, "leads").values())) == total, section
    assert {name: int(one) for name, one in values(text, "owner", "total").items()} == {
        name: one["total"] for name, one in now.leads["byOwner"].items()
    }
    assert values(text, "source", "rate")["website"] == str(now.conversions["conversionsBySource"]["website"]["rate"])
    (rate,) = (row for row in rows(text) if row["measure"] == "conversion rate")
    assert (float(rate["value"]), float(rate["previous"])) == (
        now.conversions["overallConversionRate"],
        before.conversions["overallConversionRate"],
    )
    (first,) = (row for row in rows(text) if row["measure"] == "first day")
    assert (first["value"], first["previous"]) == ("2026-02-01", "2026-01-02")


def test_key_figures_are_told_beside_the_window_before_with_the_difference() -> None:
    some = [
        *(lead(_id=f"a{n}", score=60) for n in range(3)),
        *(lead(_id=f"b{n}", score=50, createdAt=NOW - timedelta(days=40)) for n in range(2)),
        lead(_id="c", score=60, status="converted", convertedAt=NOW + timedelta(hours=12)),
    ]
    told = made(answers(some))
    compared = figure(told, "compared").table
    assert compared
    assert compared.head[1:] == ("1 Feb \u2013 2 Mar", "Before: 2 Jan \u2013 31 Jan", "Change")
    assert {row[0]: row[1:] for row in compared.rows} == {
        "Leads": ("4", "2", "+100%"),
        "Leads a day": ("0.1", "0.1", "+103%"),
        "Converted": ("1", "0", "\u2013"),
        "Conversion rate": ("25.0%", "0%", "+25.0 points"),
        "Average score": ("60", "50", "+10.0 points"),
        "Average time to convert": ("12 hours", "\u2013", "\u2013"),
        "Median time to convert": ("12 hours", "\u2013", "\u2013"),
        "Nine in ten convert within": ("12 hours", "\u2013", "\u2013"),
    }
    assert [one.beside for one in told.tiles] == [
        "from 2 before",
        "from 0% before",
        "from 50 before",
        "no earlier leads to compare with",
    ]


def test_sources_with_few_leads_come_last_and_are_marked() -> None:
    many = [lead(_id=f"w{n}", status="converted" if n < 4 else "new", convertedAt=None) for n in range(40)]
    few = [lead(_id=f"r{n}", source="referral", status="converted", convertedAt=None) for n in range(3)]
    sources = figure(made(answers([*many, *few])), "sources")
    assert sources.summary == "Website converts best: 10.0% of 40 leads."
    assert sources.bars
    assert sources.table
    assert [(bar.of.name, bar.of.few) for bar in sources.bars.bars] == [("Website", False), ("Referral", True)]
    assert [row[0] for row in sources.table.rows] == ["Website", "Referral (few)"]
    assert "fewer than 30 leads" in str(sources.note)
    assert "enough" in figure(made(answers(few)), "sources").summary


def test_what_has_no_room_is_summed_up_and_nothing_is_lost() -> None:
    some = [
        lead(_id=str(n), assignedTo=f"o{n % 60}", company={"name": "A", "industry": f"i{n % 70}"}) for n in range(140)
    ]
    now, before = answers(some)
    told = made((now, before))
    for key, number in (("industries", 1), ("owners", 2)):
        part = figure(told, key)
        assert part.table
        assert part.table.rows[-1][0] == "All others"
        assert len(part.table.widths) == len(part.table.rows) - 1, "the sum would dwarf every bar"
        assert sum(column(part, number)) == 140
    assert len(values(export_csv(now, before, NOW), "owner", "total")) == 60


def test_an_industry_that_may_have_been_among_the_others_has_no_number_made_up() -> None:
    many = [
        lead(_id=f"b{n}", company={"name": "A", "industry": f"i{n}"}, createdAt=NOW - timedelta(days=40))
        for n in range(60)
    ]
    text = export_csv(*answers([*many, lead(company={"name": "A", "industry": "brewery"})]), NOW)
    (brewery,) = (row for row in rows(text) if row["name"] == "brewery")
    assert (brewery["value"], brewery["previous"]) == ("1", "")


@pytest.mark.parametrize("timeframe", ["week", "month", "quarter"])
@pytest.mark.parametrize("paper", [False, True])
def test_of_no_leads_it_says_so_and_draws_nothing(timeframe: str, *, paper: bool) -> None:
    told = made(answers([], timeframe))
    assert [one.key for one in told.figures] == ["compared"]
    text = render_report(told, paper=paper)
    assert "No leads in these days" in text
    assert 'role="img"' not in text
    assert "No figures yet" in text
    assert not re.findall(r"\b(?:None|nan|inf)\b", text)
    assert {row["value"] for row in rows(export_csv(*answers([], timeframe), NOW)) if row["unit"] == "leads"} == {"0"}


def test_of_leads_that_nothing_happened_to_each_figure_says_so() -> None:
    told = made(answers([lead(score=None)], "week"))
    assert figure(told, "times").summary == "No lead in this period has converted yet."
    assert figure(told, "scores").summary == "No lead in this period has a score yet."
    assert figure(told, "sources").summary == "No source has enough leads to compare rates."
    assert figure(told, "series").summary == "0 to 1 lead per day; most on Mon 2 Mar."


@pytest.mark.parametrize("paper", [False, True])
def test_what_strangers_typed_stays_text(*, paper: bool) -> None:
    evil = [lead(_id=str(n), assignedTo=EVIL, company={"name": "A", "industry": EVIL}) for n in range(3)]
    text = render_report(made(answers(evil)), paper=paper)
    met = _Markup(text)
    assert met.words.count(EVIL) == 2, "an owner and an industry"
    assert not {"script", "img", "a", "link", "iframe"} & met.tags
    assert not {name for name in met.attributes if name.startswith("on")} | {"style", "src", "href"} & met.attributes


def test_a_page_asks_nobody_and_lets_nothing_in_but_its_own_style() -> None:
    for paper in (False, True):
        text = render_report(made(answers(leads(300))), paper=paper)
        (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', text)
        assert policy.startswith("default-src &#39;none&#39;; style-src &#39;sha256-")
        assert "unsafe" not in policy
        assert not re.findall(r"https?:|url\(|@import|<link|<script|<iframe", text)


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@sum(a1)", "\t=1", "\r=1", "\uff1d1+1", "\u202e=1"])
def test_no_cell_of_a_sheet_is_a_formula(name: str) -> None:
    now, before = answers([lead()])
    now.leads["byOwner"][name] = {"total": 1, "open": 1, "converted": 0}
    now.leads["byIndustry"][name] = 1
    cells = [cell for row in csv.reader(io.StringIO(export_csv(now, before, NOW), newline="")) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\uff1d"))]
    assert sum(cell.startswith("'") for cell in cells) == 4


@given(st.text(max_size=40))
def test_any_name_is_one_cell_and_commands_no_terminal(name: str) -> None:
    now, before = answers([lead()])
    now.leads["byIndustry"][name] = 1
    text = export_csv(now, before, NOW)
    assert len(list(csv.reader(io.StringIO(text, newline=""), strict=True))) == text.count("\r\n")
    assert not re.search(r"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)


@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 100)), min_size=1, max_size=30))
def test_columns_stay_within_their_plot_and_in_proportion(counts: list[tuple[int, int]]) -> None:
    made = drawing.columns([Count("", (), count, count * part // 100) for count, part in counts])
    # Of two that are as high to the pixel, the one that counts more.
    highest = max(made.columns, key=lambda one: (one.height, one.of.count))
    assert (made.ticks[0].y, made.ticks[-1].y) == (drawing.PLOT_PX, 0)
    assert 2 <= len(made.ticks) <= 8
    assert highest.of.count == max(count for count, _ in counts)
    for one in made.columns:
        assert 0 <= one.done <= one.height <= drawing.PLOT_PX
        assert (one.height > 0) == (one.of.count > 0)
        assert 0 <= one.left < one.left + one.width <= 100
    assert _apart((one.left, one.left + one.width) for one in made.columns)


def _apart(spans: Iterable[tuple[float, float]]) -> bool:
    ends = [edge for span in spans for edge in span]
    return ends == sorted(ends)


def test_the_longest_bar_is_as_wide_as_the_plot_and_nothing_has_none() -> None:
    made = drawing.bars([Share(name, value, "") for name, value in (("a", 8), ("b", 0), ("c", 4), ("d", 0.001))])
    assert [one.width for one in made.bars] == [100, 0, 50, 0.6]
    assert [one.width for one in drawing.bars([Share("a", 0, "")]).bars] == [0]
    assert drawing.widths_of([]) == ()


@pytest.mark.parametrize(
    ("rollup", "sentence"),
    [
        ({"state": "live", "delaySeconds": 0.2}, None),
        ({"state": "behind", "delaySeconds": 312.0}, "The figures are 5 minutes behind: the newest"),
        (
            {"state": "away", "since": NOW - timedelta(hours=3)},
            "The figures have not been updated since 2 March 2026, 09:00: later",
        ),
        ({"state": "away", "since": None}, "Counting has not started"),
        ({"state": "rebuilding"}, "being rebuilt"),
    ],
)
def test_it_warns_when_counting_is_not_as_far_as_it_should_be(rollup: FreshnessFigures, sentence: str | None) -> None:
    now, before = answers(leads(50), rollup=rollup)
    assert (warning_of(now.leads) is None) == (sentence is None)
    text = render_report(made((now, before)), paper=False)
    assert ("Not up to date." in text) == (sentence is not None)
    assert (sentence or "Updated 2 March 2026, 11:58") in text


@pytest.mark.parametrize(
    ("told", "words_of_it"),
    [
        (formatting.hours(0.005), "under a minute"),
        (formatting.hours(1), "1 hour"),
        (formatting.hours(0.5), "30 minutes"),
        (formatting.hours(47.6), "48 hours"),
        (formatting.hours(48), "2 days"),
        (formatting.hours(300), "12 days"),
        (formatting.within(0.001), "within a minute"),
        (formatting.span(0, 1), "0\u20131 h"),
        (formatting.span(24, 72), "1\u20133 d"),
        (formatting.span(2160, None), "> 90 d"),
        (formatting.format_percent(0), "0%"),
        (formatting.format_percent(4.31), "4.3%"),
        (formatting.brief(1_500), "1.5k"),
        (formatting.short(999_999), "999,999"),
        (formatting.short(12_345_678), "12.3M"),
        (formatting.signed(-0.04, "%", places=1), "no change"),
        (formatting.signed(-12.4, "%"), "\u221212%"),
        (formatting.heading("trade_show"), "Trade show"),
        (formatting.heading("(none)"), "None given"),
        (formatting.owner("(none)"), "Unassigned"),
        (formatting.printable("a\x1b[31m\u202eb\x00"), "a[31mb"),
        (formatting.printable("\u0645\u0637\u0627\u0639\u0645"), "\u0645\u0637\u0627\u0639\u0645"),
    ],
)
def test_numbers_and_names_read_as_people_write_them(told: str, words_of_it: str) -> None:
    assert told == words_of_it


def test_colours_can_be_told_apart_in_each_theme() -> None:
    style = re.search(r"<style>(.*)</style>", render_report(made(answers([])), paper=True), re.DOTALL)
    assert style
    blocks = re.findall(r"(?:^:root|:root:not\(\.paper\)|^\.paper) \{(.*?)\}", style[1], re.DOTALL | re.MULTILINE)
    themes = [dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block)) for block in blocks]
    light, dark, paper = filter(None, themes)
    for theme in (light, dark, light | paper):
        for shade, least in (("bar", 3), ("ink", 7), ("soft", 4.5), ("accent", 4.5)):
            assert _contrast(theme[shade], theme["card"]) >= least, shade
        assert _contrast(theme["bar"], theme["bar-quiet"]) >= 3
        assert _contrast(theme["warn"], theme["warn-ground"]) >= 4.5


def _contrast(*shades: str) -> float:
    light, dark = sorted(map(_luminance, shades), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(shade: str) -> float:
    parts = [int(shade[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("wrong", [{"timeframe": "year"}, {"format_": "pdf"}])
def test_what_there_is_not_is_refused_with_what_there_is(wrong: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="give one of"):
        command(**wrong)  # type: ignore[arg-type]  # one of two words


@pytest.mark.parametrize("format_", ["html", "print", "csv"])
def test_a_report_is_a_file_under_the_name_it_was_given(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, format_: str
) -> None:
    monkeypatch.setattr(report_cli, "with_storage", lambda _: answers(leads(30), "week"))
    command(timeframe="week", format_=format_, output=tmp_path / "report")
    assert ("report,window,timeframe,week" if format_ == "csv" else "Leads of the last 7 days") in (
        tmp_path / "report"
    ).read_text()
    with pytest.raises(UsageError, match=r"nowhere/report can't be written: No such file or directory"):
        command(format_=format_, output=tmp_path / "nowhere" / "report")


def test_a_database_that_is_away_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(_: Figures, timeframe: str) -> None:
        raise Unavailable(timeframe)

    monkeypatch.setenv("PANTRY_MONGO_URL", "mongodb://127.0.0.1:1")
    monkeypatch.setattr(Figures, "compared", away)
    with pytest.raises(UsageError, match="PANTRY_MONGO_URL doesn't answer"):
        command()
