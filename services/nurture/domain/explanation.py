"""A lead's nurture in plain words: steps sent, skipped, cancelled, and planned."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from services.nurture.domain.steps import CANCELLED, SCHEDULED, SENT, SKIPPED, humanize
from shared.domain.consent.contact_permission import ConsentPolicy, may, why_not
from shared.domain.consent.statements import EMAIL, PHONE
from shared.domain.stored.lead_document import LeadDocument
from shared.domain.stored.nurture_documents import EnrolmentDocument, EnrolmentRound, StepDocument

WhyNot = Callable[[str], str | None]

# The scheduler handles a due step within moments; the explanation mentions a longer delay.
_PUNCTUAL = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class StepLine:
    """One step: its id in the sequence, its action, and its state in words."""

    step: str
    action: str
    words: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """One round of a lead through a sequence."""

    heading: str
    lines: tuple[StepLine, ...]


def explain_nurture(
    lead: LeadDocument,
    enrolments: Collection[EnrolmentDocument],
    steps: Collection[StepDocument],
    now: datetime,
    policy: ConsentPolicy,
) -> list[Explanation]:
    """Return a lead's rounds in the order they began; steps without an enrolment come last."""
    rest = {step["_id"]: step for step in steps}

    def reason(action: str) -> str | None:
        return why_not(action, lead, policy)

    explanations = []
    rounds = [(enrolment, one) for enrolment in enrolments for one in (enrolment, *enrolment["earlier"])]
    for enrolment, one in sorted(rounds, key=lambda pair: (pair[1]["at"], pair[0]["sequenceId"], pair[1]["round"])):
        own = [rest.pop(step_id) for step_id in one["stepIds"] if step_id in rest]
        explanations.append(Explanation(_heading(enrolment["sequenceId"], one), _lines(own, reason, now)))
    if rest:
        explanations.append(Explanation("steps whose enrolment is unknown", _lines(rest.values(), reason, now)))
    return explanations


def consent_lines(lead: LeadDocument, policy: ConsentPolicy) -> list[str]:
    """Return whether mail and calls to the lead are allowed, and why, one line each."""
    permissions = (("mail", may(EMAIL, lead, policy)), ("calls", may(PHONE, lead, policy)))
    return [f"{name}: {'allowed' if one.allowed else 'not allowed'}, {one.why}" for name, one in permissions]


def _heading(sequence_id: str, round_: EnrolmentRound) -> str:
    again = f", round {round_['round']}" if round_["round"] > 1 else ""
    version = f"{sequence_id}, version {round_['sequenceVersion']}"
    return f"{round_['sequenceName']} ({version}{again}): since {_moment(round_['at'])}, because {round_['why']}"


def _lines(steps: Collection[StepDocument], reason: WhyNot, now: datetime) -> tuple[StepLine, ...]:
    ordered = sorted(steps, key=lambda step: (step.get("plannedAt", step["dueAt"]), step["stepId"]))
    return tuple(StepLine(step["stepId"], step["action"], ", ".join(_words(step, reason, now))) for step in ordered)


def _words(step: StepDocument, reason: WhyNot, now: datetime) -> Iterator[str]:
    state, planned = step["state"], step.get("plannedAt", step["dueAt"])
    if state == SENT:
        late = step["decidedAt"] - planned
        yield f"sent {_moment(step['decidedAt'])}"
        if late > _PUNCTUAL:
            yield f"{humanize(late)} late"
    elif state in (SKIPPED, CANCELLED):
        yield f"{state} {_moment(step['decidedAt'])}: {step['why']}"
    elif state == SCHEDULED and "decided" in step:
        yield "is being sent now"
    elif why := reason(step["action"]):
        yield f"will not be sent: {why}"
    else:
        yield from _to_come(step, planned, now)


def _to_come(step: StepDocument, planned: datetime, now: datetime) -> Iterator[str]:
    due = step["dueAt"]
    wakes = max(due, step.get("wakeAt", due))
    if wakes > now:
        yield f"due {_moment(wakes)} (in {humanize(wakes - now)})"
    else:
        yield f"due since {_moment(due)}, will be sent as soon as a nurture worker is free"
    if due != planned:
        yield f"planned for {_moment(planned)}"
    if "why" in step:
        yield f"waits: {step['why']}"


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
