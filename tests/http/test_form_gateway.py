"""The lead form in a browser, through the real gateway and the real capture worker, to the stored lead."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from deploy.local import LocalServers
from schemas.topics import CAPTURED
from services.gateway.auth.domain.principals import KeyKind
from shared.domain.stored.untyped import Document
from tests.collection_names import LEADS
from tests.gateway import events, gateway, new_key
from tests.harness import Bench, bench, until
from tests.http.forms import TYPED, fill, opened, send, served

pytestmark = pytest.mark.asyncio(loop_scope="session")
WORDING = "You may write to me about offers."


class Shop:
    """A customer's site, with whatever page a test puts on it."""

    def __init__(self) -> None:
        self.html = ""

    async def page(self, _: Request) -> HTMLResponse:
        return HTMLResponse(f"<!doctype html><html lang=en><title>A shop</title><main>{self.html}</main></html>")


@asynccontextmanager
async def site() -> AsyncIterator[tuple[Shop, str]]:
    """The site, and where it is: another host than the gateway's."""
    shop = Shop()
    async with served(Starlette(routes=[Route("/", shop.page)])) as url:
        yield shop, url.replace("127.0.0.1", "localhost")


async def _lead(on: Bench) -> Document:
    async def there() -> bool:
        return await on.count("leads") == 1

    await until(there, "the lead")
    (lead,) = await on.storage.find(LEADS, {})
    return lead


async def test_the_hosted_page_needs_no_script_to_make_a_lead(browser: Browser, local: LocalServers) -> None:
    async with bench(local) as on, gateway(on, workers=("capture",)) as caller:
        key = await new_key(on, "spring", KeyKind.FORM, wording=WORDING, fill_s=0.0, needs_token=True)
        async with opened(browser, f"{caller.url}/v1/forms/{key}", java_script_enabled=False) as page:
            await fill(page)
            await page.get_by_label("By email").check()
            await page.locator('[name="contact.email"]').fill("nobody@nowhere")
            await send(page)
            await expect(page.get_by_role("heading", name="Not sent yet")).to_be_visible()
            await page.go_back()
            await page.locator('[name="contact.email"]').fill(TYPED["contact.email"])
            await send(page)
            await expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
        lead = await _lead(on)
        assert lead["contact"]["email"] == TYPED["contact.email"]
        assert (lead["consent"]["email"], lead["consent"]["phone"]) == (True, False)
        (captured,) = await events(on, CAPTURED)
        assert captured.payload.context["consentWording"] == WORDING


async def test_embedded_in_a_customers_page_it_makes_a_lead_once_a_person_had_time_to_type(
    browser: Browser, local: LocalServers
) -> None:
    async with bench(local) as on, gateway(on, workers=("capture",)) as caller, site() as (shop, origin):
        key = await new_key(
            on, "spring", KeyKind.FORM, origins=(origin,), wording=WORDING, fill_s=12.0, needs_token=True
        )
        shop.html = f'<h1>A shop</h1><script src="{caller.url}/v1/forms/{key}.js" async></script>'
        async with opened(browser, f"{origin}/?utm_campaign=spring") as page:
            await fill(page)
            await send(page)
            too_fast = page.get_by_text("That was very fast")
            await expect(too_fast.first).to_be_visible()
            assert await events(on, CAPTURED) == []

            async def taken() -> bool:
                async with page.expect_response(lambda answer: answer.request.method == "POST") as answered:
                    await send(page)
                return (await answered.value).status == 202

            await until(taken, "time enough to type")
            await expect(page.get_by_role("status").filter(has_text="Thank you")).to_be_visible()
        lead = await _lead(on)
        assert lead["contact"]["firstName"] == TYPED["contact.firstName"]
        (captured,) = await events(on, CAPTURED)
        assert captured.payload.context["utm_campaign"] == "spring"


async def test_on_a_site_that_the_key_is_not_for_nothing_is_taken(browser: Browser, local: LocalServers) -> None:
    async with bench(local) as on, gateway(on) as caller, site() as (shop, origin):
        key = await new_key(on, "spring", KeyKind.FORM, origins=("https://blue.example",))
        hidden = "".join(f'<input type="hidden" name="{name}" value="x">' for name in TYPED)
        shop.html = (
            f'<form method="post" action="{caller.url}/v1/leads">'
            f'<input type="hidden" name="_key" value="{key}">{hidden}<button>Send</button></form>'
        )
        async with opened(browser, origin) as page:
            await send(page)
            await expect(page.get_by_text("not active")).to_be_visible()
            await expect(page.get_by_text("The form key spring is not allowed on this site")).to_be_visible()
        shop.html = f'<script src="{caller.url}/v1/forms/{key}.js" async></script>'
        async with opened(browser, "about:blank") as page:
            lines: list[str] = []
            page.on("console", lambda line: lines.append(line.text))
            await page.goto(origin)
            await fill(page)
            assert f'the form key "spring" is not allowed on {origin}' in lines[0]
            assert f"--origin {origin}" in lines[0]
            await send(page)
            await expect(page.get_by_role("alert")).to_contain_text("let the owner of the site know")
            assert any("The form key spring is not allowed on this site" in line for line in lines[1:])
        assert await events(on, CAPTURED) == []
