"""The lists that a task is in: one index over `lists` and `key` serves every query. Pure.

A closed task is in no list that people read, so a query reads open tasks only.
"""

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum

from shared.domain.ids import derive
from shared.domain.rollups import group_name

EVERY = "every"
"""The list of all open tasks."""
FIRST = "0"
"""A key less than every key. The embedded database finds nothing above an empty one."""
END = "~"
"""A key greater than every key."""
_NEVER = datetime.max.replace(tzinfo=UTC)


class Due(StrEnum):
    """When a task is due: before today, today, or later. A task without a time is due later."""

    OVERDUE = "overdue"
    TODAY = "today"
    LATER = "later"


def task_document_id(lead_id: str, task_id: str) -> str:
    """Return the document's id of a lead's task."""
    return derive("task", lead_id, task_id)


def due_key(due: datetime | None, task: str) -> str:
    """Return the sort key of an open task. A task without a due time comes last."""
    return f"{_moment(due or _NEVER)}{task}"


def of_owner(owner: str | None) -> str:
    """Return the list of this person's tasks, or of those that nobody has. `(none)` means nobody too."""
    return f"owner|{group_name(owner)}"


def of_lead(lead_id: str) -> str:
    """Return the list of this lead's tasks."""
    return f"lead|{lead_id}"


def following(lead_id: str) -> str:
    """Return the list of the tasks that a change of this lead may change."""
    return f"follows|{lead_id}"


def changed_by(cause_key: str) -> str:
    """Return the list of the tasks that followed this cause lately."""
    return f"cause|{cause_key}"


def key_range(due: Due | None, now: datetime, zone: tzinfo) -> tuple[str, str]:
    """Return the keys of the tasks that are due then: the first of them, and one behind the last."""
    today = now.astimezone(zone).date()
    begin, end = _midnight(today, zone), _midnight(today + timedelta(days=1), zone)
    return {Due.OVERDUE: (FIRST, begin), Due.TODAY: (begin, end), Due.LATER: (end, END), None: (FIRST, END)}[due]


def _midnight(day: date, zone: tzinfo) -> str:
    return _moment(datetime.combine(day, time.min, zone))


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
