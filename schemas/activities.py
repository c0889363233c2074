"""`leads.activities` and `leads.engagements`: what was done with a lead, and what the lead did."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from schemas.base import LeadId, Model, Moment, OptionalText, OptionalWord, Word
from schemas.lead import ActivityType


class NamesALead(Model):
    """An event that names its lead by id or by e-mail."""

    lead_id: LeadId | None = None
    email: OptionalWord = None

    @model_validator(mode="after")
    def _named(self) -> Self:
        if not (self.lead_id or self.email):
            raise PydanticCustomError("unnamed", "one of leadId and email is required")
        return self


class Activity(Model):
    """One activity (the seed's `LeadActivity`)."""

    id: OptionalWord = None
    type: ActivityType
    description: OptionalText = None
    outcome: OptionalText = None
    scheduled_at: Moment | None = None
    completed_at: Moment | None = None
    created_by: Word


class ActivityRecorded(NamesALead):
    """Somebody did something with or for a lead."""

    activity: Activity


class EngagementRecorded(NamesALead):
    """The lead did something: opened, clicked, downloaded, visited, unsubscribed, … any word."""

    action: Word
    metadata: Mapping[str, Any] | None = None
