"""A year of leads before today, with what became of them, for `pantry up --demo`.

Outcomes depend on what is known of a lead, and on chance. So a model can learn something, and not everything.
"""

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from schemas.lead import Status
from schemas.topics import ACTIVITIES, ENGAGEMENTS, Topic
from services.demo.domain import words
from services.ingest.domain.history.past_outcomes import PastOutcome

DAYS = 365
_FIRST = timedelta(hours=15)
"""When the first lead came, from the year's start."""
_FAIR_DAYS = 60
"""The last days, in which a fair brings many leads: the leads that a model learned from were others."""
_SOURCES = {"website": 42, "referral": 18, "email": 14, "social_media": 14, "trade_show": 12}
_FAIR_SOURCES = {**_SOURCES, "trade_show": 90}
_SIZES = {"small": 40, "medium": 30, "large": 20, "enterprise": 10}
# What raises and lowers the log-odds of a conversion.
_SOURCE_ODDS = {"website": 0.0, "referral": 1.8, "email": -0.4, "social_media": -1.6, "trade_show": 0.3}
_SIZE_ODDS = {"small": -0.9, "medium": 0.0, "large": 0.8, "enterprise": 1.2}
_INDUSTRY_ODDS = {"restaurant": 0.6, "catering": 0.9, "hotel": 0.0, "school cafeteria": -0.9, "hospital kitchen": -0.6}
_BASE_ODDS, _SENIOR_ODDS, _LOOKED_ODDS, _CHANCE = -2.3, 0.8, 1.2, 0.5
_SENIOR = ("Owner", "Director", "Head")
_REASONS = ("price", "competitor", "no_response", "timing", "")
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class PastDeed:
    """An activity or engagement of the past, without its lead."""

    topic: Topic
    payload: Mapping[str, object]
    at: datetime


@dataclass(frozen=True, slots=True)
class PastLead:
    """A lead of the past: its capture at `at`, its activities and engagements, and what became of it."""

    number: int
    at: datetime
    capture: Mapping[str, object]
    deeds: tuple[PastDeed, ...]
    outcome: PastOutcome


@dataclass(frozen=True, slots=True)
class _Plan:
    """How a lead ends, and when, if the year lasts that long."""

    status: Status
    ends: datetime
    reason: str | None = None


def end_of_year(first: datetime) -> datetime:
    """Return the end of the year whose first lead came at `first`."""
    return first - _FIRST + DAYS * _DAY


def generate_year(leads: int, end: datetime) -> tuple[PastLead, ...]:
    """Return so many leads of the year before `end`, in order of time. The same arguments make the same leads."""
    rng = random.Random(f"year/{leads}")  # noqa: S311 - reproducible on purpose, and nothing secret
    start = end - DAYS * _DAY
    days = [start + day * _DAY for day in range(DAYS)]
    # The business grows, and sleeps at weekends.
    weights = [(0.4 + 1.2 * day / DAYS) * (0.25 if days[day].weekday() > 4 else 1) for day in range(DAYS)]  # noqa: PLR2004
    chosen = rng.choices(days, weights, k=leads - 1)
    times = sorted(day + timedelta(seconds=rng.randrange(12 * 3600, 23 * 3600)) for day in chosen)
    return tuple(_lead(number, at, end) for number, at in enumerate([start + _FIRST, *times]))


