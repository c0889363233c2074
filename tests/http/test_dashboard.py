"""The dashboard in a browser, by answers that are hard to get from real servers: faults, emptiness, waiting, masses."""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Route, expect

from services.gateway.dashboard_routes import FOLDER
from tests.http.dashboard import (
    DESKTOP,
    PHONE,
    PREDICTION,
    TIMELINE,
    Backend,
    analytics,
    conversions,
    grave,
    happened,
    lead,
    letter,
    opened,
    pages,
    whole_lead,
)
from tests.http.forms import served

pytestmark = pytest.mark.asyncio(loop_scope="module")
AWAY = (503, {"title": "Not now", "status": 503})
PLACES = ("#/overview", "#/leads", "#/leads/lead-1", "#/letters/0:99")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url() -> AsyncIterator[str]:
    async with served(pages()) as url:
        yield url


def told(page: Page, name: str) -> Any:
    """The figure of a tile."""
    return page.locator(f".tile:has(dt:text-is({name!r})) .tile-value")


async def settled(page: Page) -> None:
    """All panels have what they show."""
    await expect(page.get_by_role("heading", level=1)).to_be_visible()
    await expect(page.locator(".skeleton")).to_have_count(0)


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("place", PLACES)
async def test_each_page_is_accessible_in_light_and_dark(
    browser: Browser, url: str, place: str, size: dict[str, int]
) -> None:
    backend = Backend(answers={"GET /v1/leads/lead-1/prediction": (200, PREDICTION)})
    async with opened(browser, url, backend, place, viewport=size, bypass_csp=True) as page:
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)
            await settled(page)
            assert await grave(page) == []


@pytest.mark.parametrize("action", ["Qualify", "Log activity", "Assign", "Close as lost", "Erase"])
async def test_each_form_is_accessible_and_gives_the_focus_back(browser: Browser, url: str, action: str) -> None:
    async with opened(browser, url, Backend(), "#/leads/lead-1", bypass_csp=True) as page:
        button = page.get_by_role("button", name=action, exact=True)
        await button.click()
        dialog = page.get_by_role("dialog")
        if action != "Qualify":
            await dialog.locator("button[type=submit]").click()
            await expect(dialog.locator("[aria-invalid=true]")).to_be_focused()
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)
            assert await grave(page) == []
        await page.keyboard.press("Escape")
        await expect(dialog).to_have_count(0)
        await expect(button).to_be_focused()


@pytest.mark.parametrize("place", PLACES)
async def test_each_page_fits_every_screen(browser: Browser, url: str, place: str) -> None:
    backend = Backend(
        leads=[whole_lead(assignedTo="x" * 60), lead(2, company={"name": "Ü" * 90, "industry": "y" * 90})]
    )
    async with opened(browser, url, backend, place) as page:
        await settled(page)
        for width in (320, 360, 768, 1024, 2200):
            await page.set_viewport_size({"width": width, "height": 800})
            assert await page.evaluate("document.documentElement.scrollWidth") == width, width


async def test_each_chart_says_its_numbers_in_a_sentence_and_as_a_table(browser: Browser, url: str) -> None:
    async with opened(browser, url, Backend()) as page:
        await expect(told(page, "Leads")).to_have_text("812")
        await expect(told(page, "Velocity")).to_have_text("27.1 a day")
        await expect(page.locator(".freshness")).to_contain_text("live")
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


@pytest.mark.parametrize(
    ("rollup", "sentence"),
    [
        ({"state": "behind", "delaySeconds": 312.0}, "behind by 5 minutes"),
        ({"state": "away", "since": "2026-01-02T03:04:05Z"}, "counting is away since 2 Jan 2026"),
        ({"state": "away", "since": None}, "has not started"),
        ({"state": "rebuilding"}, "being rebuilt"),
    ],
)
async def test_it_says_how_fresh_its_numbers_are(
    browser: Browser, url: str, rollup: Mapping[str, Any], sentence: str
) -> None:
    backend = Backend(answers={"GET /v1/analytics/leads": (200, analytics(rollup=rollup))})
    async with opened(browser, url, backend) as page:
        await expect(page.locator(".freshness")).to_contain_text(sentence)


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


