"""Activities as documents, and what the lead keeps of them: counts for ever, the newest completions for the window."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from shared.domain.ids import derive
from shared.domain.moments import stored

COMPLETIONS_MAX = 200
"""Completions a lead remembers. At 5 points each, 200 within 30 days exceed a score of 100 tenfold."""


def activity(  # noqa: PLR0913 - an activity's fields, each by name
    activity_id: str,
    lead_id: str,
    type_: str,
    at: datetime,
    *,
    created_by: str,
    description: str | None = None,
    outcome: str | None = None,
    scheduled_at: datetime | None = None,
    completed_at: datetime | None = None,
    cancelled: bool = False,
) -> dict[str, Any]:
    """The document of one activity in `activities`; `at` is when it was recorded at its producer."""
    document = {
        "_id": activity_id,
        "leadId": lead_id,
        "type": type_,
        "description": description,
        "outcome": outcome,
        "scheduledAt": stored(scheduled_at) if scheduled_at else None,
        "completedAt": stored(completed_at) if completed_at else None,
        "cancelled": cancelled or None,
        "createdBy": created_by,
        "at": at,
    }
    return {name: value for name, value in document.items() if value is not None}


def row_id(lead_id: str, activity_id: str) -> str:
    """The id in `activities` of what events of this lead call `activity_id`; without one, the event's own id is it."""
    return derive("activity", lead_id, activity_id)


def counted(one: Mapping[str, Any]) -> dict[str, Any]:
    """What a lead counts of an activity; nothing of one that was cancelled."""
    return {} if one.get("cancelled") else {name: one[name] for name in ("type", "completedAt") if name in one}


def tally(
    lead: Mapping[str, Any], activities: Sequence[Mapping[str, Any]], instead: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """`activityStats` of `lead` with these activities, `instead` of what was `counted` of some of them before.

    A completion that the bounded list no longer has can't be taken out of it, and needn't be.
    """
    stats = lead.get("activityStats") or {}
    counts, completed = Counter(stats.get("counts") or {}), list(stats.get("completedAt") or ())
    for one in instead:
        counts.subtract([one["type"]] if "type" in one else [])
        if one.get("completedAt") in completed:
            completed.remove(one["completedAt"])
    added = [counted(one) for one in activities]
    counts.update(one["type"] for one in added if one)
    completed += [one["completedAt"] for one in added if "completedAt" in one]
    return {"counts": dict(+counts), "completedAt": sorted(completed)[-COMPLETIONS_MAX:]}
