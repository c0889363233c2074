"""The dashboard at the real gateway, with all workers: from signing in to what came of a button."""

import json
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from deploy.local import LocalServers
from services.gateway.auth import user_store
from services.gateway.auth.domain import users
from services.gateway.auth.domain.users import COOKIE, Role
from services.gateway.auth.passwords import hash_of
from services.gateway.dashboard.routes import POLICY, files
from shared.clock import system_clock
from shared.settings import Settings
from tests.builders import ATTRIBUTES, data, event
from tests.gateway import Caller, gateway, session_of
from tests.harness import Bench, bench, lead_id, until
from tests.http.dashboard import opened

pytestmark = pytest.mark.asyncio(loop_scope="session")
PASSWORD = "correct horse battery"  # noqa: S105 - nobody's
PEOPLE = (("Ana", "Reyes", "Blue Fork"), ("Ben", "Okafor", "Harbour Catering"), ("Chloé", "Tanaka", "Grand Plaza"))


async def _capture(on: Bench) -> None:
    leads = [
        data(f"{first.lower()}@example.com".replace("é", "e"), first=first, last=last, company={"name": company})
        for first, last, company in PEOPLE
    ]
    await on.publish([event(lead, event_id=f"c{n}") for n, lead in enumerate(leads)])


async def _counted(caller: Caller, session: str, count: int) -> None:
    async def equal() -> bool:
        answer = await caller.call("GET", "/v1/analytics/leads", session=session)
        return bool(answer.json["totalLeads"] == count)

    await until(equal, f"{count} leads counted")


async def _sign_in(page: Page) -> None:
    await page.get_by_label("Name").fill("kim.catering")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()


async def _as(page: Page, caller: Caller, session: str, place: str) -> None:
    await page.context.add_cookies([{"name": COOKIE, "value": session, "url": caller.url, "sameSite": "Strict"}])
    await page.goto(f"{caller.url}/{place}")


async def _press(page: Page, button: str, **typed: str) -> None:
    """Press one of the lead's buttons, fill in its form and send that."""
    await page.locator(".actions").get_by_role("button", name=button).click()
    dialog = page.get_by_role("dialog")
    for label, value in typed.items():
        await dialog.get_by_label(label.replace("_", " ")).fill(value)
    await dialog.get_by_role("button", name=button).click()
    await expect(dialog).to_have_count(0)


@pytest.mark.long
async def test_a_lead_is_found_qualified_and_converted_and_each_outcome_appears(
    browser: Browser, local: LocalServers
) -> None:
    async with bench(local) as on, on.running(), gateway(on) as caller:
        viewer = await session_of(on, caller, Role.VIEWER)
        kim = users.new_user("kim.catering", Role.SALES, hash_of(PASSWORD), system_clock())
        assert await user_store.create_user(on.storage, kim)
        await _capture(on)
        await _counted(caller, viewer, 3)
        async with opened(browser, caller.url) as page:
            await _sign_in(page)
            await expect(page.locator(".tile").first).to_contain_text("3")
            await expect(page.locator("#who")).to_contain_text("kim.catering")
            await page.get_by_role("link", name="Leads", exact=True).click()
            await expect(page.locator(".page-head p")).to_have_text("3 leads")
            await page.get_by_role("searchbox").fill("chlo plaza")
            await expect(page.locator(".page-head p")).to_have_text("1 lead")
            await page.get_by_role("link", name="Chloé Tanaka").click()
            await expect(page.get_by_role("heading", level=1)).to_have_text("Chloé Tanaka")
            log, status = page.get_by_role("log"), page.locator(".lead-title .badge")
            await _press(page, "Log activity", What="Rang her up")
            await expect(log).to_contain_text("Call logged")
            await expect(page.get_by_role("region", name="Activities")).to_contain_text("Rang her up")
            await _press(page, "Qualify", Pain_points="Late deliveries")
            await expect(log).to_contain_text("Qualified by requirements")
            await expect(status).to_have_text("Qualified")
            await expect(page.get_by_role("region", name="Requirements")).to_contain_text("Late deliveries")
            await _press(page, "Convert", Amount="1200", Currency="usd", Expected_close="2027-03-01")
            await expect(log).to_contain_text("Converted to opportunity")
            await expect(status).to_have_text("Converted")
            await expect(page.locator(".timeline")).to_contain_text("kim.catering asked to convert")
            await page.get_by_role("link", name="Overview").click()
            await expect(page.locator(".tile", has_text="Conversion rate")).to_contain_text("1 of 3 leads")
            await page.get_by_role("button", name="Sign out").click()
            await page.wait_for_url("**/signin")
            await page.goto(caller.url)
            await page.wait_for_url("**/signin")


