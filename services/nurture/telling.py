"""A lead's nurture in plain words: what went out, what did not and why, and what is to come."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from services.nurture.domain import CANCELLED, SCHEDULED, SENT, SKIPPED, spoken
from shared.domain.consent import EMAIL, PHONE
from shared.domain.permission import Policy, may, why_not

Document = Mapping[str, Any]
WhyNot = Callable[[str], str | None]

# A scheduler is at a due step within moments; what took longer is worth telling.
_PUNCTUAL = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Line:
    """One step: its id in the sequence, what it does, and what became of it."""

    step: str
    action: str
    words: str


@dataclass(frozen=True, slots=True)
class Story:
    """One round of a lead through a sequence."""

    heading: str
    lines: tuple[Line, ...]


def tell(
    lead: Document, enrolments: Collection[Document], steps: Collection[Document], now: datetime, policy: Policy
) -> list[Story]:
    """The rounds of a lead, in the order they began; steps whose enrolment isn't there come last."""
    rest = {step["_id"]: step for step in steps}

    def reason(action: str) -> str | None:
        return why_not(action, lead, policy)

    stories = []
    rounds = [(enrolment, one) for enrolment in enrolments for one in (enrolment, *enrolment["earlier"])]
    for enrolment, one in sorted(rounds, key=lambda pair: (pair[1]["at"], pair[0]["sequenceId"], pair[1]["round"])):
        own = [rest.pop(step_id) for step_id in one["stepIds"] if step_id in rest]
        stories.append(Story(_heading(enrolment["sequenceId"], one), _lines(own, reason, now)))
    if rest:
        stories.append(Story("steps whose enrolment is not (or no longer) known", _lines(rest.values(), reason, now)))
    return stories


def consent_lines(lead: Document, policy: Policy) -> list[str]:
    """What may go to the lead and why: mail, then calls."""
    permissions = (("mail", may(EMAIL, lead, policy)), ("calls", may(PHONE, lead, policy)))
    return [f"{name}: {'allowed' if one.allowed else 'not allowed'}, {one.why}" for name, one in permissions]


def _heading(sequence_id: str, round_: Document) -> str:
    again = f", round {round_['round']}" if round_["round"] > 1 else ""
    version = f"{sequence_id}, version {round_['sequenceVersion']}"
    return f"{round_['sequenceName']} ({version}{again}): since {_moment(round_['at'])}, because {round_['why']}"


def _lines(steps: Collection[Document], reason: WhyNot, now: datetime) -> tuple[Line, ...]:
    ordered = sorted(steps, key=lambda step: (step.get("plannedAt", step["dueAt"]), step["stepId"]))
    return tuple(Line(step["stepId"], step["action"], ", ".join(_words(step, reason, now))) for step in ordered)


def _words(step: Document, reason: WhyNot, now: datetime) -> Iterator[str]:
    state, planned = step["state"], step.get("plannedAt", step["dueAt"])
    if state == SENT:
        late = step["decidedAt"] - planned
        yield f"went out {_moment(step['decidedAt'])}"
        if late > _PUNCTUAL:
            yield f"{spoken(late)} late"
    elif state in (SKIPPED, CANCELLED):
        yield f"{state} {_moment(step['decidedAt'])}: {step['why']}"
    elif state == SCHEDULED and "decided" in step:
        yield "is going out now"
    elif why := reason(step["action"]):
        yield f"will not go: {why}"
    else:
        yield from _to_come(step, planned, now)


def _to_come(step: Document, planned: datetime, now: datetime) -> Iterator[str]:
    due = step["dueAt"]
    wakes = max(due, step.get("wakeAt", due))
    if wakes > now:
        yield f"to come {_moment(wakes)} (in {spoken(wakes - now)})"
    else:
        yield f"due since {_moment(due)}, goes out as soon as a nurture worker gets to it"
    if due != planned:
        yield f"planned for {_moment(planned)}"
    if "why" in step:
        yield f"waits: {step['why']}"


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
