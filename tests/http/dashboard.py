"""The dashboard as a browser meets it: the gateway's own files, and answers to its questions as a test wants them."""

import json
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import Browser, Page, Route
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as Path

from services.gateway.dashboard_routes import answer, files

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
_SOURCES = {"website": 300, "trade_show": 214, "email": 141, "referral": 96, "phone": 48, "social_media": 13}
_WON = {"website": 12, "trade_show": 9, "email": 3, "referral": 9, "phone": 1, "social_media": 1}
_STATUSES = ("new", "new", "contacted", "qualified", "converted", "unqualified", "lost")
_FIRST = ("Ana", "Ben", "Chloé", "Dmitri", "Esra", "Femi", "Grace", "Hiro", "Ingrid", "João")
_LAST = ("Reyes", "Okafor", "Lindqvist", "Marchetti", "O'Connor", "Tanaka", "Schmidt", "Nguyen")
_COMPANIES = ("Blue Fork Bistro", "Harbour Catering", "Maple Street Bakery", "Grand Plaza Hotel", "Sunrise Schools")
_TITLES = ("Head chef", "Purchasing director", "Owner", "F&B manager", "Operations director")


def now() -> datetime:
    return datetime.now(UTC)


def iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def lead(n: int = 1, **changed: Any) -> dict[str, Any]:
    """The nth newest lead."""
    dice = random.Random(n)
    first, last = dice.choice(_FIRST), dice.choice(_LAST)
    made = now() - timedelta(minutes=37 * n)
    return {
        "id": f"lead-{n}",
        "source": dice.choice(list(_SOURCES)),
        "status": _STATUSES[n % len(_STATUSES)],
        "score": dice.randrange(0, 100),
        "company": {"name": dice.choice(_COMPANIES), "industry": dice.choice(("restaurant", "catering", "hotel"))},
        "contact": {
            "firstName": first,
            "lastName": last,
            "title": dice.choice(_TITLES),
            "email": f"{first.lower()}{n}@example.com",
            "phone": f"+1555010{n:04}",
        },
        "assignedTo": dice.choice(("kim", "noor", "sam")),
        "createdAt": iso(made),
        "updatedAt": iso(made),
        **changed,
    }


def whole_lead(**changed: Any) -> dict[str, Any]:
    """A lead of which much is known."""
    known: dict[str, Any] = {
        "status": "contacted",
        "score": 72,
        "contact": {
            "firstName": "Ana",
            "lastName": "Reyes",
            "title": "Purchasing director",
            "email": "ana.reyes@bluefork.example",
            "phone": "+15550109999",
        },
        "company": {
            "name": "Blue Fork Bistro Group",
            "industry": "restaurant",
            "size": "enterprise",
            "website": "bluefork.example",
            "annualRevenue": 24_000_000,
        },
        "requirements": {
            "budget": 85_000,
            "timeline": "within_quarter",
            "decisionMakers": ["Ana Reyes", "Luis Ortega (CFO)"],
            "currentSolution": "Spreadsheets and two wholesalers",
            "painPoints": ["Late deliveries on weekends", "No view of stock across 14 kitchens"],
        },
        "consent": {"email": True, "phone": False, "capturedAt": iso(now() - timedelta(days=2))},
        "context": {"utm_source": "newsletter", "utm_campaign": "spring-menu", "form": "talk-to-us"},
        "activities": [
            {
                "id": "act-1",
                "type": "call",
                "description": "First call. Wants a quote for 14 kitchens before the season starts.",
                "outcome": "Send a proposal",
                "completedAt": iso(now() - timedelta(hours=3)),
                "createdBy": "kim",
                "at": iso(now() - timedelta(hours=3)),
            }
        ],
    }
    return lead(1, **(known | changed))


def happened(n: int, topic: str, text: str, cause: str | None = None, **details: Any) -> dict[str, Any]:
    """An event of a timeline, n minutes ago."""
    worker = {"leads.captured": "/forms/website", "leads.activities": "/people/kim"}.get(topic, "/services/scoring")
    return {
        "eventId": f"event-{n}",
        "topic": topic,
        "time": iso(now() - timedelta(minutes=n)),
        "source": worker,
        "causationId": cause,
        "correlationId": "event-900",
        "details": details,
        "text": text,
    }


