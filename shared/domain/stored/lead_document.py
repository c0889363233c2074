"""The collection `leads`: one document per person. Capture creates it; other workers change their fields.

Every write that changes content or status raises `revision` and guards it.
"""

from datetime import datetime
from typing import NotRequired, TypedDict

from shared.domain.stored.untyped import Document


class CompanyPart(TypedDict, total=False):
    """The company, as captured."""

    name: str
    industry: str
    size: str
    website: str
    annualRevenue: float


class ContactPart(TypedDict, total=False):
    """The person, as captured."""

    firstName: str
    lastName: str
    title: str
    email: str
    phone: str


class RequirementsPart(TypedDict, total=False):
    """What the lead needs: captured, then completed by qualification."""

    budget: float
    timeline: str
    decisionMakers: list[str]
    currentSolution: str
    painPoints: list[str]


class ConsentPart(TypedDict, total=False):
    """The effect of all statements at the lead's own addresses."""

    email: bool
    phone: bool
    capturedAt: datetime


class ConsentRegister(TypedDict):
    """The newest consent statement per channel, kind and address."""

    channel: str
    kind: str
    address: str
    at: datetime
    reason: str
    source: str
    cause: str


class CaptureDecision(TypedDict):
    """An entry of the decision log: what a capture did to the lead."""

    key: str
    outcome: str
    ordinal: int
    knownAt: NotRequired[datetime]
    matchScore: NotRequired[float]
    matchedOn: NotRequired[list[str]]
    otherMatches: NotRequired[list[str]]
    filled: NotRequired[list[str]]
    reopened: NotRequired[bool]
    restated: NotRequired[dict[str, dict[str, bool | None]]]


class LeadDocument(TypedDict):
    """One lead."""

    _id: str
    source: str
    status: str
    createdAt: datetime
    updatedAt: datetime
    revision: int
    captureCount: int
    company: NotRequired[CompanyPart]
    contact: NotRequired[ContactPart]
    requirements: NotRequired[RequirementsPart]
    context: NotRequired[Document]
    """What the producer added, by its own names."""
    consent: NotRequired[ConsentPart]
    standing: NotRequired[list[ConsentRegister]]
    score: NotRequired[int]
    scoring: NotRequired[Document]
    activityStats: NotRequired[Document]
    assignedTo: NotRequired[str]
    assignment: NotRequired[Document]
    qualification: NotRequired[Document]
    conversion: NotRequired[Document]
    convertedAt: NotRequired[datetime]
    convertedToOpportunityId: NotRequired[str]
    contacted: NotRequired[Document]
    consentChanges: NotRequired[list[Document]]
    consentChange: NotRequired[Document]
    """The one change of consent that an earlier release kept."""
    refusals: NotRequired[list[Document]]
    """The refusals of mail that an earlier release kept."""
    decided: NotRequired[list[CaptureDecision]]
    """The newest captures."""
    carriedOut: NotRequired[list[str]]
    """The keys of the newest commands."""
    counted: NotRequired[list[str]]
    """The keys of the newest activities."""
    seen: NotRequired[list[str]]
    """The keys of all causes, in a lead of an earlier release."""
