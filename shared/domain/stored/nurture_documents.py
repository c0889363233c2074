"""The collections `enrolments` and `nurture_steps`. Nurture writes them; an erasure deletes them.

The gateway reads steps; the command `pantry nurture` reads both.

Every write of an enrolment raises its `revision` and guards it.
"""

from datetime import datetime
from typing import NotRequired, TypedDict


class EnrolmentRound(TypedDict):
    """One round of a lead through a sequence."""

    round: int
    cause: str
    why: str
    at: datetime
    sequenceName: str
    sequenceVersion: str
    stepIds: list[str]


class EnrolmentDocument(EnrolmentRound):
    """One lead in one sequence, with its newest round."""

    _id: str
    leadId: str
    sequenceId: str
    revision: int
    causes: list[str]
    """The newest causes."""
    earlier: list[EnrolmentRound]
    """The rounds before, newest first."""


class TemplateSource(TypedDict):
    """A message's template, as it was when the lead was enrolled."""

    subject: str
    body: str


class StepDocument(TypedDict):
    """One step of a round."""

    _id: str
    leadId: str
    sequenceId: str
    sequenceVersion: str
    stepId: str
    round: int
    dueAt: datetime
    wakeAt: NotRequired[datetime]
    """When a process looks at the step next; a finished step has none."""
    state: str
    action: str
    template: str
    source: TemplateSource
    conditions: list[dict[str, object]]
    personalization: dict[str, str]
    catchUp: NotRequired[str]
    lateAfter: NotRequired[float]
    cause: str
    reason: str
    causationId: str
    correlationId: str
    ofLead: NotRequired[dict[str, str]]
    """The lead's values in `nurture.enrolled`; only the first step of a round has them."""
    previousId: NotRequired[str]
    gap: NotRequired[float]
    """Seconds between this step and the one before it."""
    plannedAt: NotRequired[datetime]
    """The first due time of a step that moved."""
    why: NotRequired[str]
    decidedAt: NotRequired[datetime]
    decided: NotRequired[dict[str, object]]
    """The action to publish, in wire form."""
    atOnce: NotRequired[bool]
    """Whether it was decided with its enrolment, and is published with it."""
    lastSentAt: NotRequired[datetime]
    """When the last step before this skipped one was sent."""
    claim: NotRequired[str]
    """The process that sends the step."""


class StepChanges(TypedDict, total=False):
    """The fields that a decision sets on a step."""

    why: str
    wakeAt: datetime
    dueAt: datetime
    plannedAt: datetime
    decidedAt: datetime
    state: str
    lastSentAt: datetime
    claim: str
    decided: dict[str, object]
