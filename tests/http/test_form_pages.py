"""The lead form in a browser: as a page without JavaScript, and embedded in a page of somebody else."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, parse_qsl

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import Browser, Page, expect
from starlette.applications import Starlette

from schemas.captures import LeadCaptured
from schemas.lead import CompanySize
from services.gateway.forms.pages import SECTIONS, SIZES
from tests.builders import ATTRIBUTES
from tests.http.forms import CHOSEN, TYPED, VIEW, WORDING, Gateway, fill, form, named, opened, send, served, shop

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def gateway() -> AsyncIterator[Gateway]:
    gateway = Gateway()
    async with served(Starlette(routes=gateway.routes)) as url:
        # One server by two names: for a browser they are two sites.
        gateway.here, gateway.site = url, url.replace("127.0.0.1", "localhost")
        yield gateway


async def test_without_javascript_the_page_posts_every_field(browser: Browser, gateway: Gateway) -> None:
    gateway.view = replace(VIEW, redirect="https://example.com/thanks?a=1&b=2")
    async with opened(browser, form(gateway), java_script_enabled=False) as page:
        await fill(page)
        await page.get_by_label("By phone").check()
        await send(page)
        await expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    headers, body = gateway.sent[0]
    assert headers["content-type"] == "application/x-www-form-urlencoded"
    assert headers["origin"] == gateway.here
    assert dict(parse_qsl(body.decode(), keep_blank_values=True)) == {
        **TYPED,
        **CHOSEN,
        "consent.phone": "yes",
        "consent.wording": WORDING,
        "_website": "",
        "_key": "kpf_site_secret",
        "_token": "token-1",
        "_redirect": "https://example.com/thanks?a=1&b=2",
    }


async def test_without_javascript_a_refusal_names_the_faults_and_keeps_what_was_typed(
    browser: Browser, gateway: Gateway
) -> None:
    errors = [
        {"path": "contact.phone", "message": "is not a possible phone number"},
        {"path": "company.<b>", "message": "is unknown"},
    ]
    gateway.answers.append((422, {"errors": errors}))
    async with opened(browser, form(gateway), java_script_enabled=False) as page:
        await fill(page)
        await send(page)
        assert await page.get_by_role("listitem").all_text_contents() == [
            "Enter a phone number, with a country code if it is from abroad",
            "Is unknown",
        ]
        assert "Ana" not in await page.content()
        await page.go_back()
        for name, value in {**TYPED, **CHOSEN}.items():
            await expect(named(page, name)).to_have_value(value)


async def test_without_consent_to_ask_for_the_page_asks_for_none(browser: Browser, gateway: Gateway) -> None:
    gateway.view = replace(VIEW, consent=False)
    async with opened(browser, form(gateway), java_script_enabled=False) as page:
        assert await page.get_by_role("checkbox").count() == 0
        await fill(page)
        await send(page)
    assert not [name for name in parse_qs(gateway.sent[0][1].decode()) if name.startswith("consent")]


async def test_embedded_it_sends_the_lead_as_the_contract_has_it(browser: Browser, gateway: Gateway) -> None:
    async with opened(browser, shop(gateway, "?utm_source=news&utm_medium=mail&email=ana@example.com")) as page:
        await fill(page)
        await page.get_by_label("By email").check()
        await send(page)
        thanks = page.get_by_role("status")
        await expect(thanks).to_contain_text("Thank you")
        await expect(thanks).to_be_focused()
        assert await page.locator("form").count() == 0
    headers, _ = gateway.sent[0]
    lead = gateway.lead()
    assert headers["authorization"] == "Bearer kpf_site_secret"
    assert headers["content-type"] == "application/json"
    assert lead == {
        "company": {"name": "Blue Fork Bistro", "industry": "restaurant", "size": "medium"},
        "contact": {
            "firstName": "Ana <b>&",
            "lastName": "Reyes",
            "email": "ana@example.com",
            "phone": "+1 555 010 9999",
            "title": "Head chef",
        },
        "requirements": {"painPoints": ["Late deliveries"]},
        "attributes": {"cuisine": "italian", "covers": "120.5", "locations": "3"},
        "consent": {"email": True, "phone": False, "wording": WORDING},
        "context": {"page": f"{gateway.site}/shop", "utm_source": "news", "utm_medium": "mail"},
        "form": {"token": "token-1", "website": ""},
    }
    LeadCaptured.model_validate({**lead, "source": "website"}, context={"attributes": ATTRIBUTES})


async def test_embedded_it_leaves_out_what_nobody_entered(browser: Browser, gateway: Gateway) -> None:
    gateway.view = replace(VIEW, consent=False)
    async with opened(browser, shop(gateway)) as page:
        for name in ("contact.firstName", "contact.lastName", "contact.phone", "company.name"):
            await named(page, name).fill(f" {TYPED[name]} ")
        await send(page)
        await expect(page.get_by_role("status")).to_be_visible()
    assert gateway.lead() == {
        "company": {"name": "Blue Fork Bistro"},
        "contact": {"firstName": "Ana <b>&", "lastName": "Reyes", "phone": "+1 555 010 9999"},
        "context": {"page": f"{gateway.site}/shop"},
        "form": {"token": "token-1", "website": ""},
    }


async def test_embedded_it_goes_where_the_form_says(browser: Browser, gateway: Gateway) -> None:
    gateway.view = replace(VIEW, redirect=f"{gateway.here}/thanks")
    async with opened(browser, shop(gateway)) as page:
        await fill(page)
        await send(page)
        await page.wait_for_url("**/thanks")


async def test_what_is_missing_is_told_before_anything_is_sent(browser: Browser, gateway: Gateway) -> None:
    async with opened(browser, shop(gateway)) as page:
        await named(page, "contact.lastName").fill("Reyes")
        await send(page)
        summary = page.get_by_role("alert")
        await expect(summary).to_be_focused()
        assert await summary.get_by_role("link").all_text_contents() == [
            "Enter your first name",
            "Enter an email address or a phone number",
            "Enter your company's name",
        ]
        await summary.get_by_role("link", name="phone").click()
        await expect(named(page, "contact.email")).to_be_focused()
    assert gateway.sent == []


async def test_a_422_marks_its_fields_and_moves_the_focus(browser: Browser, gateway: Gateway) -> None:
    errors = [
        {"path": "contact.email", "message": "is not an e-mail address"},
        {"path": "requirements.painPoints.0", "message": "String should have at most 200 characters"},
        {"path": "contact.title", "message": "is odd"},
        {"path": "contact", "message": "one of email and phone is required"},
        {"path": "form.token", "message": "is too old"},
    ]
    gateway.answers.append((422, {"errors": errors}))
    async with opened(browser, shop(gateway)) as page:
        await fill(page)
        await send(page)
        summary, email = page.get_by_role("alert"), named(page, "contact.email")
        await expect(summary).to_be_focused()
        assert await summary.get_by_role("listitem").all_text_contents() == [
            "Enter an email address like name@example.com",
            "Say what you need in 200 characters at most",
            "Job title: is odd",
            "Enter an email address or a phone number",
            "Is too old",
        ]
        # Each field has a link, a fault of the person as a whole too; the token is nowhere to be seen.
        assert await summary.get_by_role("link").count() == 4
        told = "Enter an email address like name@example.com One of the two is required."
        await expect(email).to_have_accessible_description(told)
        invalid = page.locator("[aria-invalid=true]")
        assert await invalid.evaluate_all("all => all.map(one => one.name)") == [
            "contact.title",
            "contact.email",
            "requirements.painPoints",
        ]
        await email.fill("ana@example.org")
        await send(page)
        await expect(page.get_by_role("status")).to_be_visible()
    assert gateway.lead()["contact"]["email"] == "ana@example.org"


async def test_what_could_not_be_sent_is_kept_and_sent_again_under_the_same_id(
    browser: Browser, gateway: Gateway
) -> None:
    gateway.answers.extend([(503, {}), (429, {}), (500, {}), (401, {}), (403, {})])
    async with opened(browser, shop(gateway)) as page:
        await fill(page)
        for _ in range(3):
            await send(page)
            await expect(page.get_by_role("alert")).to_contain_text("try again in a moment")
            await expect(page.get_by_role("alert")).to_be_focused()
        await named(page, "contact.title").fill("Owner")
        await send(page)
        await expect(page.get_by_role("alert")).to_contain_text("reload this page")
        await send(page)
        await expect(page.get_by_role("alert")).to_contain_text("let the owner of the site know")
        await expect(named(page, "contact.firstName")).to_have_value(TYPED["contact.firstName"])
    ids = [headers["idempotency-key"] for headers, _ in gateway.sent]
    assert len(set(ids[:3])) == 1
    assert ids[3] != ids[0]


async def test_without_a_network_it_says_so_and_sends_one_message_once(browser: Browser, gateway: Gateway) -> None:
    async with opened(browser, shop(gateway)) as page:
        await fill(page)
        await page.context.set_offline(True)
        await send(page)
        await expect(page.get_by_role("alert")).to_contain_text("Not sent")
        await page.context.set_offline(False)
        held = asyncio.Event()

        async def hold(route: Any) -> None:
            await held.wait()
            await route.continue_()

        await page.route("**/v1/leads", hold)
        await send(page)
        await expect(page.get_by_role("button", name="Sending…")).to_be_disabled()
        await named(page, "contact.title").press("Enter")
        held.set()
        await expect(page.get_by_role("status")).to_be_visible()
    assert len(gateway.sent) == 1


@pytest.mark.parametrize("url", [form, shop])
async def test_no_person_comes_upon_the_trap(browser: Browser, gateway: Gateway, url: Callable[[Gateway], str]) -> None:
    async with opened(browser, url(gateway)) as page:
        trap = named(page, "_website")
        box = await trap.bounding_box()
        assert box is not None
        assert box["x"] + box["width"] < 0
        assert await trap.evaluate("one => getComputedStyle(one).display !== 'none'")
        assert await page.get_by_role("textbox", name="Leave this empty").count() == 0
        reached = set()
        for _ in range(20):
            await page.keyboard.press("Tab")
            reached.add(await page.evaluate("(document.activeElement.shadowRoot || document).activeElement.name"))
        assert reached >= {*TYPED, *CHOSEN, "consent.email", "consent.phone"}
        assert "_website" not in reached


@pytest.mark.parametrize("url", [form, shop])
async def test_it_is_accessible_at_every_step(
    browser: Browser, gateway: Gateway, url: Callable[[Gateway], str]
) -> None:
    gateway.answers.append((422, {"errors": [{"path": "contact.phone", "message": "is not a possible phone number"}]}))
    async with opened(browser, url(gateway), bypass_csp=True, reduced_motion="reduce") as page:
        await fill(page)
        await _harmless(page)
        await send(page)
        await page.locator(".notice").wait_for()
        await _harmless(page)
        if url is form:
            await page.go_back()
        await send(page)
        await page.locator(".thanks").wait_for()
        await _harmless(page)


async def _harmless(page: Page) -> None:
    await page.emulate_media(color_scheme="light")
    assert await _grave(page) == []
    await page.emulate_media(color_scheme="dark")
    assert await _grave(page) == []


async def _grave(page: Page) -> list[Any]:
    found = (await Axe().run(page)).response["violations"]
    grave = [one for one in found if one["impact"] in {"serious", "critical"}]
    return [(one["id"], [node["target"] for node in one["nodes"]]) for one in grave]


@pytest.mark.parametrize("url", [form, shop])
async def test_it_fits_every_screen(browser: Browser, gateway: Gateway, url: Callable[[Gateway], str]) -> None:
    gateway.view = replace(VIEW, title="Donaudampfschifffahrtsgesellschaft" * 2, wording="x" * 300)
    async with opened(browser, url(gateway)) as page:
        await page.locator("form").wait_for()
        for width in (320, 768, 1280):
            await page.set_viewport_size({"width": width, "height": 700})
            assert await page.evaluate("document.documentElement.scrollWidth") == width


async def test_no_value_leaves_its_place(browser: Browser, gateway: Gateway) -> None:
    hostile = "</script></style>\"'><img src=x onerror=alert(1)>\u2028${x}"
    gateway.view = replace(VIEW, title=hostile, wording=hostile, token=hostile)
    for url in (form, shop):
        async with opened(browser, url(gateway)) as page:
            await expect(page.locator("form .title")).to_have_text(hostile.replace("\u2028", " "))
            assert await page.locator("img").count() == 0
            await expect(named(page, "_token")).to_have_value(hostile)


async def test_embedded_it_is_dark_only_where_its_page_is(browser: Browser, gateway: Gateway) -> None:
    async with opened(browser, shop(gateway), color_scheme="dark", reduced_motion="reduce") as page:
        card = page.locator("form")
        await expect(card).to_have_css("background-color", "rgb(28, 29, 26)")
        await page.evaluate("document.documentElement.style.colorScheme = 'light'")
        await expect(card).to_have_css("background-color", "rgb(255, 255, 255)")


async def test_each_form_on_a_page_is_its_own(browser: Browser, gateway: Gateway) -> None:
    async with opened(browser, shop(gateway), bypass_csp=True) as page:
        await page.add_script_tag(url=f"{gateway.here}/v1/forms/kpf_site_secret.js")
        assert await page.locator("form").count() == 2


async def test_the_fields_are_the_contracts() -> None:
    properties = LeadCaptured.model_json_schema()["$defs"]
    for one in (one for section in SECTIONS for one in section.fields):
        part, name = one.name.split(".")
        model = {"contact": "CapturedContact", "company": "CapturedCompany", "requirements": "Requirements"}[part]
        assert name in properties[model]["properties"]
    assert [value for value, _ in SIZES] == list(CompanySize)
