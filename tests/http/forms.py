"""The lead form's pages as a browser meets them: from a stand-in for the gateway, on their own and on another site."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from playwright.async_api import Browser, Locator, Page
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from services.gateway.forms.pages import FormView, form_page, form_script, refused_page, sections_for, thanks_page
from shared.http.health import HttpServer
from tests.builders import ATTRIBUTES

WORDING = "Kitchen Pantry may send me news and offers. I can withdraw this at any time."
VIEW = FormView("/v1/leads", "kpf_site_secret", "token-1", WORDING, "Talk to us", True, None, "n0nce")
VIEW = replace(VIEW, sections=sections_for((), ATTRIBUTES))
_PAGE_POLICY = "default-src 'none'; style-src 'nonce-n0nce'; form-action 'self'"
# The strictest site that can embed the form at all.
_SITE_POLICY = (
    "default-src 'none'; script-src {gateway}; connect-src {gateway}; require-trusted-types-for 'script';"
    " trusted-types pantry-form"
)
_SITE = """<!doctype html><html lang="en"><head><title>A shop</title>
<meta name="color-scheme" content="light dark"></head><body><main><h1>A shop</h1>
<script src="{gateway}/v1/forms/kpf_site_secret.js" async></script></main></body></html>"""
TYPED = {
    "contact.firstName": "Ana <b>&",
    "contact.lastName": "Reyes",
    "contact.email": "ana@example.com",
    "contact.phone": "+1 555 010 9999",
    "contact.title": "Head chef",
    "company.name": "Blue Fork Bistro",
    "requirements.painPoints": "Late deliveries",
    "attributes.covers": "120.5",
    "attributes.locations": "3",
}
CHOSEN = {"company.industry": "restaurant", "company.size": "medium", "attributes.cuisine": "italian"}


@dataclass
class Gateway:
    """Stands in for the gateway: it serves the pages, answers as told and keeps what it was sent."""

    view: FormView = VIEW
    answers: deque[tuple[int, Any]] = field(default_factory=deque)
    sent: list[tuple[Mapping[str, str], bytes]] = field(default_factory=list)
    here: str = ""
    site: str = ""

    @property
    def routes(self) -> list[Route]:
        return [
            Route("/v1/forms/kpf_site_secret", self._page),
            Route("/v1/forms/kpf_site_secret.js", self._script),
            Route("/v1/leads", self._leads, methods=["POST", "OPTIONS"]),
            Route("/thanks", self._thanks),
            Route("/shop", self._shop),
        ]

    async def _page(self, _: Request) -> Response:
        # A page that the browser may keep brings back what was typed; no-referrer alone would make the origin null.
        return _html(form_page(self.view), {"cache-control": "private, no-cache", "referrer-policy": "no-referrer"})

    async def _script(self, _: Request) -> Response:
        script = form_script(replace(self.view, action=f"{self.here}/v1/leads"))
        return Response(script, media_type="text/javascript")

    async def _thanks(self, _: Request) -> Response:
        return _html(thanks_page("n0nce"))

    async def _shop(self, _: Request) -> Response:
        policy = _SITE_POLICY.format(gateway=self.here)
        return HTMLResponse(_SITE.format(gateway=self.here), headers={"content-security-policy": policy})

    async def _leads(self, request: Request) -> Response:
        allowed = {
            "access-control-allow-origin": self.site,
            "access-control-allow-headers": "authorization, content-type, idempotency-key",
        }
        if request.method == "OPTIONS":
            return Response(headers=allowed)
        self.sent.append((request.headers, await request.body()))
        status, told = self.answers.popleft() if self.answers else (202, {})
        if request.headers["content-type"] == "application/json":
            return Response(json.dumps(told), status, allowed)
        faults = [(one["path"], one["message"]) for one in told.get("errors", [])]
        refused = _html(refused_page(faults, "n0nce"), status=status)
        return refused if faults else RedirectResponse("/thanks", 303)

    def lead(self, n: int = -1) -> Any:
        return json.loads(self.sent[n][1])


def _html(page: str, headers: Mapping[str, str] = MappingProxyType({}), status: int = 200) -> Response:
    return HTMLResponse(page, status, {"content-security-policy": _PAGE_POLICY, **headers})


@asynccontextmanager
async def served(app: Starlette) -> AsyncIterator[str]:
    """The app, at the URL that is given."""
    server = HttpServer(app, "127.0.0.1", 0)
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(60):
        while not server.address:  # noqa: ASYNC110 - the server tells nobody that it listens
            await asyncio.sleep(0.01)
    yield server.address
    server.should_exit = True
    await serving


@asynccontextmanager
async def opened(browser: Browser, url: str, **context: Any) -> AsyncIterator[Page]:
    """A page that must meet no fault of its own, nor one of the site's policy."""
    made = await browser.new_context(**context)
    page = await made.new_page()
    page.set_default_timeout(60_000)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda line: wrong.append(line.text) if "Policy" in line.text else None)
    await page.goto(url)
    yield page
    await made.close()
    assert wrong == []


def form(gateway: Gateway) -> str:
    return f"{gateway.here}/v1/forms/kpf_site_secret"


def shop(gateway: Gateway, query: str = "") -> str:
    return f"{gateway.site}/shop{query}"


def named(page: Page, name: str) -> Locator:
    return page.locator(f'[name="{name}"]')


async def fill(page: Page) -> None:
    for name, value in TYPED.items():
        await named(page, name).fill(value)
    for name, value in CHOSEN.items():
        await named(page, name).select_option(value)


async def send(page: Page) -> None:
    await page.get_by_role("button", name="Send").click()
