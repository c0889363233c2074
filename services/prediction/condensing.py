"""Condensing: rows of captures and activities put together that say the same of a lead. All is pure.

A lead may have any number of rows, and a vector needs few numbers of them: how many of each kind, the first and the
last. So rows are read in pages, and put together page by page; what is left is bounded by the kinds that there are.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from services.prediction.features import as_known, kind_of, known_at

Row = Mapping[str, Any]
_Key = tuple[Any, ...]


def captures(rows: Iterable[Row], as_of: Mapping[str, datetime]) -> list[Row]:
    """One row for each lead, channel, and side of the lead's moment in `as_of`; erased rows say nothing."""

    def key(row: Row) -> _Key:
        return row["leadId"], row.get("channel"), known_at(row, "capturedAt") <= as_of[row["leadId"]]

    return _condensed((row for row in rows if "capturedAt" in row), key, "capturedAt")


def activities(rows: Iterable[Row], as_of: Mapping[str, datetime]) -> list[Row]:
    """One row for each lead, kind, and side of the lead's moment in `as_of`, as the activities were stated by then."""

    def key(row: Row) -> _Key:
        known = known_at(row, "at") <= as_of[row["leadId"]]
        return row["leadId"], *kind_of(row), bool(row.get("cancelled")), known

    return _condensed((_stated(row, as_of[row["leadId"]]) for row in rows), key, "at")


def _stated(row: Row, as_of: datetime) -> Row:
    stated = as_known(row, as_of) or row
    return {"leadId": row["leadId"], **{name: value for name, value in stated.items() if name != "earlier"}}


def _condensed(rows: Iterable[Row], key: Callable[[Row], _Key], time: str) -> list[Row]:
    found: dict[_Key, Row] = {}
    for row in rows:
        one = {**row, "knownAt": known_at(row, time)}
        before = found.get(key(row))
        found[key(row)] = _both(before, one, time) if before else one
    return list(found.values())


def _both(one: Row, other: Row, time: str) -> Row:
    """One row that says what these two say: `times` how many, from `time` on and `until` when."""
    filled = sorted({*(one.get("filled") or ()), *(other.get("filled") or ())})
    return {
        **one,
        time: min(one[time], other[time]),
        "until": max(one.get("until", one[time]), other.get("until", other[time])),
        "times": one.get("times", 1) + other.get("times", 1),
        **({"filled": filled} if filled else {}),
    }
