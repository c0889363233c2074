"""The models of the read routes' answers, for the OpenAPI page."""

from collections.abc import Mapping
from datetime import date
from typing import Literal

from pydantic import Field

from schemas.base import Model, Moment
from schemas.lead import Lead, Status
from schemas.tasks import TaskKind, TaskState
from services.gateway.web.openapi import RouteDocs, describe_read


class ActivityView(Model):
    """The newest version of a lead's activity; `at` is when it was stated.

    `changeable`: `leads.activities` with its `id` changes it. The product records the others by itself.
    """

    id: str
    type: str
    description: str | None = None
    outcome: str | None = None
    scheduled_at: Moment | None = None
    completed_at: Moment | None = None
    cancelled: bool | None = None
    created_by: str
    at: Moment
    metadata: Mapping[str, object] | None = None
    changeable: bool


class QualificationView(Model):
    """A lead's last qualification; `bant` is the newest BANT with its score."""

    method: Literal["progressive", "bant"]
    bant_score: int | None = None
    bant: Mapping[str, object] | None = None
    by: str | None = None
    at: Moment | None = None


class PermissionView(Model):
    """Whether a channel may be used for a lead, and why."""

    allowed: bool
    why: str


class Permissions(Model):
    """`email`: mail is allowed; `phone`: calls are allowed."""

    email: PermissionView
    phone: PermissionView


class NoteView(Model):
    """A note that a person wrote about a lead."""

    id: str
    text: str
    by: str
    at: Moment


class LeadWithActivities(Lead):
    """A lead with its latest 100 activities and notes, newest first, its qualification and permissions."""

    permissions: Permissions
    qualification: QualificationView | None = None
    activities: tuple[ActivityView, ...]
    notes: tuple[NoteView, ...]


class StatementView(Model):
    """One statement of consent; `address` is missing if it is about every address of the person.

    `reason`: `stated`, or the engagement that is a no. `by`: who recorded it, if sales did.
    """

    channel: Literal["email", "phone"]
    given: bool
    at: Moment
    reason: str
    address: str | None = None
    source: str | None = None
    by: str | None = None
    wording: str | None = None


class ConsentHistory(Model):
    """What a lead's captures and activities stated, newest first."""

    lead_id: str
    statements: tuple[StatementView, ...]


class LeadPage(Model):
    """Leads, newest first. Ask on until `next_cursor` is None. `unreadable`: leads not shown."""

    leads: tuple[Lead, ...]
    next_cursor: str | None
    unreadable: int | None = None


class PartView(Model):
    """The points of a rule or of a kind of activity, and the facts behind them."""

    rule: str
    points: int
    evidence: Mapping[str, object]


class ScoreChange(Model):
    """A change of the score, and the rule set that computed it."""

    at: Moment
    score: int
    previous_score: int | None
    reason: str
    rule_set: str | None
    breakdown: tuple[PartView, ...]


class LeadScore(Model):
    """The reasons of a lead's score (None: no score yet). `ages_at`: its next ageing."""

    lead_id: str
    score: int | None
    at: Moment | None
    rule_set: str | None
    ages_at: Moment | None
    breakdown: tuple[PartView, ...]
    history: tuple[ScoreChange, ...]


class TimelineEvent(Model):
    """An event that touched a lead; `causation_id` is the `event_id` of its cause."""

    event_id: str
    topic: str
    time: Moment
    source: str
    causation_id: str | None
    correlation_id: str | None
    details: Mapping[str, object]
    text: str


class Timeline(Model):
    """Events, newest first; `next_cursor` None: the end."""

    events: tuple[TimelineEvent, ...]
    next_cursor: str | None


class NurtureStep(Model):
    """A step of an enrolment. `will_not_go`: why a scheduled step will not be published now."""

    sequence_id: str
    step_id: str
    due_at: Moment
    state: Literal["scheduled", "sent", "skipped", "cancelled"]
    action: str
    why: str | None = None
    will_not_go: str | None = None