async def test_a_call_is_planned_on_a_lead_and_done_from_the_list_of_the_day(
    browser: Browser, local: LocalServers
) -> None:
    async with bench(local) as on, on.running(), gateway(on) as caller:
        sales = await session_of(on, caller, Role.SALES, "sam")
        await _capture(on)
        await _counted(caller, sales, 3)
        async with opened(browser, caller.url, hash_="signin") as page:
            await _as(page, caller, sales, f"#/leads/{lead_id('c0')}")
            await page.get_by_role("button", name="New task").click()
            dialog, panel = page.get_by_role("dialog"), page.get_by_role("region", name="Open tasks")
            await dialog.get_by_label("What").fill("Ask about the menu")
            await dialog.get_by_label("Assigned to").fill("sam")
            await dialog.get_by_role("button", name="Add task").click()
            await expect(panel).to_contain_text("Ask about the menu")
            await expect(page.get_by_role("log")).to_contain_text("Call planned")
            await page.get_by_role("link", name="Tasks").click()
            later = page.get_by_role("region", name="Later")
            await expect(later.locator(".task")).to_have_count(1)
            await later.get_by_role("button", name="Snooze").click()
            await dialog.get_by_label("Until").select_option("week")
            await dialog.get_by_role("button", name="Snooze").click()
            await expect(page.locator(".toast")).to_contain_text("Snoozed until")
            await later.get_by_role("button", name="Complete").click()
            await dialog.get_by_label("Outcome").fill("Wants an offer")
            await dialog.get_by_role("button", name="Complete").click()
            await expect(page.get_by_text("All done")).to_be_visible()
            await page.goto(f"{caller.url}/#/leads/{lead_id('c0')}")
            await expect(page.get_by_role("region", name="Activities")).to_contain_text("Wants an offer")
            await expect(page.locator(".timeline")).to_contain_text("Call done by sam: Ask about the menu")
            await expect(page.locator(".lead-title .badge")).to_have_text("Contacted")


async def test_what_the_server_refuses_is_told_where_it_was_asked(browser: Browser, local: LocalServers) -> None:
    async with bench(local) as on, on.running(), gateway(on) as caller:
        sales, viewer = await session_of(on, caller, Role.SALES), await session_of(on, caller, Role.VIEWER)
        await _capture(on)
        await _counted(caller, viewer, 3)
        place = f"#/leads/{lead_id('c0')}"
        async with opened(browser, caller.url, hash_="signin") as page:
            await _as(page, caller, sales, place)
            await expect(page.get_by_role("button", name="Close as lost")).to_be_visible()
            await page.locator(".actions").get_by_role("button", name="Qualify").click()
            # Somebody else was quicker: the page can't know yet.
            lost = {"status": "lost", "reason": "budget"}
            assert (await caller.call("PATCH", f"/v1/leads/{lead_id('c0')}", lost, session=sales)).status == 202

            async def is_lost() -> bool:
                lead = await caller.call("GET", f"/v1/leads/{lead_id('c0')}", session=sales)
                return bool(lead.json["status"] == "lost")

            await until(is_lost, "the lost lead")
            await page.get_by_role("dialog").get_by_role("spinbutton", name="Budget").fill("5")
            await page.get_by_role("dialog").get_by_role("button", name="Qualify").click()
            await expect(page.get_by_role("log")).to_contain_text("Qualify rejected: ")
            await expect(page.locator(".lead-title .badge")).to_have_text("Lost")
            await expect(page.locator(".actions").get_by_role("button", name="Reopen")).to_be_visible()
        async with opened(browser, caller.url, hash_="signin") as page:
            await _as(page, caller, viewer, place)
            await expect(page.get_by_role("heading", level=1)).to_have_text("Ana Reyes")
            await expect(page.locator(".timeline li").first).to_be_visible()
            assert await page.locator(".actions button").count() == 0
            assert await page.get_by_role("link", name="Dead letters").count() == 0


