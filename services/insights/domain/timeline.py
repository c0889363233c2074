"""Timeline rows: codes and numbers of events that touched a lead, and the values that edits changed. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

from schemas import activities, captures, commands, outputs, tasks, topics
from shared.domain.ids import derive
from shared.domain.listing import moment_key
from shared.domain.moments import truncate_to_ms
from shared.domain.stored.insights_documents import EventRow, TimelinePendingRow
from shared.kafka.events import Received

_Details = Mapping[str, object]
"""The details of one event, as the `TimelineDetails` of its row. What is None is left out."""


def _captured(payload: captures.LeadCaptured) -> _Details:
    return {"source": payload.source.value}


def _recorded(payload: activities.ActivityRecorded) -> _Details:
    it = payload.activity
    state = "cancelled" if it.cancelled else "done" if it.completed_at else "planned" if it.scheduled_at else None
    return {"type": it.type.value, "createdBy": it.created_by, "activityId": it.id, "state": state}


def activity_id(received: Received) -> str:
    """Return the id of an activity or engagement within its lead."""
    given = received.payload.activity.id if received.record.topic == topics.ACTIVITIES.name else None
    return given or received.event.id


def _qualification(payload: commands.QualifyLead) -> _Details:
    return {"requestedBy": payload.requested_by, "method": "bant" if payload.bant else "progressive"}


def _update(payload: commands.UpdateLead) -> _Details:
    status = payload.status.value if payload.status else None
    said = payload.consent
    consent = {"channel": said.channel, "given": said.given} if said else None
    return {
        "requestedBy": payload.requested_by,
        "status": status,
        "assignedTo": payload.assigned_to,
        "lostReason": payload.lost_reason,
        "consent": consent,
        "edits": sorted(payload.set.values()) if payload.set else None,
        "noted": True if payload.note else None,
    }


def _task_command(payload: tasks.TaskCommand) -> _Details:
    return {
        "requestedBy": payload.requested_by,
        "action": payload.action.value,
        "type": payload.kind.value if payload.kind else None,
        "assignedTo": payload.assigned_to,
        "taskId": payload.task_id,
        "dueAt": payload.until or payload.due_at,
    }


def _task(payload: tasks.TaskCreated) -> _Details:
    return {
        "taskId": payload.task_id,
        "type": payload.kind.value,
        "state": payload.state.value,
        "assignedTo": payload.assigned_to,
        "dueAt": payload.due_at,
        "by": payload.by,
    }


def _requested(payload: commands.ConvertLead) -> _Details:
    return {"requestedBy": payload.requested_by}


def _merged(payload: outputs.LeadMerged) -> _Details:
    return {"matchScore": payload.match_score, "matchedOn": payload.matched_on, "filled": payload.filled}


def _scored(payload: outputs.LeadScored) -> _Details:
    return {"score": payload.score, "previousScore": payload.previous_score, "reason": payload.reason}


def _updated(payload: outputs.LeadUpdated) -> _Details:
    changed = [
        {"path": path, "from": change.from_, "to": change.to} for path, change in sorted(payload.changed.items())
    ]
    return {"changed": changed, "by": payload.by, "reason": payload.reason}


def _judged(payload: outputs.LeadQualified) -> _Details:
    return {"method": payload.method, "bantScore": payload.bant_score}


def _enrolled(payload: outputs.NurtureEnrolled) -> _Details:
    return {"sequenceId": payload.sequence_id, "steps": len(payload.steps)}


def _action(payload: outputs.NurtureAction) -> _Details:
    return {"sequenceId": payload.sequence_id, "stepId": payload.step_id, "action": payload.action}


def _converted(payload: outputs.LeadConverted) -> _Details:
    return {"opportunityId": payload.opportunity_id}


def _rejected(payload: outputs.LeadRejected) -> _Details:
    return {"command": payload.command, "reason": payload.reason, "detail": payload.detail}


def _suspected(payload: outputs.LeadSuspected) -> _Details:
    return {"otherId": payload.other_id, "likelihood": payload.likelihood, "reasons": payload.reasons}


DETAILS: Mapping[str, Callable[[Any], _Details]] = {  # each takes the model of its topic
    topics.CAPTURED.name: _captured,
    topics.ACTIVITIES.name: _recorded,
    topics.ENGAGEMENTS.name: lambda payload: {"action": payload.action},
    topics.QUALIFY.name: _qualification,
    topics.UPDATE.name: _update,
    topics.TASKS.name: _task_command,
    topics.CONVERT.name: _requested,
    topics.CREATED.name: lambda payload: {"source": payload.lead.source.value},
    topics.MERGED.name: _merged,
    topics.SCORED.name: _scored,
    topics.RESCORE.name: lambda payload: {"reason": payload.reason},
    topics.UPDATED.name: _updated,
    topics.ASSIGNED.name: lambda payload: {"assignedTo": payload.assigned_to, "rule": payload.rule},
    topics.TRIGGERED.name: lambda payload: {"trigger": payload.trigger, "action": payload.action},
    topics.QUALIFIED.name: _judged,
    topics.DISQUALIFIED.name: _judged,
    topics.ENROLLED.name: _enrolled,
    topics.ACTIONS.name: _action,
    topics.TASK_CREATED.name: _task,
    topics.TASK_UPDATED.name: _task,
    topics.CONVERTED.name: _converted,
    topics.REJECTED.name: _rejected,
    topics.SUSPECTED.name: _suspected,
}
"""The details that a row keeps, by topic. `Any`: each topic has its own payload."""


def timeline_row(received: Received) -> EventRow:
    """Return the event's row without its lead. `key` orders a lead's rows by event time."""
    event, at = received.event, truncate_to_ms(received.event.time)
    details = DETAILS[received.record.topic](received.payload)
    row = {
        "_id": received.key,
        "key": f"{moment_key(at)}{received.key}",
        "at": at,
        "topic": received.record.topic,
        "eventId": event.id,
        "source": event.source,
        "causationId": event.causationid,
        "correlationId": event.correlationid,
        "details": {name: _plain(value) for name, value in details.items() if value is not None},
    }
    # A filtered copy loses its type.
    return cast("EventRow", {name: value for name, value in row.items() if value is not None})


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def leads_of_effects(rows: Iterable[TimelinePendingRow], effects: Sequence[Received]) -> dict[str, str]:
    """Return the leads of pending events by event key, as the events' effects name them.

    An event's id is unique only within its source, but an effect's id is derived from the key of its cause.
    """
    by_id: dict[str, list[Received]] = {}
    for one in effects:
        by_id.setdefault(str(one.event.causationid), []).append(one)
    return {
        row["_id"]: str(one.event.subject)
        for row in rows
        for one in by_id.get(row["eventId"], ())
        if one.event.id == derive("event", one.record.topic, row["_id"], str(one.event.subject))
    }
