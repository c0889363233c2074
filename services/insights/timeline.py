"""The timeline: what a row says of an event that touched a lead. Words and numbers, never what people wrote."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from schemas import topics
from shared.domain.ids import derive
from shared.domain.listing import moment_key
from shared.domain.moments import stored
from shared.events import Received

_Told = Callable[[Any], Mapping[str, Any]]


def _captured(payload: Any) -> Mapping[str, Any]:
    return {"source": payload.source.value}


def _recorded(payload: Any) -> Mapping[str, Any]:
    it = payload.activity
    state = "cancelled" if it.cancelled else "done" if it.completed_at else "planned" if it.scheduled_at else None
    return {"type": it.type.value, "createdBy": it.created_by, "activityId": it.id, "state": state}


def activity_id(received: Received) -> str:
    """The id that an activity or an engagement has within its lead."""
    given = received.payload.activity.id if received.record.topic == topics.ACTIVITIES.name else None
    return given or received.event.id


def _qualification(payload: Any) -> Mapping[str, Any]:
    return {"requestedBy": payload.requested_by, "method": "bant" if payload.bant else "progressive"}


def _update(payload: Any) -> Mapping[str, Any]:
    status = payload.status.value if payload.status else None
    said = payload.consent
    consent = {"channel": said.channel, "given": said.given} if said else None
    return {
        "requestedBy": payload.requested_by,
        "status": status,
        "assignedTo": payload.assigned_to,
        "consent": consent,
    }


def _requested(payload: Any) -> Mapping[str, Any]:
    return {"requestedBy": payload.requested_by}


def _merged(payload: Any) -> Mapping[str, Any]:
    return {"matchScore": payload.match_score, "matchedOn": payload.matched_on, "filled": payload.filled}


def _scored(payload: Any) -> Mapping[str, Any]:
    return {"score": payload.score, "previousScore": payload.previous_score, "reason": payload.reason}


def _updated(payload: Any) -> Mapping[str, Any]:
    changed = [
        {"path": path, "from": change.from_, "to": change.to} for path, change in sorted(payload.changed.items())
    ]
    return {"changed": changed, "by": payload.by, "reason": payload.reason}


def _judged(payload: Any) -> Mapping[str, Any]:
    return {"method": payload.method, "bantScore": payload.bant_score}


def _enrolled(payload: Any) -> Mapping[str, Any]:
    return {"sequenceId": payload.sequence_id, "steps": len(payload.steps)}


def _action(payload: Any) -> Mapping[str, Any]:
    return {"sequenceId": payload.sequence_id, "stepId": payload.step_id, "action": payload.action}


def _converted(payload: Any) -> Mapping[str, Any]:
    return {"opportunityId": payload.opportunity_id}


def _rejected(payload: Any) -> Mapping[str, Any]:
    return {"command": payload.command, "reason": payload.reason, "detail": payload.detail}


TOLD: Mapping[str, _Told] = {
    topics.CAPTURED.name: _captured,
    topics.ACTIVITIES.name: _recorded,
    topics.ENGAGEMENTS.name: lambda payload: {"action": payload.action},
    topics.QUALIFY.name: _qualification,
    topics.UPDATE.name: _update,
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
    topics.CONVERTED.name: _converted,
    topics.REJECTED.name: _rejected,
}
"""What a row keeps of each topic's events."""


def row_of(received: Received) -> dict[str, Any]:
    """The event's row, but for the lead that it touched; `key` orders a lead's rows by their events' times."""
    event, at = received.event, stored(received.event.time)
    details = TOLD[received.record.topic](received.payload)
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
    return {name: value for name, value in row.items() if value is not None}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def caused(rows: Iterable[Mapping[str, Any]], effects: Sequence[Received]) -> dict[str, str]:
    """The leads that events standing aside were about, by the events' keys, as their effects tell.

    An event's id is unique for its source only, but an effect's id is derived from its cause's key.
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
