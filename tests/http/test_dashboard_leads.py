"""The dashboard's list of leads and a lead's page in a browser: masses, filters, commands and their outcomes."""

import re
from datetime import timedelta

import pytest
from playwright.async_api import Browser, expect

from tests.http.answers import HEURISTIC, PREDICTION, TIMELINE, happened, iso, lead, now, whole_lead
from tests.http.dashboard import AWAY, Backend, grave, opened, settled

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_3_000_leads_are_a_few_rows_at_a_time(browser: Browser, url: str) -> None:
    async with opened(browser, url, Backend(leads=[lead(n) for n in range(1, 3_001)]), "#/leads") as page:
        table, rows = page.get_by_role("table", name="Leads"), page.locator(".rows [role=row]")
        await expect(table).to_have_attribute("aria-rowcount", "-1")
        await page.locator(".cell-lead a").first.focus()
        count = page.locator(".page-head p")
        while await count.inner_text() != "3,000 leads":
            await page.keyboard.press("End")
            assert await rows.count() < 60
        await expect(table).to_have_attribute("aria-rowcount", "3001")
        await page.keyboard.press("End")
        row = page.locator("[role=row]:has(a:focus)")
        await expect(row).to_have_attribute("aria-rowindex", "3001")
        await page.keyboard.press("ArrowUp")
        await expect(row).to_have_attribute("aria-rowindex", "3000")
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
        await page.get_by_label("Business details").select_option(label="Italian")
        await expect(page).to_have_url(re.compile(r"&attribute=cuisine%3Aitalian$"))
        await page.reload()
        await expect(page.get_by_label("Business details")).to_have_value("cuisine:italian")
        await page.get_by_label("Business details").select_option("")
        await expect(page.locator(".rows .badge").first).to_have_text("Qualified")
        found = await page.locator(".page-head p").inner_text()
        await page.goto(f"{url}/#/leads/lead-1")
        await page.get_by_role("main").get_by_role("link", name="Leads", exact=True).click()
        await expect(page.locator(".page-head p")).to_have_text(found)
        await page.get_by_role("searchbox").fill("nobody of that name")
        await page.get_by_role("button", name="Clear search and filters").click()
        await expect(page.locator(".page-head p")).to_have_text("60 leads")
        assert page.url.endswith("#/leads")


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
        await expect(log).to_contain_text("Waiting for the result")
        done = happened(0, "leads.qualified", "Qualified by BANT, score 75", "command-1")
        backend.answers["GET /v1/leads/lead-1/timeline"] = (200, {"events": [done, *TIMELINE], "nextCursor": None})
        await expect(log).to_contain_text("Qualified by BANT, score 75")
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
        await expect(dialog).to_contain_text("Reason is required.")
        await dialog.get_by_label("Reason").select_option("timing")
        await dialog.get_by_label("Details").fill("Went to somebody else")
        await dialog.get_by_role("button", name="Close as lost").click()
        await expect(page.get_by_role("log")).to_contain_text(f"Close as lost rejected: {detail}")
    assert backend.sent[0][:3] == (
        "PATCH",
        "/v1/leads/lead-1",
        {"status": "lost", "lostReason": "timing", "reason": "Went to somebody else"},
    )


async def test_an_edit_begins_with_what_is_known_and_sends_only_what_changed(browser: Browser, url: str) -> None:
    done = happened(0, "leads.updated", "Title is now Owner", "command-1", changed=[])
    backend = Backend(answers={"GET /v1/leads/lead-1/timeline": (200, {"events": [done], "nextCursor": None})})
    async with opened(browser, url, backend, "#/leads/lead-1") as page:
        await page.get_by_role("button", name="Edit", exact=True).click()
        dialog = page.get_by_role("dialog")
        await expect(dialog.get_by_label("E-mail")).to_have_value("ana.reyes@bluefork.example")
        await dialog.get_by_role("button", name="Save").click()
        await expect(dialog).to_contain_text("Nothing has changed.")
        await dialog.get_by_label("Last name").fill("")
        await dialog.get_by_role("button", name="Save").click()
        await expect(dialog).to_contain_text("Last name is required.")
        await dialog.get_by_label("Last name").fill("Ortega")
        await dialog.get_by_label("Phone").fill("")
        await dialog.get_by_label("Annual revenue").fill("30000000")
        await dialog.get_by_label("Company size").select_option("large")
        await dialog.get_by_label("Pain points").fill("Late deliveries\n\nPrices")
        assert await grave(page) == []
        await dialog.get_by_role("button", name="Save").click()
        await expect(page.get_by_role("log")).to_contain_text("Title is now Owner")
    assert backend.sent[0][:2] == ("PATCH", "/v1/leads/lead-1")
    assert backend.sent[0][2] == {
        "set": {
            "contact.lastName": "Ortega",
            "contact.phone": None,
            "company.size": "large",
            "company.annualRevenue": 30_000_000,
            "requirements.painPoints": ["Late deliveries", "Prices"],
        }
    }


