"""Values of conditions: what a file may say, and how a lead's value is compared with it.

A date without a time is midnight, and one without a zone is in the installation's zone.
"""

import re
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, tzinfo
from typing import Any

from shared.domain.moments import stored
from shared.domain.patterns import Pattern

TEXT_MAX = 4_000
"""Characters of a condition's text."""

ITEMS_MAX = 1_000
"""Items of a condition's list."""

_INTEGERS_END = 2**63
_YEARS = range(2, 9_999)  # in every zone a year of the calendar
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?([Zz]|[+-][0-9]{2}:[0-9]{2})?)?"
)
_MOMENT_MAX = 40
_SURROGATE = re.compile("[\ud800-\udfff]")


def normalised(value: Any, zone: tzinfo | None) -> Any:
    """Return the value of a condition as it is kept: a date becomes a moment of `zone` (None: the date's own, or UTC).

    Raises `ValueError` for a value that can't be stored, or that no lead's value can be compared with.
    """
    if isinstance(value, list):
        if len(value) > ITEMS_MAX:
            raise ValueError(f"a list may have {ITEMS_MAX} items at most")
        return [_scalar(item, zone) for item in value]
    return None if value is None else _scalar(value, zone)


def _scalar(value: Any, zone: tzinfo | None) -> Any:
    if isinstance(value, date):
        return _in_zone(value, zone)
    if isinstance(value, str):
        return _text(value)
    # Not by a range: that counts through all its numbers to find one of the driver's own integer type.
    if isinstance(value, int) and not -_INTEGERS_END <= value < _INTEGERS_END:
        raise ValueError("a number may have 64 bits at most")
    if isinstance(value, bool | int | float):
        return value
    raise ValueError("only text, numbers, dates, yes and no can be compared, and lists of them")


def _text(value: str) -> str:
    if len(value) > TEXT_MAX:
        raise ValueError(f"a text may have {TEXT_MAX} characters at most")
    if _SURROGATE.search(value):
        raise ValueError("a text may not hold half a character (a surrogate)")
    return value


def _in_zone(value: date, zone: tzinfo | None) -> datetime:
    if value.year not in _YEARS:
        raise ValueError(f"a date must lie in the years {_YEARS[0]} to {_YEARS[-1]}")
    moment = value if isinstance(value, datetime) else datetime.combine(value, time())
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone or UTC)
    # Kept as MongoDB gives it back, so that a stored step compares as its file did.
    return stored(moment).astimezone(zone or moment.tzinfo)


def moment_in(text: str, zone: tzinfo | None) -> datetime | None:
    """Return the moment that a text in RFC 3339 names, or None; a date without a zone is in `zone` (None: UTC)."""
    if len(text) > _MOMENT_MAX or not _MOMENT.fullmatch(text):
        return None
    try:
        return _in_zone(datetime.fromisoformat(text.upper()), zone)
    except ValueError:
        return None


def kind(value: Any) -> str:
    """Return what a value is, in words; never the value."""
    kinds = ((bool, "yes or no"), (int | float, "a number"), (str, "text"), (date, "a date"), (list, "a list"))
    return next((words for types, words in kinds if isinstance(value, types)), "a group of fields")


@dataclass(frozen=True, slots=True)
class Operand:
    """A condition's value, prepared once to be compared with many leads."""

    value: Any
    text: str
    keys: frozenset[Hashable]
    items: tuple[frozenset[Hashable], ...] | None
    dated: bool
    zone: tzinfo | None
    pattern: Pattern | None = None

    @property
    def size(self) -> int:
        """Return the number of values that it holds."""
        return len(self.items) if self.items is not None else 1


def operand(value: Any, zone: tzinfo | None, pattern: Pattern | None = None) -> Operand:
    """Prepare a value that is `normalised`; a lead's dates without a zone are in `zone` (None: the condition's own)."""
    values = value if isinstance(value, list) else [value]
    own = next((one.tzinfo for one in values if isinstance(one, datetime)), None)
    each = tuple(frozenset(_wanted_keys(one, zone)) for one in values)
    text, keys = folded(value) if isinstance(value, str) else "", frozenset[Hashable]().union(*each)
    return Operand(value, text, keys, each if isinstance(value, list) else None, own is not None, zone or own, pattern)


def folded(text: str) -> str:
    """Return text as it is compared: without case, and without space around it."""
    return text.strip().casefold()


def _wanted_keys(value: Any, zone: tzinfo | None) -> Iterator[Hashable]:
    yield from _key(value)
    # Steps that were stored by an older version hold their dates as text.
    moment = moment_in(value.strip(), zone) if isinstance(value, str) else None
    if moment:
        yield from _key(moment)


def _key(value: Any) -> Iterator[Hashable]:
    """Values with one key are equal; a kind that equals nothing has none."""
    if isinstance(value, bool):
        yield "yes or no", value
    elif isinstance(value, int | float):
        yield "number", value
    elif isinstance(value, str):
        yield "text", folded(value)
    elif isinstance(value, datetime):
        yield "moment", (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)


def _held_keys(held: Any, wanted: Operand) -> Iterator[Hashable]:
    yield from _key(held)
    # A lead's text is a date only to a condition that has one.
    moment = moment_in(held.strip(), wanted.zone) if wanted.dated and isinstance(held, str) else None
    if moment:
        yield from _key(moment)


def among(wanted: Operand, held: Any) -> bool:
    """Return whether a lead's value equals the condition's, or one of the condition's list."""
    return any(key in wanted.keys for key in _held_keys(held, wanted))


def equal_lists(wanted: Sequence[frozenset[Hashable]], held: Any, operand_: Operand) -> bool:
    """Return whether a lead's list equals the condition's, item by item."""
    if not isinstance(held, list) or len(held) != len(wanted):
        return False
    return all(not keys.isdisjoint(_held_keys(item, operand_)) for keys, item in zip(wanted, held, strict=True))


def as_text(held: Any) -> str | None:
    """Return a lead's value as text to look into; None: it has no text."""
    if isinstance(held, str):
        return folded(held)
    return folded(str(held)) if isinstance(held, bool | int | float | datetime) else None


def comparable(held: Any, wanted: Operand) -> Any:
    """Return a lead's value as what has an order with the condition's number or date; None: it has none."""
    if isinstance(wanted.value, datetime):
        found = moment_in(held.strip(), wanted.zone) if isinstance(held, str) else held
        moment = found if isinstance(found, datetime) else None
        return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment
    return held if isinstance(held, int | float) and not isinstance(held, bool) else None
