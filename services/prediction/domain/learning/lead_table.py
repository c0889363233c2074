"""Lead tables of other systems: find numbers, categories, times, useless columns. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite

from services.prediction.domain.learning.features import Kind, Value
from services.prediction.domain.learning.sample import Sample, sample_of
from shared.errors import Permanent

_YES = frozenset("1 true yes y t won converted".split())
_NO = frozenset("0 false no n f lost".split())
_MISSING = frozenset(("", "na", "n/a", "nan", "null", "none", "select"))
_NUMBERS = 0.95
"""The share of a number column's values that must be numbers; the rest is missing."""
_WORDS_MAX = 200
"""A column with more distinct values, or half as many as rows, holds names, not facts."""


class Unfit(Permanent):
    """The table can't be used; the message says why, with column and row."""


@dataclass(frozen=True, slots=True)
class LeadTable:
    """A table's sample, and its left-out columns with reasons."""

    sample: Sample
    left_out: Mapping[str, str]


def read_lead_table(rows: Sequence[Mapping[str, str]], label: str, time: str | None, drop: Sequence[str]) -> LeadTable:
    """Read a table; without a `time` column its rows are in order. Raises `Unfit`."""
    names = list(rows[0]) if rows else []
    for asked in filter(None, (label, time, *drop)):
        if asked not in names:
            raise Unfit(f"there is no column {asked!r}; the columns are: {', '.join(names) or 'none'}")
    labels = [_label(row[label], label, number) for number, row in enumerate(rows, start=1)]
    times = [_time(row[time], time, number) for number, row in enumerate(rows, start=1)] if time else None
    kinds: dict[str, Kind] = {}
    left_out = dict.fromkeys(drop, "dropped as asked")
    for name in names:
        if name not in (label, time, *drop):
            kind, why = _kind([row[name] for row in rows])
            kinds |= {name: kind} if kind else {}
            left_out |= {} if kind else {name: why}
    vectors = [{name: _value(row[name], kind) for name, kind in kinds.items()} for row in rows]
    return LeadTable(sample_of(kinds, vectors, labels, times), left_out)


def _label(text: str, column: str, row: int) -> bool:
    word = (text or "").strip().casefold()
    if word not in _YES | _NO:
        raise Unfit(f"row {row}, column {column!r}: {text!r} is neither yes nor no (1/0, true/false, won/lost)")
    return word in _YES


def _time(text: str, column: str, row: int) -> datetime:
    try:
        at = datetime.fromisoformat((text or "").strip())
    except ValueError:
        raise Unfit(
            f"row {row}, column {column!r}: {text!r} is not a date such as 2026-03-02 or 2026-03-02T12:00"
        ) from None
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def _kind(texts: Sequence[str]) -> tuple[Kind | None, str]:
    """Return the kind of column that these values make; None, and why, for a useless one."""
    known = [text.strip() for text in texts if text is not None and text.strip().casefold() not in _MISSING]
    words = Counter(text.casefold() for text in known)
    if not known or (len(words) == 1 and len(known) == len(texts)):
        return None, "one value throughout"
    numbers = sum(1 for text in known if _number(text) is not None)
    if numbers >= _NUMBERS * len(known):
        whole = all(text.lstrip("+-").isdigit() for text in known)
        return (None, "a number of its own in each row") if whole and len(words) == len(texts) else ("number", "")
    if len(words) > _WORDS_MAX or len(words) * 2 > len(known):
        return None, f"{len(words)} different texts"
    return "category", ""


def _number(text: str) -> float | None:
    try:
        number = float(text.replace(",", ""))
    except ValueError:
        return None
    # Infinite and too large numbers can't be used.
    return number if isfinite(number) else None


def _value(text: str, kind: Kind) -> Value:
    word = (text or "").strip()
    if word.casefold() in _MISSING:
        return None
    return _number(word) if kind == "number" else word.casefold()