async def test_attributes_are_shown_by_their_labels_and_edited_by_their_types(browser: Browser, url: str) -> None:
    done = happened(0, "leads.updated", "Covers is now 900", "command-1", changed=[])
    backend = Backend(answers={"GET /v1/leads/lead-1/timeline": (200, {"events": [done], "nextCursor": None})})
    async with opened(browser, url, backend, "#/leads/lead-1", timezone_id="America/Chicago") as page:
        card = page.get_by_role("region", name="Business details")
        for text in ("Cuisine", "Italian", "1,450 per day", "Opening date", "1 Mar 2027", "Bistro"):
            await expect(card.get_by_text(text, exact=True)).to_be_visible()
        await expect(page.get_by_text("12 Harbor Street, Oakland, CA 94607")).to_be_visible()
        await page.get_by_role("button", name="Edit", exact=True).click()
        dialog = page.get_by_role("dialog")
        await expect(dialog.get_by_label("Service model")).to_have_value("bistro")
        await dialog.get_by_role("button", name="Save").click()
        await expect(dialog).to_contain_text("Nothing has changed.")
        await dialog.get_by_label("Time zone").fill("Chicago")
        await dialog.get_by_role("button", name="Save").click()
        await expect(dialog).to_contain_text("Choose a time zone, like America/Chicago.")
        await dialog.get_by_label("Time zone").fill("America/Chicago")
        await dialog.get_by_label("Cuisine").select_option("")
        await dialog.get_by_label("Covers per day").fill("900")
        await dialog.get_by_label("Opening date").fill("2027-05-16")
        await dialog.get_by_label("Main distributor").fill("Sysco")
        await dialog.get_by_label("Street").fill("")
        assert await grave(page) == []
        await dialog.get_by_role("button", name="Save").click()
        await expect(page.get_by_role("log")).to_contain_text("Covers is now 900")
    assert backend.sent[0][2] == {
        "set": {
            "contact.timeZone": "America/Chicago",
            "company.address.street": None,
            "attributes.cuisine": None,
            "attributes.covers": 900,
            "attributes.openingDate": "2027-05-16",
            "attributes.distributor": "Sysco",
        }
    }


async def test_a_note_is_added_and_the_page_shows_notes(browser: Browser, url: str) -> None:
    backend = Backend()
    async with opened(browser, url, backend, "#/leads/lead-1") as page:
        await expect(page.get_by_role("region", name="Notes")).to_contain_text("Opens a second site in May.")
        await page.get_by_role("button", name="Add note").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Note").fill("Calls back on Monday.")
        await dialog.get_by_role("button", name="Add note").click()
        await expect(dialog).to_have_count(0)
    assert backend.sent[0][:3] == ("PATCH", "/v1/leads/lead-1", {"note": "Calls back on Monday."})


async def test_a_planned_meeting_is_moved_completed_and_cancelled_under_its_id(browser: Browser, url: str) -> None:
    backend = Backend()
    async with opened(browser, url, backend, "#/leads/lead-1") as page:
        panel = page.get_by_role("region", name="Activities")
        assert await panel.get_by_role("button", name="Change Email").count() == 0, "the product records engagements"
        await panel.get_by_role("button", name="Complete Meeting: Tasting").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Outcome").fill("Wants a quote")
        await dialog.get_by_role("button", name="Complete").click()
        await expect(dialog).to_have_count(0)
        await panel.get_by_role("button", name="Change Meeting: Tasting").click()
        await dialog.get_by_label("Planned for").fill("2026-12-24T09:30")
        assert await grave(page) == []
        await dialog.get_by_role("button", name="Save").click()
        await expect(dialog).to_have_count(0)
        await panel.get_by_role("button", name="Change Call").click()
        await expect(dialog.get_by_label("What")).to_have_value(re.compile("First call"))
        await dialog.get_by_label("Cancelled").check()
        await dialog.get_by_role("button", name="Save").click()
        await expect(dialog).to_have_count(0)
    done, moved, cancelled = (body["activity"] for _, _, body, _ in backend.sent)
    assert (done["id"], done["type"], done["description"], done["outcome"]) == (
        "act-2",
        "meeting",
        "Tasting",
        "Wants a quote",
    )
    assert done["completedAt"]
    assert done["scheduledAt"], "each event states the whole activity"
    assert (moved["id"], moved["scheduledAt"], moved["completedAt"]) == ("act-2", "2026-12-24T09:30:00.000Z", None)
    assert (cancelled["id"], cancelled["cancelled"]) == ("act-1", True)
    assert cancelled["completedAt"]


