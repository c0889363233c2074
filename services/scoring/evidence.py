"""What of a lead made a rule hold, short enough to keep with every change of its score."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from itertools import islice
from typing import Any

from shared.domain.conditions import Condition, evaluate_all, value_at

TEXT_MAX = 200
ITEMS_MAX = 10
CUTS_MAX = 100
"""Places of a long value that are tried; a value that none of them proves is kept whole."""


def evidence(conditions: Sequence[Condition], lead: Mapping[str, Any]) -> dict[str, Any]:
    """The part of `lead` that `conditions`, which all hold, look at, in the lead's own shape.

    They hold for it alone: a missing value is missing here too. A long text is cut to 200 characters and a long list
    to 10 items, in a place where the conditions still hold; where there is none, the value is kept whole.
    """
    found: dict[str, Any] = {}
    # A whole section goes in before a field of it, which may have been cut off.
    for path in sorted({condition.field for condition in conditions}, key=lambda path: (path.count("."), path)):
        value = value_at(lead, path)
        if value is not None:
            about = [condition for condition in conditions if condition.field == path]
            _put(found, path, _shortened(plain(value), path, about))
    return found


def plain(value: Any) -> Any:
    """`value` as the database gives it back: no tuples, no members of enumerations."""
    if isinstance(value, Mapping):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value.value if isinstance(value, Enum) else value


def _shortened(value: Any, path: str, about: Iterable[Condition]) -> Any:
    if _short(value) == value:
        return value
    cuts = islice(_cuts(value), CUTS_MAX)
    return next((cut for cut in cuts if evaluate_all(about, _put({}, path, cut)).holds), value)


def _cuts(value: Any) -> Iterator[Any]:
    if isinstance(value, str):
        yield from _windows(value, TEXT_MAX)
    elif isinstance(value, list):
        yield from ([_short(item) for item in window] for window in _windows(value, ITEMS_MAX))
        yield from _windows(value, ITEMS_MAX)
    elif isinstance(value, dict):
        yield {name: _short(value[name]) for name in list(value)[:ITEMS_MAX]}


def _short(value: Any) -> Any:
    return next(_cuts(value), value)


def _windows(value: Any, size: int) -> Iterator[Any]:
    """Pieces of a text or a list, each half over the one before; the last one is its end."""
    last = max(0, len(value) - size)
    for start in (*range(0, last, size // 2), last):
        yield value[start : start + size]


def _put(document: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    *sections, name = path.split(".")
    inner = document
    for section in sections:
        inner = inner.setdefault(section, {})
    inner[name] = value
    return document
