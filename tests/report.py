"""What a report is made from: analytics of leads that a test makes up, without a database."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from services.gateway.analytics.domain import measures
from services.gateway.analytics.domain.figures import FreshnessFigures
from services.gateway.analytics.domain.measures import Answers, Head, Span
from services.insights.domain.rollup_changes import add_counts
from shared.domain import rollups
from shared.domain.rollups import Window
from tests.builders import NOW, lead

LIVE: FreshnessFigures = {"state": "live"}
_SOURCES = ("website", "email", "phone", "referral", "trade_show", "social_media")
_STATUSES = ("new", "contacted", "qualified", "unqualified", "lost", "converted")
_INDUSTRIES = ("restaurant", "catering", "hotel", "cafe", None)


def leads(number: int, **changed: Any) -> list[Any]:
    """Leads of the last half year, of every kind, the same ones each time."""
    dice = Random(11)
    return [_lead(n, dice) | changed for n in range(number)]


def _lead(number: int, dice: Random) -> Any:
    created = NOW - timedelta(hours=dice.randrange(180 * 24))
    status = dice.choices(_STATUSES, (44, 24, 12, 6, 8, 6))[0]
    took = timedelta(hours=dice.lognormvariate(4.3, 1.1))
    return lead(
        _id=f"lead-{number}",
        source=dice.choices(_SOURCES, (40, 14, 8, 12, 25, 1))[0],
        status=status,
        score=dice.choice((None, *range(101))),
        company={"name": "Blue Fork", "industry": dice.choice(_INDUSTRIES)},
        createdAt=created,
        **({"assignedTo": f"owner-{number % 5}"} if number % 6 else {}),
        **({"convertedAt": created + took} if status == "converted" else {}),
    )


def answers(
    of: Sequence[Any], timeframe: str = "month", rollup: FreshnessFigures = LIVE, times: int = 1
) -> tuple[Answers, Answers]:
    """What the gateway would answer if these leads were all there are, each of them so many times."""
    buckets: dict[str, Counter[str]] = {}
    add_counts(of, ZoneInfo("UTC"), buckets)

    def counted(within: Window) -> Counter[str]:
        added = rollups.total(buckets.get(rollups.day_bucket(day), {}) for day in within.days)
        return Counter({path: amount * times for path, amount in added.items()})

    window = rollups.window(timeframe, NOW.date())
    parts = list(window.weeks) if timeframe == "quarter" else [Window(day, day) for day in window.days]
    span = Span(window, counted(window), [(part, counted(part)) for part in parts], counted(window.before))
    head = Head(timeframe, "UTC", datetime(2026, 3, 2, 11, 58, tzinfo=UTC) if of else None, rollup)
    return _both(span, head, 0.5), _both(span.earlier, head, 1.0)


def _both(span: Span, head: Head, elapsed: float) -> Answers:
    return Answers(measures.leads(span, head, elapsed), measures.conversions(span, head))
