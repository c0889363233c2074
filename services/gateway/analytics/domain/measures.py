"""The analytics (schemas/README.md#http), computed from a window's counts. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from schemas.lead import Source, Status
from services.gateway.analytics.domain.figures import (
    BandFigures,
    ConversionFigures,
    FreshnessFigures,
    HeadFigures,
    LeadFigures,
    OwnerFigures,
    SeriesPart,
    SourceFigures,
    StageFigures,
    TimeFigures,
    VelocityFigures,
)
from shared.domain.rollups import BAND_POINTS, BANDS, Window, seconds_of, unescaped

_HOUR_S = 3_600
_HOURS = (0, 1, 4, 24, 72, 168, 336, 720, 2_160)
"""Edges in hours of the histogram of times to conversion."""
_INDUSTRIES_MAX = 50
OTHERS = "(others)"
"""The name that counts all industries outside the most frequent together."""
_TOP = 5
_REACHED = {
    "contacted": (Status.CONTACTED, Status.QUALIFIED, Status.UNQUALIFIED, Status.CONVERTED),
    "qualified": (Status.QUALIFIED, Status.CONVERTED),
    "converted": (Status.CONVERTED,),
}
"""The statuses of leads that have certainly reached a stage of the funnel."""


@dataclass(frozen=True, slots=True)
class Span:
    """A window, the sum of its buckets, and the parts of its series."""

    window: Window
    totals: Counter[str]
    series: Sequence[tuple[Window, Counter[str]]]
    before: Counter[str]
    """The counts of the window before."""

    @property
    def earlier(self) -> "Span":
        """Return the window before, without a series and without its own window before."""
        return Span(self.window.before, self.before, (), Counter())


@dataclass(frozen=True, slots=True)
class Head:
    """The head of every answer."""

    timeframe: str
    timezone: str
    as_of: datetime | None
    rollup: FreshnessFigures

    def document(self, window: Window) -> HeadFigures:
        """Return the head in wire form."""
        return {
            "timeframe": self.timeframe,
            "from": window.first,
            "to": window.last,
            "timezone": self.timezone,
            "weekStart": "monday",
            "asOf": self.as_of,
            "rollup": self.rollup,
        }


@dataclass(frozen=True, slots=True)
class Answers:
    """Both answers about a window, from the same counts."""

    leads: LeadFigures
    conversions: ConversionFigures


def leads(span: Span, head: Head, elapsed: float) -> LeadFigures:
    """Return `/v1/analytics/leads`; `elapsed` is the elapsed part of today, 0…1."""
    totals, by_source = span.totals, _sources(span.totals)
    scored = totals["n"] - totals["unscored"]
    ranked = sorted(by_source.items(), key=lambda one: (-one[1], one[0]))
    return {
        **head.document(span.window),
        "totalLeads": totals["n"],
        "bySource": by_source,
        "byStatus": {status.value: totals[f"status.{status.value}"] for status in Status},
        "byIndustry": _industries(totals),
        "byOwner": _owners(totals),
        "conversionRate": percent_of(totals["status.converted"], totals["n"]),
        "averageScore": round(totals["score"] / scored, 1) if scored else None,
        "topPerformingSources": [{"source": name, "count": count} for name, count in ranked[:_TOP] if count],
        "leadVelocity": _velocity(span, elapsed),
        "scoreDistribution": [_band(totals, number) for number in range(BANDS)],
        "unscored": totals["unscored"],
        "funnel": _funnel(totals),
        "series": [_part(window, counted) for window, counted in span.series],
    }


def conversions(span: Span, head: Head) -> ConversionFigures:
    """Return `/v1/analytics/conversions`; times in hours."""
    totals = span.totals
    converted = totals["status.converted"]
    by_source = {
        source.value: _conversion(totals[f"source.{source.value}.n"], totals[f"source.{source.value}.won"])
        for source in Source
    }
    ranked = sorted(by_source.items(), key=lambda one: (-one[1]["rate"], -one[1]["converted"], one[0]))
    speeds = _speeds(totals)
    taken = sum(count for _, count in speeds)
    return {
        **head.document(span.window),
        "totalLeads": totals["n"],
        "convertedLeads": converted,
        "overallConversionRate": percent_of(converted, totals["n"]),
        "conversionsBySource": by_source,
        "averageTimeToConversion": round(totals["took"] / taken / _HOUR_S, 2) if taken else None,
        "medianTimeToConversion": quantile(speeds, 0.5),
        "p90TimeToConversion": quantile(speeds, 0.9),
        "timeToConversion": _histogram(speeds),
        "topConvertingSources": [{"source": name, **one} for name, one in ranked[:_TOP] if one["converted"]],
    }


def percent_of(part: int, whole: int) -> float:
    """Return 0…100 with two decimals; 0 if `whole` is 0."""
    return round(100 * part / whole, 2) if whole else 0.0


def _sources(totals: Counter[str]) -> dict[str, int]:
    return {source.value: totals[f"source.{source.value}.n"] for source in Source}


def _conversion(total: int, converted: int) -> SourceFigures:
    return {"total": total, "converted": converted, "rate": percent_of(converted, total)}


def _industries(totals: Counter[str]) -> dict[str, int]:
    found = {unescaped(path[9:]): count for path, count in totals.items() if path.startswith("industry.") and count}
    ranked = sorted(found.items(), key=lambda one: (-one[1], one[0]))
    others = sum(count for _, count in ranked[_INDUSTRIES_MAX:])
    return dict(ranked[:_INDUSTRIES_MAX]) | ({OTHERS: others} if others else {})


def _owners(totals: Counter[str]) -> dict[str, OwnerFigures]:
    names = sorted(path.split(".")[1] for path in totals if path.startswith("owner.") and path.endswith(".n"))
    return {unescaped(name): _owner(totals, name) for name in names if totals[f"owner.{name}.n"]}


def _owner(totals: Counter[str], name: str) -> OwnerFigures:
    return {
        "total": totals[f"owner.{name}.n"],
        "open": totals[f"owner.{name}.open"],
        "converted": totals[f"owner.{name}.won"],
    }


def _velocity(span: Span, elapsed: float) -> VelocityFigures:
    """Return leads per day in the window and in the window before.

    Today counts by its elapsed part.
    """
    days = (span.window.last - span.window.first).days + 1
    now, before = span.totals["n"] / (days - 1 + max(elapsed, 0.01)), span.before["n"] / days
    change = round(100 * (now - before) / before, 1) if before else None
    return {"perDay": round(now, 2), "previousPerDay": round(before, 2), "changePercent": change}


def _band(totals: Counter[str], number: int) -> BandFigures:
    lowest = number * BAND_POINTS
    highest = 100 if number == BANDS - 1 else lowest + BAND_POINTS - 1
    return {"from": lowest, "to": highest, "count": totals[f"band.{number}"]}


def _funnel(totals: Counter[str]) -> list[StageFigures]:
    reached = {stage: sum(totals[f"status.{one.value}"] for one in statuses) for stage, statuses in _REACHED.items()}
    return [{"stage": stage, "count": count} for stage, count in {"captured": totals["n"], **reached}.items()]


def _part(window: Window, counted: Counter[str]) -> SeriesPart:
    return {"from": window.first, "to": window.last, "total": counted["n"], "converted": counted["status.converted"]}


def _speeds(totals: Counter[str]) -> list[tuple[int, int]]:
    return sorted((int(path[6:]), count) for path, count in totals.items() if path.startswith("speed.") and count)


def quantile(speeds: Sequence[tuple[int, int]], part: float) -> float | None:
    """Return the hours within which this part of the conversions came; None without any.

    The error is at most one per cent.
    """
    left = part * (sum(count for _, count in speeds) - 1)
    for speed, count in speeds:
        left -= count
        if left < 0:
            return round(seconds_of(speed) / _HOUR_S, 2)
    return None


def _histogram(speeds: Iterable[tuple[int, int]]) -> list[TimeFigures]:
    counts = [0] * len(_HOURS)
    for speed, count in speeds:
        hours = seconds_of(speed) / _HOUR_S
        counts[max(place for place, edge in enumerate(_HOURS) if hours >= edge)] += count
    ends = (*_HOURS[1:], None)
    return [
        {"fromHours": start, "toHours": end, "count": count}
        for start, end, count in zip(_HOURS, ends, counts, strict=True)
    ]


def elapsed_of(day: date, now: datetime) -> float:
    """Return the elapsed part of `day` at `now`, 0…1. `now` is in the day's zone."""
    return (now.hour * _HOUR_S + now.minute * 60 + now.second) / 86_400 if now.date() == day else 1.0