@pytest.mark.parametrize(
    ("place", "path"),
    [
        ("#/overview", "/v1/analytics/conversions"),
        ("#/leads", "/v1/leads"),
        ("#/leads/lead-1", "/v1/leads/lead-1"),
        ("#/letters", "/v1/deadletters"),
    ],
)
async def test_what_fails_is_told_in_a_sentence_and_can_be_tried_again(
    browser: Browser, url: str, place: str, path: str
) -> None:
    backend = Backend(answers={f"GET {path}": AWAY})
    async with opened(browser, url, backend, place) as page:
        await expect(page.get_by_role("alert")).to_contain_text("Try again in a moment.")
        backend.answers.clear()
        await page.get_by_role("button", name="Try again").click()
        await settled(page)
        await expect(page.get_by_role("alert")).to_have_count(0)


async def test_while_it_waits_it_shows_that_it_does(browser: Browser, url: str) -> None:
    held = asyncio.Event()
    backend = Backend()

    async def hold(route: Route) -> None:
        await held.wait()
        await backend.answer(route)

    async with opened(browser, url, backend) as page:
        await page.route(f"{url}/v1/leads?*", hold)
        await page.get_by_role("link", name="Leads").click()
        await expect(page.locator(".skeleton")).to_be_visible()
        held.set()
        await expect(page.get_by_role("link", name="Ana Reyes")).to_be_visible()
        await expect(page.locator(".skeleton")).to_have_count(0)


async def test_who_is_not_signed_in_any_more_goes_to_sign_in(browser: Browser, url: str) -> None:
    backend = Backend()
    async with opened(browser, url, backend) as page:
        await settled(page)
        backend.answers["GET /v1/leads"] = (401, {"title": "No valid key", "status": 401})
        await page.get_by_role("link", name="Leads").click()
        await page.wait_for_url("**/signin")


async def test_a_viewer_sees_no_buttons_and_no_dead_letters(browser: Browser, url: str) -> None:
    async with opened(browser, url, Backend(role="viewer"), "#/letters") as page:
        await expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
        assert await page.get_by_role("navigation").get_by_role("link").all_inner_texts() == ["Overview", "Leads"]
        await page.goto(f"{url}/#/leads/lead-1")
        await expect(page.get_by_role("heading", name="Ana Reyes")).to_be_visible()
        assert await page.locator(".actions button").count() == 0


async def test_what_a_role_may_not_is_told(browser: Browser, url: str) -> None:
    backend = Backend(answers={"GET /v1/deadletters": (403, {"status": 403})})
    async with opened(browser, url, backend, "#/letters") as page:
        await expect(page.get_by_role("alert")).to_contain_text("Your role does not allow this.")


async def test_ten_thousand_leads_are_a_few_rows_at_a_time(browser: Browser, url: str) -> None:
    async with opened(browser, url, Backend(leads=[lead(n) for n in range(1, 10_001)]), "#/leads") as page:
        table, rows = page.get_by_role("table", name="Leads"), page.locator(".rows [role=row]")
        await expect(table).to_have_attribute("aria-rowcount", "-1")
        await page.locator(".cell-lead a").first.focus()
        count = page.locator(".page-head p")
        while await count.inner_text() != "10,000 leads":
            await page.keyboard.press("End")
            assert await rows.count() < 60
        await expect(table).to_have_attribute("aria-rowcount", "10001")
        await page.keyboard.press("End")
        row = page.locator("[role=row]:has(a:focus)")
        await expect(row).to_have_attribute("aria-rowindex", "10001")
        await page.keyboard.press("ArrowUp")
        await expect(row).to_have_attribute("aria-rowindex", "10000")
        await expect(row).to_be_in_viewport(ratio=1)
        order = await rows.evaluate_all("all => all.map(one => Number(one.ariaRowIndex))")
        assert order == sorted(order)
        await page.keyboard.press("Home")
        await expect(row).to_have_attribute("aria-rowindex", "2")
        await page.get_by_role("searchbox").fill("ana 777")
        await expect(count).to_have_text(re.compile(r"^\d{1,2} leads?$"))
        assert await rows.count() < 60


