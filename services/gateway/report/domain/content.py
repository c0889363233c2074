"""The content of a report: the analytics of a window beside the window before. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from services.gateway.analytics.domain.figures import HeadFigures
from services.gateway.analytics.domain.measures import Answers
from services.gateway.report.domain import bar_charts, column_charts, formatting
from services.gateway.report.domain.figure import Figure, FigureTable
from services.gateway.report.domain.kpis import KeyFigure, key_figures
from shared.domain.rollups import WINDOWS

_AT_ONCE = ("Leads", "Conversion rate", "Median time to convert", "Average score")
_FAIR = "Leads of the period before have had more time to convert. Leads per day count only the elapsed part of today."


@dataclass(frozen=True, slots=True)
class Report:
    """The content of a report, in its order.

    `days` of `zone` are the counted days, `made` is when the report was made, `fresh` how far counting had come, and
    `warning` the reason if that is too far behind. Without leads, `nothing` says so, and the only figure is the
    comparison.
    """

    title: str
    days: str
    zone: str
    made: str
    fresh: str
    warning: str | None
    nothing: str | None
    tiles: tuple[KeyFigure, ...]
    figures: tuple[Figure, ...]


def build_report(now: Answers, before: Answers, made: datetime) -> Report:
    """Return the report of a window, made at this moment, beside the window before."""
    answer, zone = now.leads, ZoneInfo(now.leads["timezone"])
    found, days = key_figures(now, before), formatting.days(answer["from"], answer["to"])
    compared = _compared(now, before, found)
    return Report(
        f"Leads of the last {WINDOWS[answer['timeframe']]} days",
        days,
        zone.key,
        formatting.format_moment(made.astimezone(zone)),
        _fresh(answer, zone),
        warning_of(answer),
        None if answer["totalLeads"] else f"No leads in these days: {days}.",
        tuple(key for key in found if key.name in _AT_ONCE),
        _figures(now, before, compared) if answer["totalLeads"] else (compared,),
    )


def _fresh(answer: HeadFigures, zone: ZoneInfo) -> str:
    as_of = answer["asOf"]
    return f"Updated {formatting.format_moment(as_of.astimezone(zone))}" if as_of else "No figures yet"


def warning_of(answer: HeadFigures) -> str | None:
    """Return a warning for the reader if counting is behind; None if it isn't."""
    rollup, zone = answer["rollup"], ZoneInfo(answer["timezone"])
    if rollup["state"] == "rebuilding":
        return "The figures are being rebuilt. These are the earlier ones."
    if rollup["state"] == "behind":
        return (
            f"The figures are {formatting.seconds(rollup['delaySeconds'])} behind: the newest changes may be missing."
        )
    if rollup["state"] == "away" and (since := rollup["since"]):
        at = formatting.format_moment(since.astimezone(zone))
        return f"The figures have not been updated since {at}: later changes are missing."
    if rollup["state"] == "away":
        return "Counting has not started: these figures don't include any leads yet."
    return None


def _compared(now: Answers, before: Answers, found: Sequence[KeyFigure]) -> Figure:
    days = [formatting.stretch(one.leads["from"], one.leads["to"]) for one in (now, before)]
    rows = tuple((key.name, key.text, key.text_before, key.change) for key in found)
    table = FigureTable(("Figure", days[0], f"Before: {days[1]}", "Change"), rows)
    return Figure("compared", "Compared with the period before", _FAIR, table)


def _figures(now: Answers, before: Answers, compared: Figure) -> tuple[Figure, ...]:
    return (
        column_charts.series(now.leads),
        compared,
        bar_charts.sources(now.conversions, before.conversions),
        bar_charts.funnel(now.leads, before.leads),
        bar_charts.statuses(now.leads, before.leads),
        column_charts.times(now.conversions),
        column_charts.scores(now.leads),
        bar_charts.industries(now.leads),
        bar_charts.owners(now.leads),
    )
