"""The payloads of commands. Each names its lead and the user or program that asks."""

from typing import Annotated, Literal, Self

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from schemas.activities import NamesALead
from schemas.base import (
    FREE_NAME,
    Amount,
    Historical,
    LeadId,
    Maybe,
    Model,
    Moment,
    OptionalText,
    OptionalWord,
    Word,
    Words,
    free_names_schema,
    given_schema,
    storable,
)
from schemas.edits import LeadEdit
from schemas.lead import Requirements, Status, Urgency

OPPORTUNITY_BYTES = 64 * 1024

_Ticked = Annotated[bool, BeforeValidator(lambda value: False if value == "" else value)]
"""A check box of a form, which sends nothing or a blank if it isn't ticked."""


class Command(Model):
    """What every command on one lead carries."""

    lead_id: LeadId
    requested_by: Word


class BantBudget(Model):
    """Budget: `amount` in the lead's currency."""

    confirmed: _Ticked = False
    amount: Maybe[Amount] = None
    timeframe: OptionalText = None


class BantAuthority(Model):
    """Authority."""

    is_decision_maker: _Ticked = False
    decision_makers: Words | None = None
    approval_process: OptionalText = None


class BantNeed(Model):
    """Need."""

    current_solution: OptionalText = None
    pain_points: Words | None = None
    requirements: Words | None = None


class BantTimeline(Model):
    """Timeline."""

    urgency: Maybe[Urgency] = None
    implementation_date: Maybe[Moment] = None
    factors: Words | None = None


class Bant(Model):
    """Budget, authority, need and timeline as a sales person found them."""

    budget: BantBudget | None = None
    authority: BantAuthority | None = None
    need: BantNeed | None = None
    timeline: BantTimeline | None = None


class QualifyLead(Command):
    """Qualify a lead: progressively by `requirements`, or by `bant`; exactly one of both."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [given_schema("requirements", "object"), given_schema("bant", "object")]}
    )

    requirements: Requirements | None = None
    bant: Bant | None = None
    historical: Historical = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.requirements is None) == (self.bant is None):
            raise PydanticCustomError("one_way", "exactly one of requirements and bant is required")
        return self


class ConsentStatement(Model):
    """The person's answer to sales: yes or no to mail or calls, in reply to `wording`."""

    channel: Literal["email", "phone"]
    given: bool
    wording: OptionalText = None


class UpdateLead(Command):
    """Change a lead: its status, owner, consent or fields (`set`), or add a `note`; `reason` in words.

    `lost_reason` is a name of the configured list, only with status `lost`. `set` is carried out as a whole or not at
    all. Of two edits of one path the newest by its event's time, then id, holds.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                *(given_schema(name) for name in ("status", "assignedTo", "note")),
                *(given_schema(name, "object") for name in ("consent", "set")),
            ]
        }
    )

    status: Maybe[Literal[Status.CONTACTED, Status.LOST, Status.NEW]] = None
    assigned_to: OptionalWord = None
    reason: OptionalText = None
    lost_reason: OptionalWord = None
    note: OptionalText = None
    consent: ConsentStatement | None = None
    set: LeadEdit | None = None
    historical: Historical = None

    @field_validator("lost_reason")
    @classmethod
    def _of_a_loss(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value and info.data.get("status") is not Status.LOST:
            raise PydanticCustomError("lost_reason", "is only allowed with status lost")
        return value

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not any((self.status, self.assigned_to, self.note, self.consent, self.set)):
            raise PydanticCustomError("nothing", "one of status, assignedTo, note, consent and set is required")
        return self


class OpportunityRequest(Model):
    """What the opportunity should have; the lead's values fill missing fields.

    Further fields are passed on, 64 KiB at most.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="allow",
        alias_generator=to_camel,
        populate_by_name=True,
        json_schema_extra=free_names_schema(FREE_NAME),
    )

    name: OptionalWord = None
    amount: Maybe[Amount] = None
    currency: Maybe[Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]] = Field(None, description="ISO 4217")
    close_date: Maybe[Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}", max_length=40)]] = Field(
        None, description="ISO 8601 date, or date and time"
    )
    stage: OptionalWord = None

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        storable(self.model_extra or {})
        # The lead and the opportunity travel on together, in one record of bounded size.
        if len(self.model_dump_json().encode()) > OPPORTUNITY_BYTES:
            raise PydanticCustomError("opportunity_size", "may have 64 KiB at most")
        return self


class ConvertLead(Command):
    """Make a qualified lead an opportunity."""

    opportunity: OpportunityRequest | None = None
    historical: Historical = None


class EraseLead(NamesALead):
    """Erase the personal data of a lead everywhere."""

    requested_by: Word