async def test_filters_live_in_the_address_and_come_back_with_it(browser: Browser, url: str) -> None:
    backend = Backend()
    async with opened(browser, url, backend, "#/leads") as page:
        await page.get_by_label("Status").select_option("qualified")
        await page.get_by_role("searchbox").fill("harbour cat")
        await expect(page).to_have_url(re.compile(r"#/leads\?q=harbour\+cat&status=qualified$"))
        await page.reload()
        await expect(page.get_by_role("searchbox")).to_have_value("harbour cat")
        await expect(page.get_by_label("Status")).to_have_value("qualified")
        await expect(page.locator(".rows .badge").first).to_have_text("Qualified")
        found = await page.locator(".page-head p").inner_text()
        await page.goto(f"{url}/#/leads/lead-1")
        await page.get_by_role("main").get_by_role("link", name="Leads", exact=True).click()
        await expect(page.locator(".page-head p")).to_have_text(found)
        await page.get_by_role("searchbox").fill("nobody of that name")
        await page.get_by_role("button", name="Clear search and filters").click()
        await expect(page.locator(".page-head p")).to_have_text("60 leads")
        assert page.url.endswith("#/leads")


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


async def test_a_lost_connection_is_told_and_so_is_its_return(browser: Browser, url: str) -> None:
    backend = Backend(answers={"GET /v1/live": AWAY})
    async with opened(browser, url, backend) as page:
        state = page.locator("#link-state")
        await expect(state).to_have_text("Reconnecting…")
        backend.answers.clear()
        await expect(state).to_have_text("Live")


async def test_a_command_is_sent_once_and_its_outcome_appears(browser: Browser, url: str) -> None:
    backend = Backend(answers={"POST /v1/leads/lead-1/qualify": AWAY})
    async with opened(browser, url, backend, "#/leads/lead-1") as page:
        await page.get_by_role("button", name="Qualify").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("How").select_option("bant")
        await dialog.get_by_label("Budget is confirmed").check()
        await dialog.get_by_label("as a decision maker").check()
        await dialog.get_by_label("Pain points").fill("Late deliveries\n\nNo stock view ")
        await expect(dialog).to_contain_text("BANT 75 of 100: qualified.")
        await dialog.get_by_role("button", name="Qualify").click()
        await expect(dialog.get_by_role("alert")).to_contain_text("Try again in a moment")
        backend.answers.clear()
        await dialog.get_by_role("button", name="Qualify").click()
        log = page.get_by_role("log")
        await expect(log).to_contain_text("Waiting for the outcome")
        done = happened(0, "leads.qualified", "Qualified by BANT, score 75", "command-1")
        backend.answers["GET /v1/leads/lead-1/timeline"] = (200, {"events": [done, *TIMELINE], "nextCursor": None})
        await expect(log).to_contain_text("Qualify done: Qualified by BANT, score 75")
        await expect(page.locator(".timeline li").first).to_contain_text("Qualified by BANT, score 75")
    (_, _, first, headers), (_, _, second, again) = backend.sent
    assert first == second
    assert headers["idempotency-key"] == again["idempotency-key"]
    assert first["bant"]["need"] == {"painPoints": ["Late deliveries", "No stock view"]}
    assert first["bant"]["budget"] == {"confirmed": True}


async def test_a_rejection_is_told_by_its_reason(browser: Browser, url: str) -> None:
    detail = "The lead is converted already."
    no = happened(0, "leads.rejected", f"Change rejected: {detail}", "command-1", detail=detail)
    backend = Backend(answers={"GET /v1/leads/lead-1/timeline": (200, {"events": [no], "nextCursor": None})})
    async with opened(browser, url, backend, "#/leads/lead-1") as page:
        await page.get_by_role("button", name="Close as lost").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_role("button", name="Close as lost").click()
        await expect(dialog).to_contain_text("Reason is missing.")
        await dialog.get_by_label("Reason").fill("Went to somebody else")
        await dialog.get_by_role("button", name="Close as lost").click()
        await expect(page.get_by_role("log")).to_contain_text(f"Close as lost rejected: {detail}")
    assert backend.sent[0][:3] == ("PATCH", "/v1/leads/lead-1", {"status": "lost", "reason": "Went to somebody else"})


