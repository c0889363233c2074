"""A browser for the tests that need one."""

import shutil
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from tests.http.dashboard import pages
from tests.http.forms import served

_CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium, or whatever the machine has of that family."""
    if _CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine")
    expect.set_options(timeout=60_000)
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=_CHROMIUM, args=["--no-sandbox"])
        yield chromium
        await chromium.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url() -> AsyncIterator[str]:
    """Where the dashboard's files are served."""
    async with served(pages()) as url:
        yield url
