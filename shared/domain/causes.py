"""Which causes a lead remembers, so that a cause that is delivered again changes nothing (contract 1, `id`).

A cause is a capture, a command or an activity. Each has a row of its own, which says for good that it was applied. The
lead remembers its newest causes in the write that applies them. A cause was applied if its row says so, or if its lead
remembers it. Before a lead forgets a cause, the writer marks that cause's row.

Crash after the mark → the row says what the lead still remembers → the redelivery finds the cause applied. A decision
reads the row after the lead, or writes the row only while it isn't marked: else another writer could come between.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

REMEMBERED_MAX = 64
"""Causes of one kind that a lead remembers before it forgets the oldest. One write may add more than that."""

REMEMBERED_MIN = 32
"""Causes of one kind that a lead keeps when it forgets: it forgets many at once, and so seldom."""


class Kind(StrEnum):
    """A kind of cause, by the lead's field that remembers it. A capture's entry has its decision, others are keys."""

    CAPTURE = "decided"
    COMMAND = "carriedOut"
    ACTIVITY = "counted"


@dataclass(frozen=True, slots=True)
class Memory:
    """What a lead remembers from now on, and the entries that it forgets: their rows must be marked before."""

    held: list[Any]
    forgotten: tuple[Any, ...]


def remember(held: Sequence[Any], fresh: Sequence[Any]) -> Memory:
    """Add the `fresh` entries of one write, none of which may be forgotten in it: they aren't applied yet."""
    entries = [*held, *fresh]
    if len(entries) <= REMEMBERED_MAX:
        return Memory(entries, ())
    kept = max(REMEMBERED_MIN, len(fresh))
    return Memory(entries[-kept:], tuple(entries[:-kept]))


def remembered(lead: Mapping[str, Any], kind: Kind) -> frozenset[str]:
    """The keys of the causes that this lead remembers.

    Leads of before kinds had lists of their own have one list, `seen`, for all of them: it is read, and left as it is.
    """
    entries = lead.get(kind.value) or ()
    keys = (one["key"] if isinstance(one, Mapping) else one for one in entries)
    return frozenset([*keys, *(lead.get("seen") or ())])


def may_have_forgotten(lead: Mapping[str, Any], kind: Kind) -> bool:
    """Whether this lead can have forgotten a cause of this kind: one that never did has a short list."""
    return len(lead.get(kind.value) or ()) >= REMEMBERED_MIN