async def test_erasing_takes_the_right_word_and_ends_at_an_empty_page(browser: Browser, url: str) -> None:
    backend = Backend()
    async with opened(browser, url, backend, "#/leads/lead-1") as page:
        await page.get_by_role("button", name="Erase").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_role("textbox").fill("yes")
        await dialog.get_by_role("button", name="Erase for ever").click()
        await expect(dialog).to_contain_text("That is something else.")
        assert backend.sent == []
        backend.answers["GET /v1/leads/lead-1/timeline"] = (404, {"status": 404})
        await dialog.get_by_role("textbox").fill("ana.reyes@bluefork.example")
        await dialog.get_by_role("button", name="Erase for ever").click()
        await expect(page.get_by_text("This lead is erased")).to_be_visible()
    assert backend.sent[0][:2] == ("DELETE", "/v1/leads/lead-1")


async def test_a_prediction_shows_only_where_there_is_one(browser: Browser, url: str) -> None:
    backend = Backend()
    async with opened(browser, url, backend, "#/leads/lead-1") as page:
        await settled(page)
        assert await page.get_by_role("heading", name="Prediction").count() == 0
        backend.answers["GET /v1/leads/lead-1/prediction"] = (200, PREDICTION)
        await page.reload()
        await expect(page.get_by_role("region", name="Prediction")).to_contain_text("34% likely to convert")


async def test_cause_and_effect_lead_to_one_another(browser: Browser, url: str) -> None:
    async with opened(browser, url, Backend(), "#/leads/lead-1") as page:
        call = page.locator("#event-event-180")
        await call.get_by_role("link", name="Scored 72").click()
        await expect(page.locator("#event-event-178")).to_be_focused()
        await page.locator("#event-event-178").get_by_role("link", name="Call by kim").click()
        await expect(call).to_be_focused()


async def test_a_mended_letter_is_replayed_after_a_question(browser: Browser, url: str) -> None:
    backend = Backend()
    async with opened(browser, url, backend, "#/letters") as page:
        await page.locator(".letter").first.click()
        await expect(page.get_by_role("heading", level=2)).to_be_focused()
        raw = page.get_by_label("The record as it came")
        await raw.fill("{")
        await expect(page.locator(".letter-detail")).to_contain_text("It is not valid JSON")
        await raw.fill('{"mended": true}')
        await page.get_by_role("button", name="Replay mended").click()
        fault = {"path": "data.source", "message": "Field required"}
        backend.answers["POST /v1/deadletters/0:99/replay"] = (422, {"detail": "Not usable.", "errors": [fault]})
        dialog = page.get_by_role("dialog")
        await dialog.get_by_role("button", name="Replay mended").click()
        await expect(dialog.get_by_role("alert")).to_contain_text("data.source: Field required.")
        del backend.answers["POST /v1/deadletters/0:99/replay"]
        done = letter(1, replayedAt="2026-01-02T03:04:05Z", replayedBy="kim")
        backend.answers["GET /v1/deadletters"] = (200, {"letters": [done], "more": False})
        await dialog.get_by_role("button", name="Replay mended").click()
        await expect(page.locator(".letter-detail")).to_contain_text("2 Jan 2026, 03:04 by kim")
    assert backend.sent[-1][:3] == ("POST", "/v1/deadletters/0:99/replay", {"value": '{"mended": true}'})


async def test_bytes_that_are_no_text_are_not_mended(browser: Browser, url: str) -> None:
    binary = letter(1, isText=False, value="\ufffd\ufffd", reason="not_json")
    backend = Backend(answers={"GET /v1/deadletters": (200, {"letters": [binary], "more": True})})
    async with opened(browser, url, backend, "#/letters/0:99") as page:
        await expect(page.get_by_label("The record as it came")).not_to_be_editable()
        await page.get_by_role("button", name="Replay").click()
        await page.get_by_role("dialog").get_by_role("button", name="Replay").click()
        await expect(page.get_by_role("dialog")).to_have_count(0)
    assert backend.sent[-1][2] == {}


