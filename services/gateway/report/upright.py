"""The figures whose columns stand upright: leads over time, times to conversion, scores. All is pure."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from services.gateway.report import drawing, words
from services.gateway.report.drawing import Count
from services.gateway.report.figure import Figure, Table

_HOT = 70
_WEEK = timedelta(days=6)
_LABELS_APART = {"week": 1, "month": 7, "quarter": 3}
_CUT = "Where the window cuts the first or the last week, that one has fewer days; the sentence is about whole weeks."
_Part = Mapping[str, Any]


def series(told: Mapping[str, Any]) -> Figure:
    """Leads by day, or by week where days would be too many, and those of them that are converted by now."""
    parts: list[_Part] = told["series"]
    weekly, apart = told["timeframe"] == "quarter", _LABELS_APART[told["timeframe"]]
    # Counted from the last one, so that it has a label.
    counts = [_count(one, apart, len(parts) - 1 - n, weekly=weekly) for n, one in enumerate(parts)]
    rows = tuple((_called(one, weekly=weekly), f"{one['total']:,}", f"{one['converted']:,}") for one in parts)
    unit, summary = "week" if weekly else "day", _range(parts, weekly=weekly)
    table = Table((unit.capitalize(), "Leads", "Converted"), rows)
    note = _CUT if weekly else None
    return Figure("series", f"Leads by {unit}", summary, table, drawing.columns(counts), note=note)


def _count(part: _Part, apart: int, place: int, *, weekly: bool) -> Count:
    label = words.day(part["from"]) if apart > 1 else f"{part['from']:%a}"
    told = f"{_called(part, weekly=weekly)}: {words.counted(part['total'], 'lead')}, {part['converted']:,} converted"
    return Count(told, () if place % apart else (label,), part["total"], part["converted"])


def _range(parts: list[_Part], *, weekly: bool) -> str:
    compared = [one for one in parts if not weekly or one["to"] - one["from"] == _WEEK]
    least, most = (pick(compared, key=lambda one: one["total"]) for pick in (min, max))
    place = "in the week of" if weekly else "on"
    return (
        f"{least['total']:,} to {words.counted(most['total'], 'lead')} a {'week' if weekly else 'day'}; "
        f"the most {place} {_called(most, weekly=weekly)}."
    )


def _called(part: _Part, *, weekly: bool) -> str:
    return words.stretch(part["from"], part["to"]) if weekly else words.weekday(part["from"])


def times(told: Mapping[str, Any]) -> Figure:
    """How long it took from a lead's creation to its conversion."""
    bins = told["timeToConversion"]
    title, head = "Time to convert", ("Time to convert", "Leads")
    if told["medianTimeToConversion"] is None:
        return Figure("times", title, "No lead of this time has converted yet.")
    spans = [words.span(one["fromHours"], one["toHours"]) for one in bins]
    counts = [
        Count(f"{span}: {words.counted(one['count'], 'lead')}", _in_two(span), one["count"])
        for span, one in zip(spans, bins, strict=True)
    ]
    quick, slow = words.within(told["medianTimeToConversion"]), words.within(told["p90TimeToConversion"])
    rows = tuple((span, f"{one['count']:,}") for span, one in zip(spans, bins, strict=True))
    summary = f"Half convert {quick}, nine in ten {slow}."
    return Figure("times", title, summary, Table(head, rows), drawing.columns(counts))


def _in_two(span: str) -> tuple[str, ...]:
    """Nine spans stand side by side on a phone."""
    sign = "\N{EN DASH}" if "\N{EN DASH}" in span else ">"
    first, _, second = span.partition(sign)
    return first + sign, second.strip()


def scores(told: Mapping[str, Any]) -> Figure:
    """How many leads have which score, in ten bands."""
    bands, unscored = told["scoreDistribution"], told["unscored"]
    scored = sum(one["count"] for one in bands)
    note = f"{words.counted(unscored, 'lead')} not scored yet." if unscored else None
    if not scored:
        return Figure("scores", "Scores", "No lead of this time has a score yet.")
    hot = sum(one["count"] for one in bands if one["from"] >= _HOT)
    labels = [f"{one['from']}\N{EN DASH}{one['to']}" for one in bands]
    counts = [
        Count(f"Score {label}: {words.counted(one['count'], 'lead')}", (str(one["from"]),), one["count"])
        for label, one in zip(labels, bands, strict=True)
    ]
    rows = tuple((label, f"{one['count']:,}") for label, one in zip(labels, bands, strict=True))
    summary = (
        f"{words.counted(hot, 'lead')} of {scored:,} {'scores' if hot == 1 else 'score'} {_HOT} or more; "
        f"the average is {words.decimal(told['averageScore'])}."
    )
    return Figure("scores", "Scores", summary, Table(("Score", "Leads"), rows), drawing.columns(counts), note=note)
