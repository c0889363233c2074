"""Bugs of nurture."""

import uuid
from typing import Any

from schemas.topics import ACTIONS
from services.nurture import enrolment, scheduler, worker
from shared.events import Outgoing
from tests.faults.bugs.planting import bug, swap


@bug("nurture", crash="after publishing @ shared.passage.Passage.publish")
def sends_steps_under_another_id() -> None:
    """A step that goes out again has another action id."""

    def make(original: Any) -> Any:
        def action_of(step: Any, name: str) -> Outgoing:
            other = str(uuid.uuid4())
            return original({**step, "_id": other, "decided": {**step["decided"], "actionId": other}}, name)  # type: ignore[no-any-return]

        return action_of

    swap(scheduler, "action_of", make)


@bug("nurture")
def marks_steps_and_sends_nothing() -> None:
    """A step is marked as sent, and stays here."""

    def make(original: Any) -> Any:
        return lambda *args: (one for one in original(*args) if one.topic != ACTIONS.name)

    swap(worker, "_events", make)


@bug("nurture")
def enrols_in_silence() -> None:
    """Steps are planned, and the enrolment is not told."""

    def make(original: Any) -> Any:
        return lambda *args: (one for one in original(*args) if one.topic == ACTIONS.name)

    swap(worker, "_events", make)


@bug("nurture")
def sends_what_is_not_due() -> None:
    """All steps of a sequence go out at the enrolment."""
    swap(enrolment, "_is_due", lambda _: lambda *_args: True)