async def test_a_record_with_other_line_ends_goes_back_as_it_came_unless_it_was_mended(
    browser: Browser, url: str
) -> None:
    backend = Backend(answers={"GET /v1/deadletters": (200, {"letters": [letter(1, value="{\r\n}")], "more": False})})
    async with opened(browser, url, backend, "#/letters/0:99") as page:
        await page.get_by_role("button", name="Replay…", exact=True).click()
        await page.get_by_role("dialog").get_by_role("button", name="Replay", exact=True).click()
        await expect(page.get_by_role("dialog")).to_have_count(0)
    assert backend.sent[-1][2] == {}


async def test_no_value_becomes_markup(browser: Browser, url: str) -> None:
    evil = '"><img src=x onerror=alert(1)><script>alert(1)</script>'
    hostile = whole_lead(
        assignedTo=evil,
        contact={"firstName": evil, "lastName": evil, "email": evil, "phone": evil},
        company={"name": evil, "industry": evil, "website": "javascript:alert(1)"},
        context={evil: evil},
    )
    figures = analytics(byIndustry={evil: 5}, byOwner={evil: {"total": 5, "open": 5, "converted": 0}})
    backend = Backend(leads=[hostile], answers={"GET /v1/analytics/leads": (200, figures)})
    for place in PLACES:
        async with opened(browser, url, backend, place) as page:
            await settled(page)
            assert await page.locator("main img, main script").count() == 0
            assert await page.locator("a[href^='javascript:']").count() == 0


async def test_the_theme_follows_the_system_until_one_is_chosen(browser: Browser, url: str) -> None:
    async with opened(browser, url, Backend(), color_scheme="dark") as page:
        body, switch = page.locator("body"), page.locator("#theme")
        await expect(body).to_have_css("background-color", "rgb(19, 20, 18)")
        await switch.click()
        await expect(switch).to_have_accessible_name("Theme: light")
        await expect(body).to_have_css("background-color", "rgb(244, 242, 237)")
        await page.reload()
        await expect(body).to_have_css("background-color", "rgb(244, 242, 237)")
        await switch.click()
        await switch.click()
        await expect(body).to_have_css("background-color", "rgb(19, 20, 18)")


async def test_on_paper_there_are_charts_and_rows_but_no_navigation(browser: Browser, url: str) -> None:
    async with opened(browser, url, Backend(), color_scheme="dark") as page:
        label = page.locator(".funnel .plot svg text").first
        await expect(label).to_be_visible()
        await page.emulate_media(media="print")
        await expect(page.get_by_role("navigation")).to_be_hidden()
        await expect(page.locator(".funnel .plot svg")).to_be_visible()
        await expect(label).to_have_attribute("fill", "rgb(29, 28, 25)")
        await page.emulate_media(media="screen")
        await page.get_by_role("link", name="Leads", exact=True).click()
        await expect(page.locator(".rows [role=row]").first).to_be_visible()
        assert await page.locator(".rows [role=row]").count() < 60
        await page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert await page.locator(".rows [role=row]").count() == 60


async def test_the_keyboard_reaches_the_content_past_the_navigation(browser: Browser, url: str) -> None:
    async with opened(browser, url, Backend()) as page:
        await settled(page)
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("main")).to_be_focused()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Overview")


async def test_the_libraries_are_those_that_their_makers_published() -> None:
    told = re.findall(
        r"^\| (\S+\.js) \| ([\d.]+) \|.*\| ([0-9a-f]{64}) \|$", (FOLDER / "vendor/README.md").read_text(), re.MULTILINE
    )
    assert {name for name, _, _ in told} == {path.name for path in (FOLDER / "vendor").glob("*.js")}
    for name, version, digest in told:
        content = (FOLDER / "vendor" / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == digest
        assert f'version="{version}"'.encode() in content.replace(b"'", b'"')
    assert {"LICENSE", "NOTICE"} <= {path.name for path in (FOLDER / "vendor").iterdir()}