class NurtureSteps(Model):
    """A lead's steps in the order they are due."""

    steps: tuple[NurtureStep, ...]


class TaskLead(Model):
    """The lead of a task: the person, and how to reach them."""

    first_name: str | None = None
    last_name: str | None = None
    company: str | None = None
    email: str | None = None
    phone: str | None = None
    status: Status


class OpenTask(Model):
    """An open task. Without `assigned_to` nobody has it yet."""

    task_id: str
    lead_id: str
    kind: TaskKind
    title: str
    state: TaskState
    due_at: Moment | None = None
    assigned_to: str | None = None
    created_at: Moment
    created_by: str
    lead: TaskLead


class TaskPage(Model):
    """Open tasks by due time; `next_cursor` None: the end."""

    tasks: tuple[OpenTask, ...]
    next_cursor: str | None


class Rollup(Model):
    """Freshness: `delay_seconds` from the newest event to its count; `since`: last heartbeat."""

    state: Literal["live", "behind", "away", "rebuilding"]
    delay_seconds: float | None = None
    since: Moment | None = None


class Analytics(Model):
    """The head of every answer: its days, and its freshness (`as_of`: newest counted event)."""

    timeframe: Literal["week", "month", "quarter"]
    from_: date = Field(alias="from")
    to: date
    timezone: str
    week_start: Literal["monday"]
    as_of: Moment | None
    rollup: Rollup
    total_leads: int


class Owned(Model):
    """An owner's leads."""

    total: int
    open: int
    converted: int


class SourceCount(Model):
    """A source's leads."""

    source: str
    count: int


class Velocity(Model):
    """Leads per day in the window and in the one before; change in per cent, None without any."""

    per_day: float
    previous_per_day: float
    change_percent: float | None


class Band(Model):
    """Leads with a score in this range, both ends included."""

    from_: int = Field(alias="from")
    to: int
    count: int


class Stage(Model):
    """Leads that have reached at least this stage."""

    stage: Literal["captured", "contacted", "qualified", "converted"]
    count: int


class Stretch(Model):
    """Leads created from the first to the last day, and those of them converted by now."""

    from_: date = Field(alias="from")
    to: date
    total: int
    converted: int


class LeadAnalytics(Analytics):
    """Leads created in the window, as they are now; rates in per cent."""

    by_source: Mapping[str, int]
    by_status: Mapping[str, int]
    by_industry: Mapping[str, int]
    by_owner: Mapping[str, Owned]
    conversion_rate: float
    average_score: float | None
    top_performing_sources: tuple[SourceCount, ...]
    lead_velocity: Velocity
    score_distribution: tuple[Band, ...]
    unscored: int
    funnel: tuple[Stage, ...]
    series: tuple[Stretch, ...]


class Conversion(Model):
    """Leads, the converted ones, and their share in per cent."""

    total: int
    converted: int
    rate: float


class SourceConversion(Conversion):
    """A source's conversions."""

    source: str


class Took(Model):
    """Conversions that took at least `from_hours` and less than `to_hours`."""

    from_hours: float
    to_hours: float | None
    count: int


class ConversionAnalytics(Analytics):
    """Conversions of leads created in the window; hours, quantiles within one per cent."""

    converted_leads: int
    overall_conversion_rate: float
    conversions_by_source: Mapping[str, Conversion]
    average_time_to_conversion: float | None
    median_time_to_conversion: float | None
    p90_time_to_conversion: float | None = Field(alias="p90TimeToConversion")
    time_to_conversion: tuple[Took, ...]
    top_converting_sources: tuple[SourceConversion, ...]


def describe_model(tag: str, answer: type[Model]) -> RouteDocs:
    """Return the OpenAPI part of a read route that answers with this model."""
    docs = describe_read({}, tag)
    docs["responses"] = {**docs["responses"], 200: {"description": "The answer.", "model": answer}}
    return docs
