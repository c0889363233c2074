"""Features: what was known of a lead at a moment, as a vector for any model. Pure.

Each capture and activity stores when it became known. Decisions after contact (status, qualification, owner,
requirements, closing) are no features. Nor is the score, whose rules change, nor personal data.
"""

import hashlib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from services.prediction.domain.learning.fact_rows import FactRow, FactTime, PastEdit
from services.prediction.domain.learning.past_values import PointInTimeLead, known_at
from shared.domain.stored.lead_document import LeadDocument
from shared.domain.stored.prediction_documents import FeatureValue

Value = FeatureValue
Vector = dict[str, Value]
Kind = Literal["number", "category"]

_FREE_MAIL = frozenset(
    "gmail.com googlemail.com outlook.com hotmail.com live.com yahoo.com ymail.com icloud.com me.com aol.com gmx.com "
    "gmx.net gmx.de web.de mail.com proton.me protonmail.com yandex.ru mail.ru qq.com 163.com".split()
)
# Whole words or beginnings of words: a cook is no COO.
_ROLES = {
    role: re.compile(rf"\b(?:{words})")
    for role, words in {
        "owner": r"owner|founder|proprietor|(?<!vice )president|ceo\b|partner\b",
        "director": r"director|chief|vp\b|vice president|head of|coo\b|cfo\b",
        "buyer": "purchas|procure|buyer|supply",
        "chef": "chef|kitchen|culinary|cook",
        "manager": r"manager|supervisor|lead\b|coordinator",
    }.items()
}
_CAMPAIGNS = ("context.campaign", "context.utm_campaign", "context.event")
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_ENGAGEMENTS = {
    "clicked_pricing": "clickedPricing",
    "downloaded_whitepaper": "downloadedWhitepaper",
    "visited_multiple_pages": "visitedMultiplePages",
    "opened_email": "openedEmail",
}
_OTHER_ENGAGEMENTS = "otherEngagements"
# Sales activities with a lead. The follow-up of a decision isn't one.
_CONTACTS = {
    "email": "salesEmails",
    "call": "salesCalls",
    "meeting": "salesMeetings",
    "demo": "demos",
    "proposal": "proposals",
}
_OTHER_ROLE = "other"
_DAY = timedelta(days=1)

