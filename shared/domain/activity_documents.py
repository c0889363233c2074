"""Activity documents, and a lead's `activityStats`: all counts, the newest completions."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import cast

from schemas.topics import ACTIVITIES, ENGAGEMENTS
from shared.domain.ids import derive
from shared.domain.moments import truncate_to_ms
from shared.domain.stored.activity_row import ActivityRow, CountedFields
from shared.domain.stored.lead_document import ActivityStats, LeadDocument

RECORDED = frozenset({ACTIVITIES.name, ENGAGEMENTS.name})
"""The topics whose events are stored as activities."""
COMPLETIONS_MAX = 200
"""Most completions of `activityStats`. 200 of 5 points each are ten times the score's 100."""


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
) -> ActivityRow:
    """Return the document of an activity; `at` is when its producer recorded it."""
    document = {
        "_id": activity_id,
        "leadId": lead_id,
        "type": type_,
        "description": description,
        "outcome": outcome,
        "scheduledAt": truncate_to_ms(scheduled_at) if scheduled_at else None,
        "completedAt": truncate_to_ms(completed_at) if completed_at else None,
        "cancelled": cancelled or None,
        "createdBy": created_by,
        "at": at,
    }
    # Without the missing values it is an activity's row; a filter loses the type.
    return cast("ActivityRow", {name: value for name, value in document.items() if value is not None})


def row_id(lead_id: str, activity_id: str) -> str:
    """Return the document id of a lead's activity. Without an own id, pass the event's id."""
    return derive("activity", lead_id, activity_id)


def count_key(row: ActivityRow) -> str:
    """Return the key under which a lead remembers that it counted this change of the row."""
    return row["_id"] if row.get("n", 1) == 1 else f"{row['_id']}:{row['n']}"


def counted_fields(one: ActivityRow) -> CountedFields:
    """Return what `activityStats` counts of an activity; nothing if it was cancelled."""
    if one.get("cancelled"):
        return {}
    return {"type": one["type"], "completedAt": one["completedAt"]} if "completedAt" in one else {"type": one["type"]}


def tally(
    lead: LeadDocument, activities: Sequence[ActivityRow], instead: Sequence[CountedFields] = ()
) -> ActivityStats:
    """Return `activityStats` with these activities, without those counted before (`instead`).

    A completion that the bounded list no longer has needs no removal.
    """
    stats: ActivityStats = lead.get("activityStats") or {}
    counts, completed = Counter(stats.get("counts") or {}), list(stats.get("completedAt") or ())
    for one in instead:
        counts.subtract([one["type"]] if "type" in one else [])
        if one.get("completedAt") in completed:
            completed.remove(one["completedAt"])
    added = [counted_fields(one) for one in activities]
    counts.update(one["type"] for one in added if one)
    completed += [one["completedAt"] for one in added if "completedAt" in one]
    return {"counts": dict(+counts), "completedAt": sorted(completed)[-COMPLETIONS_MAX:]}
