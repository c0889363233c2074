"""Tables of leads from elsewhere: which columns are numbers, categories, times, and which tell nothing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite

from services.prediction.features import Kind, Value
from services.prediction.sample import Sample, sample_of

_YES = frozenset("1 true yes y t won converted".split())
_NO = frozenset("0 false no n f lost".split())
_MISSING = frozenset(("", "na", "n/a", "nan", "null", "none", "select"))
_NUMBERS = 0.95
"""Of what a column of numbers says, this share must be numbers; the rest is missing."""
_WORDS_MAX = 200
"""A column of more different words than this, or of half as many as rows, names things rather than telling of them."""


class Unfit(Exception):  # noqa: N818 - what the table is
    """The table can't be used, and why, with the column and the row."""


@dataclass(frozen=True, slots=True)
class Table:
    """The sample that a table makes, and the columns that were left out, with the reason."""

    sample: Sample
    left_out: Mapping[str, str]


def table_of(rows: Sequence[Mapping[str, str]], label: str, time: str | None, drop: Sequence[str]) -> Table:
    """Read a table; without a `time` column its rows stand in their order. Raises `Unfit`."""
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
    return Table(sample_of(kinds, vectors, labels, times), left_out)


def _label(text: str, column: str, row: int) -> bool:
    word = (text or "").strip().casefold()
    if word not in _YES | _NO:
        raise Unfit(f"row {row}, column {column!r}: {text!r} is neither yes nor no (1/0, true/false, won/lost)")
    return word in _YES


def _time(text: str, column: str, row: int) -> datetime:
    try:
        at = datetime.fromisoformat((text or "").strip())
    except ValueError:
        raise Unfit(f"row {row}, column {column!r}: {text!r} is no date as 2026-03-02 or 2026-03-02T12:00") from None
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def _kind(texts: Sequence[str]) -> tuple[Kind | None, str]:
    """What kind of column these values make; None, and why, where they tell nothing."""
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
    # "inf", and what is too large for a number, can't be reckoned with.
    return number if isfinite(number) else None


def _value(text: str, kind: Kind) -> Value:
    word = (text or "").strip()
    if word.casefold() in _MISSING:
        return None
    return _number(word) if kind == "number" else word.casefold()
