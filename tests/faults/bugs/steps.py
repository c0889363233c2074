"""Bugs in nurture."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from schemas.topics import ACTIONS, ENROLLED
from tests.collection_names import STEPS
from tests.faults.bugs.planting import bug, inserting, telling, without


@bug("nurture", crash="after publish nurture.actions")
def sends_steps_under_another_id() -> None:
    """A step that is published again gets another action id."""

    def another(event: dict[str, Any]) -> None:
        event["id"] = event["data"]["actionId"] = str(uuid.uuid4())

    telling(ACTIONS, another)


@bug("nurture")
def marks_steps_and_sends_nothing() -> None:
    """A step is marked as sent and not published."""
    without(ACTIONS)


@bug("nurture")
def enrols_in_silence() -> None:
    """An enrolment is stored and not published."""
    without(ENROLLED)


@bug("nurture")
def sends_what_is_not_due() -> None:
    """All steps of a sequence are published at the enrolment."""

    def at_once(step: dict[str, Any]) -> Iterator[dict[str, Any]]:
        now = datetime.now(UTC)
        yield {**step, "dueAt": now, "wakeAt": now} if "wakeAt" in step else step

    inserting(STEPS, at_once)
