"""A batch of requests: each gets its verdict, and tasks change by those that are accepted.

A command has one verdict for ever, the first in the collection `commands`. An action of nurture needs none: it is
never rejected.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from schemas.reasons import RejectionReason
from schemas.tasks import TaskAction
from services.tasks.domain.task_changes import (
    Objection,
    TaskRequest,
    change_of,
    change_task,
    is_closed,
    new_task,
)
from shared.domain.stored.command_documents import VerdictDocument
from shared.domain.stored.lead_document import LeadDocument
from shared.domain.stored.task_document import TaskDocument
from shared.domain.task_lists import task_document_id

_NOT_FOUND: Objection = (RejectionReason.LEAD_NOT_FOUND, "no lead has this id")
_UNKNOWN: Objection = (RejectionReason.UNKNOWN_TASK, "the lead has no task with this id")


@dataclass(frozen=True, slots=True)
class TaskView:
    """What is stored about some requests: leads and tasks by id, verdicts by the command's key."""

    leads: Mapping[str, LeadDocument]
    verdicts: Mapping[str, VerdictDocument]
    tasks: Mapping[str, TaskDocument]


@dataclass(slots=True)
class TaskPlan:
    """What a batch does: tasks after it, verdicts of its commands, and requests that have to wait.

    `places` has the document's id of each request that changed a task. `unknown` wait for their lead, `early` for their
    task. `gone` are ids of documents that the lead's erasure left.
    """

    tasks: dict[str, TaskDocument]
    changed: set[str] = field(default_factory=set)
    verdicts: dict[str, VerdictDocument] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    early: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)


def places_of(request: TaskRequest) -> tuple[str, ...]:
    """Return the ids of the documents that the request's task may have.

    An event id is unique only within its source. A second event with the id of a task makes a task under its own key.
    """
    first = task_document_id(request.lead_id, request.task_id)
    return (first, task_document_id(request.lead_id, request.key)) if request.action is TaskAction.CREATE else (first,)


def decide_requests(
    view: TaskView, requests: Sequence[TaskRequest], final: frozenset[str], now: datetime, *, patient: bool
) -> TaskPlan:
    """Decide on the requests in their order. The keys in `final` may wait no longer."""
    plan = TaskPlan(dict(view.tasks))
    for one in requests:
        row = view.verdicts.get(one.key)
        if row is not None and row["reason"] is not None:
            plan.verdicts[one.key] = row
        elif one.lead_id not in view.leads:
            _without_lead(plan, one, final, now)
        else:
            _decide(plan, one, view.leads[one.lead_id], now, patient=patient and one.key not in final)
    return plan


def _without_lead(plan: TaskPlan, request: TaskRequest, final: frozenset[str], now: datetime) -> None:
    # A task is stored only beside its lead. A task without one was stored while the lead was erased.
    plan.gone += [place for place in places_of(request) if place in plan.tasks]
    if request.action_id is not None:
        return
    if request.key in final:
        plan.verdicts[request.key] = _verdict(request, now, _NOT_FOUND)
    else:
        plan.unknown.append(request.key)


def _decide(plan: TaskPlan, request: TaskRequest, lead: LeadDocument, now: datetime, *, patient: bool) -> None:
    place = _place(plan, request)
    task = plan.tasks.get(place)
    if task is None and request.action is not TaskAction.CREATE and patient:
        plan.early.append(request.key)
        return
    outcome = _outcome(task, place, request, lead, now)
    if isinstance(outcome, tuple):
        plan.verdicts[request.key] = _verdict(request, now, outcome)
        return
    if outcome is None:
        return
    if request.action_id is None:
        plan.verdicts[request.key] = _verdict(request, now)
    plan.places[request.key] = place
    if outcome is not task:
        plan.tasks[place] = outcome
        plan.changed.add(place)


def _place(plan: TaskPlan, request: TaskRequest) -> str:
    """Return the id of the request's document: the first that is free, or that the request made."""
    places = places_of(request)
    known = [one for one in places if one in plan.tasks and change_of(plan.tasks[one], request.key)]
    return next(iter(known), next((one for one in places if one not in plan.tasks), places[0]))


def _outcome(
    task: TaskDocument | None, place: str, request: TaskRequest, lead: LeadDocument, now: datetime
) -> TaskDocument | Objection | None:
    """Return the task after the request, or why it is rejected; None if it makes no task."""
    if task is not None and change_of(task, request.key):
        return task
    if request.action is not TaskAction.CREATE:
        return _UNKNOWN if task is None else change_task(task, request, now)
    if request.action_id is not None and is_closed(lead):
        return None
    task_id = request.task_id if place == places_of(request)[0] else request.key
    return new_task(request, lead, task_id, now)


def _verdict(request: TaskRequest, now: datetime, objection: Objection | None = None) -> VerdictDocument:
    reason, detail = objection or (None, "")
    return {
        "_id": request.key,
        "leadId": request.lead_id,
        "at": now,
        "done": objection is not None,
        "reason": reason.value if reason else None,
        "detail": detail,
        "note": {},
    }
