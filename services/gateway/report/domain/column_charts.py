"""Figures with columns: leads over time, times to conversion, scores. Pure."""

from datetime import timedelta

from services.gateway.analytics.domain.figures import ConversionFigures, LeadFigures, SeriesPart
from services.gateway.report.domain import drawing, formatting
from services.gateway.report.domain.drawing import Count
from services.gateway.report.domain.figure import Figure, FigureTable

_HOT = 70
_WEEK = timedelta(days=6)
_LABELS_APART = {"week": 1, "month": 7, "quarter": 3}
_CUT = "The first and the last week can have fewer days. The sentence is about whole weeks."


def series(answer: LeadFigures) -> Figure:
    """Return the leads by day, or by week in a long window, and those converted by now."""
    parts = answer["series"]
    weekly, apart = answer["timeframe"] == "quarter", _LABELS_APART[answer["timeframe"]]
    # Count from the last part, so that it has a label.
    counts = [_count(one, apart, len(parts) - 1 - n, weekly=weekly) for n, one in enumerate(parts)]
    rows = tuple((_called(one, weekly=weekly), f"{one['total']:,}", f"{one['converted']:,}") for one in parts)
    unit, summary = "week" if weekly else "day", _range(parts, weekly=weekly)
    table = FigureTable((unit.capitalize(), "Leads", "Converted"), rows)
    note = _CUT if weekly else None
    return Figure("series", f"Leads by {unit}", summary, table, drawing.columns(counts), note=note)


def _count(part: SeriesPart, apart: int, place: int, *, weekly: bool) -> Count:
    label = formatting.day(part["from"]) if apart > 1 else f"{part['from']:%a}"
    leads = formatting.count_noun(part["total"], "lead")
    text = f"{_called(part, weekly=weekly)}: {leads}, {part['converted']:,} converted"
    return Count(text, () if place % apart else (label,), part["total"], part["converted"])


def _range(parts: list[SeriesPart], *, weekly: bool) -> str:
    compared = [one for one in parts if not weekly or one["to"] - one["from"] == _WEEK]
    least, most = (pick(compared, key=lambda one: one["total"]) for pick in (min, max))
    place = "in the week of" if weekly else "on"
    return (
        f"{least['total']:,} to {formatting.count_noun(most['total'], 'lead')} per {'week' if weekly else 'day'}; "
        f"most {place} {_called(most, weekly=weekly)}."
    )


def _called(part: SeriesPart, *, weekly: bool) -> str:
    return formatting.stretch(part["from"], part["to"]) if weekly else formatting.weekday(part["from"])


def times(answer: ConversionFigures) -> Figure:
    """Return the times from a lead's creation to its conversion."""
    bins = answer["timeToConversion"]
    title, head = "Time to convert", ("Time to convert", "Leads")
    median, slowest = answer["medianTimeToConversion"], answer["p90TimeToConversion"]
    if median is None or slowest is None:
        return Figure("times", title, "No lead in this period has converted yet.")
    spans = [formatting.span(one["fromHours"], one["toHours"]) for one in bins]
    counts = [
        Count(f"{span}: {formatting.count_noun(one['count'], 'lead')}", _in_two(span), one["count"])
        for span, one in zip(spans, bins, strict=True)
    ]
    quick, slow = formatting.within(median), formatting.within(slowest)
    rows = tuple((span, f"{one['count']:,}") for span, one in zip(spans, bins, strict=True))
    summary = f"Half convert {quick}, nine in ten {slow}."
    return Figure("times", title, summary, FigureTable(head, rows), drawing.columns(counts))


def _in_two(span: str) -> tuple[str, ...]:
    """Break a label, so that nine columns fit a phone."""
    sign = "\N{EN DASH}" if "\N{EN DASH}" in span else ">"
    first, _, second = span.partition(sign)
    return first + sign, second.strip()


def scores(answer: LeadFigures) -> Figure:
    """Return the leads by score, in ten bands."""
    bands, unscored, average = answer["scoreDistribution"], answer["unscored"], answer["averageScore"]
    scored = sum(one["count"] for one in bands)
    note = f"{formatting.count_noun(unscored, 'lead')} not scored yet." if unscored else None
    if not scored or average is None:
        return Figure("scores", "Scores", "No lead in this period has a score yet.")
    hot = sum(one["count"] for one in bands if one["from"] >= _HOT)
    labels = [f"{one['from']}\N{EN DASH}{one['to']}" for one in bands]
    counts = [
        Count(f"Score {label}: {formatting.count_noun(one['count'], 'lead')}", (str(one["from"]),), one["count"])
        for label, one in zip(labels, bands, strict=True)
    ]
    rows = tuple((label, f"{one['count']:,}") for label, one in zip(labels, bands, strict=True))
    summary = (
        f"{formatting.count_noun(hot, 'lead')} of {scored:,} {'scores' if hot == 1 else 'score'} {_HOT} or more. "
        f"The average is {formatting.decimal(average)}."
    )
    return Figure(
        "scores", "Scores", summary, FigureTable(("Score", "Leads"), rows), drawing.columns(counts), note=note
    )
