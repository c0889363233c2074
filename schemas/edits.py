"""The fields of a lead that `leads.update` may edit, by path, and the type of each."""

import re
from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

from schemas.base import Amount, Maybe, Model, OptionalText, OptionalWord, Words
from schemas.captures import OptionalEmail, OptionalPhone
from schemas.lead import CompanySize

_NAME = re.compile(r"[A-Za-z]{1,20}(\.[A-Za-z]{1,20}){0,2}")
_List = Annotated[Maybe[Words], AfterValidator(lambda words: words or None)]
"""A list; an empty or blank one empties the field."""


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
    decision_makers: Annotated[_List, Field(alias="requirements.decisionMakers")] = None
    current_solution: Annotated[OptionalText, Field(alias="requirements.currentSolution")] = None
    pain_points: Annotated[_List, Field(alias="requirements.painPoints")] = None

    @model_validator(mode="before")
    @classmethod
    def _hidden(cls, value: object) -> object:
        # The error of an unknown path names it. A name that is no path may be personal data, or very long.
        if not isinstance(value, Mapping):
            return value
        return {name if _NAME.fullmatch(str(name)) else "…": one for name, one in value.items()}

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise PydanticCustomError("empty_edit", "at least one path is required")
        return self

    @model_serializer(mode="wrap")
    def _by_path(self, dump: SerializerFunctionWrapHandler) -> dict[str, object]:
        # A missing value means nothing elsewhere; here it empties its path, and must travel on.
        given = {field.alias or name: name for name, field in type(self).model_fields.items()}
        dumped = dump(self)
        return {path: dumped.get(path) for path, name in given.items() if name in self.model_fields_set}

    def values(self) -> dict[str, object]:
        """Return the given paths with their values in wire form; None empties."""
        return self.model_dump(mode="json", by_alias=True)
