"""Enrolment: the sequence that a lead enters, its steps, and its rounds.

The rules are in schemas/README.md#nurture.

A lead is in a sequence once at a time. Its enrolment counts rounds: a new one begins when a cause enrols the lead again
after the last round has finished all its steps.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, tzinfo
from typing import Any

from schemas.outputs import NurtureEnrolled, PlannedStep
from services.nurture.domain import sequences as config
from services.nurture.domain.sequences import DEFAULT_SEQUENCE, Sequences, Step
from services.nurture.domain.steps import SCHEDULED, decide_step
from shared.domain.consent.contact_permission import ConsentPolicy
from shared.domain.identity.normal_forms import given_only
from shared.domain.ids import derive
from shared.domain.moments import truncate_to_ms
from shared.domain.rules.conditions import evaluate_conditions

CAUSES_MAX = 16
"""Causes that an enrolment remembers, so that a redelivered one begins no round."""

ROUNDS_MAX = 16
"""Earlier rounds that an enrolment remembers."""

_ROUND = ("round", "cause", "why", "at", "sequenceName", "sequenceVersion", "stepIds")
_OF_LEAD = {
    "industry": ("company", "industry"),
    "companySize": ("company", "size"),
    "firstName": ("contact", "firstName"),
}

Document = Mapping[str, Any]


def select_sequence(lead: Document, sequences: Sequences) -> config.Sequence:
    """Return the sequence for a lead's first score.

    It is that of the first selection that holds, or `default`.
    """
    for selection in sequences.select:
        if evaluate_conditions(selection.conditions, lead).holds:
            return sequences.by_id(selection.sequence)
    return sequences.by_id(DEFAULT_SEQUENCE)


@dataclass(frozen=True, slots=True)
class EnrolmentCause:
    """The cause of an enrolment, with the attributes of its steps' events.

    `why` is for people.
    """

    key: str
    event_id: str
    correlation_id: str
    why: str


@dataclass(frozen=True, slots=True)
class EnrolmentRequest:
    """A request to enrol a lead in a sequence."""

    lead: Document
    sequence: config.Sequence
    cause: EnrolmentCause

    @property
    def enrolment_id(self) -> str:
        """The id of the one enrolment of this lead in this sequence."""
        return enrolment_id(self.lead["_id"], self.sequence.id)


def enrolment_id(lead_id: str, sequence_id: str) -> str:
    """Return the derived id of the one enrolment of a lead in a sequence."""
    return derive("enrolment", lead_id, sequence_id)


def new_enrolment(
    request: EnrolmentRequest, sequences: Sequences, now: datetime, round_: int = 1
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the documents of a new enrolment and of its steps, in the order they are due.

    Both copy what they need of the sequence, so that a later change of the file doesn't affect them. Their ids come
    from lead, sequence and round.
    """
    ordered = sorted(request.sequence.steps, key=lambda step: step.delay)
    pairs = zip(ordered, [None, *ordered], strict=False)
    steps = [_step_document(request, step, before, sequences, now, round_) for step, before in pairs]
    enrolment = {
        "_id": request.enrolment_id,
        "leadId": request.lead["_id"],
        "sequenceId": request.sequence.id,
        "sequenceName": request.sequence.name,
        "sequenceVersion": request.sequence.version,
        "revision": 1,
        "round": round_,
        "cause": request.cause.key,
        "causes": [request.cause.key],
        "why": request.cause.why,
        "at": now,
        "stepIds": [step["_id"] for step in steps],
        "earlier": [],
    }
    return enrolment, steps


def _lead_values(lead: Document) -> dict[str, Any]:
    """Return what `nurture.enrolled` says of the lead (schemas/README.md#nurtureenrolled)."""
    found = {name: given_only(lead.get(section)).get(field) for name, (section, field) in _OF_LEAD.items()}
    return {name: value for name, value in found.items() if value}


def _step_id(request: EnrolmentRequest, step: Step, round_: int) -> str:
    return derive("step", request.lead["_id"], request.sequence.id, step.id, *([str(round_)] if round_ > 1 else []))


def _step_document(  # noqa: PLR0913 - the parts of one document
    request: EnrolmentRequest, step: Step, before: Step | None, sequences: Sequences, now: datetime, round_: int
) -> dict[str, Any]:
    due = truncate_to_ms(now + timedelta(days=step.delay))
    row = {
        "_id": _step_id(request, step, round_),
        "leadId": request.lead["_id"],
        "sequenceId": request.sequence.id,
        "sequenceVersion": request.sequence.version,
        "stepId": step.id,
        "round": round_,
        "dueAt": due,
        "wakeAt": due,
        "state": SCHEDULED,
        "action": step.action,
        "template": step.template,
        "source": sequences.templates[step.template].model_dump(),
        "conditions": [condition.document() for condition in step.conditions],
        "personalization": step.personalization,
        "catchUp": request.sequence.catch_up,
        "lateAfter": request.sequence.late_after,
        "cause": request.cause.key,
        "reason": request.cause.why,
        "causationId": request.cause.event_id,
        "correlationId": request.cause.correlation_id,
    }
    if before is None:
        # The first step keeps the lead's values, so that each publish of `nurture.enrolled` has the same.
        return {**row, "ofLead": _lead_values(request.lead)}
    gap = timedelta(days=step.delay - before.delay).total_seconds()
    return {**row, "previousId": _step_id(request, before, round_), "gap": gap}


@dataclass(frozen=True, slots=True)
class EnrolmentPlan:
    """The enrolment to write, the revision that was read (0: none), and its new steps.

    `fresh` is the number of its newest causes that are new.
    """

    enrolment: dict[str, Any]
    read_at: int
    steps: list[dict[str, Any]] = field(default_factory=list)
    fresh: int = 0

    @property
    def changed(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.enrolment["revision"] != self.read_at)


