"""The dashboard's overview in a browser: figures, charts and tables, of any leads and of none, on any screen."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from tests.http.answers import MODEL, analytics, conversions
from tests.http.dashboard import PHONE, Backend, opened

pytestmark = pytest.mark.asyncio(loop_scope="session")
_BOXES = "all => all.map(one => one.getBoundingClientRect()).map(({left, right, top}) => [top, left, right])"


def told(page: Page, name: str) -> Any:
    """The figure of a tile."""
    return page.locator(f".tile:has(dt:text-is({name!r})) .tile-value")


async def test_each_chart_says_its_numbers_in_a_sentence_and_as_a_table(browser: Browser, url: str) -> None:
    async with opened(browser, url, Backend()) as page:
        await expect(told(page, "Leads")).to_have_text("812")
        await expect(told(page, "Velocity")).to_have_text("27.1 a day")
        await expect(page.locator(".freshness")).to_contain_text("Live")
        cards = page.locator(".chart")
        assert await cards.count() == 7
        for n in range(7):
            card = cards.nth(n)
            sentence = await card.locator(".summary").inner_text()
            await expect(card.get_by_role("img", name=sentence)).to_be_visible()
            await expect(card.locator("svg path").first).to_be_attached()
        sources = page.get_by_role("region", name="Sources by conversion rate", exact=True)
        await sources.get_by_role("button").click()
        await expect(sources.get_by_role("img")).to_have_count(0)
        rows = await sources.get_by_role("row").all_inner_texts()
        assert rows[1].split("\t") == ["Referral", "9.4%", "9", "96"]
        assert rows[-1].split("\t") == ["Social media (few)", "7.7%", "1", "13"]


async def test_no_source_without_a_conversion_converts_best(browser: Browser, url: str) -> None:
    none = {
        "trade_show": {"total": 158, "converted": 0, "rate": 0},
        "website": {"total": 5, "converted": 1, "rate": 20},
    }
    backend = Backend(answers={"GET /v1/analytics/conversions": (200, conversions(conversionsBySource=none))})
    async with opened(browser, url, backend) as page:
        summary = page.get_by_role("region", name="Sources by conversion rate", exact=True).locator(".summary")
        await expect(summary).to_have_text("No lead of a source with enough leads has converted yet.")


async def test_no_span_of_time_is_left_out_or_covers_another(browser: Browser, url: str) -> None:
    async with opened(browser, url, Backend()) as page:
        labels = page.get_by_role("region", name="Time to convert").locator(".plot svg text")
        for width in (1280, 390, 320):
            await page.set_viewport_size({"width": width, "height": 800})
            for end in ("1 h", "24 h", "14 d", "30 d", "90 d"):
                await expect(labels.get_by_text(end.replace(" ", "\u2009"), exact=True).first).to_be_visible()
            boxes = sorted(await labels.evaluate_all(_BOXES))
            assert [one for one, after in pairwise(boxes) if one[0] == after[0] and one[2] > after[1]] == [], width


async def test_an_owners_row_is_whole_on_every_screen(browser: Browser, url: str) -> None:
    names = ("sam.restaurants", "kim.catering", "lee.key-accounts", "alexandria.featherstonehaugh", "noor", "(none)")
    owners = {name: {"total": 1210 - n, "open": 1161 - n, "converted": 14} for n, name in enumerate(names)}
    backend = Backend(answers={"GET /v1/analytics/leads": (200, analytics(byOwner=owners))})
    async with opened(browser, url, backend) as page:
        table = page.get_by_role("region", name="Owners\u2019 load: table")
        await expect(table.get_by_role("row").nth(3)).to_have_text("lee.key-accounts1,1591,20814 1.2%")
        for width in (1280, 1000, 390):
            await page.set_viewport_size({"width": width, "height": 800})
            cut = "one => [one.scrollWidth - one.clientWidth, one.scrollHeight - one.clientHeight]"
            assert await table.evaluate(cut) == [0, 0], width


async def test_the_figures_stand_two_by_two_on_a_phone(browser: Browser, url: str) -> None:
    async with opened(browser, url, Backend(), viewport=PHONE) as page:
        await expect(told(page, "Leads")).to_have_text("812")
        boxes = await page.locator(".tile").evaluate_all(_BOXES)
        tops = [top for top, _, _ in boxes]
        assert tops[0] == tops[1] < tops[2] == tops[3] < tops[4]
        assert boxes[4][2] - boxes[4][1] == boxes[1][2] - boxes[0][1]


async def test_what_converts_at_once_takes_under_a_minute(browser: Browser, url: str) -> None:
    quick = conversions(medianTimeToConversion=0.003, averageTimeToConversion=0.02, p90TimeToConversion=0.05)
    backend = Backend(answers={"GET /v1/analytics/conversions": (200, quick)})
    async with opened(browser, url, backend) as page:
        await expect(told(page, "Median time to convert")).to_have_text("Under a minute")
        await expect(page.locator(".tile").last).to_contain_text("average 1 minute")
        times = page.get_by_role("region", name="Time to convert")
        await expect(times).to_contain_text("Half convert within a minute, nine in ten within 3 minutes.")


@pytest.mark.parametrize(
    ("rollup", "sentence"),
    [
        ({"state": "behind", "delaySeconds": 312.0}, "Behind by 5 minutes"),
        ({"state": "away", "since": "2026-01-02T03:04:05Z"}, "No updates since 2 Jan 2026"),
        ({"state": "away", "since": None}, "has not started"),
        ({"state": "rebuilding"}, "Rebuilding the figures"),
    ],
)
async def test_it_says_how_fresh_its_numbers_are(
    browser: Browser, url: str, rollup: Mapping[str, Any], sentence: str
) -> None:
    backend = Backend(answers={"GET /v1/analytics/leads": (200, analytics(rollup=rollup))})
    async with opened(browser, url, backend) as page:
        await expect(page.locator(".freshness")).to_contain_text(sentence)


async def test_a_change_comes_in_by_itself_and_leaves_focus_and_scroll_alone(browser: Browser, url: str) -> None:
    backend = Backend()
    async with opened(browser, url, backend) as page:
        await expect(told(page, "Leads")).to_have_text("812")
        toggle = page.get_by_role("button", name="Show Industries as a table")
        await toggle.click()
        before = await page.evaluate("scrollY")
        backend.answers["GET /v1/analytics/leads"] = (200, analytics(totalLeads=813))
        backend.answers["GET /v1/live"] = (200, "retry: 200\n\nevent: changed\ndata: {}\n\n")
        await expect(told(page, "Leads")).to_have_text("813")
        await expect(page.get_by_role("button", name="Show Industries as a chart")).to_be_focused()
        assert await page.evaluate("scrollY") == before


async def test_without_any_lead_each_figure_says_so(browser: Browser, url: str) -> None:
    zero = dict.fromkeys(("new", "contacted"), 0)
    nothing = analytics(
        totalLeads=0,
        byStatus=zero,
        byIndustry={},
        byOwner={},
        averageScore=None,
        topPerformingSources=[],
        unscored=0,
        leadVelocity={"perDay": 0, "previousPerDay": 0, "changePercent": None},
        scoreDistribution=[{"from": 10 * n, "to": 10 * n + 9, "count": 0} for n in range(10)],
        funnel=[{"stage": "captured", "count": 0}, {"stage": "converted", "count": 0}],
        series=[{"from": "2026-01-01", "to": "2026-01-01", "total": 0, "converted": 0}],
        asOf=None,
    )
    none = conversions(
        conversionsBySource={"website": {"total": 0, "converted": 0, "rate": 0}},
        overallConversionRate=0,
        convertedLeads=0,
        totalLeads=0,
        medianTimeToConversion=None,
        averageTimeToConversion=None,
        p90TimeToConversion=None,
        timeToConversion=[{"fromHours": 0, "toHours": None, "count": 0}],
    )
    answers = {"GET /v1/analytics/leads": (200, nothing), "GET /v1/analytics/conversions": (200, none)}
    async with opened(browser, url, Backend(leads=[], answers=answers)) as page:  # type: ignore[arg-type]
        await expect(told(page, "Median time to convert")).to_have_text("\u2013")
        assert await page.locator(".plot:visible").count() == 0
        assert "NaN" not in await page.inner_text("main")
        assert "undefined" not in await page.inner_text("main")
        await page.get_by_role("link", name="Leads").click()
        await expect(page.get_by_text("No leads yet")).to_be_visible()


async def test_what_predictions_are_made_by_is_told_with_how_it_was_judged(browser: Browser, url: str) -> None:
    async with opened(browser, url, Backend()) as page:
        card = page.get_by_role("region", name="Predictions", exact=True)
        await expect(card).to_contain_text("Model 3 (logistic regression)")
        await expect(card).to_contain_text("with 2,140 leads, of which 385 converted within 90 days.")
        await expect(card).to_contain_text(
            "On 535 later leads that it had not seen, predictions were off by 2.1% on average"
        )
        await expect(card).to_contain_text("500 of 812 open leads have its prediction so far.")
        await expect(card.get_by_role("status")).to_contain_text(
            "New leads differ from those it learned from: Days since capture."
        )
        await expect(card).to_contain_text("kept for comparison with the one in use (log loss is not certainly better")
        assert await card.get_by_role("row").count() == 11


async def test_a_formula_is_told_to_be_none_of_a_model(browser: Browser, url: str) -> None:
    few = {
        "status": "too_few",
        "why": ["too few outcomes to learn from and to be judged by"],
        "examples": 30,
        "converted": 9,
    }
    training = {**MODEL["training"], **few}
    none: dict[str, Any] = {
        "method": "heuristic",
        "modelVersion": None,
        "model": None,
        "training": training,
        "drift": [],
        "progress": None,
    }
    async with opened(browser, url, Backend(answers={"GET /v1/model": (200, none)})) as page:
        card = page.get_by_role("region", name="Predictions", exact=True)
        await expect(card).to_contain_text("Estimated by a formula, not a probability")
        await expect(card).to_contain_text("skipped, because too few outcomes are known yet")
        assert await card.get_by_role("row").count() == 0