KINDS: Mapping[str, Kind] = {
    "source": "category",
    "industry": "category",
    "size": "category",
    "revenue": "number",
    "role": "category",
    "hasPhone": "category",
    "mail": "category",
    "hasWebsite": "category",
    "campaign": "category",
    "captures": "number",
    "channels": "number",
    "weekday": "category",
    "hour": "number",
    "ageDays": "number",
    "daysSinceCapture": "number",
    "daysSinceEngagement": "number",
    **dict.fromkeys((*_ENGAGEMENTS.values(), _OTHER_ENGAGEMENTS, *_CONTACTS.values()), "number"),
    "daysSinceContact": "number",
}
"""The features of a vector. Revenue is a decimal logarithm; days end at its moment."""
_REVISION = 2
"""Counts changes in the meaning of features."""
SCHEMA = hashlib.sha256(repr((_REVISION, *KINDS.items())).encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class History:
    """The stored data of a lead: its document, its rows of `captures` and `activities`, and its edits."""

    lead: LeadDocument
    captures: Sequence[FactRow]
    activities: Sequence[FactRow]
    edits: Sequence[PastEdit] = ()


def version_of(lead: LeadDocument) -> int:
    """Return how many changes the lead has had: every write of it raises its revision or its score's number."""
    return lead["revision"] + lead.get("scoring", {}).get("seq", 0)


def vector(history: History, as_of: datetime) -> Vector:
    """Return the facts known at `as_of`. Facts that became known later change nothing."""
    captures = [row for row in history.captures if "capturedAt" in row and known_at(row, "capturedAt") <= as_of]
    known = (as_known(row, as_of) for row in history.activities)
    activities = [row for row in known if row and not row.get("cancelled")]
    return {
        **_who(PointInTimeLead(history.lead, history.captures, history.edits, as_of)),
        **_captured(history.lead["createdAt"], captures, as_of),
        **_engaged([row for row in activities if "engagement" in row], as_of),
        **_contacted([row for row in activities if "engagement" not in row and row["type"] in _CONTACTS], as_of),
    }


def as_known(row: FactRow, as_of: datetime) -> FactRow | None:
    """Return the activity as stated at `as_of`; None if unknown then, or no longer derivable."""
    versions: tuple[FactRow, ...] = (row, *reversed(row.get("earlier") or ()))
    return next((one for one in versions if known_at(one, "at") <= as_of), None)


def kind_of(row: FactRow) -> tuple[str, str]:
    """Return the kind of an activity row. A vector counts rows of one kind together."""
    if "engagement" in row:
        action = str(row["engagement"]).casefold()
        return "engagement", action if action in _ENGAGEMENTS else ""
    return "contact", row["type"] if row["type"] in _CONTACTS else ""


def last(row: FactRow, time: FactTime) -> datetime:
    """Return the last time of a row, which may stand for `times` events up to `until`."""
    return row.get("until", row[time])


def _times(rows: Iterable[FactRow]) -> float:
    return float(sum(row.get("times", 1) for row in rows))


def _who(then: PointInTimeLead) -> Vector:
    revenue = then.get("company.annualRevenue")
    return {
        "source": then.source,
        "industry": _word(then.get("company.industry")),
        "size": _word(then.get("company.size")),
        "revenue": math.log10(max(1.0, revenue)) if isinstance(revenue, int | float) else None,
        "role": _role(then.get("contact.title")),
        "hasPhone": _yes(then.get("contact.phone")),
        "mail": _mail(then.get("contact.email")),
        "hasWebsite": _yes(then.get("company.website")),
        "campaign": _word(next(filter(None, map(then.get, _CAMPAIGNS)), None)),
    }


def _word(value: object) -> str | None:
    return " ".join(str(value).casefold().split())[:60] or None if value is not None else None


def _yes(value: object) -> str:
    return "yes" if value else "no"


def _role(title: object) -> str | None:
    words = _word(title)
    if words is None:
        return None
    return next((role for role, named in _ROLES.items() if named.search(words)), _OTHER_ROLE)


def _mail(address: object) -> str | None:
    if not address:
        return None
    return "free" if str(address).rpartition("@")[2].strip().casefold() in _FREE_MAIL else "work"


def _captured(created: datetime, captures: Sequence[FactRow], as_of: datetime) -> Vector:
    times = [row["capturedAt"] for row in captures]
    first = min(times, default=created)
    return {
        "captures": max(1.0, _times(captures)),
        "channels": float(max(1, len({row.get("channel") for row in captures}))),
        "weekday": _WEEKDAYS[first.weekday()],
        "hour": float(first.hour),
        "ageDays": _days(created, as_of),
        "daysSinceCapture": _days(max((last(row, "capturedAt") for row in captures), default=created), as_of),
    }


def _days(since: datetime, as_of: datetime) -> float:
    # A producer's clock may be ahead.
    return max(0.0, (as_of - since) / _DAY)


def _engaged(rows: Sequence[FactRow], as_of: datetime) -> Vector:
    of = {action: [row for row in rows if kind_of(row)[1] == action] for action in _ENGAGEMENTS}
    counts = {name: _times(of[action]) for action, name in _ENGAGEMENTS.items()}
    others = _times(rows) - sum(counts.values())
    return {**counts, _OTHER_ENGAGEMENTS: others, "daysSinceEngagement": _since(rows, as_of)}


def _contacted(rows: Sequence[FactRow], as_of: datetime) -> Vector:
    counts = {name: _times(row for row in rows if row["type"] == kind) for kind, name in _CONTACTS.items()}
    return {**counts, "daysSinceContact": _since(rows, as_of)}


def _since(rows: Iterable[FactRow], as_of: datetime) -> Value:
    newest = max((last(row, "at") for row in rows), default=None)
    return None if newest is None else _days(newest, as_of)
