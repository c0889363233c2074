"""The fields of a lead that `leads.update` may edit, by path, and the type of each."""

from typing import Annotated

from pydantic import ConfigDict, Field

from schemas.base import Amount, Maybe, Model, OptionalText, OptionalWord, Words
from schemas.captures import OptionalEmail, OptionalPhone
from schemas.lead import CompanySize

EDITS_MAX = 50
"""Most paths of one edit."""


class LeadEdit(Model):
    """The new value of each path that is given; null or blank empties it.

    An unknown path is an error: a misspelled one must not be ignored.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=None, populate_by_name=False)

    company_name: Annotated[OptionalWord, Field(alias="company.name")] = None
    industry: Annotated[OptionalWord, Field(alias="company.industry")] = None
    size: Annotated[Maybe[CompanySize], Field(alias="company.size")] = None
    website: Annotated[OptionalText, Field(alias="company.website")] = None
    annual_revenue: Annotated[Maybe[Amount], Field(alias="company.annualRevenue")] = None
    first_name: Annotated[OptionalWord, Field(alias="contact.firstName")] = None
    last_name: Annotated[OptionalWord, Field(alias="contact.lastName")] = None
    title: Annotated[OptionalWord, Field(alias="contact.title")] = None
    email: Annotated[OptionalEmail, Field(alias="contact.email")] = None
    phone: Annotated[OptionalPhone, Field(alias="contact.phone")] = None
    budget: Annotated[Maybe[Amount], Field(alias="requirements.budget")] = None
    timeline: Annotated[OptionalText, Field(alias="requirements.timeline")] = None
    decision_makers: Annotated[Words | None, Field(alias="requirements.decisionMakers")] = None
    current_solution: Annotated[OptionalText, Field(alias="requirements.currentSolution")] = None
    pain_points: Annotated[Words | None, Field(alias="requirements.painPoints")] = None

    def values(self) -> dict[str, object]:
        """Return the given paths with their values in wire form; None empties."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)
