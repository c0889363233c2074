"""The dashboard as a browser meets it: the gateway's own files, and answers to its questions as a test wants them."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import Browser, Page, Route, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as Path

from services.gateway.dashboard.routes import answer, files
from tests.builders import ATTRIBUTES, LOST_REASONS
from tests.http.answers import (
    CONSENT,
    LETTER_COUNTS,
    MODEL,
    NURTURE,
    SCORE,
    TIMELINE,
    analytics,
    conversions,
    lead,
    letter,
    task,
    whole_lead,
)

SCOPES = {
    "viewer": ["leads:read", "analytics:read"],
    "sales": ["leads:read", "analytics:read", "activities:write", "leads:write"],
    "admin": [
        "leads:read",
        "analytics:read",
        "activities:write",
        "leads:write",
        "deadletters:manage",
        "leads:erase",
        "captures:write",
    ],
}
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1440, "height": 900}
AWAY = (503, {"title": "Unavailable", "status": 503})
PLACES = ("#/overview", "#/tasks", "#/leads", "#/leads/lead-1", "#/letters/0:99")
Told = tuple[int, Any] | Callable[[Mapping[str, str]], tuple[int, Any]]


@dataclass
class Backend:
    """Stands in for the gateway's API: it answers as told and keeps what it was sent."""

    role: str = "admin"
    leads: list[dict[str, Any]] = field(default_factory=lambda: [whole_lead(), *(lead(n) for n in range(2, 61))])
    tasks: dict[str, list[dict[str, Any]]] = field(
        default_factory=lambda: {
            "overdue": [task(1, hours=-50, kind="call"), task(2, hours=-30, assignedTo=None)],
            "today": [task(3, hours=0.1, kind="meeting")],
            "later": [task(4, hours=60, kind="email"), task(5, hours=None, kind="todo")],
        }
    )
    """The open tasks by when they are due."""
    answers: dict[str, Told] = field(default_factory=dict)
    """By method and path; what is not here is answered as a busy gateway would."""
    asked: list[tuple[str, str]] = field(default_factory=list)
    sent: list[tuple[str, str, Any, Mapping[str, str]]] = field(default_factory=list)

    async def answer(self, route: Route) -> None:
        """One request of the page."""
        request, url = route.request, urlsplit(route.request.url)
        path, asked = unquote(url.path), {name: given[-1] for name, given in parse_qs(url.query).items()}
        self.asked.append((request.method, unquote(request.url.partition(url.netloc)[2])))
        if request.method != "GET":
            self.sent.append((request.method, path, request.post_data_json, request.headers))
        told = self.answers.get(f"{request.method} {path}") or self._usual(request.method, path, asked)
        status, body = told(asked) if callable(told) else told
        if path == "/v1/live" and isinstance(body, str):
            await route.fulfill(status=status, content_type="text/event-stream", body=body)
        else:
            await route.fulfill(status=status, json=body)

    def _usual(self, method: str, path: str, asked: Mapping[str, str]) -> Told:
        timeframe = asked.get("timeframe", "month")
        usual: dict[str, Told] = {
            "GET /v1/me": (200, {"name": "kim", "role": self.role, "scopes": SCOPES[self.role]}),
            "GET /v1/live": (200, ": hello\n\n"),
            "GET /v1/analytics/leads": (200, analytics(timeframe)),
            "GET /v1/analytics/conversions": (200, conversions(timeframe)),
            "GET /v1/model": (200, MODEL),
            "GET /v1/leads": self._page,
            "GET /v1/tasks": self._tasks,
            "GET /v1/leads/lead-1": (200, self.leads[0] if self.leads else {}),
            "GET /v1/leads/lead-1/score": (200, SCORE),
            "GET /v1/leads/lead-1/timeline": (200, {"events": TIMELINE, "nextCursor": None}),
            "GET /v1/leads/lead-1/nurture": (200, NURTURE),
            "GET /v1/leads/lead-1/consent": (200, CONSENT),
            "GET /v1/configuration": (200, {"refused": []}),
            "GET /v1/deadletters/counts": (200, LETTER_COUNTS),
            "GET /v1/deadletters": (200, {"letters": [letter(n) for n in range(1, 9)], "more": False}),
        }
        taken = (202, {"eventId": "command-1"}) if method != "GET" else (404, {"title": "Not found", "status": 404})
        if method == "GET" and path.startswith("/v1/events/"):
            return 200, {"state": "done", "leadId": "lead-1"}
        return usual.get(f"{method} {path}", taken)

    def _tasks(self, asked: Mapping[str, str]) -> tuple[int, Any]:
        all_ = [one for some in self.tasks.values() for one in some]
        found = self.tasks[asked["due"]] if "due" in asked else all_
        if "leadId" in asked:
            found = [one for one in found if one["leadId"] == asked["leadId"]]
        limit = int(asked.get("limit", "50"))
        return 200, {"tasks": found[:limit], "nextCursor": "more" if len(found) > limit else None}

    def _page(self, asked: Mapping[str, str]) -> tuple[int, Any]:
        words = asked.get("q", "").lower().split()
        fits = [one for one in self.leads if self._fits(one, words, asked)]
        start, limit = int(asked.get("cursor", "0")), int(asked.get("limit", "50"))
        shown = [
            {key: value for key, value in one.items() if key not in ("activities", "notes")}
            for one in fits[start:][:limit]
        ]
        more = str(start + limit) if start + limit < len(fits) else None
        return 200, {"leads": shown, "nextCursor": more}

    @staticmethod
    def _fits(one: Mapping[str, Any], words: list[str], asked: Mapping[str, str]) -> bool:
        text = json.dumps([one["company"], one["contact"]], ensure_ascii=False).lower()
        equal = all(one.get(name) == asked[name] for name in ("status", "source", "assignedTo") if name in asked)
        return equal and all(word in text for word in words) and one["score"] >= int(asked.get("minScore", 0))


