"""Input and result of a decision: a capture, the stored documents, and the writes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from shared.domain.identity.normal_forms import Identity

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
    older: Mapping[str, str] = field(default_factory=dict)
    """Claims in the form of earlier releases, each with its current form."""
    effective: Identity | None = None

    @property
    def known_by(self) -> Identity:
        """The identity without placeholders and a shared e-mail."""
        return self.effective or self.identity


@dataclass(slots=True)
class View:
    """The stored documents that a batch depends on. Each decision changes it for the next.

    `claims` has every claim that was read, with its leads. `older` has a claim's stored forms of earlier releases.
    `rewritable` has the claims that are stored in an older form only. `marks` has the name marks of an e-mail's claim.
    `markers` has erasure markers by name, of claims and of leads (`lead:ID`). `leads` has no lead with a marker.
    `resurrected` has the guards of leads that were stored after their erasure.
    """

    rows: dict[str, Document]
    claims: dict[str, list[str]]
    leads: dict[str, Document]
    markers: dict[str, Document] = field(default_factory=dict)
    resurrected: dict[str, Document] = field(default_factory=dict)
    older: dict[str, list[str]] = field(default_factory=dict)
    rewritable: set[str] = field(default_factory=set)
    marks: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one capture: its row, and its lead right after it (None: it was erased)."""

    capture: Capture
    row: Document
    lead: Document | None


@dataclass(slots=True)
class CapturePlan:
    """What to write, in this order, and each capture's outcome in the captures' order.

    `releases` are claims of erased leads. `resurrected` are leads to delete, with their guards. `marks` are name marks
    for claims that may have `marks_max` of them. `shared` has leads whose e-mail reached that number in this plan.
    `rows` are new. `redecided` replace rows whose lead was not written, is erased, or has another decision. `restarted`
    has the keys of rows whose lead is erased for good. `applied` are decisions that leave the leads' logs, for their
    rows. A plan with `unread` claims must not be written: read those claims and decide again.
    """

    releases: list[tuple[str, str]] = field(default_factory=list)
    resurrected: dict[str, Document] = field(default_factory=dict)
    claims: dict[str, str] = field(default_factory=dict)
    joins: list[tuple[str, str]] = field(default_factory=list)
    marks: dict[str, list[str]] = field(default_factory=dict)
    marks_max: int = 0
    shared: list[str] = field(default_factory=list)
    rows: list[Document] = field(default_factory=list)
    redecided: list[Document] = field(default_factory=list)
    restarted: set[str] = field(default_factory=set)
    applied: list[Document] = field(default_factory=list)
    inserts: dict[str, Document] = field(default_factory=dict)
    bases: dict[str, int] = field(default_factory=dict)
    sets: dict[str, Document] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)
    unread: set[str] = field(default_factory=set)