def decide_first_step(
    plan: EnrolmentPlan, lead: Document, now: datetime, policy: ConsentPolicy, zone: tzinfo
) -> EnrolmentPlan:
    """Decide on a first step that is due at once.

    The worker publishes it with `nurture.enrolled`.

    A redelivery of the enrolment's cause publishes both again.
    """
    steps = [_decide_at_once(step, lead, now, policy, zone) if _is_due(step, now) else step for step in plan.steps]
    return replace(plan, steps=steps)


def _is_due(step: Document, now: datetime) -> bool:
    return bool(step["dueAt"] <= now) and "previousId" not in step


def _decide_at_once(
    step: Document, lead: Document, now: datetime, policy: ConsentPolicy, zone: tzinfo
) -> dict[str, Any]:
    decision = decide_step(step, lead, None, now, policy, zone)
    action = {"decided": decision.action.wire()} if decision.action else {}
    through = {name: value for name, value in step.items() if name != "wakeAt"}
    return {**through, **action, "state": decision.state, "why": decision.why, "decidedAt": now, "atOnce": True}


def has_new_causes(existing: Document, requests: Collection[EnrolmentRequest]) -> bool:
    """Return whether any of these requests has a cause that the enrolment doesn't remember."""
    return any(not _knows(existing, request.cause.key) for request in requests)


def plan_enrolment(
    existing: dict[str, Any] | None,
    requests: Sequence[EnrolmentRequest],
    sequences: Sequences,
    now: datetime,
    *,
    live: bool,
) -> EnrolmentPlan:
    """Return the plan for one enrolment from its requests.

    `live`: its round has scheduled steps.

    A live enrolment only remembers the request's cause. A known cause is a redelivery and changes nothing.
    Raises `ValueError` without a request and an enrolment.
    """
    enrolment, read_at = existing, existing["revision"] if existing else 0
    steps: list[dict[str, Any]] = []
    fresh: list[str] = []
    for request in requests:
        if enrolment and _knows(enrolment, request.cause.key):
            continue
        fresh.append(request.cause.key)
        if not (enrolment and live):
            started, steps = new_enrolment(request, sequences, now, enrolment["round"] + 1 if enrolment else 1)
            enrolment, live = _next_round(enrolment, started), True
        enrolment = _remember_causes(enrolment, fresh, read_at)
    if enrolment is None:
        raise ValueError("an enrolment comes from at least one wish")
    return EnrolmentPlan(enrolment, read_at, steps, len(fresh))


def _knows(enrolment: Document, key: str) -> bool:
    return key in enrolment["causes"] or round_of(enrolment, key) is not None


def _next_round(last: Document | None, started: dict[str, Any]) -> dict[str, Any]:
    if last is None:
        return started
    earlier = [{name: last[name] for name in _ROUND}, *last["earlier"]][:ROUNDS_MAX]
    return {**started, "causes": last["causes"], "earlier": earlier}


def _remember_causes(enrolment: dict[str, Any], keys: Sequence[str], read_at: int) -> dict[str, Any]:
    # Keep all causes of this batch, however many: the whole batch may be redelivered.
    causes = list(dict.fromkeys([*enrolment["causes"], *keys]))[-max(CAUSES_MAX, len(keys)) :]
    return {**enrolment, "causes": causes, "revision": read_at + 1}


def recover(plan: EnrolmentPlan, stored_steps: Collection[Document]) -> EnrolmentPlan:
    """Return the enrolment for stored steps of its round, perhaps from another file.

    Crash after the steps → they have no enrolment → this plan stores it with their cause, and the worker decides again.
    """
    enrolment = plan.enrolment
    own = sorted((one for one in stored_steps if _belongs(one, enrolment)), key=_step_order)
    if not own:
        return replace(plan, steps=[])  # an erasure has deleted the steps meanwhile
    began = {"cause": own[0]["cause"], "why": own[0]["reason"], "stepIds": [one["_id"] for one in own]}
    causes = [*enrolment["causes"][: -plan.fresh or None], *(one["cause"] for one in own)]
    return EnrolmentPlan({**enrolment, **began, "causes": list(dict.fromkeys(causes))}, plan.read_at)


def _step_order(step: Document) -> tuple[datetime, str]:
    return _planned_at(step), step["stepId"]


def _belongs(step: Document, enrolment: Document) -> bool:
    names = ("leadId", "sequenceId", "round")
    return all(step[name] == enrolment[name] for name in names)


def round_of(enrolment: Document, key: str) -> Document | None:
    """Return the round that this cause began; None if the enrolment doesn't remember it."""
    return next((one for one in (enrolment, *enrolment["earlier"]) if one["cause"] == key), None)


def enrolled_event(enrolment: Document, steps: Collection[Document]) -> NurtureEnrolled:
    """Return the event of a round.

    It depends on stored documents only, so each publish is the same.

    The lead's values replace the steps' own. A round of an earlier release has no values of the lead.
    """
    planned = sorted(steps, key=_step_order)
    values = {name: value for step in planned for name, value in step["personalization"].items()}
    own = next((step["ofLead"] for step in planned if "ofLead" in step), None)
    if own is not None:
        values = {name: value for name, value in values.items() if name not in _OF_LEAD} | own
    return NurtureEnrolled(
        lead_id=enrolment["leadId"],
        sequence_id=enrolment["sequenceId"],
        steps=tuple(PlannedStep(step_id=step["stepId"], due_at=_planned_at(step)) for step in planned),
        personalization=values,
    )


def _planned_at(step: Document) -> datetime:
    moment: datetime = step.get("plannedAt", step["dueAt"])
    return moment
