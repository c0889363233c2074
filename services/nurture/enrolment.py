"""Enrolment: which sequence a lead enters, when its steps are due, whether it is in it already (contract 3, Nurture).

A lead is in a sequence once at a time. Its enrolment counts rounds: another begins when something enrols the lead again
after all steps of the last one are through.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, tzinfo
from typing import Any

from schemas.outputs import NurtureEnrolled, PlannedStep
from services.nurture import sequences as config
from services.nurture.domain import SCHEDULED, judge
from services.nurture.sequences import DEFAULT_SEQUENCE, Sequences, Step
from shared.domain.conditions import evaluate_all
from shared.domain.ids import derive
from shared.domain.moments import stored
from shared.domain.permission import Policy

CAUSES_MAX = 16
"""Causes that an enrolment remembers, so that one delivered again begins nothing."""

ROUNDS_MAX = 16
"""Earlier rounds that an enrolment remembers."""

_ROUND = ("round", "cause", "why", "at", "sequenceName", "sequenceVersion", "stepIds")
_OF_LEAD = {
    "industry": ("company", "industry"),
    "companySize": ("company", "size"),
    "firstName": ("contact", "firstName"),
}

Document = Mapping[str, Any]


def pick(lead: Document, sequences: Sequences) -> config.Sequence:
    """The sequence that a lead's first score enrols it in."""
    for selection in sequences.select:
        if evaluate_all(selection.conditions, lead).holds:
            return sequences.by_id(selection.sequence)
    return sequences.by_id(DEFAULT_SEQUENCE)


@dataclass(frozen=True, slots=True)
class Cause:
    """What an enrolment was caused by, as far as its later steps must carry it on; `why` is it in plain words."""

    key: str
    event_id: str
    correlation_id: str
    why: str


@dataclass(frozen=True, slots=True)
class Wish:
    """Something that wants a lead in a sequence."""

    lead: Document
    sequence: config.Sequence
    cause: Cause

    @property
    def enrolment_id(self) -> str:
        """The id of the one enrolment of this lead in this sequence."""
        return enrolment_id(self.lead["_id"], self.sequence.id)


def enrolment_id(lead_id: str, sequence_id: str) -> str:
    """The id of the one enrolment of a lead in a sequence."""
    return derive("enrolment", lead_id, sequence_id)