async def test_erasing_takes_the_right_word_and_ends_at_an_empty_page(browser: Browser, url: str) -> None:
    backend = Backend()
    async with opened(browser, url, backend, "#/leads/lead-1") as page:
        await page.get_by_role("button", name="Erase").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_role("textbox").fill("yes")
        await dialog.get_by_role("button", name="Erase permanently").click()
        await expect(dialog).to_contain_text("This doesn't match.")
        assert backend.sent == []
        backend.answers["GET /v1/leads/lead-1/timeline"] = (404, {"status": 404})
        await dialog.get_by_role("textbox").fill("ana.reyes@bluefork.example")
        await dialog.get_by_role("button", name="Erase permanently").click()
        await expect(page.get_by_text("This lead is erased")).to_be_visible()
    assert backend.sent[0][:2] == ("DELETE", "/v1/leads/lead-1")


async def test_a_prediction_shows_only_where_there_is_one(browser: Browser, url: str) -> None:
    backend = Backend()
    async with opened(browser, url, backend, "#/leads/lead-1") as page:
        await settled(page)
        assert await page.get_by_role("heading", name="Prediction").count() == 0
        backend.answers["GET /v1/leads/lead-1/prediction"] = (200, PREDICTION)
        await page.reload()
        panel = page.get_by_role("region", name="Prediction")
        await expect(panel).to_contain_text("34% likely to convert within 90 days; medium confidence")
        await expect(panel).to_contain_text("Probably between 28% and 41% (average of all leads: 18%).")
        await expect(panel.locator(".rules > li")).to_have_text(
            ["Looked at pricing 2 timesraises", "Free e-mail addresslowers"]
        )
        await expect(panel).to_contain_text("Offer a demo")


async def test_an_estimate_by_the_formula_is_not_dressed_as_a_probability(browser: Browser, url: str) -> None:
    backend = Backend(answers={"GET /v1/leads/lead-1/prediction": (200, HEURISTIC)})
    async with opened(browser, url, backend, "#/leads/lead-1") as page:
        panel = page.get_by_role("region", name="Prediction")
        await expect(panel).to_contain_text("23 of 100: a rough estimate by a formula, not a probability")
        await expect(panel).to_contain_text("No model has been tested on enough outcomes yet.")
        assert "%" not in await panel.inner_text()


async def test_why_a_score_is_what_it_is_stands_there_in_words(browser: Browser, url: str) -> None:
    async with opened(browser, url, Backend(), "#/leads/lead-1", timezone_id="UTC") as page:
        rules = page.get_by_role("region", name="Why this score").locator(".rules > li")
        await expect(rules).to_have_text(
            [
                "Enterprise size+25Company size: Enterprise",
                "High revenue+20Company annual revenue: 24,000,000",
                "Calls+202 calls",
                "Recent activities+51 completed within 30 days, on 2 Jan 2026, 03:04",
                "Spring hall+4Source: Trade show · Consent email: yes · Requirements pain points: A, B",
                "Free mail domain\u22122",
            ]
        )


async def test_cause_and_effect_lead_to_one_another(browser: Browser, url: str) -> None:
    async with opened(browser, url, Backend(), "#/leads/lead-1") as page:
        call = page.locator("#event-event-180")
        await call.get_by_role("link", name="Scored 72").click()
        await expect(page.locator("#event-event-178")).to_be_focused()
        await page.locator("#event-event-178").get_by_role("link", name="Call by kim").click()
        await expect(call).to_be_focused()


async def test_what_may_go_to_a_lead_stands_there_with_the_reason(browser: Browser, url: str) -> None:
    silent = {
        "email": {"allowed": True, "why": "nothing was stated; mail may go (opt-out policy)"},
        "phone": {"allowed": False, "why": "the lead allows no calls"},
    }
    backend = Backend(leads=[whole_lead(consent={"phone": False}, permissions=silent)])
    async with opened(browser, url, backend, "#/leads/lead-1") as page:
        panel = page.get_by_role("region", name="Consent and campaign")
        await expect(panel).to_contain_text("Nothing was stated; mail may go (opt-out policy)")
        await expect(panel).to_contain_text("The lead allows no calls")


async def test_a_step_that_will_not_go_is_not_shown_as_planned(browser: Browser, url: str) -> None:
    due = iso(now() + timedelta(days=1))
    common = {"sequenceId": "enterprise", "dueAt": due, "state": "scheduled"}
    steps = [
        {**common, "stepId": "welcome", "action": "email"},
        {**common, "stepId": "call_today", "action": "call", "willNotGo": "the lead allows no calls"},
    ]
    backend = Backend(answers={"GET /v1/leads/lead-1/nurture": (200, {"steps": steps})})
    async with opened(browser, url, backend, "#/leads/lead-1") as page:
        lines = page.get_by_role("region", name="Next nurture steps").locator(".steps > li")
        await expect(lines.nth(0)).to_contain_text("Planned")
        await expect(lines.nth(1)).to_contain_text("Won't be sent: the lead allows no calls (due ")
        await expect(lines.nth(1)).not_to_contain_text("Planned")
