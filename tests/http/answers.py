"""What a busy gateway tells the dashboard: leads, a lead's story, figures and dead letters."""

import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any

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
            "timeZone": "America/Los_Angeles",
        },
        "company": {
            "name": "Blue Fork Bistro Group",
            "industry": "restaurant",
            "size": "enterprise",
            "website": "bluefork.example",
            "annualRevenue": 24_000_000,
            "address": {"street": "12 Harbor Street", "city": "Oakland", "region": "CA", "postalCode": "94607"},
        },
        "attributes": {"cuisine": "italian", "covers": 1450, "openingDate": "2027-03-01", "serviceModel": "bistro"},
        "requirements": {
            "budget": 85_000,
            "timeline": "within_quarter",
            "decisionMakers": ["Ana Reyes", "Luis Ortega (CFO)"],
            "currentSolution": "Spreadsheets and two wholesalers",
            "painPoints": ["Late deliveries on weekends", "No view of stock across 14 kitchens"],
        },
        "consent": {"email": True, "phone": False, "capturedAt": iso(now() - timedelta(days=2))},
        "permissions": {
            "email": {"allowed": True, "why": "the lead agreed to e-mail on 2026-11-02"},
            "phone": {"allowed": False, "why": "the lead allows no calls"},
        },
        "context": {"utm_source": "newsletter", "utm_campaign": "spring-menu", "form": "talk-to-us"},
        "notes": [
            {"id": "note-1", "text": "Opens a second site in May.", "by": "kim", "at": iso(now() - timedelta(hours=2))}
        ],
        "activities": [
            {
                "id": "act-1",
                "type": "call",
                "description": "First call. Wants a quote for 14 kitchens before the season starts.",
                "outcome": "Send a proposal",
                "completedAt": iso(now() - timedelta(hours=3)),
                "createdBy": "kim",
                "at": iso(now() - timedelta(hours=3)),
                "changeable": True,
            },
            {
                "id": "act-2",
                "type": "meeting",
                "description": "Tasting",
                "scheduledAt": iso(now() + timedelta(days=2)),
                "createdBy": "kim",
                "at": iso(now() - timedelta(hours=2)),
                "changeable": True,
            },
            {
                "id": "act-3",
                "type": "email",
                "description": "Email engagement: clicked_pricing",
                "createdBy": "system",
                "at": iso(now() - timedelta(hours=1)),
                "changeable": False,
            },
        ],
    }
    return lead(1, **(known | changed))


def task(n: int = 1, hours: float | None = 1, **changed: Any) -> dict[str, Any]:
    """The nth open task, of the nth lead, due in so many hours."""
    of = lead(n) if n > 1 else whole_lead()
    known: dict[str, Any] = {
        "taskId": f"task-{n}",
        "leadId": of["id"],
        "kind": "call",
        "title": f"Ask about the menu of season {n}",
        "state": "open",
        "dueAt": None if hours is None else iso(now() + timedelta(hours=hours)),
        "assignedTo": "kim",
        "createdAt": iso(now() - timedelta(days=3)),
        "createdBy": "kim",
        "lead": {**of["contact"], "company": of["company"]["name"], "status": of["status"]},
    }
    return {name: value for name, value in {**known, **changed}.items() if value is not None}


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
    happened(899, "leads.created", "Lead created", "event-900"),
    happened(900, "leads.captured", "Captured via website", None, source="website"),
]
SCORE = {
    "leadId": "lead-1",
    "score": 72,
    "at": iso(now() - timedelta(hours=3)),
    "ruleSet": "9c1f37b2a0",
    "breakdown": [
        {"rule": "enterprise_size", "points": 25, "evidence": {"company": {"size": "enterprise"}}},
        {"rule": "high_revenue", "points": 20, "evidence": {"company": {"annualRevenue": 24_000_000}}},
        {
            "rule": "spring_hall",
            "points": 4,
            "evidence": {
                "source": "trade_show",
                "consent": {"email": True},
                "requirements": {"painPoints": ["A", "B"]},
            },
        },
        {"rule": "activity.call", "points": 20, "evidence": {"count": 2}},
        {
            "rule": "activity.recent",
            "points": 5,
            "evidence": {"completions": 1, "earliest": "2026-01-02T03:04:05.678Z"},
        },
        {"rule": "free_mail_domain", "points": -2, "evidence": {}},
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
    "confidenceWords": "medium",
    "interval": [0.28, 0.41],
    "method": "logistic",
    "modelVersion": 3,
    "horizonDays": 90,
    "baseRate": 0.18,
    "at": iso(now() - timedelta(minutes=3)),
    "factors": [
        {"name": "looked at pricing 2 times", "weight": 0.8, "feature": "clickedPricing", "value": 2.0},
        {"name": "free e-mail address", "weight": -0.3, "feature": "mail", "value": "free"},
    ],
    "intercept": -1.5,
    "otherFactors": 0.34,
    "logOdds": -0.66,
    "recommendedActions": ["offer_a_demo"],
    "vector": {"clickedPricing": 2.0, "mail": "free"},
}
MODEL: dict[str, Any] = {
    "method": "logistic",
    "modelVersion": 3,
    "model": {
        "trainedAt": iso(now() - timedelta(days=2)),
        "window": {"from": iso(now() - timedelta(days=400)), "to": iso(now() - timedelta(days=90))},
        "examples": 2_140,
        "converted": 385,
        "baseRate": 0.18,
        "horizonDays": 90,
        "judged": {"examples": 535, "auc": 0.81, "brier": 0.11, "logLoss": 0.36, "calibrationError": 0.021},
        "baseRateJudged": {"examples": 535, "auc": 0.5, "brier": 0.15, "logLoss": 0.47, "calibrationError": 0.004},
        "calibration": [
            {"upTo": 0.1 * n, "count": 214, "predicted": 0.1 * n - 0.05, "observed": 0.1 * n - 0.04}
            for n in range(1, 11)
        ],
    },
    "training": {
        "at": iso(now() - timedelta(hours=3)),
        "status": "shadow",
        "why": ["log loss is not certainly better than that of the champion (lower bound -0.0021)"],
        "examples": 2_231,
        "converted": 402,
        "censored": 611,
    },
    "drift": [{"what": "daysSinceCapture", "measure": "psi", "value": 0.31, "limit": 0.25}],
    "progress": {"done": 500, "total": 812},
}
HEURISTIC = PREDICTION | {
    "probability": 0.23,
    "confidenceWords": "low",
    "interval": None,
    "method": "heuristic",
    "modelVersion": None,
    "horizonDays": None,
    "baseRate": None,
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


LETTER_COUNTS = {
    "examined": 8,
    "counts": [
        {"source": "/scanners/nra-show/7", "reason": "invalid_data", "letters": 6},
        {"source": "", "reason": "not_json", "letters": 2},
    ],
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


CONSENT: dict[str, Any] = {
    "leadId": "lead-1",
    "statements": [
        {"channel": "phone", "given": False, "at": iso(now() - timedelta(days=2)), "reason": "stated", "by": "kim"},
        {
            "channel": "email",
            "given": True,
            "at": iso(now() - timedelta(days=9)),
            "reason": "stated",
            "address": "ana.reyes@bluefork.example",
            "source": "/forms/website",
            "wording": "Yes, send me the menu planner.",
        },
    ],
}
