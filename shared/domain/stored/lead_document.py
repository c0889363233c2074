"""The collection `leads`: one document per person. Capture creates it; other workers change their fields.

Every write that changes content or status raises `revision` and guards it.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import NotRequired, TypedDict

from shared.domain.stored.untyped import Document


class AddressPart(TypedDict, total=False):
    """Where the company is, as captured."""

    street: str
    city: str
    region: str
    postalCode: str
    country: str


class CompanyPart(TypedDict, total=False):
    """The company, as captured."""

    name: str
    industry: str
    size: str
    website: str
    annualRevenue: float
    address: AddressPart


class ContactPart(TypedDict, total=False):
    """The person, as captured."""

    firstName: str
    lastName: str
    title: str
    email: str
    phone: str
    timeZone: str


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


ConsentShift = TypedDict("ConsentShift", {"from": bool | None, "to": bool | None})
"""The change of one channel's consent; None: nothing was stated."""


class ConsentChange(TypedDict):
    """A change of consent by a refusal of mail, for the redelivery of its event."""

    cause: str
    changed: dict[str, ConsentShift]
    source: str
    reason: str


OldConsentChange = TypedDict("OldConsentChange", {"cause": str, "from": bool | None, "source": str, "reason": str})
"""The one change of consent that an earlier release kept: mail, from this to refused."""


class OldRefusal(TypedDict):
    """A refusal of mail as an earlier release kept it."""

    address: str
    reason: str
    at: NotRequired[datetime]
    source: NotRequired[str]
    cause: NotRequired[str]


class KeptRefusal(TypedDict):
    """A refusal that outlives its lead: an erasure marker keeps its time and reason."""

    at: datetime
    reason: str


class CaptureDecision(TypedDict):
    """An entry of the decision log: what a capture did to the lead."""

    key: str
    outcome: str
    ordinal: int
    knownAt: NotRequired[datetime]
    matchScore: NotRequired[int]
    matchedOn: NotRequired[list[str]]
    otherMatches: NotRequired[list[str]]
    filled: NotRequired[list[str]]
    reopened: NotRequired[bool]
    restated: NotRequired[dict[str, ConsentShift]]


class BreakdownPart(TypedDict):
    """The points of one rule or one kind of activity.

    `evidence` has the part of the lead that the rule depends on, in the lead's shape.
    """

    rule: str
    points: int
    evidence: Mapping[str, object]


class ScoreLogEntry(TypedDict):
    """An entry of the score log: one change of the score, with its cause.

    An entry of an earlier release lacks its event's ids and its rule set.
    """

    cause: str
    score: int
    previousScore: int | None
    reason: str
    breakdown: list[BreakdownPart]
    at: datetime
    ruleSet: NotRequired[str]
    eventId: NotRequired[str]
    correlationId: NotRequired[str]
    traceparent: NotRequired[str]


class ScoringPart(TypedDict, total=False):
    """The score's explanation; scoring writes it. `seq` counts its changes.

    `agesAt` is when time alone changes the score. `log` has the newest changes of the score.
    """

    seq: int
    at: datetime
    breakdown: list[BreakdownPart]
    ruleSet: str
    agesAt: datetime
    log: list[ScoreLogEntry]


class ActivityStats(TypedDict, total=False):
    """All activities by type, and the times of the newest completions."""

    counts: dict[str, int]
    completedAt: list[datetime]


class LedgerChange(TypedDict):
    """A settlement of the load ledger: the lead counted for `before`, and counts for `holder`."""

    number: int
    before: str | None
    holder: str | None
    at: datetime


class LoadLedger(TypedDict):
    """The owner that the lead counts for, and the newest settlements."""

    number: int
    holder: str | None
    log: list[LedgerChange]


class AssignmentPart(TypedDict, total=False):
    """The first owner and the rule that chose it; assignment writes it.

    A lead whose owner a user set has the ledger alone.
    """

    owner: str
    rule: str
    cause: str
    at: datetime
    account: LoadLedger


class QualificationPart(TypedDict, total=False):
    """The newest qualification and the newest BANT. An earlier release stored no orders."""

    method: str
    cause: str
    by: str
    at: datetime
    order: list[str]
    bant: Mapping[str, object]
    """The BANT record, as on the wire."""
    bantScore: int
    bantOrder: list[str]


class OpportunityPart(TypedDict, total=False):
    """The opportunity of a converted lead.

    Beside these fields it has those that the command gave, by the producer's own names.
    """

    name: str
    amount: float
    currency: str
    stage: str
    closeDate: str
    leadSource: str
    company: CompanyPart
    contact: ContactPart
    requirements: RequirementsPart
    assignedTo: str
    context: Document
    """A free field that the command may have given."""


class ConversionPart(TypedDict):
    """The command that converted the lead, and its opportunity."""

    cause: str
    opportunity: OpportunityPart


FieldChange = TypedDict("FieldChange", {"path": str, "from": object, "to": object})
"""The change of one field by an edit; None: it was or is empty."""


class EditedPath(TypedDict):
    """The newest edit of one path; `order` compares edits by time, then by id."""

    path: str
    order: list[str]


class EditPart(TypedDict):
    """The newest edit that changed a field. The collection `edits` has all of them."""

    cause: str
    at: datetime
    number: int
    """Orders the edits of the lead."""
    changes: list[FieldChange]


ContactedPart = TypedDict("ContactedPart", {"cause": str, "by": str, "from": str}, total=False)
"""The first contact: the activity that was it, its author, and the status before."""


class _LaterFields(TypedDict, total=False):
    historical: bool
    """Whether history alone has told of the lead: its first score starts nothing."""
    company: CompanyPart
    contact: ContactPart
    requirements: RequirementsPart
    attributes: Document
    """Values of the fields that the installation declares, by their names."""
    context: Document
    """What the producer added, by its own names."""
    consent: ConsentPart
    standing: list[ConsentRegister]
    score: int
    scoring: ScoringPart
    activityStats: ActivityStats
    assignedTo: str
    assignment: AssignmentPart
    qualification: QualificationPart
    conversion: ConversionPart
    convertedAt: datetime
    convertedToOpportunityId: str
    contacted: ContactedPart
    edited: list[EditedPath]
    lastEdit: EditPart
    leaving: list[str]
    """Claims that an edit has replaced, until they are released."""
    lostReason: str | None
    consentChanges: list[ConsentChange]
    consentChange: OldConsentChange
    refusals: list[OldRefusal]
    decided: list[CaptureDecision]
    """The newest captures."""
    carriedOut: list[str]
    """The keys of the newest commands."""
    counted: list[str]
    """The keys of the newest activities."""
    seen: list[str]
    """The keys of all causes, in a lead of an earlier release."""


class LeadDocument(_LaterFields):
    """One lead."""

    _id: str
    source: str
    status: str
    createdAt: datetime
    updatedAt: datetime
    revision: int
    captureCount: int


class LeadChanges(_LaterFields, total=False):
    """The fields that a decision sets on a lead."""

    status: str
    updatedAt: datetime
