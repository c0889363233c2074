"""The fields of a lead that `leads.update` may edit, by path, and the type of each."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from schemas.attributes import NAME, edited_attributes
from schemas.base import Amount, Maybe, Model, OptionalText, OptionalWord, Words
from schemas.captures import OptionalEmail, OptionalPhone, OptionalTimeZone
from schemas.lead import CompanySize

PATHS_MAX = 50
"""Most paths of an edit."""

ATTRIBUTE = "attributes."
"""The beginning of the path of an attribute; its name follows."""

_NAME = re.compile(r"[A-Za-z]{1,30}(\.[A-Za-z]{1,30}){0,2}")
_List = Annotated[Maybe[Words], AfterValidator(lambda words: words or None)]
"""A list; an empty or blank one empties the field."""


def _with_attribute_paths(schema: JsonDict) -> None:
    properties: Any = schema["properties"]  # a JSON Schema: any depth
    del properties["attributes"]
    schema["patternProperties"] = {f"^{re.escape(ATTRIBUTE)}{NAME}$": {}}
    schema["maxProperties"] = PATHS_MAX


class LeadEdit(Model):
    """The new value of each path that is given; null or blank empties it.

    An unknown path is an error: a misspelled one must not be ignored. The path of an attribute is `attributes.NAME`.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=None,
        populate_by_name=False,
        json_schema_extra=_with_attribute_paths,
    )

    company_name: Annotated[OptionalWord, Field(alias="company.name")] = None
    industry: Annotated[OptionalWord, Field(alias="company.industry")] = None
    size: Annotated[Maybe[CompanySize], Field(alias="company.size")] = None
    website: Annotated[OptionalText, Field(alias="company.website")] = None
    annual_revenue: Annotated[Maybe[Amount], Field(alias="company.annualRevenue")] = None
    street: Annotated[OptionalWord, Field(alias="company.address.street")] = None
    city: Annotated[OptionalWord, Field(alias="company.address.city")] = None
    region: Annotated[OptionalWord, Field(alias="company.address.region")] = None
    postal_code: Annotated[OptionalWord, Field(alias="company.address.postalCode")] = None
    country: Annotated[OptionalWord, Field(alias="company.address.country")] = None
    first_name: Annotated[OptionalWord, Field(alias="contact.firstName")] = None
    last_name: Annotated[OptionalWord, Field(alias="contact.lastName")] = None
    title: Annotated[OptionalWord, Field(alias="contact.title")] = None
    email: Annotated[OptionalEmail, Field(alias="contact.email")] = None
    phone: Annotated[OptionalPhone, Field(alias="contact.phone")] = None
    time_zone: Annotated[OptionalTimeZone, Field(alias="contact.timeZone")] = None
    budget: Annotated[Maybe[Amount], Field(alias="requirements.budget")] = None
    timeline: Annotated[OptionalText, Field(alias="requirements.timeline")] = None
    decision_makers: Annotated[_List, Field(alias="requirements.decisionMakers")] = None
    current_solution: Annotated[OptionalText, Field(alias="requirements.currentSolution")] = None
    pain_points: Annotated[_List, Field(alias="requirements.painPoints")] = None
    attributes: Annotated[Mapping[str, object], AfterValidator(edited_attributes)] | None = None
    """The values of attributes by name."""

    @model_validator(mode="before")
    @classmethod
    def _by_section(cls, value: object) -> object:
        if not isinstance(value, Mapping):
            return value
        if len(value) > PATHS_MAX:
            raise PydanticCustomError("too_many_paths", f"may have {PATHS_MAX} paths at most")
        if "attributes" in value:
            raise PydanticCustomError("attributes", "attributes is not a path: name one of them, as attributes.cuisine")
        # The error of an unknown path names it. A name that is no path may be personal data, or very long.
        shown = {name if _NAME.fullmatch(str(name)) else "…": one for name, one in value.items()}
        named = {name.removeprefix(ATTRIBUTE): shown.pop(name) for name in list(shown) if name.startswith(ATTRIBUTE)}
        return {**shown, "attributes": named} if named else shown

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise PydanticCustomError("empty_edit", "at least one path is required")
        return self

    @model_serializer(mode="wrap")
    def _by_path(self, dump: SerializerFunctionWrapHandler) -> dict[str, object]:
        # A missing value means nothing elsewhere; here it empties its path, and must travel on.
        fields = {field.alias or name: name for name, field in type(self).model_fields.items()}
        given = {path: name for path, name in fields.items() if name in self.model_fields_set and path != "attributes"}
        dumped = dump(self)
        values = {path: dumped.get(path, dumped.get(name)) for path, name in given.items()}
        return values | {f"{ATTRIBUTE}{name}": value for name, value in (self.attributes or {}).items()}

    def values(self) -> dict[str, object]:
        """Return the given paths with their values in wire form; None empties."""
        return self.model_dump(mode="json", by_alias=True)
