"""Nurture: which sequence a lead enters, when its steps are due, what becomes of a step then (contract 3, Nurture)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from schemas.outputs import NurtureAction, NurtureEnrolled, PlannedStep, Recipient, Rendered
from services.nurture.sequences import DEFAULT_SEQUENCE, Sequence, Sequences, Step
from services.nurture.templates import RenderError, render
from shared.domain.conditions import Condition, ConditionError, hold_all, holds
from shared.domain.ids import derive
from shared.domain.moments import stored

SCHEDULED, SENT, SKIPPED, CANCELLED = "scheduled", "sent", "skipped", "cancelled"
_SHOWN = ("company", "contact", "requirements", "score", "source", "status", "assignedTo")
_OVER = {"converted": "the lead was converted", "lost": "the lead was lost"}


def pick(lead: Mapping[str, Any], sequences: Sequences) -> Sequence:
    """The sequence that a lead's first score enrols it in."""
    for selection in sequences.select:
        try:
            if hold_all(selection.conditions, lead):
                return sequences.by_id(selection.sequence)
        except ConditionError:
            continue
    return sequences.by_id(DEFAULT_SEQUENCE)


@dataclass(frozen=True, slots=True)
class Cause:
    """What an enrolment was caused by, as far as its later steps must carry it on."""

    key: str
    event_id: str
    correlation_id: str


def enrol(
    lead: Mapping[str, Any], sequence: Sequence, sequences: Sequences, cause: Cause, now: datetime
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The enrolment and its steps as documents.

    Both carry what they need of the sequence, so that a file changed later doesn't disturb who is in it. Their ids are
    the lead's and sequence's: a lead is in a sequence once.
    """
    enrolment = {
        "_id": derive("enrolment", lead["_id"], sequence.id),
        "leadId": lead["_id"],
        "sequenceId": sequence.id,
        "sequenceVersion": sequence.version,
        "cause": cause.key,
        "at": now,
    }
    return enrolment, [_planned(lead, sequence, step, sequences, cause, now) for step in sequence.steps]


def _planned(  # noqa: PLR0913 - the parts of one document
    lead: Mapping[str, Any], sequence: Sequence, step: Step, sequences: Sequences, cause: Cause, now: datetime
) -> dict[str, Any]:
    due = stored(now + timedelta(days=step.delay))
    return {
        "_id": derive("step", lead["_id"], sequence.id, step.id),
        "leadId": lead["_id"],
        "sequenceId": sequence.id,
        "sequenceVersion": sequence.version,
        "stepId": step.id,
        "dueAt": due,
        "wakeAt": due,
        "state": SCHEDULED,
        "action": step.action,
        "template": step.template,
        "source": sequences.templates[step.template].model_dump(),
        "conditions": [condition.model_dump(mode="json") for condition in step.conditions],
        "personalization": step.personalization,
        "causationId": cause.event_id,
        "correlationId": cause.correlation_id,
    }


def enrolled(enrolment: Mapping[str, Any], steps: Collection[Mapping[str, Any]]) -> NurtureEnrolled:
    """What to tell of an enrolment, from its documents."""
    planned = sorted(steps, key=lambda step: (step["dueAt"], step["stepId"]))
    values = {name: value for step in planned for name, value in step["personalization"].items()}
    return NurtureEnrolled(
        lead_id=enrolment["leadId"],
        sequence_id=enrolment["sequenceId"],
        steps=tuple(PlannedStep(step_id=step["stepId"], due_at=step["dueAt"]) for step in planned),
        personalization=values,
    )


@dataclass(frozen=True, slots=True)
class Judged:
    """What becomes of a due step: its new `state`, and `why` in plain words.

    A step to be sent has the action to publish, or None: the one that was decided before holds.
    """

    state: str
    why: str
    action: NurtureAction | None = None


def judge(step: Mapping[str, Any], lead: Mapping[str, Any] | None) -> Judged:
    """What becomes of a step that is due, or whose sender was silent until its lease ended."""
    over = ending(lead)
    if lead is None or over:
        return Judged(CANCELLED, over or "the lead is gone")
    if "decided" in step:
        return Judged(SENT, step["why"])
    hindrance = _hindrance(step, lead)
    if hindrance:
        return Judged(SKIPPED, hindrance)
    try:
        rendered = _rendered(step, lead)
    except RenderError as error:
        return Judged(SKIPPED, f"template '{step['template']}' failed: {error}")
    return Judged(SENT, "all conditions held", _action(step, lead, rendered))


def ending(lead: Mapping[str, Any] | None) -> str | None:
    """Why this lead gets no more steps, or None."""
    return "the lead is gone" if lead is None else _OVER.get(lead["status"])


def _hindrance(step: Mapping[str, Any], lead: Mapping[str, Any]) -> str | None:
    contact, consent = lead.get("contact") or {}, lead.get("consent") or {}
    if step["action"] in ("email", "content"):
        if not contact.get("email"):
            return "the lead has no e-mail address"
        if consent.get("email") is False:
            return "the lead allows no e-mail"
    if step["action"] == "call":
        if not contact.get("phone"):
            return "the lead has no phone number"
        if consent.get("phone") is False:
            return "the lead allows no calls"
    return _failed_condition(step, lead)


def _failed_condition(step: Mapping[str, Any], lead: Mapping[str, Any]) -> str | None:
    for raw in step["conditions"]:
        condition = Condition.model_validate(raw)
        try:
            if not holds(condition, lead):
                return f"condition does not hold: {condition.field} {condition.operator.value}"
        except ConditionError as error:
            return f"condition can't be judged: {error}"
    return None


def _rendered(step: Mapping[str, Any], lead: Mapping[str, Any]) -> Rendered:
    shown = {name: lead.get(name) or ({} if name in _SHOWN[:3] else lead.get(name)) for name in _SHOWN}
    values = {**step["personalization"], "lead": shown, **{name: shown[name] for name in ("company", "contact")}}
    return render(step["source"]["subject"], step["source"]["body"], values)


def _action(step: Mapping[str, Any], lead: Mapping[str, Any], rendered: Rendered) -> NurtureAction:
    contact = lead.get("contact") or {}
    name = " ".join(part for part in (contact.get("firstName"), contact.get("lastName")) if part)
    return NurtureAction(
        action_id=step["_id"],
        lead_id=step["leadId"],
        sequence_id=step["sequenceId"],
        step_id=step["stepId"],
        action=step["action"],
        template=step["template"],
        rendered=rendered,
        to=Recipient(email=contact.get("email"), phone=contact.get("phone"), name=name or None),
        due_at=step["dueAt"],
    )
