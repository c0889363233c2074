"""Rounds of an enrolment. The rules are in schemas/README.md#nurture.

A lead is in a sequence once at a time. Its enrolment counts rounds: a new one begins when a cause enrols the lead again
after the last round has finished all its steps.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo

from services.nurture.domain.enrolment import EnrolmentRequest, by_planned_time, new_enrolment
from services.nurture.domain.sequences import Sequences
from services.nurture.domain.steps import decide_step
from shared.domain.consent.contact_permission import ConsentPolicy
from shared.domain.stored.lead_document import LeadDocument
from shared.domain.stored.nurture_documents import EnrolmentDocument, EnrolmentRound, StepChanges, StepDocument

CAUSES_MAX = 16
"""Causes that an enrolment remembers, so that a redelivered one begins no round."""

ROUNDS_MAX = 16
"""Earlier rounds that an enrolment remembers."""


@dataclass(frozen=True, slots=True)
class EnrolmentPlan:
    """The enrolment to write, the revision that was read (0: none), and its new steps.

    `live`: its round has scheduled steps. `fresh` is the number of its newest causes that are new.
    """

    enrolment: EnrolmentDocument
    read_at: int
    live: bool = True
    steps: Sequence[StepDocument] = ()
    fresh: int = 0

    @property
    def changed(self) -> bool:
        """Whether there is anything to write."""
        return self.enrolment["revision"] != self.read_at


def enrol(known: EnrolmentPlan | None, request: EnrolmentRequest, sequences: Sequences, now: datetime) -> EnrolmentPlan:
    """Return the enrolment after one request.

    A live enrolment only remembers the request's cause. A known cause is a redelivery and changes nothing.
    """
    if known is None:
        enrolment, steps = new_enrolment(request, sequences, now)
        return EnrolmentPlan(enrolment, 0, steps=steps, fresh=1)
    if _knows(known.enrolment, request.cause.key):
        return known
    plan = known if known.live else _begin_round(known, request, sequences, now)
    return _remember_cause(plan, request.cause.key)


def _begin_round(known: EnrolmentPlan, request: EnrolmentRequest, sequences: Sequences, now: datetime) -> EnrolmentPlan:
    last = known.enrolment
    started, steps = new_enrolment(request, sequences, now, last["round"] + 1)
    earlier = [_newest_round(last), *last["earlier"]][:ROUNDS_MAX]
    enrolment: EnrolmentDocument = {**started, "causes": last["causes"], "earlier": earlier}
    return replace(known, enrolment=enrolment, live=True, steps=steps)


def _newest_round(enrolment: EnrolmentDocument) -> EnrolmentRound:
    return {
        "round": enrolment["round"],
        "cause": enrolment["cause"],
        "why": enrolment["why"],
        "at": enrolment["at"],
        "sequenceName": enrolment["sequenceName"],
        "sequenceVersion": enrolment["sequenceVersion"],
        "stepIds": enrolment["stepIds"],
    }


def _remember_cause(plan: EnrolmentPlan, key: str) -> EnrolmentPlan:
    fresh = plan.fresh + 1
    # Keep all causes of this batch, however many: the whole batch may be redelivered.
    causes = list(dict.fromkeys([*plan.enrolment["causes"], key]))[-max(CAUSES_MAX, fresh) :]
    return replace(plan, enrolment={**plan.enrolment, "causes": causes, "revision": plan.read_at + 1}, fresh=fresh)


def _knows(enrolment: EnrolmentDocument, key: str) -> bool:
    return key in enrolment["causes"] or round_of(enrolment, key) is not None


def decide_first_step(
    plan: EnrolmentPlan, lead: LeadDocument, now: datetime, policy: ConsentPolicy, zone: tzinfo
) -> EnrolmentPlan:
    """Decide on a first step that is due at once.

    The worker publishes it with `nurture.enrolled`.

    A redelivery of the enrolment's cause publishes both again.
    """
    steps = [_decide_at_once(step, lead, now, policy, zone) if _is_due(step, now) else step for step in plan.steps]
    return replace(plan, steps=steps)


def _is_due(step: StepDocument, now: datetime) -> bool:
    return step["dueAt"] <= now and "previousId" not in step


def _decide_at_once(
    step: StepDocument, lead: LeadDocument, now: datetime, policy: ConsentPolicy, zone: tzinfo
) -> StepDocument:
    decision = decide_step(step, lead, None, now, policy, zone)
    action: StepChanges = {"decided": decision.action.wire()} if decision.action else {}
    through = step.copy()
    through.pop("wakeAt", None)
    return {**through, **action, "state": decision.state, "why": decision.why, "decidedAt": now, "atOnce": True}


def recover(plan: EnrolmentPlan, stored_steps: Collection[StepDocument]) -> EnrolmentPlan:
    """Return the enrolment for stored steps of its round, perhaps from another file.

    Crash after the steps → they have no enrolment → this plan stores it with their cause, and the worker decides again.
    """
    enrolment = plan.enrolment
    own = sorted((one for one in stored_steps if _belongs(one, enrolment)), key=by_planned_time)
    if not own:
        return replace(plan, steps=())  # an erasure has deleted the steps meanwhile
    causes = [*enrolment["causes"][: -plan.fresh or None], *(one["cause"] for one in own)]
    began: EnrolmentDocument = {
        **enrolment,
        "cause": own[0]["cause"],
        "why": own[0]["reason"],
        "stepIds": [one["_id"] for one in own],
        "causes": list(dict.fromkeys(causes)),
    }
    return EnrolmentPlan(began, plan.read_at)


def _belongs(step: StepDocument, enrolment: EnrolmentDocument) -> bool:
    return (
        step["leadId"] == enrolment["leadId"]
        and step["sequenceId"] == enrolment["sequenceId"]
        and step["round"] == enrolment["round"]
    )


def round_of(enrolment: EnrolmentDocument, key: str) -> EnrolmentRound | None:
    """Return the round that this cause began; None if the enrolment doesn't remember it."""
    return next((one for one in (enrolment, *enrolment["earlier"]) if one["cause"] == key), None)
