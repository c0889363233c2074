"""The dashboard's dead letters in a browser: told in words, mended and sent back."""

import pytest
from playwright.async_api import Browser, expect

from tests.http.answers import letter
from tests.http.dashboard import Backend, opened

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_mended_letter_is_replayed_after_a_question(browser: Browser, url: str) -> None:
    backend = Backend()
    async with opened(browser, url, backend, "#/letters") as page:
        await page.locator(".letter").first.click()
        await expect(page.get_by_role("heading", level=2)).to_be_focused()
        raw = page.get_by_label("The record as it came")
        await raw.fill("{")
        await expect(page.locator(".letter-detail")).to_contain_text("It is not valid JSON")
        await raw.fill('{"mended": true}')
        await page.get_by_role("button", name="Replay corrected").click()
        fault = {"path": "data.source", "message": "Field required"}
        backend.answers["POST /v1/deadletters/0:99/replay"] = (
            422,
            {"detail": "Some fields are invalid.", "errors": [fault]},
        )
        dialog = page.get_by_role("dialog")
        await dialog.get_by_role("button", name="Replay corrected").click()
        await expect(dialog.get_by_role("alert")).to_contain_text("data.source: Field required.")
        del backend.answers["POST /v1/deadletters/0:99/replay"]
        done = letter(1, replayedAt="2026-01-02T03:04:05Z", replayedBy="kim")
        backend.answers["GET /v1/deadletters"] = (200, {"letters": [done], "more": False})
        await dialog.get_by_role("button", name="Replay corrected").click()
        await expect(page.locator(".letter-detail")).to_contain_text("2 Jan 2026, 03:04 by kim")
    assert backend.sent[-1][:3] == ("POST", "/v1/deadletters/0:99/replay", {"value": '{"mended": true}'})


async def test_a_letters_reason_is_called_as_people_call_it(browser: Browser, url: str) -> None:
    letters = [letter(n, reason=reason) for n, reason in enumerate(("not_json", "not_cloudevent", "lead_not_found"), 1)]
    backend = Backend(answers={"GET /v1/deadletters": (200, {"letters": letters, "more": False})})
    async with opened(browser, url, backend, "#/letters") as page:
        await expect(page.locator(".letter strong")).to_have_text(["Not JSON", "Not a CloudEvent", "Lead not found"])
        await expect(page.get_by_label("Reason").locator("option").nth(2)).to_have_text("Not a CloudEvent")


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


async def test_who_sends_what_cannot_be_used_is_told_in_counts(browser: Browser, url: str) -> None:
    async with opened(browser, url, Backend(), "#/letters") as page:
        counts = page.get_by_role("region", name="By source", exact=True)
        await expect(counts.get_by_role("listitem")).to_have_text(
            ["6 Invalid data from /scanners/nra-show/7", "2 Not JSON from an unknown source"]
        )
        await expect(counts).to_contain_text("Of the newest 8 dead letters")
        above, below = await counts.bounding_box(), await page.locator(".letter-split").bounding_box()
        assert above is not None
        assert below is not None
        assert below["y"] - above["y"] - above["height"] >= 8