async def test_an_administrator_mends_a_dead_letter_and_erases_a_lead(browser: Browser, local: LocalServers) -> None:
    async with bench(local) as on, on.running(), gateway(on) as caller:
        admin = await session_of(on, caller, Role.ADMIN)
        whole: dict[str, Any] = json.loads(event(data(), event_id="c9"))
        del whole["data"]["company"]["name"]
        await on.publish([json.dumps(whole).encode()])

        async def there() -> bool:
            return bool((await caller.call("GET", "/v1/deadletters", session=admin)).json["letters"])

        await until(there, "the dead letter")
        async with opened(browser, caller.url, hash_="signin") as page:
            await _as(page, caller, admin, "#/letters?reason=invalid_data")
            await page.locator(".letter").click()
            await expect(page.locator(".letter-detail")).to_contain_text("data.company.name: ")
            dialog = page.get_by_role("dialog")
            await page.get_by_role("button", name="Replay").click()
            await dialog.get_by_role("button", name="Replay").click()
            await expect(page.locator(".letter-detail")).to_contain_text("by admin")
            whole["data"]["company"]["name"] = "Blue Fork"
            await page.get_by_label("The record as it came").fill(json.dumps(whole))
            await page.get_by_role("button", name="Replay corrected").click()
            await dialog.get_by_role("button", name="Replay corrected").click()
            await expect(dialog).to_have_count(0)
            await expect(page.locator(".letter .badge").last).to_have_text("Replayed")
            await page.get_by_role("link", name="Leads", exact=True).click()
            await page.get_by_role("link", name="Ana Reyes").click()
            await page.get_by_role("button", name="Erase").click()
            await dialog.get_by_role("textbox").fill("erase")
            await dialog.get_by_role("button", name="Erase permanently").click()
            await expect(page.get_by_text("This lead is erased")).to_be_visible()
        assert await on.count("leads") == 0


async def test_only_the_page_itself_asks_who_is_there_and_no_other_file_is_served(local: LocalServers) -> None:
    async with bench(local) as on, gateway(on) as caller:
        out = await caller.call("GET", "/")
        assert (out.status, out.headers["Location"]) == (303, "/signin")
        page = await caller.call("GET", "/", session=await session_of(on, caller, Role.VIEWER))
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        assert page.headers["Content-Security-Policy"] == POLICY
        for name, file in files(Settings().reasons_lost, ATTRIBUTES).items():
            plain = await caller.call("GET", f"/dashboard/{name}", accept_encoding="identity")
            assert (plain.status, plain.text.encode()) == (200, file.content), name
            packed = await caller.call("GET", f"/dashboard/{name}", accept_encoding="gzip")
            assert (packed.headers["Content-Encoding"], packed.text) == ("gzip", plain.text)
            again = await caller.call("GET", f"/dashboard/{name}", if_none_match=plain.headers["ETag"])
            assert (again.status, again.text) == (304, "")
        for bad in ("app.py", "..%2fapp.py", "../app.py", "%2e%2e/app.py", "/etc/passwd", "vendor/README.md", ""):
            assert (await caller.call("GET", f"/dashboard/{bad}")).status == 404, bad
