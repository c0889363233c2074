"""The dashboard in a browser, by answers that are hard to get from real servers: faults, waiting, roles, hostility."""

import asyncio
import hashlib
import re

import pytest
from playwright.async_api import Browser, Route, expect

from services.gateway.dashboard.routes import FOLDER
from tests.http.answers import PREDICTION, analytics, lead, whole_lead
from tests.http.dashboard import AWAY, DESKTOP, PHONE, PLACES, Backend, grave, opened, settled

pytestmark = pytest.mark.asyncio(loop_scope="session")


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


@pytest.mark.parametrize("action", ["Qualify", "Log activity", "New task", "Assign", "Close as lost", "Erase"])
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


@pytest.mark.parametrize(
    ("place", "path"),
    [
        ("#/overview", "/v1/analytics/conversions"),
        ("#/leads", "/v1/leads"),
        ("#/tasks", "/v1/tasks"),
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


async def test_a_lost_connection_is_told_and_so_is_its_return(browser: Browser, url: str) -> None:
    backend = Backend(answers={"GET /v1/live": AWAY})
    async with opened(browser, url, backend) as page:
        state = page.locator("#link-state")
        await page.clock.install()
        async with page.expect_event("requestfinished", lambda request: request.url.endswith("/v1/live")):
            await page.reload()
        await settled(page)
        await page.clock.fast_forward(60_000)
        await expect(state).to_have_text("Reconnecting…")
        backend.answers.clear()
        await page.clock.fast_forward(60_000)
        await expect(state).to_have_text("Live")


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
        assert await page.get_by_role("navigation").get_by_role("link").all_inner_texts() == [
            "Overview",
            "Tasks",
            "Leads",
        ]
        await page.goto(f"{url}/#/leads/lead-1")
        await expect(page.get_by_role("heading", name="Ana Reyes")).to_be_visible()
        assert await page.locator(".actions button").count() == 0


async def test_what_a_role_may_not_is_told(browser: Browser, url: str) -> None:
    backend = Backend(answers={"GET /v1/deadletters": (403, {"status": 403})})
    async with opened(browser, url, backend, "#/letters") as page:
        await expect(page.get_by_role("alert")).to_contain_text("Your role does not allow this.")


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
