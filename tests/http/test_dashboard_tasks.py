"""The day's work in a browser: what is to be done, doing it, and going on to the next task."""

import re
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from tests.http.answers import task
from tests.http.dashboard import AWAY, PHONE, Backend, grave, opened, settled

pytestmark = pytest.mark.asyncio(loop_scope="session")


def _take(backend: Backend, id_: str) -> None:
    """The server carried out a command that closes this task."""
    backend.tasks = {due: [one for one in some if one["taskId"] != id_] for due, some in backend.tasks.items()}


def _parts(page: Page) -> Any:
    return page.locator(".task-parts > section:not([hidden]) h2")


def _button(page: Page, action: str, number: int) -> Any:
    return page.get_by_role("button", name=re.compile(f"^{action}: Ask about the menu of season {number}"))


async def test_a_sales_user_sees_their_tasks_and_those_that_nobody_has(browser: Browser, url: str) -> None:
    backend = Backend(role="sales")
    async with opened(browser, url, backend, "#/tasks") as page:
        await settled(page)
        await expect(_parts(page)).to_have_text(["Overdue", "Today", "Later"])
        await expect(page.locator(".task")).to_have_count(5)
        await expect(page.locator(".task").nth(0)).to_contain_text("2 days ago")
        await expect(page.locator(".task").nth(1)).to_contain_text("Unassigned")
        await expect(page.locator(".task").nth(4)).to_contain_text("No date")
        assert ("GET", "/v1/tasks?assignedTo=kim&assignedTo=(none)&due=overdue&limit=50") in backend.asked
        call = page.locator(".task").first.get_by_role("link", name="+1555")
        await expect(call).to_have_attribute("href", re.compile(r"^tel:\+1555"))
        await page.get_by_label("Show").select_option("noor")
        await expect(page).to_have_url(re.compile(r"#/tasks\?who=noor$"))
        await expect(page.locator(".task")).to_have_count(5)
        assert ("GET", "/v1/tasks?assignedTo=noor&due=today&limit=50") in backend.asked
    everyones = Backend(role="admin")
    async with opened(browser, url, everyones, "#/tasks") as page:
        await settled(page)
        assert ("GET", "/v1/tasks?due=overdue&limit=50") in everyones.asked


async def test_after_a_task_is_done_the_next_one_has_the_focus_and_a_link_leads_to_its_lead(
    browser: Browser, url: str
) -> None:
    backend = Backend(role="sales")
    async with opened(browser, url, backend, "#/tasks") as page:
        await settled(page)
        first = _button(page, "Complete", 1)
        await first.focus()
        await page.keyboard.press("Enter")
        await page.get_by_role("dialog").get_by_label("Outcome").fill("Wants an offer")
        _take(backend, "task-1")
        await page.keyboard.press("Enter")
        await expect(_button(page, "Complete", 2)).to_be_focused()
        await expect(first).to_have_count(0)
        await expect(page.locator("#said")).to_contain_text("Completed: Ask about the menu of season 1.")
        assert backend.sent[-1][:3] == (
            "PATCH",
            "/v1/tasks/task-1",
            {"action": "complete", "outcome": "Wants an offer", "leadId": "lead-1"},
        )
        onward = page.locator(".toast").get_by_role("link", name=re.compile("^Next: "))
        await expect(onward).to_have_attribute("href", "#/leads/lead-2")
        assert await page.locator(".toast").get_by_role("button", name="Undo").count() == 0


async def test_the_last_task_leaves_a_list_that_says_so(browser: Browser, url: str) -> None:
    backend = Backend(role="sales", tasks={"overdue": [], "today": [task(1)], "later": []})
    async with opened(browser, url, backend, "#/tasks") as page:
        await settled(page)
        await expect(_parts(page)).to_have_text(["Today", "Later"])
        await _button(page, "Cancel", 1).click()
        dialog = page.get_by_role("dialog")
        await expect(dialog).to_contain_text("can't be reopened")
        _take(backend, "task-1")
        await dialog.get_by_role("button", name="Cancel task").click()
        await expect(page.get_by_text("All done")).to_be_visible()
        await expect(page.get_by_role("heading", level=1)).to_be_focused()
        assert backend.sent[-1][2] == {"action": "cancel", "outcome": None, "leadId": "lead-1"}


async def test_a_snoozed_task_can_be_brought_back(browser: Browser, url: str) -> None:
    backend = Backend(role="sales")
    due = backend.tasks["overdue"][0]["dueAt"]
    async with opened(browser, url, backend, "#/tasks", timezone_id="Europe/Vienna") as page:
        await settled(page)
        await page.clock.set_fixed_time("2026-03-04T10:00:00Z")  # a Wednesday
        for choice, until in (("tomorrow", "2026-03-05T08:00:00.000Z"), ("week", "2026-03-09T08:00:00.000Z")):
            await _button(page, "Snooze", 1).click()
            dialog = page.get_by_role("dialog")
            await dialog.get_by_label("Until").select_option(choice)
            await dialog.get_by_role("button", name="Snooze").click()
            await expect(dialog).to_have_count(0)
            assert backend.sent[-1][2] == {"action": "snooze", "until": until, "leadId": "lead-1"}
        await _button(page, "Snooze", 1).click()
        await dialog.get_by_label("Until").select_option("date")
        await dialog.get_by_label("Date and time").fill("2026-03-03T09:00")
        await dialog.get_by_role("button", name="Snooze").click()
        await expect(dialog.get_by_label("Date and time")).to_be_focused()
        await expect(dialog).to_contain_text("still to come")
        await dialog.get_by_label("Date and time").fill("2026-05-01T14:30")
        await dialog.get_by_role("button", name="Snooze").click()
        await expect(dialog).to_have_count(0)
        assert backend.sent[-1][2]["until"] == "2026-05-01T12:30:00.000Z"
        await page.locator(".toast").last.get_by_role("button", name="Undo").click()
        await expect(page.locator(".toast").last).to_contain_text("Undone")
        assert backend.sent[-1][2] == {"action": "snooze", "until": due, "leadId": "lead-1"}


