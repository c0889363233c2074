"""The collection `tasks`: one document per task of a lead. The worker `tasks` writes it; the gateway reads it.

Every write raises a task's `revision` and guards it.
"""

from datetime import datetime
from typing import NotRequired, TypedDict


class TaskFields(TypedDict):
    """What changes about a task. `by` changed it last."""

    state: str
    by: str
    assignedTo: NotRequired[str]
    dueAt: NotRequired[datetime]
    outcome: NotRequired[str]


class TaskChange(TaskFields):
    """One change: the fields after it, as its event has them.

    `key` is the key of the change's cause. `automatic`: the lead changed, and the task followed.
    """

    key: str
    at: datetime
    automatic: NotRequired[bool]


class TaskDocument(TaskFields):
    """One task. `taskId` names it within its lead."""

    _id: str
    taskId: str
    leadId: str
    kind: str
    title: str
    createdAt: datetime
    actionId: NotRequired[str]
    """The nurture action that it carries out."""
    followsOwner: bool
    """Whether it belongs to the lead's owner, also to a later one: it was assigned to no person."""
    dueOrder: list[str]
    assignedOrder: list[str]
    """The sort key of the command that `dueAt`, or `assignedTo`, is from; empty: of none."""
    changes: list[TaskChange]
    """All commands that changed it, the creation first, and the newest automatic changes."""
    revision: int
    key: NotRequired[str]
    """Orders an open task by its due time."""
    lists: list[str]
    """The lists that an open task is in, and the causes of its newest automatic changes."""
