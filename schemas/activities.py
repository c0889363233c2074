"""The payloads of `leads.activities` and `leads.engagements`."""

from collections.abc import Mapping
from typing import Self

from pydantic import ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError, to_json

from schemas.base import (
    FREE_NAME,
    Historical,
    LeadId,
    Maybe,
    Model,
    Moment,
    OptionalText,
    OptionalWord,
    Sentence,
    Word,
    free_names_schema,
    given_schema,
    storable,
)
from schemas.lead import ActivityType

METADATA_ENTRIES = 20
METADATA_BYTES = 2 * 1024
"""Most entries of an engagement's `metadata`, and most bytes of it as JSON."""


class NamesALead(Model):
    """An event that names its lead by id or by e-mail."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [given_schema("leadId"), given_schema("email")]})

    lead_id: Maybe[LeadId] = None
    email: OptionalWord = None

    @model_validator(mode="after")
    def _named(self) -> Self:
        if not (self.lead_id or self.email):
            raise PydanticCustomError("unnamed", "one of leadId and email is required")
        return self


class Activity(Model):
    """One activity. `id` names it within its lead: a later event with the same id changes it."""

    id: OptionalWord = None
    type: ActivityType
    description: Sentence
    outcome: OptionalText = None
    scheduled_at: Maybe[Moment] = None
    completed_at: Maybe[Moment] = None
    created_by: Word
    cancelled: bool | None = Field(None, description="It won't be, or wasn't: it gives no points.")


class ActivityRecorded(NamesALead):
    """Somebody did something with or for a lead."""

    activity: Activity
    historical: Historical = None


class EngagementRecorded(NamesALead):
    """The lead did something: opened, clicked, downloaded, visited, unsubscribed, … any word."""

    action: Word
    historical: Historical = None
    metadata: Mapping[str, object] | None = Field(
        None,
        max_length=METADATA_ENTRIES,
        description="Free; kept with the activity. 20 entries, 2 KiB at most.",
        json_schema_extra=free_names_schema(FREE_NAME),
    )

    @field_validator("metadata")
    @classmethod
    def _metadata(cls, value: Mapping[str, object] | None) -> Mapping[str, object] | None:
        if value is None:
            return None
        if len(to_json(storable(value))) > METADATA_BYTES:
            raise PydanticCustomError("metadata_size", "may have 2 KiB at most")
        return value
