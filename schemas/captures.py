"""The payload of `leads.captured`: a person's statement as a channel received it."""

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Annotated, Self
from zoneinfo import available_timezones

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, ConfigDict, Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError, to_json

from schemas.attributes import captured_attributes
from schemas.base import (
    Amount,
    Historical,
    Maybe,
    Model,
    OptionalText,
    OptionalWord,
    Word,
    free_names_schema,
    given_schema,
    storable,
)
from schemas.lead import Address, CompanySize, Consent, Requirements, Source
from schemas.phones import parse_phone

CONTEXT_ENTRIES = 50
CONTEXT_BYTES = 8 * 1024
"""Most entries of a capture's `context`, and most bytes of it as JSON in UTF-8."""

_EMAIL_TEXT_MAX = 1_024
"""Most characters of an e-mail address: 254 (RFC 5321), each composed of four at most."""
_EMAIL_MAX = 254
_PLAIN_EMAIL = re.compile(r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*@((?!.*--)[A-Za-z0-9.-]+)")
"""An address in ASCII, with its domain as it is sent: nothing of it is quoted, decoded or normalised."""


def is_email(text: str) -> bool:
    """Return whether `text` is an e-mail address."""
    if len(text) > _EMAIL_TEXT_MAX:
        # The library normalises before it counts: a long text of combining marks would take minutes.
        return False
    plain = _PLAIN_EMAIL.fullmatch(text) if len(text) <= _EMAIL_MAX else None
    return _is_domain(plain[1]) if plain else _is_valid(text)


@lru_cache(maxsize=2_048)
def _is_domain(domain: str) -> bool:
    """Return whether plain addresses of this domain are valid: in them, only the domain can be wrong.

    The library's judgement costs more than the rest of a capture's validation. Few domains have most addresses.
    """
    return _is_valid(f"a@{domain}")


def _is_valid(text: str) -> bool:
    try:
        validate_email(text, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        return False
    return True


def is_phone(text: str, region: str) -> bool:
    """Return whether `text` may be a phone number. `region`: if without country code."""
    number = parse_phone(text, region)
    return number is not None and phonenumbers.is_possible_number(number)


def _email(value: str | None) -> str | None:
    if value is not None and not is_email(value):
        raise PydanticCustomError("email", "is not an e-mail address")
    return value


def _phone(value: str | None, info: ValidationInfo) -> str | None:
    if value is not None and not is_phone(value, (info.context or {}).get("region", "US")):
        raise PydanticCustomError("phone", "is not a possible phone number")
    return value


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _time_zone(value: str | None) -> str | None:
    if value is not None and value not in _time_zones():
        raise PydanticCustomError("time_zone", "is not a time zone's IANA name, such as America/Chicago")
    return value


def _given_address(value: Address | None) -> Address | None:
    return value if value is not None and value.wire() else None


OptionalEmail = Annotated[OptionalWord, AfterValidator(_email)]
OptionalPhone = Annotated[OptionalWord, AfterValidator(_phone)]
"""A phone number; the validation's context has the `region` of numbers without country code."""


OptionalTimeZone = Annotated[OptionalWord, AfterValidator(_time_zone)]


class CapturedCompany(Model):
    """The company, of which the name is required."""

    name: Word
    industry: OptionalWord = None
    size: Maybe[CompanySize] = None
    website: OptionalText = None
    annual_revenue: Maybe[Amount] = None
    address: Annotated[Maybe[Address], AfterValidator(_given_address)] = None


class CapturedContact(Model):
    """The person: both names, and at least one way to reach them."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [given_schema("email"), given_schema("phone")]})

    first_name: Word
    last_name: Word
    title: OptionalWord = None
    email: OptionalEmail = None
    phone: OptionalPhone = None
    time_zone: OptionalTimeZone = None

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if not (self.email or self.phone):
            raise PydanticCustomError("unreachable", "one of email and phone is required")
        return self


class CapturedConsent(Consent):
    """What the person stated, and the `wording` that they agreed to.

    `dated` false: the record had no consent date.

    An undated yes never lifts a no.
    """

    wording: OptionalText = None
    dated: Maybe[bool] = None


class LeadCaptured(Model):
    """A lead as a channel saw it.

    `attributes` are fields that the installation declares; others are ignored.
    `context` is free (campaign, utm, form, event, booth): 50 entries, 8 KiB at most.
    """

    source: Source
    company: CapturedCompany
    contact: CapturedContact
    requirements: Requirements | None = None
    consent: CapturedConsent | None = None
    attributes: Annotated[Mapping[str, object], AfterValidator(captured_attributes)] | None = None
    historical: Historical = None
    context: Annotated[Mapping[str, object], Field(max_length=CONTEXT_ENTRIES), AfterValidator(storable)] | None = (
        Field(None, json_schema_extra=free_names_schema(r"^[^$.\u0000][^.\u0000]*$"))
    )

    @field_validator("context")
    @classmethod
    def _context(cls, value: Mapping[str, object] | None) -> Mapping[str, object] | None:
        if value is None:
            return None
        if any("." in key for key in value):
            raise PydanticCustomError("context_key", "a name may not contain a dot")
        if len(to_json(value)) > CONTEXT_BYTES:
            raise PydanticCustomError("context_size", "may have 8 KiB at most")
        return value
