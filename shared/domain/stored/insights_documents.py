"""The documents of insights: roll-ups, the shards that count them, rows of the list, timelines.

The insights worker writes them, and `pantry insights rebuild` too. The gateway and prediction read them.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, NotRequired, TypedDict

BucketNumbers = Mapping[str, "int | BucketNumbers"]
"""A bucket's numbers, nested by the steps of their paths."""


class LeadFacts(TypedDict):
    """The facts by which a lead counts, and is filtered: words and whole numbers, no personal data."""

    day: str
    source: str
    status: str
    industry: str
    owner: str
    score: NotRequired[int]
    took: NotRequired[int]
    """The seconds from its creation to its conversion."""
    attributes: NotRequired[dict[str, str]]
    """Those with a word as value. Rows of earlier releases lack them."""


class RowContent(TypedDict, total=False):
    """What a row of `lead_rows` says of its lead; only `gone` of a deleted one."""

    counts: LeadFacts
    key: str
    terms: list[str]
    named: str
    """A digest of the lead's words: they are written again once it differs."""
    gone: bool
    """The lead is deleted. The row stays, so that a late write of an older version finds a newer one."""


class LeadRow(RowContent):
    """A row of `lead_rows`: what a lead counts as, and what filters find it by.

    `v` is the shard's version that wrote it. An erasure strips the personal fields.
    """

    _id: str
    v: int
    generation: int


class WordsContent(TypedDict, total=False):
    """What searches find a lead by; nothing of a deleted one."""

    key: str
    words: str
    """Each between spaces."""
    prefixes: list[str]


class LeadWords(WordsContent):
    """The words of a lead in `lead_words`, which change less often than its row. `v` is as in the row."""

    _id: str
    v: int


class BucketDelta(TypedDict):
    """What a shard's version adds to a bucket, by path."""

    bucket: str
    add: dict[str, int]


class PendingChanges(TypedDict):
    """The changes of a shard's version: rows to insert, rows to replace, additions to buckets."""

    new: list[LeadRow]
    rows: list[LeadRow]
    words: NotRequired[list[LeadWords]]
    """The words that differ; missing in a version that an earlier release wrote."""
    deltas: list[BucketDelta]


class ShardDocument(TypedDict):
    """A shard in `insights`: the version of its counts, and the changes that are not yet applied."""

    _id: str
    version: int
    done: NotRequired[int]
    """The newest version with changes that is applied; missing in a version that is about to be written."""
    generation: int
    pending: PendingChanges | None
    eventAt: NotRequired[datetime]
    countedAt: NotRequired[datetime]


class InsightsMeta(TypedDict):
    """The row of `insights` about its generations of buckets."""

    _id: str
    generation: int
    """The generation to show."""
    building: int
    """The generation to count into."""
    zone: str
    aliveAt: NotRequired[datetime]


# `is` is a word of Python, so a class can't have it as a field.
RollupBucket = TypedDict("RollupBucket", {"_id": str, "by": dict[str, int], "is": BucketNumbers})
"""A bucket in `rollups`: its numbers (`is`), and the version of each shard that changed it last (`by`)."""

ChangedValue = TypedDict("ChangedValue", {"path": str, "from": object, "to": object})
"""A change in the details of a `leads.updated`."""


class CommandedConsent(TypedDict):
    """The consent in the details of a `leads.update`."""

    channel: str
    given: bool


class TimelineDetails(TypedDict, total=False):
    """What a row keeps of its event: codes, numbers, changed values. Which ones, the topic says."""

    source: str
    type: str
    createdBy: str
    activityId: str
    state: str
    action: str
    requestedBy: str
    method: str
    status: str
    assignedTo: str
    lostReason: str
    consent: CommandedConsent
    edits: list[str]
    """The paths that an update edits."""
    noted: bool
    matchScore: int
    matchedOn: list[str]
    filled: list[str]
    score: int
    previousScore: int
    reason: str
    changed: list[ChangedValue]
    by: str
    rule: str
    trigger: str
    bantScore: int
    sequenceId: str
    steps: int
    stepId: str
    opportunityId: str
    command: str
    detail: str
    otherId: str
    likelihood: float
    reasons: list[str]
    taskId: str
    dueAt: datetime


class EventRow(TypedDict):
    """An event's row without its lead. `key` orders a lead's rows by event time."""

    _id: str
    key: str
    at: datetime
    topic: str
    eventId: str
    source: str
    causationId: NotRequired[str]
    correlationId: NotRequired[str]
    details: TimelineDetails


class TimelineRow(EventRow):
    """A row of `timeline`: an event that touched a lead."""

    leadId: str


class TimelinePendingRow(EventRow):
    """A row of `unplaced`: an event that names no known lead yet, until it `expiresAt`."""

    expiresAt: datetime


class OutcomeRow(TypedDict):
    """A row of `outcomes`, by the event's key: what became of an event that no other document shows.

    It has no `source` and `id` of the event, as a producer may choose an address for an id. Insights notes dead
    letters, with their `reason`. Erasure and insights note the activities and engagements of an erased lead, with its
    id.
    """

    _id: str
    state: Literal["dead_lettered", "erased"]
    reason: NotRequired[str]
    leadId: NotRequired[str]
    late: NotRequired[bool]
    """Insights met the event after the erasure: a dead letter replaces the row."""
    topic: str
    at: datetime
    """When the event got this outcome. The newest dead letter holds, and an erasure for good."""
    expiresAt: datetime
