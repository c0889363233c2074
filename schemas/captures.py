"""`leads.captured`: a lead as a channel saw it."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Self

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, ConfigDict, Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from schemas.base import Amount, Maybe, Model, OptionalText, OptionalWord, Word, given, kept, names
from schemas.lead import CompanySize, Consent, Requirements, Source

_CONTEXT_ENTRIES = 50
_CONTEXT_BYTES = 8 * 1024


def _email(value: str | None) -> str | None:
    if value is not None:
        try:
            validate_email(value, check_deliverability=False, test_environment=True)
        except EmailNotValidError:
            raise PydanticCustomError("email", "is no e-mail address") from None
    return value


class CapturedCompany(Model):
    """The company, of which the name is required."""

    name: Word
    industry: OptionalWord = None
    size: Maybe[CompanySize] = None
    website: OptionalText = None
    annual_revenue: Maybe[Amount] = None


class CapturedContact(Model):
    """The person: both names, and at least one way to reach them."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [given("email"), given("phone")]})

    first_name: Word
    last_name: Word
    title: OptionalWord = None
    email: Annotated[OptionalWord, AfterValidator(_email)] = None
    phone: OptionalWord = None

    @field_validator("phone")
    @classmethod
    def _phone(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None:
            return None
        region = (info.context or {}).get("region", "US")
        try:
            possible = phonenumbers.is_possible_number(phonenumbers.parse(value, region))
        except phonenumbers.NumberParseException:
            possible = False
        if not possible:
            raise PydanticCustomError("phone", "is no possible phone number")
        return value

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if not (self.email or self.phone):
            raise PydanticCustomError("unreachable", "one of email and phone is required")
        return self


class CapturedConsent(Consent):
    """What the person stated, and the `wording` they agreed to. `dated` false: the record had no consent date.

    An undated yes never lifts a no.
    """

    wording: OptionalText = None
    dated: Maybe[bool] = None


class LeadCaptured(Model):
    """A lead as a channel saw it. `context` is free (campaign, utm, form, event, booth): 50 entries, 8 KiB at most."""

    source: Source
    company: CapturedCompany
    contact: CapturedContact
    requirements: Requirements | None = None
    consent: CapturedConsent | None = None
    context: Annotated[Mapping[str, Any], Field(max_length=_CONTEXT_ENTRIES), AfterValidator(kept)] | None = Field(
        None, json_schema_extra=names(r"^[^$.\u0000][^.\u0000]*$")
    )

    @field_validator("context")
    @classmethod
    def _context(cls, value: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        if value is None:
            return None
        if any("." in key for key in value):
            raise PydanticCustomError("context_key", "a name may not contain a dot")
        if len(json.dumps(value).encode()) > _CONTEXT_BYTES:
            raise PydanticCustomError("context_size", "may have 8 KiB at most")
        return value
