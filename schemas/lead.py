"""The lead and its parts, in the names of the wire and of MongoDB."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Self

from pydantic import Field

from schemas.base import Amount, LeadId, Maybe, Model, Moment, OptionalText, OptionalWord, Word, Words


class Source(StrEnum):
    """The channel that a lead came by."""

    WEBSITE = "website"
    EMAIL = "email"
    PHONE = "phone"
    REFERRAL = "referral"
    TRADE_SHOW = "trade_show"
    SOCIAL_MEDIA = "social_media"


class Status(StrEnum):
    """The status of a lead."""

    NEW = "new"
    CONTACTED = "contacted"
    QUALIFIED = "qualified"
    UNQUALIFIED = "unqualified"
    CONVERTED = "converted"
    LOST = "lost"


class CompanySize(StrEnum):
    """How large a company is."""

    SMALL = "small"
    MEDIUM = "medium"
    LARGE = "large"
    ENTERPRISE = "enterprise"


class ActivityType(StrEnum):
    """What a person did with or for a lead."""

    EMAIL = "email"
    CALL = "call"
    MEETING = "meeting"
    DEMO = "demo"
    PROPOSAL = "proposal"
    FOLLOW_UP = "follow_up"


class Urgency(StrEnum):
    """How soon a lead needs a solution."""

    IMMEDIATE = "immediate"
    WITHIN_MONTH = "within_month"
    WITHIN_QUARTER = "within_quarter"
    FUTURE = "future"


class Address(Model):
    """Where a company is; `country` as its sender writes it."""

    street: OptionalWord = None
    city: OptionalWord = None
    region: OptionalWord = None
    postal_code: OptionalWord = None
    country: OptionalWord = None


class Company(Model):
    """The company that a lead speaks for; `annual_revenue` in the company's own currency."""

    name: OptionalWord = None
    industry: OptionalWord = None
    size: CompanySize | None = None
    website: OptionalText = None
    annual_revenue: float | None = None
    address: Address | None = None


class Contact(Model):
    """The person; `time_zone` is an IANA name."""

    first_name: OptionalWord = None
    last_name: OptionalWord = None
    title: OptionalWord = None
    email: OptionalWord = None
    phone: OptionalWord = None
    time_zone: OptionalWord = None


class Requirements(Model):
    """What the lead needs; `timeline` in the lead's own words."""

    budget: Maybe[Amount] = None
    timeline: OptionalText = None
    decision_makers: Words | None = None
    current_solution: OptionalText = None
    pain_points: Words | None = None


class Consent(Model):
    """What the person allowed, mail and calls, and when they said so."""

    email: Maybe[bool] = None
    phone: Maybe[bool] = None
    captured_at: Maybe[Moment] = None


class Lead(Model):
    """A lead, as events and MongoDB have it. `score` is missing until the first one.

    `attributes` are the fields that the installation declares.
    """

    id: LeadId
    source: Source
    status: Status
    score: int | None = Field(None, ge=0, le=100)
    company: Company
    contact: Contact
    requirements: Requirements | None = None
    consent: Consent | None = None
    attributes: Mapping[str, object] | None = None
    context: Mapping[str, object] | None = None
    assigned_to: Word | None = None
    lost_reason: Word | None = None
    created_at: Moment
    updated_at: Moment
    converted_at: Moment | None = None
    converted_to_opportunity_id: str | None = None

    @classmethod
    def of(cls, document: Mapping[str, object]) -> Self:
        """The lead in a MongoDB document, whose `_id` is the lead's id."""
        return cls.model_validate({**document, "id": document["_id"]})
