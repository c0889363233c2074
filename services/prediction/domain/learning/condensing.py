"""Condense rows of captures and activities that count alike for a lead's vector. Pure.

A lead may have any number of rows, and a vector needs only a count per kind, the first and the last. So rows are read
and condensed page by page. The number of kinds bounds the result.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from services.prediction.domain.learning.features import as_known, kind_of, known_at

Row = Mapping[str, Any]
_Key = tuple[Any, ...]


def condense_captures(rows: Iterable[Row], as_of: Mapping[str, datetime]) -> list[Row]:
    """Return one row per lead, channel, and side of the lead's `as_of`, without erased rows."""

    def key(row: Row) -> _Key:
        return row["leadId"], row.get("channel"), known_at(row, "capturedAt") <= as_of[row["leadId"]]

    return _condensed((row for row in rows if "capturedAt" in row), key, "capturedAt")


def condense_activities(rows: Iterable[Row], as_of: Mapping[str, datetime]) -> list[Row]:
    """Return one row per lead, kind, and side of the lead's `as_of`, as stated by then."""

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
    """Return one row for two: `times` counts them, `time` is the first and `until` the last."""
    filled = sorted({*(one.get("filled") or ()), *(other.get("filled") or ())})
    return {
        **one,
        time: min(one[time], other[time]),
        "until": max(one.get("until", one[time]), other.get("until", other[time])),
        "times": one.get("times", 1) + other.get("times", 1),
        **({"filled": filled} if filled else {}),
    }