def enrol(
    wish: Wish, sequences: Sequences, now: datetime, round_: int = 1
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The enrolment and its steps, in the order they are due, as documents.

    Both carry what they need of the sequence, so that a file changed later doesn't disturb who is in it. Their ids are
    the lead's, sequence's and round's.
    """
    ordered = sorted(wish.sequence.steps, key=lambda step: step.delay)
    pairs = zip(ordered, [None, *ordered], strict=False)
    steps = [_planned(wish, step, before, sequences, now, round_) for step, before in pairs]
    enrolment = {
        "_id": wish.enrolment_id,
        "leadId": wish.lead["_id"],
        "sequenceId": wish.sequence.id,
        "sequenceName": wish.sequence.name,
        "sequenceVersion": wish.sequence.version,
        "revision": 1,
        "round": round_,
        "cause": wish.cause.key,
        "causes": [wish.cause.key],
        "why": wish.cause.why,
        "at": now,
        "stepIds": [step["_id"] for step in steps],
        "earlier": [],
    }
    return enrolment, steps


def _of_lead(lead: Document) -> dict[str, Any]:
    """Return what is known of the lead at its enrolment (contract 3, Nurture)."""
    found = {name: (lead.get(section) or {}).get(field) for name, (section, field) in _OF_LEAD.items()}
    return {name: value for name, value in found.items() if value}


def _step_id(wish: Wish, step: Step, round_: int) -> str:
    return derive("step", wish.lead["_id"], wish.sequence.id, step.id, *([str(round_)] if round_ > 1 else []))


def _planned(  # noqa: PLR0913 - the parts of one document
    wish: Wish, step: Step, before: Step | None, sequences: Sequences, now: datetime, round_: int
) -> dict[str, Any]:
    due = stored(now + timedelta(days=step.delay))
    row = {
        "_id": _step_id(wish, step, round_),
        "leadId": wish.lead["_id"],
        "sequenceId": wish.sequence.id,
        "sequenceVersion": wish.sequence.version,
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
        "catchUp": wish.sequence.catch_up,
        "lateAfter": wish.sequence.late_after,
        "cause": wish.cause.key,
        "reason": wish.cause.why,
        "causationId": wish.cause.event_id,
        "correlationId": wish.cause.correlation_id,
    }
    if before is None:
        # Beside the first step, which is stored before the enrolment: whoever tells of the round finds the same.
        return {**row, "ofLead": _of_lead(wish.lead)}
    gap = timedelta(days=step.delay - before.delay).total_seconds()
    return {**row, "previousId": _step_id(wish, before, round_), "gap": gap}


@dataclass(frozen=True, slots=True)
class Admission:
    """An enrolment as it is to be, the revision it was read at (0: there was none), and the steps that are new.

    `fresh` is how many of its newest causes weren't known before.
    """

    enrolment: dict[str, Any]
    read_at: int
    steps: list[dict[str, Any]] = field(default_factory=list)
    fresh: int = 0

    @property
    def changed(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.enrolment["revision"] != self.read_at)


def begin(admission: Admission, lead: Document, now: datetime, policy: Policy, zone: tzinfo) -> Admission:
    """The admission with a step that is due at once decided, so that it goes out with the news of the enrolment.

    Whoever handles the enrolment's cause publishes the step, and again if that cause comes again.
    """
    steps = [_decided(step, lead, now, policy, zone) if _is_due(step, now) else step for step in admission.steps]
    return replace(admission, steps=steps)


def _is_due(step: Document, now: datetime) -> bool:
    return bool(step["dueAt"] <= now) and "previousId" not in step


def _decided(step: Document, lead: Document, now: datetime, policy: Policy, zone: tzinfo) -> dict[str, Any]:
    judged = judge(step, lead, None, now, policy, zone)
    action = {"decided": judged.action.wire()} if judged.action else {}
    through = {name: value for name, value in step.items() if name != "wakeAt"}
    return {**through, **action, "state": judged.state, "why": judged.why, "decidedAt": now, "atOnce": True}


def news(there: Document, wishes: Collection[Wish]) -> bool:
    """Whether this enrolment has yet to hear of any of these wishes."""
    return any(not _known(there, wish.cause.key) for wish in wishes)


def admit(
    there: dict[str, Any] | None, wishes: Sequence[Wish], sequences: Sequences, now: datetime, *, live: bool
) -> Admission:
    """What these wishes, all for one enrolment, make of it; `live`: some step of its round is still to come.

    A wish for a live enrolment is fulfilled: it is remembered, and that is all. A cause that is known came again.
    """
    enrolment, read_at = there, there["revision"] if there else 0
    steps: list[dict[str, Any]] = []
    fresh: list[str] = []
    for wish in wishes:
        if enrolment and _known(enrolment, wish.cause.key):
            continue
        fresh.append(wish.cause.key)
        if not (enrolment and live):
            begun, steps = enrol(wish, sequences, now, enrolment["round"] + 1 if enrolment else 1)
            enrolment, live = _next_round(enrolment, begun), True
        enrolment = _heard(enrolment, fresh, read_at)
    if enrolment is None:
        raise ValueError("an enrolment comes from at least one wish")
    return Admission(enrolment, read_at, steps, len(fresh))


def _known(enrolment: Document, key: str) -> bool:
    return key in enrolment["causes"] or round_of(enrolment, key) is not None


def _next_round(last: Document | None, begun: dict[str, Any]) -> dict[str, Any]:
    if last is None:
        return begun
    earlier = [{name: last[name] for name in _ROUND}, *last["earlier"]][:ROUNDS_MAX]
    return {**begun, "causes": last["causes"], "earlier": earlier}


def _heard(enrolment: dict[str, Any], keys: Sequence[str], read_at: int) -> dict[str, Any]:
    # However many one batch brings, all of it is remembered: the batch may come again whole.
    causes = list(dict.fromkeys([*enrolment["causes"], *keys]))[-max(CAUSES_MAX, len(keys)) :]
    return {**enrolment, "causes": causes, "revision": read_at + 1}


def adopt(admission: Admission, stored_steps: Collection[Document]) -> Admission:
    """The enrolment that belongs to steps of its round which were stored already, whatever file they were planned by.

    Whoever stored them was killed before it got to the enrolment, or is about to. It had the round; what is wished now
    is to be looked at again once that stands.
    """
    enrolment = admission.enrolment
    own = sorted((one for one in stored_steps if _belongs(one, enrolment)), key=_place)
    if not own:
        return replace(admission, steps=[])  # the lead was erased in this moment, and its steps with it
    began = {"cause": own[0]["cause"], "why": own[0]["reason"], "stepIds": [one["_id"] for one in own]}
    causes = [*enrolment["causes"][: -admission.fresh or None], *(one["cause"] for one in own)]
    return Admission({**enrolment, **began, "causes": list(dict.fromkeys(causes))}, admission.read_at)


def _place(step: Document) -> tuple[datetime, str]:
    return _planned_at(step), step["stepId"]


def _belongs(step: Document, enrolment: Document) -> bool:
    names = ("leadId", "sequenceId", "round")
    return all(step[name] == enrolment[name] for name in names)


def round_of(enrolment: Document, key: str) -> Document | None:
    """The round that this cause began, as long as the enrolment remembers it."""
    return next((one for one in (enrolment, *enrolment["earlier"]) if one["cause"] == key), None)


def enrolled(enrolment: Document, steps: Collection[Document]) -> NurtureEnrolled:
    """Return the event of a round, from the documents, so that it is the same each time.

    The lead's own words go before the steps'. A round that an older version began has none of them.
    """
    planned = sorted(steps, key=_place)
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
