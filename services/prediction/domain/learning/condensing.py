"""Condense rows of captures and activities that count alike for a lead's vector. Pure.

A lead may have any number of rows, and a vector needs only a count per kind, the first and the last. So rows are read
and condensed page by page. The number of kinds bounds the result.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import cast

from services.prediction.domain.learning.fact_rows import FactRow, FactTime, PastEdit
from services.prediction.domain.learning.features import as_known, kind_of, last
from services.prediction.domain.learning.past_values import fills_of, known_at

_Key = tuple[object, ...]


def condense_captures(rows: Iterable[FactRow], as_of: Mapping[str, datetime]) -> list[FactRow]:
    """Return one row per lead, channel, and side of the lead's `as_of`, without erased rows."""

    def key(row: FactRow) -> _Key:
        return row["leadId"], row.get("channel"), known_at(row, "capturedAt") <= as_of[row["leadId"]]

    return _condensed((row for row in rows if "capturedAt" in row), key, "capturedAt")


def condense_activities(rows: Iterable[FactRow], as_of: Mapping[str, datetime]) -> list[FactRow]:
    """Return one row per lead, kind, and side of the lead's `as_of`, as stated by then."""

    def key(row: FactRow) -> _Key:
        known = known_at(row, "at") <= as_of[row["leadId"]]
        return row["leadId"], *kind_of(row), bool(row.get("cancelled")), known

    return _condensed((_stated(row, as_of[row["leadId"]]) for row in rows), key, "at")


def _stated(row: FactRow, as_of: datetime) -> FactRow:
    stated = as_known(row, as_of) or row
    # A filtered copy loses its type.
    return cast(
        "FactRow", {"leadId": row["leadId"], **{name: value for name, value in stated.items() if name != "earlier"}}
    )


def _condensed(rows: Iterable[FactRow], key: Callable[[FactRow], _Key], time: FactTime) -> list[FactRow]:
    found: dict[_Key, FactRow] = {}
    for row in rows:
        one: FactRow = {**row, "knownAt": known_at(row, time)}
        before = found.get(key(row))
        found[key(row)] = _both(before, one, time) if before else one
    return list(found.values())


def _both(one: FactRow, other: FactRow, time: FactTime) -> FactRow:
    """Return one row for two: `times` counts them, `time` is the first and `until` the last."""
    both: FactRow = {**one}
    both[time] = min(one[time], other[time])
    both["until"] = max(last(one, time), last(other, time))
    both["times"] = one.get("times", 1) + other.get("times", 1)
    if fills := [*fills_of(one), *fills_of(other)]:
        both["fills"] = fills
    return both


def condense_edits(edits: Iterable[PastEdit], as_of: Mapping[str, datetime]) -> list[PastEdit]:
    """Return, per lead and path, the last edit up to the lead's `as_of`, and the first one after it."""
    found: dict[_Key, PastEdit] = {}
    for one in edits:
        known = one["at"] <= as_of[one["leadId"]]
        key = one["leadId"], one["path"], known
        other = found.get(key, one)
        found[key] = max(one, other, key=_number) if known else min(one, other, key=_number)
    return list(found.values())


def _number(one: PastEdit) -> int:
    return one["number"]
