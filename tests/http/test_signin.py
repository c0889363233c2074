"""Signing in with a browser at the real gateway: by password, by link, and not by the page of somebody else."""

from collections.abc import Awaitable, Callable

import pytest
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import Browser, Page, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from deploy.local import LocalServers
from services.gateway.auth import user_store
from services.gateway.auth.domain import users
from services.gateway.auth.domain.signing import Signer
from services.gateway.auth.domain.users import Role
from services.gateway.auth.passwords import hash_of
from shared.clock import system_clock
from tests.gateway import SECRET, Caller, gateway
from tests.harness import Bench, bench
from tests.http.forms import opened, served

pytestmark = pytest.mark.asyncio(loop_scope="session")
PASSWORD = "correct horse battery"  # noqa: S105 - nobody's


async def _kim(on: Bench) -> str:
    """Somebody who may sign in, by the password or by the token that is returned."""
    person = users.new_user("kim.catering", Role.SALES, hash_of(PASSWORD), system_clock())
    assert await user_store.create_user(on.storage, person)
    return Signer(SECRET).link_token(person, system_clock())


async def _fill_in(page: Page, password: str) -> None:
    await page.get_by_label("Name").fill("kim.catering")
    await page.get_by_label("Password").fill(password)


async def _press(page: Page, button: str = "Sign in") -> None:
    await page.get_by_role("button", name=button).click()


async def _way_in(page: Page, press: Callable[[], Awaitable[None]]) -> None:
    """The page that follows is asked for with the session, though its cookie is for our own pages alone."""
    async with page.expect_request(lambda request: request.url.endswith("/")) as asked:
        await press()
    assert "pantry_session=" in (await (await asked.value).all_headers())["cookie"]


async def _status(page: Page, caller: Caller) -> int:
    return (await page.request.get(f"{caller.url}/v1/me")).status


async def test_a_person_signs_in_by_password_without_any_script(browser: Browser, local: LocalServers) -> None:
    async with bench(local) as on, gateway(on) as caller:
        await _kim(on)
        async with opened(browser, f"{caller.url}/signin", java_script_enabled=False) as page:
            await _fill_in(page, "wrong horse battery")
            await _press(page)
            await expect(page.get_by_role("alert")).to_have_text("The name or the password is wrong.")
            assert await page.context.cookies() == []
            await _fill_in(page, PASSWORD)
            await _way_in(page, lambda: _press(page))
            cookies = await page.context.cookies()
            assert all((cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict") for cookie in cookies)
            # The session, and what tells this browser from a stranger's when somebody guesses passwords.
            places = sorted((str(cookie["name"]).startswith("pantry_session"), cookie["path"]) for cookie in cookies)
            assert places == [(False, "/signin"), (True, "/")]
            assert await _status(page, caller) == 200


async def test_a_link_signs_in_at_the_press_of_its_button_and_once(browser: Browser, local: LocalServers) -> None:
    async with bench(local) as on, gateway(on) as caller:
        address = f"{caller.url}/signin?token={await _kim(on)}"
        async with opened(browser, address, java_script_enabled=False) as page:
            await _way_in(page, lambda: _press(page, "Sign in as kim.catering"))
            assert await _status(page, caller) == 200
        async with opened(browser, address) as page:
            await expect(page.get_by_role("alert")).to_contain_text("no longer works")
            await expect(page.get_by_label("Password")).to_be_visible()
            assert await _status(page, caller) == 401


async def test_no_other_site_signs_a_person_in_or_out_or_does_anything_as_them(
    browser: Browser, local: LocalServers
) -> None:
    async with bench(local) as on, gateway(on) as caller:
        await _kim(on)

        async def evil(request: Request) -> HTMLResponse:
            fields = f'<input name="name" value="kim.catering"><input name="password" value="{PASSWORD}">'
            form = f'<form method="post" action="{caller.url}/{request.query_params["to"]}">{fields}'
            return HTMLResponse(f"<!doctype html><html lang=en><title>Evil</title>{form}<button>Win</button></form>")

        async with served(Starlette(routes=[Route("/", evil)])) as url:
            site = url.replace("127.0.0.1", "localhost")
            async with opened(browser, f"{site}/?to=signin") as page:
                await _press(page, "Win")
                await expect(page.get_by_role("alert")).to_contain_text("did not come from this page")
                assert await page.context.cookies() == []
                await _fill_in(page, PASSWORD)
                await _way_in(page, lambda: _press(page))
                for path in ("signout", "v1/activities"):
                    await page.goto(f"{site}/?to={path}")
                    async with page.expect_response(lambda answer: answer.request.method == "POST") as answered:
                        await _press(page, "Win")
                    assert (await answered.value).status in {401, 403}
                assert await _status(page, caller) == 200


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_everybody_can_use_the_page_on_any_screen(browser: Browser, local: LocalServers, scheme: str) -> None:
    async with bench(local) as on, gateway(on) as caller:
        token = await _kim(on)
        async with opened(browser, f"{caller.url}/signin", color_scheme=scheme) as page:
            await expect(page.get_by_label("Name")).to_be_focused()
            for path in ("/signin", "/signin?token=none", f"/signin?token={token}"):
                await page.goto(f"{caller.url}{path}")
                found = (await Axe().run(page)).response["violations"]
                assert [(one["id"], [node["target"] for node in one["nodes"]]) for one in found] == []
                for width in (320, 768, 1280):
                    await page.set_viewport_size({"width": width, "height": 700})
                    assert await page.evaluate("document.documentElement.scrollWidth") == width
                    for control in await page.locator("input:visible, button").all():
                        box = await control.bounding_box()
                        assert box
                        assert box["height"] >= 44, "a finger has room"
