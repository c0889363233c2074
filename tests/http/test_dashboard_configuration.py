"""The dashboard tells the people who may change configuration files which of them are refused."""

import pytest
from playwright.async_api import Browser, expect

from tests.http.dashboard import PHONE, Backend, grave, opened, settled

pytestmark = pytest.mark.asyncio(loop_scope="session")
FAULTS = [f"rules[{n}] 'big spender'.points: Input should be a valid integer" for n in range(5)]
REFUSED = {
    "file": "rules.yaml",
    "worker": "scoring",
    "since": "2026-01-02T03:04:05Z",
    "processes": 2,
    "version": "0a1b2c",
    "faults": FAULTS,
    "more": 2,
}


async def test_an_admin_reads_on_every_page_which_file_is_refused_since_when_and_where(
    browser: Browser, url: str
) -> None:
    backend = Backend(answers={"GET /v1/configuration": (200, {"refused": [REFUSED]})})
    async with opened(browser, url, backend, "#/leads", viewport=PHONE, bypass_csp=True) as page:
        notice = page.get_by_role("region", name="rules.yaml is refused")
        await expect(notice).to_contain_text("2 processes of the scoring worker refused it on 2 Jan 2026, 03:04")
        await expect(notice.get_by_role("listitem")).to_have_text(FAULTS[:3])
        await expect(notice).to_contain_text("4 more faults")
        await settled(page)
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)
            assert await grave(page) == []
        assert await page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
        backend.answers.clear()
        await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        await expect(notice).to_have_count(0)


async def test_who_may_not_change_the_files_is_not_asked_to(browser: Browser, url: str) -> None:
    backend = Backend("sales")
    async with opened(browser, url, backend, "#/overview") as page:
        await settled(page)
    assert ("GET", "/v1/configuration") not in backend.asked
