"""What capture decides on, and what it decides: one capture, what is stored, what to write."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from shared.domain.identity import Identity

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Capture:
    """One capture event: `key` identifies it, `data` is its payload in wire form."""

    key: str
    event_source: str
    event_id: str
    captured_at: datetime
    data: Mapping[str, Any]
    identity: Identity


@dataclass(slots=True)
class View:
    """What is stored of all that a batch touches; deciding moves it on, so that its captures see each other.

    `claims` has every claim that was read, with the leads that hold it (none: nobody does). `tombstones` are by name:
    of claims, and of leads (`lead:ID`). `leads` has no lead with a tombstone. `strays` has the guards of
    those that were stored after their erasure.
    """

    rows: dict[str, Document]
    claims: dict[str, list[str]]
    leads: dict[str, Document]
    tombstones: dict[str, Document] = field(default_factory=dict)
    strays: dict[str, Document] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one capture: its provenance row, and its lead as it was right then (None: it was erased)."""

    capture: Capture
    row: Document
    lead: Document | None


@dataclass(slots=True)
class Plan:
    """What to write, in this order; and each capture's outcome, in the order of the captures.

    `releases` are claims that an erased lead no longer has; `strays` are leads to take back, with their guards. `rows`
    are new; `redecided` replace rows whose lead was never written, or is erased, or remembers otherwise; `begun_anew`
    has the keys of those whose lead is gone for good. `applied` are decisions that leads are about to forget, for
    their rows. A plan with `unread` claims was made without knowing who holds them, and must not be written.
    """

    releases: list[tuple[str, str]] = field(default_factory=list)
    strays: dict[str, Document] = field(default_factory=dict)
    claims: dict[str, str] = field(default_factory=dict)
    joins: list[tuple[str, str]] = field(default_factory=list)
    rows: list[Document] = field(default_factory=list)
    redecided: list[Document] = field(default_factory=list)
    begun_anew: set[str] = field(default_factory=set)
    applied: list[Document] = field(default_factory=list)
    inserts: dict[str, Document] = field(default_factory=dict)
    bases: dict[str, int] = field(default_factory=dict)
    sets: dict[str, Document] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)
    unread: set[str] = field(default_factory=set)
