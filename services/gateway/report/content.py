"""What a report says, from the analytics of a window and of the one before it. All is pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from services.gateway.analytics import Answers
from services.gateway.report import lying, upright, words
from services.gateway.report.figure import Figure, Table
from services.gateway.report.keys import Key, keys
from shared.domain.rollups import WINDOWS

_AT_ONCE = ("Leads", "Conversion rate", "Median time to convert", "Average score")
_FAIR = "Leads of the window before have had more time to convert. In leads a day, today counts as far as it is over."


@dataclass(frozen=True, slots=True)
class Report:
    """All that a report says, in the order in which it says it.

    `days` of `zone` are those that were counted, `made` is when the report was, `fresh` how far counting was then, and
    `warning` what is wrong with that, or None. Where no leads came in, `nothing` says so, and only what was before is
    a figure.
    """

    title: str
    days: str
    zone: str
    made: str
    fresh: str
    warning: str | None
    nothing: str | None
    tiles: tuple[Key, ...]
    figures: tuple[Figure, ...]


def report(now: Answers, before: Answers, made: datetime) -> Report:
    """The report of a window that was made at this moment, beside the window before it."""
    told, zone = now.leads, ZoneInfo(now.leads["timezone"])
    found, days = keys(now, before), words.days(told["from"], told["to"])
    compared = _compared(now, before, found)
    return Report(
        f"Leads of the last {WINDOWS[told['timeframe']]} days",
        days,
        zone.key,
        words.moment(made.astimezone(zone)),
        _fresh(told, zone),
        warning_of(told),
        None if told["totalLeads"] else f"No leads came in on these days: {days}.",
        tuple(key for key in found if key.name in _AT_ONCE),
        _figures(now, before, compared) if told["totalLeads"] else (compared,),
    )


def _fresh(told: Mapping[str, Any], zone: ZoneInfo) -> str:
    as_of: datetime | None = told["asOf"]
    return f"counted up to {words.moment(as_of.astimezone(zone))}" if as_of else "nothing counted yet"


def warning_of(told: Mapping[str, Any]) -> str | None:
    """What a reader must know of how far counting is, if that is not as far as it should be."""
    rollup, zone = told["rollup"], ZoneInfo(told["timezone"])
    if rollup["state"] == "rebuilding":
        return "The figures are being rebuilt: these are those of before."
    if rollup["state"] == "behind":
        return f"Counting is behind by {words.seconds(rollup['delaySeconds'])}: the newest changes may be missing."
    if rollup["state"] == "away" and rollup["since"]:
        since = words.moment(rollup["since"].astimezone(zone))
        return f"Counting is away since {since}: what happened afterwards is not in these figures."
    if rollup["state"] == "away":
        return "Counting has not started: whatever leads there are, these figures know nothing of them."
    return None


def _compared(now: Answers, before: Answers, found: Sequence[Key]) -> Figure:
    days = [words.stretch(one.leads["from"], one.leads["to"]) for one in (now, before)]
    rows = tuple((key.name, key.told, key.told_before, key.change) for key in found)
    table = Table(("Figure", days[0], f"Before: {days[1]}", "Change"), rows)
    return Figure("compared", "Beside the window before", _FAIR, table)


def _figures(now: Answers, before: Answers, compared: Figure) -> tuple[Figure, ...]:
    return (
        upright.series(now.leads),
        compared,
        lying.sources(now.conversions, before.conversions),
        lying.funnel(now.leads, before.leads),
        lying.statuses(now.leads, before.leads),
        upright.times(now.conversions),
        upright.scores(now.leads),
        lying.industries(now.leads),
        lying.owners(now.leads),
    )