async def _file(request: Request) -> Response:
    return answer(request, files(LOST_REASONS, ATTRIBUTES)[request.path_params.get("path", "index.html")])


def pages() -> Starlette:
    """The gateway's files alone, under the policy that they have there."""
    return Starlette(routes=[Path("/", _file), Path("/dashboard/{path:path}", _file), Path("/signin", _signin)])


async def _signin(_: Request) -> Response:
    return Response(
        "<!doctype html><html lang=en><title>Sign in</title><h1>Sign in</h1></html>", media_type="text/html"
    )


@asynccontextmanager
async def opened(
    browser: Browser, url: str, backend: Backend | None = None, hash_: str = "", **context: Any
) -> AsyncIterator[Page]:
    """The page, which must meet no fault of its own, ask nobody else and break no rule of its policy."""
    made = await browser.new_context(**{"reduced_motion": "reduce", "viewport": DESKTOP, "locale": "en-GB", **context})
    page = await made.new_page()
    page.set_default_timeout(60_000)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda line: wrong.append(line.text) if "Policy" in line.text else None)
    page.on("request", lambda asked: None if asked.url.startswith((url, "data:")) else wrong.append(asked.url))
    if backend:
        await page.route(f"{url}/v1/**", backend.answer)
    await page.goto(f"{url}/{hash_}")
    yield page
    await made.close()
    assert wrong == []


async def grave(page: Page) -> list[Any]:
    """What axe-core finds serious or critical."""
    found = (await Axe().run(page)).response["violations"]
    serious = [one for one in found if one["impact"] in {"serious", "critical"}]
    return [(one["id"], [node["target"] for node in one["nodes"]]) for one in serious]


async def settled(page: Page) -> None:
    """All panels have what they show."""
    await expect(page.get_by_role("heading", level=1)).to_be_visible()
    await expect(page.locator(".skeleton")).to_have_count(0)
