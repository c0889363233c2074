"""The payloads of `leads.tasks`, `tasks.created` and `tasks.updated`."""

from collections.abc import Mapping
from enum import StrEnum
from typing import cast

from pydantic import ConfigDict, Field, ValidationInfo, field_validator
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from schemas.base import LeadId, Maybe, Model, Moment, OptionalText, OptionalWord, Word, given_schema
from schemas.commands import Command


class TaskKind(StrEnum):
    """What a task asks a person to do."""

    CALL = "call"
    EMAIL = "email"
    MEETING = "meeting"
    TODO = "todo"


class TaskState(StrEnum):
    """Whether a task is still to be done."""

    OPEN = "open"
    DONE = "done"
    CANCELLED = "cancelled"


class TaskAction(StrEnum):
    """What a command does with a task."""

    CREATE = "create"
    COMPLETE = "complete"
    SNOOZE = "snooze"
    REASSIGN = "reassign"
    CANCEL = "cancel"


_NEEDS: Mapping[TaskAction, tuple[str, ...]] = {
    TaskAction.CREATE: ("kind", "title"),
    TaskAction.COMPLETE: ("taskId",),
    TaskAction.SNOOZE: ("taskId", "until"),
    TaskAction.REASSIGN: ("taskId", "assignedTo"),
    TaskAction.CANCEL: ("taskId",),
}
"""The fields that an action requires, by their names on the wire."""


def _needs_schema(action: TaskAction) -> JsonDict:
    is_it: JsonDict = {"required": ["action"], "properties": {"action": {"const": action.value}}}
    return {"if": is_it, "then": {"allOf": [given_schema(name) for name in _NEEDS[action]]}}


class TaskCommand(Command):
    """Create a task of a lead, or change one. The id of the event that creates a task is the task's."""

    model_config = ConfigDict(json_schema_extra=cast("JsonDict", {"allOf": [_needs_schema(one) for one in TaskAction]}))

    action: TaskAction
    task_id: OptionalWord = Field(None, validate_default=True)
    kind: Maybe[TaskKind] = Field(None, validate_default=True)
    title: OptionalWord = Field(None, validate_default=True)
    due_at: Maybe[Moment] = None
    assigned_to: OptionalWord = Field(None, validate_default=True)
    outcome: OptionalText = None
    until: Maybe[Moment] = Field(None, validate_default=True)

    @field_validator("task_id", "kind", "title", "assigned_to", "until")
    @classmethod
    def _given(cls, value: object, info: ValidationInfo) -> object:
        action, name = info.data.get("action"), cls.model_fields[str(info.field_name)].alias
        if value is None and action and name in _NEEDS[action]:
            raise PydanticCustomError("needed", "is required to {action} a task", {"action": action.value})
        return value


class TaskCreated(Model):
    """A task came to be. Without `assigned_to` it waits for an owner; `by` is who asked for it."""

    task_id: Word
    lead_id: LeadId
    assigned_to: Word | None = None
    kind: TaskKind
    title: Word
    due_at: Moment | None = None
    state: TaskState
    outcome: str | None = None
    by: Word


class TaskUpdated(TaskCreated):
    """A task changed: the whole task after the change; `by` is who changed it."""
