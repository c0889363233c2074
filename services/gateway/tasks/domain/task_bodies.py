"""The bodies of the routes that create and change tasks, for the OpenAPI page. Pure."""

from collections.abc import Sequence

from pydantic import JsonValue

from schemas.tasks import TaskAction, TaskKind

CHANGES = tuple(one for one in TaskAction if one is not TaskAction.CREATE)
"""What a change of a task can be."""


def _text(most: int, description: str = "") -> JsonValue:
    said: dict[str, JsonValue] = {"description": description} if description else {}
    return {"type": "string", "minLength": 1, "maxLength": most, "pattern": r"\S", **said}


def _moment(description: str) -> JsonValue:
    return {"type": "string", "format": "date-time", "description": description}


def _one_of(words: Sequence[str], description: str = "") -> JsonValue:
    return {"type": "string", "enum": list(words), "description": description}


_ASSIGNED = _text(200, "the person who is to do it")
_REQUESTED: JsonValue = _text(200, "who asks; without it the key's name. A signed-in user always asks as themselves")
NEW_TASK: dict[str, JsonValue] = {
    "type": "object",
    "required": ["leadId", "kind", "title"],
    "properties": {
        "leadId": _text(100),
        "kind": _one_of([one.value for one in TaskKind], "what is to be done"),
        "title": _text(200),
        "dueAt": _moment("when it is to be done"),
        "assignedTo": _ASSIGNED,
        "requestedBy": _REQUESTED,
    },
}
CHANGED_TASK: dict[str, JsonValue] = {
    "type": "object",
    "required": ["action"],
    "properties": {
        "action": _one_of([one.value for one in CHANGES], "snooze needs `until`, reassign needs `assignedTo`"),
        "outcome": {"type": "string", "maxLength": 4_000, "description": "how it ended"},
        "until": _moment("its new due time"),
        "assignedTo": _ASSIGNED,
        "leadId": _text(100, "the task's lead; without it the gateway looks it up"),
        "requestedBy": _REQUESTED,
    },
}
