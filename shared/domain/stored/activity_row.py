"""The collection `activities`: one row per activity of a lead, its newest version.

Engagement, qualification and conversion write rows. Scoring's counts, the gateway and prediction come from them.
"""

from datetime import datetime
from typing import NotRequired, TypedDict


class StatedRefusal(TypedDict):
    """A refusal of mail. Rows of an earlier release have `reason` and `address` alone."""

    reason: str
    address: str | None
    source: NotRequired[str]
    at: NotRequired[datetime]
    cause: NotRequired[str]


class CountedFields(TypedDict, total=False):
    """What a lead counts of an activity; empty if it was cancelled."""

    type: str
    completedAt: datetime


class EarlierVersion(TypedDict, total=False):
    """What an earlier version of an activity said."""

    type: str
    at: datetime
    knownAt: datetime
    engagement: str
    cancelled: bool


class EventParts(TypedDict):
    """What a row says of the event that it is from."""

    activityId: str
    eventKey: str
    order: list[str]


class ActivityRow(TypedDict):
    """One activity, as its newest event says."""

    _id: str
    leadId: str
    type: str
    createdBy: str
    at: datetime
    description: NotRequired[str]
    outcome: NotRequired[str]
    scheduledAt: NotRequired[datetime]
    completedAt: NotRequired[datetime]
    cancelled: NotRequired[bool]
    engagement: NotRequired[str]
    """The action of an engagement; it and the next three belong to engagements alone."""
    trigger: NotRequired[str]
    refusal: NotRequired[StatedRefusal]
    metadata: NotRequired[dict[str, object]]
    statement: NotRequired[dict[str, object]]
    """The consent statement of a `leads.update`."""
    n: NotRequired[int]
    """The number of the row's change; rows of an earlier release have none."""
    tallied: NotRequired[bool]
    """Whether the lead has counted this change."""
    knownAt: NotRequired[datetime]
    activityId: NotRequired[str]
    eventKey: NotRequired[str]
    order: NotRequired[list[str]]
    owner: NotRequired[str]
    replaced: NotRequired[CountedFields]
    """What the lead counted of the version before."""
    earlier: NotRequired[list[EarlierVersion]]
