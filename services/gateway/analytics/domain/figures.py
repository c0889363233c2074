"""The analytics' answers as JSON has them; reports read the same.

`services/gateway/web/responses.py` describes them for the OpenAPI page, with the meaning of each field.
"""

from datetime import date, datetime
from typing import Literal, NotRequired, TypedDict


class FreshnessFigures(TypedDict):
    """How far counting has come."""

    state: Literal["live", "behind", "away", "rebuilding"]
    delaySeconds: NotRequired[float]
    since: NotRequired[datetime | None]


_Days = TypedDict("_Days", {"from": date, "to": date})
_Points = TypedDict("_Points", {"from": int, "to": int})


class HeadFigures(_Days):
    """The head of every answer."""

    timeframe: str
    timezone: str
    weekStart: Literal["monday"]
    asOf: datetime | None
    rollup: FreshnessFigures


class OwnerFigures(TypedDict):
    """An owner's leads."""

    total: int
    open: int
    converted: int


class SourceLeads(TypedDict):
    """A source and its leads."""

    source: str
    count: int


class VelocityFigures(TypedDict):
    """Leads per day in the window and in the one before."""

    perDay: float
    previousPerDay: float
    changePercent: float | None


class BandFigures(_Points):
    """Leads with a score in this range."""

    count: int


class StageFigures(TypedDict):
    """Leads that have reached a stage."""

    stage: str
    count: int


class SeriesPart(_Days):
    """Leads created in these days."""

    total: int
    converted: int


class LeadFigures(HeadFigures):
    """`/v1/analytics/leads`."""

    totalLeads: int
    bySource: dict[str, int]
    byStatus: dict[str, int]
    byIndustry: dict[str, int]
    byOwner: dict[str, OwnerFigures]
    conversionRate: float
    averageScore: float | None
    topPerformingSources: list[SourceLeads]
    leadVelocity: VelocityFigures
    scoreDistribution: list[BandFigures]
    unscored: int
    funnel: list[StageFigures]
    series: list[SeriesPart]


class SourceFigures(TypedDict):
    """A source's leads and conversions."""

    total: int
    converted: int
    rate: float


class NamedSourceFigures(SourceFigures):
    """A source, and its leads and conversions."""

    source: str


class TimeFigures(TypedDict):
    """Conversions that took a time in this range."""

    fromHours: float
    toHours: float | None
    count: int


class ConversionFigures(HeadFigures):
    """`/v1/analytics/conversions`."""

    totalLeads: int
    convertedLeads: int
    overallConversionRate: float
    conversionsBySource: dict[str, SourceFigures]
    averageTimeToConversion: float | None
    medianTimeToConversion: float | None
    p90TimeToConversion: float | None
    timeToConversion: list[TimeFigures]
    topConvertingSources: list[NamedSourceFigures]
