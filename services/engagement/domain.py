"""Engagement: an activity is stored once, and the lead carries what scoring needs of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.domain.activities import tally

SEEN_MAX = 64


@dataclass(frozen=True, slots=True)
class Tallied:
    """The update of one lead, and the activities it takes in; `update` is None when all were taken in before."""

    lead_id: str
    update: Mapping[str, Any] | None
    activity_ids: tuple[str, ...]


def take_in(lead: Mapping[str, Any], activities: Sequence[Mapping[str, Any]], now: datetime) -> Tallied:
    """Count `activities` on `lead`, each once: the lead remembers its newest causes, the rows remember for good."""
    fresh = [one for one in activities if one["_id"] not in lead["seen"]]
    ids = tuple(one["_id"] for one in activities)
    if not fresh:
        return Tallied(lead["_id"], None, ids)
    update = {
        "$set": {
            "activityStats": tally(lead, fresh),
            "seen": [*lead["seen"], *(one["_id"] for one in fresh)][-max(SEEN_MAX, len(fresh)) :],
            "updatedAt": now,
        }
    }
    return Tallied(lead["_id"], update, ids)
