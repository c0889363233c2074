"""One task: how it begins, and how commands and its lead change it (schemas/README.md#tasks).

Commands on a task may come in any order:

- Of all commands that set its due time, the newest by `time`, then by id, holds. So it is with those that set its
  person. Whatever the creation set is older than every command.
- The first command to arrive that closes the task closes it for good. A command that comes later is rejected.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from schemas.lead import Status
from schemas.reasons import RejectionReason
from schemas.tasks import TaskAction, TaskKind, TaskState
from shared.domain.moments import truncate_to_ms
from shared.domain.stored.lead_document import LeadDocument
from shared.domain.stored.task_document import TaskChange, TaskDocument
from shared.domain.task_lists import EVERY, changed_by, due_key, following, of_lead, of_owner, task_document_id

COMMANDS_MAX = 100
"""Most commands that change one task; after that it can only be closed. It remembers each."""
AUTOMATIC_MAX = 8
"""Newest automatic changes that a task remembers: a crash can leave so many unpublished."""
TITLE_MAX = 200
_FIELDS = ("state", "by", "assignedTo", "dueAt", "outcome")
_CLOSED_LEADS = frozenset({Status.CONVERTED.value, Status.LOST.value})
_CLOSES = {TaskAction.COMPLETE: TaskState.DONE, TaskAction.CANCEL: TaskState.CANCELLED}


@dataclass(frozen=True, slots=True)
class TaskRequest:
    """What an event asks of a task: a command, or an action of nurture that makes one.

    `task_id` names the task; for a new one it is the id of the event. `order` compares commands.
    """

    key: str
    order: tuple[str, ...]
    at: datetime
    lead_id: str
    task_id: str
    action: TaskAction
    by: str
    kind: TaskKind = TaskKind.TODO
    title: str = ""
    due_at: datetime | None = None
    assigned_to: str | None = None
    outcome: str | None = None
    action_id: str | None = None


Objection = tuple[RejectionReason, str]
"""Why a command is rejected: the reason and a sentence."""


def is_closed(lead: LeadDocument) -> bool:
    """Return whether nurture's tasks for this lead are pointless: it is converted or lost."""
    return lead["status"] in _CLOSED_LEADS


def new_task(request: TaskRequest, lead: LeadDocument, task_id: str, now: datetime) -> TaskDocument:
    """Return the task that `request` creates."""
    owner = request.assigned_to or lead.get("assignedTo")
    fields = {"state": TaskState.OPEN.value, "by": request.by, "assignedTo": owner, "dueAt": _ms(request.due_at)}
    task: dict[str, object] = {
        "_id": task_document_id(request.lead_id, task_id),
        "taskId": task_id,
        "leadId": request.lead_id,
        "kind": request.kind.value,
        "title": request.title[:TITLE_MAX],
        "createdAt": now,
        "actionId": request.action_id,
        "followsOwner": request.assigned_to is None,
        "dueOrder": [],
        "assignedOrder": [],
        "changes": [],
        "revision": 0,
    }
    return _changed(cast("TaskDocument", _given(task)), _given(fields), request.key, now)


def change_task(task: TaskDocument, request: TaskRequest, now: datetime) -> TaskDocument | Objection:
    """Return the task after a command that is new to it, or why the command is rejected."""
    if task["state"] != TaskState.OPEN:
        return RejectionReason.INVALID_TRANSITION, f"the task is {task['state']} already"
    if request.action in _CLOSES:
        fields = {"state": _CLOSES[request.action].value, "outcome": request.outcome}
        return _changed(task, {**_given(fields), "by": request.by}, request.key, now)
    if sum("automatic" not in one for one in task["changes"]) >= COMMANDS_MAX:
        return RejectionReason.TOO_LARGE, f"the task was changed {COMMANDS_MAX} times; it can only be closed"
    return _changed(task, {**_newest(task, request), "by": request.by}, request.key, now)


def _newest(task: TaskDocument, request: TaskRequest) -> Mapping[str, object]:
    """Return the fields that the command sets; none if a newer one set them before."""
    order = list(request.order)
    if request.action is TaskAction.SNOOZE and order > task["dueOrder"]:
        return {"dueAt": _ms(request.due_at), "dueOrder": order}
    if request.action is TaskAction.REASSIGN and order > task["assignedOrder"]:
        return {"assignedTo": request.assigned_to, "assignedOrder": order, "followsOwner": False}
    return {}


def follow_lead(task: TaskDocument, lead: LeadDocument, cause_key: str, by: str, now: datetime) -> TaskDocument | None:
    """Return the open task as the lead demands it now; None if it stays as it is.

    A task that nobody assigned belongs to the lead's owner. A task of nurture ends with the lead's sales process.
    """
    if task["state"] != TaskState.OPEN:
        return None
    if "actionId" in task and is_closed(lead):
        fields: dict[str, object] = {"state": TaskState.CANCELLED.value, "outcome": f"the lead is {lead['status']}"}
    elif task["followsOwner"] and lead.get("assignedTo") not in (None, task.get("assignedTo")):
        fields = {"assignedTo": lead["assignedTo"]}
    else:
        return None
    return _changed(task, {**fields, "by": by}, cause_key, now, automatic=True)


def change_of(task: TaskDocument, cause_key: str) -> TaskChange | None:
    """Return what this cause changed of the task; None if it changed nothing, or long ago."""
    return next((one for one in reversed(task["changes"]) if one["key"] == cause_key), None)


def _changed(
    task: TaskDocument, fields: Mapping[str, object], key: str, now: datetime, *, automatic: bool = False
) -> TaskDocument:
    """Return the task with these fields, in the lists that it is in then; it remembers the change."""
    after: dict[str, Any] = {**task, **fields, "revision": task["revision"] + 1}  # fields by name lose their types
    change: dict[str, object] = {"key": key, "at": now, **{name: after[name] for name in _FIELDS if name in after}}
    change |= {"automatic": True} if automatic else {}
    after["changes"] = _remembered([*task["changes"], cast("TaskChange", change)])
    after["lists"] = _lists(cast("TaskDocument", after))
    after.pop("key", None)
    if after["state"] == TaskState.OPEN:
        after["key"] = due_key(after.get("dueAt"), after["_id"])
    return cast("TaskDocument", after)


def _remembered(changes: Sequence[TaskChange]) -> list[TaskChange]:
    old = [one["key"] for one in changes if "automatic" in one][:-AUTOMATIC_MAX]
    return [one for one in changes if "automatic" not in one or one["key"] not in old]


def _lists(task: TaskDocument) -> list[str]:
    causes = [changed_by(one["key"]) for one in task["changes"] if "automatic" in one]
    if task["state"] != TaskState.OPEN:
        return causes
    lead_id = task["leadId"]
    follows = [following(lead_id)] if task["followsOwner"] or "actionId" in task else []
    return [EVERY, of_owner(task.get("assignedTo")), of_lead(lead_id), *follows, *causes]


def _given(fields: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}


def _ms(moment: datetime | None) -> datetime | None:
    return truncate_to_ms(moment) if moment else None
