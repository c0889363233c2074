"""A lead's fields at a moment of its past. Pure.

A field is empty or captured at first. A merge fills it only while it is empty. An edit gives it any value, and keeps
the value before. So a later event changes nothing of what a moment knew.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from services.prediction.domain.learning.fact_rows import FactRow, FactTime, PastEdit
from shared.domain.stored.lead_document import LeadDocument


def known_at(row: FactRow, otherwise: FactTime) -> datetime:
    """Return when this row became known; `otherwise` is the field to use in older rows."""
    return row.get("knownAt") or row[otherwise]


def fills_of(row: FactRow) -> Sequence[tuple[str, datetime]]:
    """Return each path that this capture filled, and when."""
    return row.get("fills") or [(path, known_at(row, "capturedAt")) for path in row.get("filled") or ()]


class PointInTimeLead:
    """The captured fields that a lead had at a moment."""

    def __init__(
        self, lead: LeadDocument, captures: Sequence[FactRow], edits: Sequence[PastEdit], as_of: datetime
    ) -> None:
        self._lead, self._as_of = lead, as_of
        self._fills: dict[str, list[datetime]] = {}
        for path, at in (one for row in captures if "capturedAt" in row for one in fills_of(row)):
            self._fills.setdefault(path, []).append(at)
        self._edits: dict[str, list[PastEdit]] = {}
        for edit in sorted(edits, key=lambda one: one["number"]):
            self._edits.setdefault(edit["path"], []).append(edit)

    def get(self, path: str) -> object:
        """Return the value of this path; None if it was empty."""
        edits, fills = self._edits.get(path, ()), self._fills.get(path, ())
        before = next((one for one in reversed(edits) if one["at"] <= self._as_of), None)
        after = next((one for one in edits if one["at"] > self._as_of), None)
        if before and not any(before["at"] < at <= self._as_of for at in fills):
            return before["after"]
        if any(self._as_of < at and (after is None or at <= after["at"]) for at in fills):
            return None
        return after["before"] if after else self._current(path)

    def _current(self, path: str) -> object:
        section, _, name = path.partition(".")
        part = self._lead.get(section)
        return part.get(name) if isinstance(part, Mapping) else None

    @property
    def source(self) -> str:
        """The source of the first capture."""
        return str(self._lead["source"])
