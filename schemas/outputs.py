"""The payloads of output topics: one per topic, each a fact in the past tense."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from schemas.base import LeadId, Model, Moment, Word
from schemas.lead import Lead
from schemas.reasons import DeadLetterReason, RejectionReason, SuspicionReason


class LeadCreated(Model):
    """A capture matched no one."""

    lead: Lead


class LeadMerged(Model):
    """A capture matched `lead` and was merged into it.

    `match_score` is 81…225, `filled` are the paths that were empty, `other_matches` are lead ids.
    """

    lead: Lead
    match_score: int
    matched_on: tuple[Literal["email", "phone", "company_name"], ...]
    filled: tuple[str, ...] = ()
    other_matches: tuple[LeadId, ...] = ()


class ScorePart(Model):
    """The points of one rule, or of one kind of activity.

    The sum of all parts is the score before it is clamped.
    """

    rule: Word
    points: int


class LeadScored(Model):
    """The score was computed and differs, or is the lead's first (`previous_score` None)."""

    lead_id: LeadId
    score: int = Field(ge=0, le=100)
    previous_score: int | None = Field(None, ge=0, le=100)
    breakdown: tuple[ScorePart, ...]
    reason: Word


class FromTo(Model):
    """One value's change; None: there was or is none."""

    from_: object = Field(None, alias="from")
    to: object = None


class LeadUpdated(Model):
    """Status, owner, consent or a field changed without a topic of its own; `changed` is by path."""

    lead_id: LeadId
    changed: Mapping[str, FromTo]
    by: Word
    reason: str | None = None


class LeadAssigned(Model):
    """A rule set the owner."""

    lead_id: LeadId
    assigned_to: Word
    rule: Word


class LeadTriggered(Model):
    """Behaviour matched a trigger."""

    lead_id: LeadId
    trigger: Word
    action: Word


class LeadQualified(Model):
    """Qualification found the lead fit; `bant_score` 0…100 where the method is BANT."""

    lead: Lead
    method: Literal["progressive", "bant"]
    bant_score: int | None = None


class LeadDisqualified(LeadQualified):
    """Qualification found the lead not fit."""


class PlannedStep(Model):
    """A step to come."""

    step_id: Word
    due_at: Moment


class NurtureEnrolled(Model):
    """A lead entered a sequence."""

    lead_id: LeadId
    sequence_id: Word
    steps: tuple[PlannedStep, ...]
    personalization: Mapping[str, object] = Field(default_factory=dict)


class Rendered(Model):
    """A message in plain text, ready to go out."""

    subject: str
    body: str


class Recipient(Model):
    """Whom an action is for."""

    email: str | None = None
    phone: str | None = None
    name: str | None = None


class NurtureAction(Model):
    """A due step for a mailer, dialer or task list.

    `action_id` is the same however often it is delivered.
    """

    action_id: Word
    lead_id: LeadId
    sequence_id: Word
    step_id: Word
    action: Literal["email", "task", "call", "content"]
    template: Word
    rendered: Rendered
    to: Recipient
    due_at: Moment


class LeadConverted(Model):
    """A lead became an opportunity, for the opportunity service.

    `opportunity` has name, amount, currency, closeDate, stage and leadSource.
    """

    lead: Lead
    opportunity_id: Word
    opportunity: Mapping[str, object]
    converted_at: Moment
    historical: bool | None = Field(None, description="True: history, of which nobody makes an opportunity.")


class LeadRejected(Model):
    """A valid command that a business rule does not allow.

    `command` is its topic, `command_id` its event id. `reason` is an open list. `other_id` is the lead that has the
    e-mail, if the reason is `identity_taken`.
    """

    lead_id: LeadId
    command: Word
    command_id: Word
    reason: Word = Field(examples=[one.value for one in RejectionReason])
    detail: str
    other_id: LeadId | None = None


class LeadErased(Model):
    """Personal data is gone."""

    lead_id: LeadId


class LeadSuspected(Model):
    """Two leads that look like one person, below the merge rule.

    `lead_id` is the older one. A pair has one event for ever.
    """

    lead_id: LeadId
    other_id: LeadId
    likelihood: float = Field(ge=0, le=1)
    reasons: tuple[SuspicionReason, ...]


class RescoreRequested(Model):
    """Internal: something that a lead's score depends on has changed."""

    lead_id: LeadId
    reason: Word


class DeadLetter(Model):
    """The headers of a dead letter.

    Its key and value are the original record's, byte for byte.
    """

    reason: Word = Field(alias="x-reason", examples=[one.value for one in DeadLetterReason])
    detail: str = Field(alias="x-detail")
    topic: Word = Field(alias="x-topic")
    partition: int = Field(alias="x-partition")
    offset: int = Field(alias="x-offset")
    consumer: Word = Field(alias="x-consumer")
    failed_at: Moment = Field(alias="x-failed-at")
    attempts: int = Field(alias="x-attempts")
    source: str | None = Field(None, alias="x-source")
