"""A report as one tidy table for spreadsheets: a number a row. All is pure."""

import csv
import io
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from services.gateway.analytics import OTHERS, Answers
from services.gateway.report import words
from services.gateway.report.keys import LEADS, PERCENT, keys

COLUMNS = ("section", "name", "measure", "value", "unit", "previous")
"""The header: what a number is of, the number, its unit, and that of the window before where there is one."""
# A spreadsheet takes what begins so for a formula: in the East, wide signs too.
_FORMULAS = tuple("=+-@\t\r\uff1d\uff0b\uff0d\uff20")
_Cell = str | float | None
_Row = tuple[_Cell, ...]


def sheet(now: Answers, before: Answers, made: datetime) -> str:
    """The table as CSV (RFC 4180), with a byte order mark, by which spreadsheets know UTF-8."""
    text = io.StringIO(newline="")
    text.write("\ufeff")
    csv.writer(text).writerows([COLUMNS, *(map(_guarded, row) for row in _rows(now, before, made))])
    return text.getvalue()


def _guarded(cell: _Cell) -> _Cell:
    if not isinstance(cell, str):
        return cell
    text = words.clean(cell)
    return f"'{text}" if cell.startswith(_FORMULAS) or text.startswith(_FORMULAS) else text


def _rows(now: Answers, before: Answers, made: datetime) -> Iterator[_Row]:
    leads, old = now.leads, before.leads
    yield from _about(leads, old, made)
    yield from (
        ("key figures", "all leads", key.name.lower(), key.now, key.unit, key.before) for key in keys(now, before)
    )
    for part in leads["series"]:
        for measure, field in (("leads", "total"), ("converted", "converted")):
            yield "leads over time", part["from"].isoformat(), measure, part[field], LEADS, None
    yield from _counts("funnel", *({one["stage"]: one["count"] for one in told["funnel"]} for told in (leads, old)))
    yield from _counts("status", leads["byStatus"], old["byStatus"])
    yield from _each("source", now.conversions["conversionsBySource"], before.conversions["conversionsBySource"])
    yield from _counts("score", _bands(leads), _bands(old))
    yield from _counts("time to convert", _spans(now.conversions), _spans(before.conversions))
    yield from _counts("industry", leads["byIndustry"], old["byIndustry"])
    yield from _each("owner", leads["byOwner"], old["byOwner"])


def _about(told: Mapping[str, Any], old: Mapping[str, Any], made: datetime) -> Iterator[_Row]:
    yield "report", "window", "timeframe", told["timeframe"], "text", None
    yield "report", "window", "first day", told["from"].isoformat(), "date", old["from"].isoformat()
    yield "report", "window", "last day", told["to"].isoformat(), "date", old["to"].isoformat()
    yield "report", "window", "time zone", told["timezone"], "text", None
    yield "report", "freshness", "made", made.isoformat(timespec="seconds"), "time", None
    as_of = told["asOf"].isoformat(timespec="seconds") if told["asOf"] else None
    yield "report", "freshness", "counted up to", as_of, "time", None
    yield "report", "freshness", "counting", told["rollup"]["state"], "text", None


def _counts(section: str, now: Mapping[str, int], before: Mapping[str, int]) -> Iterator[_Row]:
    """What is named now or was named before; what isn't is none, unless it may be among the others."""
    none, was_none = (None if OTHERS in counts else 0 for counts in (now, before))
    for name in dict.fromkeys((*now, *before)):
        yield section, name, "leads", now.get(name, none), LEADS, before.get(name, was_none)


def _each(
    section: str, now: Mapping[str, Mapping[str, Any]], before: Mapping[str, Mapping[str, Any]]
) -> Iterator[_Row]:
    for name in dict.fromkeys((*now, *before)):
        shown, was = now.get(name, {}), before.get(name, {})
        for measure in shown or was:
            # A rate of no leads is none; a count of them is zero.
            nothing = None if measure == "rate" else 0
            values = [one[measure] if one.get("total") else nothing for one in (shown, was)]
            yield section, name, measure, values[0], PERCENT if measure == "rate" else LEADS, values[1]


def _bands(told: Mapping[str, Any]) -> dict[str, int]:
    # Words beside the numbers: a spreadsheet would take 10-19 for a day.
    bands = {f"{one['from']} to {one['to']}": one["count"] for one in told["scoreDistribution"]}
    return bands | {"not scored": told["unscored"]}


def _spans(told: Mapping[str, Any]) -> dict[str, int]:
    return {words.span(one["fromHours"], one["toHours"]): one["count"] for one in told["timeToConversion"]}