TIMELINE = [
    happened(178, "leads.scored", "Scored 72 (was 57): activity", "event-180", score=72, previousScore=57),
    happened(179, "leads.updated", "Status new → contacted: first contact", "event-180", by="engagement"),
    happened(180, "leads.activities", "Call by kim: First call", None, type="call"),
    happened(896, "nurture.enrolled", "Entered nurture sequence enterprise (3 steps)", "event-898", steps=3),
    happened(897, "leads.assigned", "Assigned to kim by rule large-accounts", "event-898", assignedTo="kim"),
    happened(898, "leads.scored", "Scored 57: created", "event-899", score=57),
    happened(899, "leads.created", "Stored as a new lead", "event-900"),
    happened(900, "leads.captured", "Captured by website", None, source="website"),
]
SCORE = {
    "leadId": "lead-1",
    "score": 72,
    "at": iso(now() - timedelta(hours=3)),
    "ruleSet": "9c1f37b2a0",
    "breakdown": [
        {"rule": "enterprise_size", "points": 25, "evidence": {"company.size": "enterprise"}},
        {"rule": "high_revenue", "points": 20, "evidence": {"company.annualRevenue": 24_000_000}},
        {"rule": "recent_activities", "points": 5, "evidence": {"completed in 30 days": 1}},
        {"rule": "decision_maker", "points": 15, "evidence": {"contact.title": "Purchasing director"}},
        {"rule": "restaurant_industry", "points": 10, "evidence": {"company.industry": "restaurant"}},
        {"rule": "free_mail_domain", "points": -3, "evidence": {}},
    ],
    "agesAt": iso(now() + timedelta(days=30)),
    "history": [
        {"at": iso(now() - timedelta(hours=3)), "score": 72, "previousScore": 57, "reason": "activity"},
        {"at": iso(now() - timedelta(hours=15)), "score": 57, "previousScore": None, "reason": "created"},
    ],
}
NURTURE = {
    "steps": [
        {
            "sequenceId": "enterprise",
            "stepId": "welcome",
            "dueAt": iso(now() - timedelta(hours=14)),
            "state": "sent",
            "action": "email",
        },
        {
            "sequenceId": "enterprise",
            "stepId": "case_study",
            "dueAt": iso(now() + timedelta(days=2)),
            "state": "scheduled",
            "action": "content",
        },
        {
            "sequenceId": "enterprise",
            "stepId": "personal_call",
            "dueAt": iso(now() + timedelta(days=5)),
            "state": "scheduled",
            "action": "call",
        },
    ]
}
PREDICTION = {
    "leadId": "lead-1",
    "probability": 0.34,
    "confidence": 0.72,
    "factors": [{"name": "had_a_meeting", "weight": 0.8}, {"name": "free_mail_domain", "weight": -0.3}],
    "recommendedActions": ["schedule_demo"],
    "method": "logistic regression on 2,000 leads",
}


