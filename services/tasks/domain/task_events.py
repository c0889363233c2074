"""What events ask of tasks, and the events that tell what became of tasks. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from schemas.activities import Activity, ActivityRecorded
from schemas.lead import ActivityType
from schemas.outputs import LeadRejected, NurtureAction
from schemas.reasons import RejectionReason
from schemas.tasks import TaskAction, TaskCommand, TaskCreated, TaskKind, TaskState, TaskUpdated
from schemas.topics import (
    ACTIONS,
    ACTIVITIES,
    ASSIGNED,
    CONVERTED,
    REJECTED,
    TASK_CREATED,
    TASK_UPDATED,
    TASKS,
    UPDATED,
)
from services.tasks.domain.task_changes import TaskRequest, change_of
from shared.domain.ids import derive
from shared.domain.moments import truncate_to_ms
from shared.domain.stored.command_documents import VerdictDocument
from shared.domain.stored.task_document import TaskChange, TaskDocument
from shared.kafka.events import Cause, Outgoing, Received, emit

SOURCE = "/services/tasks"
_MADE_OF: Mapping[str, TaskKind] = {"call": TaskKind.CALL, "task": TaskKind.TODO}
"""The kind of the task that an action of nurture makes. Its other actions go out by themselves."""
_ACTIVITY_OF = {TaskKind.CALL.value: ActivityType.CALL, TaskKind.MEETING.value: ActivityType.MEETING}
"""The activity that a completed task records, by its kind."""
_FOLLOWED = ("status", "assignedTo")


def request_of(received: Received) -> TaskRequest | None:
    """Return what the event asks of a task; None if it asks nothing."""
    if received.record.topic == TASKS.name:
        return _commanded(received, received.payload)
    if received.record.topic == ACTIONS.name and received.payload.action in _MADE_OF:
        return _nurtured(received, received.payload)
    return None


def _commanded(received: Received, command: TaskCommand) -> TaskRequest:
    new = command.action is TaskAction.CREATE
    named = (received.event.id.strip() if new else command.task_id) or received.key
    return TaskRequest(
        received.key,
        received.order,
        truncate_to_ms(received.event.time),
        command.lead_id,
        named,
        command.action,
        command.requested_by,
        kind=command.kind or TaskKind.TODO,
        title=command.title or "",
        due_at=command.due_at if new else command.until,
        assigned_to=command.assigned_to,
        outcome=command.outcome,
    )


def _nurtured(received: Received, action: NurtureAction) -> TaskRequest:
    return TaskRequest(
        received.key,
        received.order,
        truncate_to_ms(received.event.time),
        action.lead_id,
        derive("task", action.action_id),
        TaskAction.CREATE,
        received.event.source,
        kind=_MADE_OF[action.action],
        title=action.rendered.subject.strip() or action.template,
        due_at=action.due_at,
        action_id=action.action_id,
    )


def moves_lead(received: Received) -> bool:
    """Return whether the event may change what a lead demands of its tasks."""
    topic = received.record.topic
    if topic == UPDATED.name:
        return any(path in received.payload.changed for path in _FOLLOWED)
    return topic in (ASSIGNED.name, CONVERTED.name)


def mover_of(received: Received) -> str:
    """Return who changed the lead."""
    return str(received.payload.by) if received.record.topic == UPDATED.name else received.event.source


def settling_key(request: TaskRequest) -> str:
    """Return the cause by which a new task follows its lead, which may have changed while the task was stored."""
    return derive("settled", request.key)


def request_events(cause: Cause, request: TaskRequest, task: TaskDocument) -> Iterator[Outgoing]:
    """Yield the events of an accepted request; they are the same at each redelivery."""
    change, lead_id = change_of(task, request.key), task["leadId"]
    if change is None:
        return
    if request.action is TaskAction.CREATE:
        created = _as_changed(TaskCreated, task, change)
        yield emit(TASK_CREATED, created, cause=cause, key=lead_id, source=SOURCE, at=change["at"])
        settled = settling_key(request)
        yield from following_event(replace(cause, key=settled), settled, task)
        return
    updated = _as_changed(TaskUpdated, task, change)
    yield emit(TASK_UPDATED, updated, cause=cause, key=lead_id, source=SOURCE, at=change["at"])
    if request.action is TaskAction.COMPLETE and task["kind"] in _ACTIVITY_OF:
        recorded = ActivityRecorded(lead_id=lead_id, activity=_activity(request, task, change))
        yield emit(ACTIVITIES, recorded, cause=cause, key=lead_id, source=SOURCE, at=request.at)


def following_event(cause: Cause, change_key: str, task: TaskDocument) -> Iterator[Outgoing]:
    """Yield the event of an automatic change, if the task has it."""
    change = change_of(task, change_key)
    if change:
        updated = _as_changed(TaskUpdated, task, change)
        yield emit(TASK_UPDATED, updated, cause=cause, key=task["leadId"], source=SOURCE, at=change["at"])


def rejected_event(received: Received, row: VerdictDocument) -> Outgoing:
    """Return the event of a rejected command."""
    payload = LeadRejected(
        lead_id=row["leadId"],
        command=TASKS.name,
        command_id=received.event.id,
        reason=RejectionReason(str(row["reason"])),
        detail=row["detail"],
    )
    return emit(REJECTED, payload, cause=received.cause, key=row["leadId"], source=SOURCE, at=row["at"])


def _activity(request: TaskRequest, task: TaskDocument, change: TaskChange) -> Activity:
    return Activity(
        type=_ACTIVITY_OF[task["kind"]],
        description=task["title"],
        outcome=change.get("outcome"),
        scheduled_at=change.get("dueAt"),
        completed_at=request.at,
        created_by=change["by"],
    )


def _as_changed(model: type[TaskCreated], task: TaskDocument, change: TaskChange) -> TaskCreated:
    """Return the task as this change left it."""
    return model(
        task_id=task["taskId"],
        lead_id=task["leadId"],
        kind=TaskKind(task["kind"]),
        title=task["title"],
        assigned_to=change.get("assignedTo"),
        due_at=change.get("dueAt"),
        state=TaskState(change["state"]),
        outcome=change.get("outcome"),
        by=change["by"],
    )
