"""A report as one table for spreadsheets, one number per row. Pure."""

import csv
import io
from collections.abc import Iterator, Mapping
from datetime import datetime

from services.gateway.analytics.domain.figures import ConversionFigures, HeadFigures, LeadFigures
from services.gateway.analytics.domain.measures import OTHERS, Answers
from services.gateway.report.domain import formatting
from services.gateway.report.domain.kpis import LEADS, PERCENT, key_figures
from services.ingest.domain.tables.artefacts import disarm_formula

COLUMNS = ("section", "name", "measure", "value", "unit", "previous")
"""The header. `previous` is the number of the window before, if there is one."""
_Cell = str | float | None
_Row = tuple[_Cell, ...]


def export_csv(now: Answers, before: Answers, made: datetime) -> str:
    """Return the table as CSV (RFC 4180) with the byte order mark that spreadsheets need."""
    text = io.StringIO(newline="")
    text.write("\ufeff")
    csv.writer(text).writerows([COLUMNS, *(map(_guarded, row) for row in _rows(now, before, made))])
    return text.getvalue()


def _guarded(cell: _Cell) -> _Cell:
    return disarm_formula(formatting.printable(cell)) if isinstance(cell, str) else cell


def _rows(now: Answers, before: Answers, made: datetime) -> Iterator[_Row]:
    leads, old = now.leads, before.leads
    yield from _about(leads, old, made)
    yield from (
        ("key figures", "all leads", key.name.lower(), key.now, key.unit, key.before)
        for key in key_figures(now, before)
    )
    for part in leads["series"]:
        for measure, count in (("leads", part["total"]), ("converted", part["converted"])):
            yield "leads over time", part["from"].isoformat(), measure, count, LEADS, None
    yield from _counts("funnel", *({one["stage"]: one["count"] for one in answer["funnel"]} for answer in (leads, old)))
    yield from _counts("status", leads["byStatus"], old["byStatus"])
    yield from _each("source", _sources(now.conversions), _sources(before.conversions))
    yield from _counts("score", _bands(leads), _bands(old))
    yield from _counts("time to convert", _spans(now.conversions), _spans(before.conversions))
    yield from _counts("industry", leads["byIndustry"], old["byIndustry"])
    yield from _each("owner", _owners(leads), _owners(old))


def _about(answer: HeadFigures, old: HeadFigures, made: datetime) -> Iterator[_Row]:
    yield "report", "window", "timeframe", answer["timeframe"], "text", None
    yield "report", "window", "first day", answer["from"].isoformat(), "date", old["from"].isoformat()
    yield "report", "window", "last day", answer["to"].isoformat(), "date", old["to"].isoformat()
    yield "report", "window", "time zone", answer["timezone"], "text", None
    yield "report", "freshness", "made", made.isoformat(timespec="seconds"), "time", None
    as_of = answer["asOf"].isoformat(timespec="seconds") if answer["asOf"] else None
    yield "report", "freshness", "counted up to", as_of, "time", None
    yield "report", "freshness", "counting", answer["rollup"]["state"], "text", None


def _counts(section: str, now: Mapping[str, int], before: Mapping[str, int]) -> Iterator[_Row]:
    """Yield a row per name. A name missing in one window counts 0, unless others include it."""
    none, was_none = (None if OTHERS in counts else 0 for counts in (now, before))
    for name in dict.fromkeys((*now, *before)):
        yield section, name, "leads", now.get(name, none), LEADS, before.get(name, was_none)


def _each(
    section: str, now: Mapping[str, Mapping[str, float]], before: Mapping[str, Mapping[str, float]]
) -> Iterator[_Row]:
    for name in dict.fromkeys((*now, *before)):
        shown, was = now.get(name, {}), before.get(name, {})
        for measure in shown or was:
            # Without leads a rate is empty, and a count is zero.
            nothing = None if measure == "rate" else 0
            values = [one[measure] if one.get("total") else nothing for one in (shown, was)]
            yield section, name, measure, values[0], PERCENT if measure == "rate" else LEADS, values[1]


def _sources(answer: ConversionFigures) -> dict[str, dict[str, float]]:
    return {
        name: {"total": one["total"], "converted": one["converted"], "rate": one["rate"]}
        for name, one in answer["conversionsBySource"].items()
    }


def _owners(answer: LeadFigures) -> dict[str, dict[str, float]]:
    return {
        name: {"total": one["total"], "open": one["open"], "converted": one["converted"]}
        for name, one in answer["byOwner"].items()
    }


def _bands(answer: LeadFigures) -> dict[str, int]:
    # Words between the numbers: a spreadsheet would read 10-19 as a date.
    bands = {f"{one['from']} to {one['to']}": one["count"] for one in answer["scoreDistribution"]}
    return bands | {"not scored": answer["unscored"]}


def _spans(answer: ConversionFigures) -> dict[str, int]:
    return {formatting.span(one["fromHours"], one["toHours"]): one["count"] for one in answer["timeToConversion"]}
