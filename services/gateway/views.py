"""What the read routes answer, as the OpenAPI page tells it."""

from collections.abc import Mapping
from datetime import date
from typing import Any, Literal

from pydantic import Field

from schemas.base import Model, Moment
from schemas.lead import Lead
from services.gateway.documents import described_read


class ActivityView(Model):
    """An activity of a lead, as it was stated last; `at` is when that was."""

    id: str
    type: str
    description: str | None = None
    outcome: str | None = None
    scheduled_at: Moment | None = None
    completed_at: Moment | None = None
    cancelled: bool | None = None
    created_by: str
    at: Moment
    metadata: Mapping[str, Any] | None = None


class QualificationView(Model):
    """How a lead was qualified last, by whom and when; `bant` is the newest BANT that sales gave, with its score."""

    method: Literal["progressive", "bant"]
    bant_score: int | None = None
    bant: Mapping[str, Any] | None = None
    by: str | None = None
    at: Moment | None = None


class PermissionView(Model):
    """Whether a channel may be used for a lead, and why."""

    allowed: bool
    why: str


class Permissions(Model):
    """`email`: mail may go; `phone`: calls may be made."""

    email: PermissionView
    phone: PermissionView


class LeadWithActivities(Lead):
    """A lead, with its latest 100 activities, newest first, its qualification, and which channels may be used."""

    permissions: Permissions
    qualification: QualificationView | None = None
    activities: tuple[ActivityView, ...]


class LeadPage(Model):
    """Leads, newest first; `next_cursor` None: there are no more; `unreadable`: how many can't be shown as stored."""

    leads: tuple[Lead, ...]
    next_cursor: str | None
    unreadable: int | None = None


class PartView(Model):
    """What a rule, or a kind of activity, added, and what it looked at."""

    rule: str
    points: int
    evidence: Mapping[str, Any]


class ScoreChange(Model):
    """A change of the score, and the rule set that it was computed by."""

    at: Moment
    score: int
    previous_score: int | None
    reason: str
    rule_set: str | None
    breakdown: tuple[PartView, ...]


class LeadScore(Model):
    """Why a lead has its score (None: it has none yet). `ages_at`: when time alone will change it next."""

    lead_id: str
    score: int | None
    at: Moment | None
    rule_set: str | None
    ages_at: Moment | None
    breakdown: tuple[PartView, ...]
    history: tuple[ScoreChange, ...]


class TimelineEvent(Model):
    """An event that touched a lead; `causation_id` is the `event_id` of what caused it."""

    event_id: str
    topic: str
    time: Moment
    source: str
    causation_id: str | None
    correlation_id: str | None
    details: Mapping[str, Any]
    text: str


class Timeline(Model):
    """Events, newest first; `next_cursor` None: there are no more."""

    events: tuple[TimelineEvent, ...]
    next_cursor: str | None


class NurtureStep(Model):
    """A step of an enrolment, and why it is so. `will_not_go`: why a scheduled one will not go to the lead now."""

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


class Rollup(Model):
    """Whether figures are those of now: `delay_seconds` from the newest event to its counting; `since`: last alive."""

    state: Literal["live", "behind", "away", "rebuilding"]
    delay_seconds: float | None = None
    since: Moment | None = None


class Analytics(Model):
    """What every answer begins with: the days it counts, and how fresh it is (`as_of`: the newest event counted)."""

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
    """Leads a day: in the window, and in the one before; the change in per cent, None of nothing."""

    per_day: float
    previous_per_day: float
    change_percent: float | None


class Band(Model):
    """Leads whose score lies between both, inclusive."""

    from_: int = Field(alias="from")
    to: int
    count: int


class Stage(Model):
    """Leads that have come at least so far."""

    stage: Literal["captured", "contacted", "qualified", "converted"]
    count: int


class Stretch(Model):
    """Leads that were created from the first to the last day, and how many of them are converted now."""

    from_: date = Field(alias="from")
    to: date
    total: int
    converted: int


class LeadAnalytics(Analytics):
    """Leads created in the window, as they stand now (contract 4); rates in per cent."""

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
    """Leads, those converted, and their share in per cent."""

    total: int
    converted: int
    rate: float


class SourceConversion(Conversion):
    """A source's."""

    source: str


class Took(Model):
    """Conversions that took at least `from_hours` and less than `to_hours`."""

    from_hours: float
    to_hours: float | None
    count: int


class ConversionAnalytics(Analytics):
    """Conversions of the leads created in the window (contract 4); times in hours, quantiles within one per cent."""

    converted_leads: int
    overall_conversion_rate: float
    conversions_by_source: Mapping[str, Conversion]
    average_time_to_conversion: float | None
    median_time_to_conversion: float | None
    p90_time_to_conversion: float | None = Field(alias="p90TimeToConversion")
    time_to_conversion: tuple[Took, ...]
    top_converting_sources: tuple[SourceConversion, ...]


def read(tag: str, answer: type[Model]) -> dict[str, Any]:
    """A read route's part of the page."""
    told = described_read({}, tag)
    told["responses"] = {**told["responses"], 200: {"description": "What there is.", "model": answer}}
    return told
