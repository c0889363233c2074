"""Evidence: the part of a lead that made a rule hold.

It is short enough to keep with each score change.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from itertools import islice
from typing import Any, TypeVar

from shared.domain.rules.conditions import Condition, evaluate_conditions, value_at
from shared.domain.stored.untyped import Document

_Long = TypeVar("_Long", str, list[object])

TEXT_MAX = 200
ITEMS_MAX = 10
CUTS_MAX = 100
"""Most cuts of a long value that are tried; if the conditions hold for none, the whole value stays."""


def evidence(conditions: Sequence[Condition], lead: Mapping[str, object]) -> Document:
    """Return the part of `lead` that `conditions` depend on, in the lead's shape.

    The conditions must hold.

    They hold for this part too. A long text is cut to 200 characters and a long list to 10 items, where the conditions
    still hold; if no cut is possible, the whole value stays.
    """
    found: Document = {}
    # A section comes before its fields: the section's cut may lack a field.
    for path in sorted({condition.field for condition in conditions}, key=lambda path: (path.count("."), path)):
        value = value_at(lead, path)
        if value is not None:
            about = [condition for condition in conditions if condition.field == path]
            _put_at(found, path, _shorten(to_stored(value), path, about))
    return found


def to_stored(value: object) -> Any:  # of the kind that it was given
    """Return `value` as the database returns it: without tuples and members of enumerations."""
    if isinstance(value, Mapping):
        return {name: to_stored(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [to_stored(one) for one in value]
    return value.value if isinstance(value, Enum) else value


def _shorten(value: object, path: str, about: Iterable[Condition]) -> object:
    if _first_cut(value) == value:
        return value
    cuts = islice(_cuts(value), CUTS_MAX)
    return next((cut for cut in cuts if evaluate_conditions(about, _put_at({}, path, cut)).holds), value)


def _cuts(value: object) -> Iterator[object]:
    if isinstance(value, str):
        yield from _windows(value, TEXT_MAX)
    elif isinstance(value, list):
        yield from ([_first_cut(item) for item in window] for window in _windows(value, ITEMS_MAX))
        yield from _windows(value, ITEMS_MAX)
    elif isinstance(value, dict):
        yield {name: _first_cut(value[name]) for name in list(value)[:ITEMS_MAX]}


def _first_cut(value: object) -> object:
    return next(_cuts(value), value)


def _windows(value: _Long, size: int) -> Iterator[_Long]:
    """Yield pieces of a text or list, each overlapping half of the last.

    The last piece is its end.
    """
    last: int = max(0, len(value) - size)
    for start in (*range(0, last, size // 2), last):
        yield value[start : start + size]


def _put_at(document: Document, path: str, value: object) -> Document:
    *sections, name = path.split(".")
    inner = document
    for section in sections:
        inner = inner.setdefault(section, {})
    inner[name] = value
    return document
