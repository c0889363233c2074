"""Values of conditions: which a file may have, and how a lead's value compares.

A date without a time is midnight; one without a zone is in the installation's zone.
"""

import re
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, tzinfo

from shared.domain.moments import truncate_to_ms
from shared.domain.rules.patterns import Pattern

TEXT_MAX = 4_000
"""Most characters of a condition's text."""

ITEMS_MAX = 1_000
"""Most items of a condition's list."""

_INTEGERS_END = 2**63
_YEARS = range(2, 9_999)  # years that `datetime` has in every zone
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?([Zz]|[+-][0-9]{2}:[0-9]{2})?)?"
)
_MOMENT_MAX = 40
_SURROGATE = re.compile("[\ud800-\udfff]")


def normalised(value: object, zone: tzinfo | None) -> object:
    """Return a condition's value as stored: a date becomes a moment in `zone` (None: its own).

    Raises `ValueError` if the value can't be stored or compared.
    """
    if isinstance(value, list):
        if len(value) > ITEMS_MAX:
            raise ValueError(f"a list may have {ITEMS_MAX} items at most")
        return [_scalar(item, zone) for item in value]
    return None if value is None else _scalar(value, zone)


def _scalar(value: object, zone: tzinfo | None) -> object:
    if isinstance(value, date):
        return _in_zone(value, zone)
    if isinstance(value, str):
        return _text(value)
    # Not `in range(…)`: with the driver's own integer type, Python would compare all its numbers.
    if isinstance(value, int) and not -_INTEGERS_END <= value < _INTEGERS_END:
        raise ValueError("a number may have 64 bits at most")
    if isinstance(value, bool | int | float):
        return value
    raise ValueError("only text, numbers, dates, yes and no can be compared, and lists of them")


def _text(value: str) -> str:
    if len(value) > TEXT_MAX:
        raise ValueError(f"a text may have {TEXT_MAX} characters at most")
    if _SURROGATE.search(value):
        raise ValueError("a text may not contain half a character (a surrogate)")
    return value


def _in_zone(value: date, zone: tzinfo | None) -> datetime:
    if value.year not in _YEARS:
        raise ValueError(f"a date must be in the years {_YEARS[0]} to {_YEARS[-1]}")
    moment = value if isinstance(value, datetime) else datetime.combine(value, time())
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone or UTC)
    # Cut as MongoDB stores it, so that a stored step compares like its file.
    return truncate_to_ms(moment).astimezone(zone or moment.tzinfo)


def moment_in(text: str, zone: tzinfo | None) -> datetime | None:
    """Return the moment of an RFC 3339 text, or None. `zone` is the default (None: UTC)."""
    if len(text) > _MOMENT_MAX or not _MOMENT.fullmatch(text):
        return None
    try:
        return _in_zone(datetime.fromisoformat(text.upper()), zone)
    except ValueError:
        return None


def kind(value: object) -> str:
    """Return the kind of a value in words, never the value."""
    kinds = ((bool, "yes or no"), (int | float, "a number"), (str, "text"), (date, "a date"), (list, "a list"))
    return next((words for types, words in kinds if isinstance(value, types)), "a group of fields")


@dataclass(frozen=True, slots=True)
class Operand:
    """A condition's value, prepared once for comparison with many leads."""

    value: object
    text: str
    keys: frozenset[Hashable]
    items: tuple[frozenset[Hashable], ...] | None
    dated: bool
    zone: tzinfo | None
    pattern: Pattern | None = None

    @property
    def size(self) -> int:
        """The number of values: the items of a list, or 1."""
        return len(self.items) if self.items is not None else 1


def operand(value: object, zone: tzinfo | None, pattern: Pattern | None = None) -> Operand:
    """Prepare a `normalised` value. `zone`: of a lead's dates without one (None: the value's)."""
    values = value if isinstance(value, list) else [value]
    own = next((one.tzinfo for one in values if isinstance(one, datetime)), None)
    each = tuple(frozenset(_wanted_keys(one, zone)) for one in values)
    text, keys = caseless(value) if isinstance(value, str) else "", frozenset[Hashable]().union(*each)
    return Operand(value, text, keys, each if isinstance(value, list) else None, own is not None, zone or own, pattern)


def caseless(text: str) -> str:
    """Return text for comparison: without case, and without space around it."""
    return text.strip().casefold()


def _wanted_keys(value: object, zone: tzinfo | None) -> Iterator[Hashable]:
    yield from _key(value)
    # Steps of an older release have their dates as text.
    moment = moment_in(value.strip(), zone) if isinstance(value, str) else None
    if moment:
        yield from _key(moment)


def _key(value: object) -> Iterator[Hashable]:
    """Yield the key of a value. Values with one key are equal; some kinds have no key."""
    if isinstance(value, bool):
        yield "yes or no", value
    elif isinstance(value, int | float):
        yield "number", value
    elif isinstance(value, str):
        yield "text", caseless(value)
    elif isinstance(value, datetime):
        yield "moment", (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)


def _held_keys(held: object, wanted: Operand) -> Iterator[Hashable]:
    yield from _key(held)
    # A lead's text is a date only if the condition's value is one.
    moment = moment_in(held.strip(), wanted.zone) if wanted.dated and isinstance(held, str) else None
    if moment:
        yield from _key(moment)


def among(wanted: Operand, held: object) -> bool:
    """Return whether a lead's value equals the condition's value, or an item of its list."""
    return any(key in wanted.keys for key in _held_keys(held, wanted))


def equal_lists(wanted: Sequence[frozenset[Hashable]], held: object, operand_: Operand) -> bool:
    """Return whether a lead's list equals the condition's list, item by item."""
    if not isinstance(held, list) or len(held) != len(wanted):
        return False
    return all(not keys.isdisjoint(_held_keys(item, operand_)) for keys, item in zip(wanted, held, strict=True))


def as_text(held: object) -> str | None:
    """Return a lead's value as text to search; None: it has no text."""
    if isinstance(held, str):
        return caseless(held)
    return caseless(str(held)) if isinstance(held, bool | int | float | datetime) else None


def comparable(held: object, wanted: Operand) -> datetime | int | float | None:
    """Return a lead's value in a form that orders with the condition's; None: it has no order."""
    if isinstance(wanted.value, datetime):
        found = moment_in(held.strip(), wanted.zone) if isinstance(held, str) else held
        moment = found if isinstance(found, datetime) else None
        return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment
    return held if isinstance(held, int | float) and not isinstance(held, bool) else None