def analytics(timeframe: str = "month", **changed: Any) -> dict[str, Any]:
    """`/v1/analytics/leads` of a busy month."""
    days = {"week": 7, "month": 30, "quarter": 13}[timeframe]
    step = timedelta(days=7 if timeframe == "quarter" else 1)
    dice = random.Random(7)
    today = now().date()
    series = []
    for n in range(days):
        first = today - step * (days - 1 - n)
        count = dice.randrange(12, 42) * (7 if timeframe == "quarter" else 1)
        last = first + step - timedelta(days=1)
        series.append(
            {"from": str(first), "to": str(last), "total": count, "converted": dice.randrange(0, 1 + count // 8)}
        )
    counts = (64, 120, 150, 141, 118, 92, 61, 38, 17, 8)
    return {
        **_head(timeframe, str(series[0]["from"]), str(today)),
        "totalLeads": 812,
        "bySource": _SOURCES,
        "byStatus": {"new": 398, "contacted": 201, "qualified": 94, "unqualified": 41, "converted": 35, "lost": 43},
        "byIndustry": {"restaurant": 341, "catering": 188, "hotel": 96, "cafe": 71, "bakery": 54, "(none)": 62},
        "byOwner": {
            "kim": {"total": 210, "open": 161, "converted": 14},
            "noor": {"total": 198, "open": 174, "converted": 11},
            "sam": {"total": 187, "open": 140, "converted": 7},
            "(none)": {"total": 217, "open": 209, "converted": 3},
        },
        "conversionRate": 4.31,
        "averageScore": 41.3,
        "topPerformingSources": [{"source": "website", "count": 300}],
        "leadVelocity": {"perDay": 27.1, "previousPerDay": 20.0, "changePercent": 35.5},
        "scoreDistribution": [
            {"from": 10 * n, "to": 100 if n == 9 else 10 * n + 9, "count": count} for n, count in enumerate(counts)
        ],
        "unscored": 3,
        "funnel": [
            {"stage": "captured", "count": 812},
            {"stage": "contacted", "count": 371},
            {"stage": "qualified", "count": 129},
            {"stage": "converted", "count": 35},
        ],
        "series": series,
        **changed,
    }


def conversions(timeframe: str = "month", **changed: Any) -> dict[str, Any]:
    """`/v1/analytics/conversions` of the same month."""
    edges = (0, 1, 4, 24, 72, 168, 336, 720, 2160, None)
    counts = (0, 1, 3, 8, 11, 7, 4, 1, 0)
    by_source = {
        name: {"total": total, "converted": _WON[name], "rate": round(100 * _WON[name] / total, 2)}
        for name, total in _SOURCES.items()
    }
    return {
        **_head(timeframe, str((now() - timedelta(days=29)).date()), str(now().date())),
        "totalLeads": 812,
        "convertedLeads": 35,
        "overallConversionRate": 4.31,
        "conversionsBySource": by_source,
        "averageTimeToConversion": 131.2,
        "medianTimeToConversion": 96.4,
        "p90TimeToConversion": 301.0,
        "timeToConversion": [
            {"fromHours": edges[n], "toHours": edges[n + 1], "count": count} for n, count in enumerate(counts)
        ],
        "topConvertingSources": [],
        **changed,
    }


def _head(timeframe: str, first: str, last: str) -> dict[str, Any]:
    rollup = {"state": "live", "delaySeconds": 0.4, "since": iso(now())}
    return {
        "timeframe": timeframe,
        "from": first,
        "to": last,
        "timezone": "UTC",
        "weekStart": "monday",
        "asOf": iso(now() - timedelta(seconds=2)),
        "rollup": rollup,
    }


def letter(n: int, **changed: Any) -> dict[str, Any]:
    """The nth newest dead letter."""
    value = json.dumps({"specversion": "1.0", "id": f"scan-{n}", "data": {"source": "trade_shwo"}}, indent=2)
    return {
        "id": f"0:{100 - n}",
        "failedAt": iso(now() - timedelta(minutes=11 * n)),
        "reason": "invalid_data",
        "detail": "data.source: Input should be 'website', 'email', 'phone', 'referral' or 'trade_show'",
        "topic": "leads.captured",
        "consumer": "pantry.capture",
        "attempts": 1,
        "key": f"p{n}@example.com",
        "value": value,
        "size": len(value),
        "isText": True,
        **changed,
    }


Told = tuple[int, Any] | Callable[[Mapping[str, str]], tuple[int, Any]]


@dataclass
class Backend:
    """Stands in for the gateway's API: it answers as told and keeps what it was sent."""

    role: str = "admin"
    leads: list[dict[str, Any]] = field(default_factory=lambda: [whole_lead(), *(lead(n) for n in range(2, 61))])
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
            "GET /v1/leads": self._page,
            "GET /v1/leads/lead-1": (200, self.leads[0] if self.leads else {}),
            "GET /v1/leads/lead-1/score": (200, SCORE),
            "GET /v1/leads/lead-1/timeline": (200, {"events": TIMELINE, "nextCursor": None}),
            "GET /v1/leads/lead-1/nurture": (200, NURTURE),
            "GET /v1/deadletters": (200, {"letters": [letter(n) for n in range(1, 9)], "more": False}),
        }
        taken = (202, {"eventId": "command-1"}) if method != "GET" else (404, {"title": "Not found", "status": 404})
        return usual.get(f"{method} {path}", taken)

    def _page(self, asked: Mapping[str, str]) -> tuple[int, Any]:
        words = asked.get("q", "").lower().split()
        fits = [one for one in self.leads if self._fits(one, words, asked)]
        start, limit = int(asked.get("cursor", "0")), int(asked.get("limit", "50"))
        shown = [{key: value for key, value in one.items() if key != "activities"} for one in fits[start:][:limit]]
        more = str(start + limit) if start + limit < len(fits) else None
        return 200, {"leads": shown, "nextCursor": more}

    @staticmethod
    def _fits(one: Mapping[str, Any], words: list[str], asked: Mapping[str, str]) -> bool:
        text = json.dumps([one["company"], one["contact"]], ensure_ascii=False).lower()
        equal = all(one.get(name) == asked[name] for name in ("status", "source", "assignedTo") if name in asked)
        return equal and all(word in text for word in words) and one["score"] >= int(asked.get("minScore", 0))


async def _file(request: Request) -> Response:
    return answer(request, files()[request.path_params.get("path", "index.html")])


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
    page.set_default_timeout(15_000)
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
