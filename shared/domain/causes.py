"""The causes that a lead remembers: a redelivered cause changes nothing.

A cause is a capture, a command or an activity. Each has a row, whose mark says that it was applied. The lead remembers
its newest causes in the write that applies them. A cause was applied if its row is marked, or if its lead remembers it.
Before a lead forgets a cause, the writer marks that cause's row.

Crash after the mark → row and lead both have the cause → the redelivery finds the cause applied. A decision reads the
row after the lead, or writes the row only while it isn't marked: otherwise another writer could interfere.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from shared.domain.stored.lead_document import CaptureDecision, LeadDocument

E = TypeVar("E")
"""The type of the entries that a lead remembers of one kind."""

REMEMBERED_MAX = 64
"""Most causes of one kind that a lead remembers. One write may add more."""

REMEMBERED_MIN = 32
"""Causes of one kind that a lead keeps when it forgets: so it forgets seldom."""


class CauseKind(StrEnum):
    """A kind of cause, by the lead's field: of keys, for captures with the decision."""

    CAPTURE = "decided"
    COMMAND = "carriedOut"
    ACTIVITY = "counted"


_ENTRIES: dict[CauseKind, Callable[[LeadDocument], Sequence[str | CaptureDecision] | None]] = {
    CauseKind.CAPTURE: lambda lead: lead.get("decided"),
    CauseKind.COMMAND: lambda lead: lead.get("carriedOut"),
    CauseKind.ACTIVITY: lambda lead: lead.get("counted"),
}


@dataclass(frozen=True, slots=True)
class Memory(Generic[E]):
    """The entries that a lead remembers, and those that it forgets: mark their rows before."""

    held: list[E]
    forgotten: tuple[E, ...]


def remember(held: Sequence[E], fresh: Sequence[E]) -> Memory[E]:
    """Add the `fresh` entries of one write. Forgets none of them: they aren't applied yet."""
    entries = [*held, *fresh]
    if len(entries) <= REMEMBERED_MAX:
        return Memory(entries, ())
    kept = max(REMEMBERED_MIN, len(fresh))
    return Memory(entries[-kept:], tuple(entries[:-kept]))


def remembered(lead: LeadDocument, kind: CauseKind) -> frozenset[str]:
    """Return the keys of the causes of this kind that the lead remembers.

    Leads of older releases also have one list for all kinds, `seen`.
    """
    entries = _ENTRIES[kind](lead) or ()
    keys = (one if isinstance(one, str) else one["key"] for one in entries)
    return frozenset([*keys, *(lead.get("seen") or ())])


def may_have_forgotten(lead: LeadDocument, kind: CauseKind) -> bool:
    """Return whether this lead may have forgotten a cause of this kind."""
    return len(_ENTRIES[kind](lead) or ()) >= REMEMBERED_MIN