async def test_a_task_is_given_to_somebody_who_is_known(browser: Browser, url: str) -> None:
    backend = Backend(role="sales")
    async with opened(browser, url, backend, "#/tasks") as page:
        await settled(page)
        await _button(page, "Reassign", 1).click()
        dialog = page.get_by_role("dialog")
        known = await dialog.locator("datalist option").evaluate_all("them => them.map(one => one.value)")
        assert {"kim", "noor"} <= set(known)
        await dialog.get_by_label("Assigned to").fill("kim")
        await dialog.get_by_role("button", name="Reassign").click()
        await expect(dialog).to_contain_text("already theirs")
        await dialog.get_by_label("Assigned to").fill("noor")
        await dialog.get_by_role("button", name="Reassign").click()
        await expect(dialog).to_have_count(0)
        assert backend.sent[-1][2] == {"action": "reassign", "assignedTo": "noor", "leadId": "lead-1"}


async def test_what_the_server_rejects_comes_back_with_the_reason(browser: Browser, url: str) -> None:
    backend = Backend(role="sales")
    async with opened(browser, url, backend, "#/tasks", bypass_csp=True) as page:
        await settled(page)
        await _button(page, "Complete", 3).click()
        dialog = page.get_by_role("dialog")
        backend.answers["PATCH /v1/tasks/task-3"] = AWAY
        await dialog.get_by_role("button", name="Complete").click()
        await expect(dialog.get_by_role("alert")).to_contain_text("Try again in a moment.")
        failed = backend.sent[-1][3]["idempotency-key"]
        del backend.answers["PATCH /v1/tasks/task-3"]
        backend.answers[f"GET /v1/events/{failed}"] = (200, {"state": "rejected", "reason": "invalid_transition"})
        await dialog.get_by_role("button", name="Complete").click()
        assert backend.sent[-1][3]["idempotency-key"] == failed
        await expect(page.locator(".toast[data-fault]")).to_contain_text("Someone else closed this task already.")
        await expect(_button(page, "Complete", 3)).to_be_visible()
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)
            assert await grave(page) == []
        await (
            page.get_by_role("button", name=re.compile("^Dismiss: This"))
            .or_(page.get_by_role("button", name=re.compile("^Dismiss: Someone")))
            .click()
        )
        await expect(page.locator(".toast[data-fault]")).to_have_count(0)


async def test_a_lead_s_page_has_its_open_tasks_and_the_way_to_the_next_lead(browser: Browser, url: str) -> None:
    backend = Backend(role="sales")
    async with opened(browser, url, backend, "#/leads/lead-1", viewport=PHONE) as page:
        panel = page.get_by_role("region", name="Open tasks")
        await expect(panel).to_contain_text("Ask about the menu of season 1")
        await _button(page, "Complete", 1).click()
        _take(backend, "task-1")
        await page.get_by_role("dialog").get_by_role("button", name="Complete").click()
        await expect(panel).to_contain_text("Nothing is planned for this lead.")
        onward = panel.get_by_role("link", name=re.compile("season 2"))
        await expect(onward).to_be_focused()
        await expect(onward).to_have_attribute("href", "#/leads/lead-2")


async def test_a_new_task_is_planned_on_the_lead_s_page(browser: Browser, url: str) -> None:
    backend = Backend(role="sales", tasks={"overdue": [], "today": [], "later": []})
    async with opened(browser, url, backend, "#/leads/lead-1", timezone_id="Europe/Vienna") as page:
        await settled(page)
        await expect(page.get_by_role("region", name="Open tasks")).to_have_count(0)
        await page.get_by_role("button", name="New task").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_role("button", name="Add task").click()
        await expect(dialog.get_by_label("What")).to_be_focused()
        await dialog.get_by_label("Kind").select_option("meeting")
        await dialog.get_by_label("What").fill("Tasting")
        await dialog.get_by_label("Due").fill("2026-07-01T15:00")
        await dialog.get_by_role("button", name="Add task").click()
        await expect(dialog).to_have_count(0)
        assert backend.sent[-1][:3] == (
            "POST",
            "/v1/tasks",
            {
                "leadId": "lead-1",
                "kind": "meeting",
                "title": "Tasting",
                "dueAt": "2026-07-01T13:00:00.000Z",
                "assignedTo": None,
            },
        )


async def test_a_viewer_sees_tasks_and_no_buttons(browser: Browser, url: str) -> None:
    async with opened(browser, url, Backend(role="viewer"), "#/tasks") as page:
        await settled(page)
        await expect(page.locator(".task")).to_have_count(5)
        assert await page.locator(".task button").count() == 0


async def test_a_long_list_is_read_in_parts(browser: Browser, url: str) -> None:
    many = {"overdue": [task(n, hours=-30) for n in range(1, 71)], "today": [], "later": []}
    async with opened(browser, url, Backend(role="sales", tasks=many), "#/tasks") as page:
        await expect(page.locator(".task")).to_have_count(50)
        await expect(page.locator(".page-head")).to_contain_text("50 open tasks, more available")
        await page.get_by_role("button", name="Show more").click()
        await expect(page.locator(".task")).to_have_count(70)
        await expect(page.get_by_role("button", name="Show more")).to_have_count(0)