def _lead(number: int, at: datetime, end: datetime) -> PastLead:
    rng = random.Random(f"year/lead/{number}")  # noqa: S311 - reproducible on purpose
    source = _one_of(rng, _FAIR_SOURCES if end - at < _FAIR_DAYS * _DAY else _SOURCES)
    size, title = _one_of(rng, _SIZES), rng.choice(words.TITLES)
    industry, suffix = rng.choice(words.INDUSTRIES)
    looked = rng.random() < 0.35  # noqa: PLR2004
    odds = _BASE_ODDS + _SOURCE_ODDS[source] + _SIZE_ODDS[size] + _INDUSTRY_ODDS.get(industry, 0.0)
    odds += _SENIOR_ODDS * any(word in title for word in _SENIOR) + _LOOKED_ODDS * looked + rng.gauss(0, _CHANCE)
    plan = _plan(rng, at, wins=rng.random() < 1 / (1 + math.exp(-odds)), referred=source == "referral")
    first, last = rng.choice(words.FIRST_NAMES), rng.choice(words.LAST_NAMES)
    company = f"{rng.choice(words.COMPANY_FIRST)} {rng.choice(words.COMPANY_SECOND)} {suffix}"
    local = f"{first}.{last}.past.{number}".lower().encode("ascii", "ignore").decode().replace("'", "")
    capture = {
        "source": source,
        "company": {
            "name": company,
            "industry": industry,
            "size": size,
            "annualRevenue": round(10 ** (5 + list(_SIZES).index(size) * 0.6 + rng.uniform(0, 0.8))),
        },
        "contact": {
            "firstName": first,
            "lastName": last,
            "title": title,
            "email": f"{local.strip('.')}@example.org",
            "phone": f"+1312{200 + number // 10_000:03d}{number % 10_000:04d}" if rng.random() < 0.6 else None,  # noqa: PLR2004
        },
        "context": {"territory": rng.choice(words.TERRITORIES)},
        "historical": True,
    }
    deeds = [_looked(at)] if looked else []
    deeds += [one for one in _contacts(rng, at, plan) if one.at < end]
    return PastLead(number, at, capture, tuple(deeds), _outcome(rng, plan, deeds, end))


def _one_of(rng: random.Random, weights: Mapping[str, int]) -> str:
    return rng.choices(list(weights), list(weights.values()))[0]


def _plan(rng: random.Random, at: datetime, *, wins: bool, referred: bool) -> _Plan:
    if wins:
        days = rng.lognormvariate(math.log(14 if referred else 24), 0.5)
        return _Plan(Status.CONVERTED, at + min(days, 80) * _DAY)
    dice = rng.random()
    if dice < 0.5:  # noqa: PLR2004
        lost = at + min(rng.lognormvariate(math.log(30), 0.6), 120) * _DAY
        return _Plan(Status.LOST, lost, rng.choice(_REASONS) or None)
    if dice < 0.7:  # noqa: PLR2004
        return _Plan(Status.UNQUALIFIED, at + rng.uniform(2, 20) * _DAY)
    return _Plan(Status.CONTACTED, at + rng.uniform(0.5, 9) * _DAY)


def _looked(at: datetime) -> PastDeed:
    return PastDeed(ENGAGEMENTS, {"action": "clicked_pricing", "historical": True}, at)


def _contacts(rng: random.Random, at: datetime, plan: _Plan) -> list[PastDeed]:
    kinds = {Status.CONVERTED: ("call", "meeting"), Status.LOST: ("call",), Status.CONTACTED: ("email",)}
    span = plan.ends - at
    return [
        _activity(rng, kind, at + span * share)
        for kind, share in zip(kinds.get(plan.status, ()), (rng.uniform(0.05, 0.3), 0.6), strict=False)
    ]


def _activity(rng: random.Random, kind: str, at: datetime) -> PastDeed:
    done = {
        "type": kind,
        "description": words.ACTIVITIES[kind],
        "outcome": rng.choice(words.OUTCOMES),
        "completedAt": at.isoformat(),
        "createdBy": rng.choice(words.SALES),
    }
    return PastDeed(ACTIVITIES, {"activity": done, "historical": True}, at)


def _outcome(rng: random.Random, plan: _Plan, deeds: list[PastDeed], end: datetime) -> PastOutcome:
    owner = rng.choice(words.SALES)
    if plan.ends < end:
        # Its activity makes a lead contacted.
        status = Status.NEW if plan.status is Status.CONTACTED else plan.status
        return PastOutcome(status, plan.ends, plan.reason, owner)
    held = sum(one.topic is ACTIVITIES for one in deeds)
    return PastOutcome(
        Status.QUALIFIED if held > 1 else Status.NEW, max((one.at for one in deeds), default=None), None, owner
    )
