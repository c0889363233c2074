"""Activities as documents, and what the lead keeps of them: counts for ever, the newest completions for the window."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

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
        "createdBy": created_by,
        "at": at,
    }
    return {name: value for name, value in document.items() if value is not None}


def tally(lead: Mapping[str, Any], activities: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """`activityStats` of `lead` after these further activities."""
    stats = lead.get("activityStats") or {}
    counts = dict(stats.get("counts") or {})
    for one in activities:
        counts[one["type"]] = counts.get(one["type"], 0) + 1
    completed = [*(stats.get("completedAt") or ()), *(one["completedAt"] for one in activities if "completedAt" in one)]
    return {"counts": counts, "completedAt": sorted(completed)[-COMPLETIONS_MAX:]}
