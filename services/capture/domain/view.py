"""Input of a decision: the captures, the stored documents, the rules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Never, NotRequired, TypedDict

from services.capture.domain.overlay import overlay
from shared.domain.identity.normal_forms import Identity
from shared.domain.stored.identity_documents import CaptureRow, ErasureMarker, LeadGuard
from shared.domain.stored.lead_document import CompanyPart, ConsentPart, ContactPart, LeadDocument, RequirementsPart
from shared.domain.stored.untyped import Document

_NOTHING: Mapping[str, Never] = {}


class CapturedConsentPart(ConsentPart, total=False):
    """What the person stated, the `wording` that they agreed to, and whether the record had a date."""

    wording: str
    dated: bool


class CapturedData(TypedDict):
    """The payload of `leads.captured` in wire form, without missing values."""

    source: str
    company: CompanyPart
    contact: ContactPart
    requirements: NotRequired[RequirementsPart]
    consent: NotRequired[CapturedConsentPart]
    attributes: NotRequired[Document]
    """The declared attributes, validated."""
    context: NotRequired[Document]
    """What the producer added, by its own names."""


@dataclass(frozen=True, slots=True)
class Capture:
    """One capture event: `key` identifies it, `data` is its payload."""

    key: str
    event_source: str
    event_id: str
    captured_at: datetime
    data: CapturedData
    identity: Identity
    older: Mapping[str, str] = field(default_factory=dict)
    """Claims in the form of earlier releases, each with its current form."""
    historical: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """The stored documents that a batch depends on, with the changes of the captures before.

    `claims` has every claim that was read, with its leads. `older` has a claim's stored forms of earlier releases.
    `rewritable` is true for claims that are stored in an older form only. `marks` has the name marks of an e-mail's
    claim. `markers` has erasure markers by name, of claims and of leads (`lead:ID`). `leads` has no lead with a marker.
    `resurrected` has the guards of leads that were stored after their erasure.
    """

    rows: Mapping[str, CaptureRow]
    claims: Mapping[str, Sequence[str]]
    leads: Mapping[str, LeadDocument]
    markers: Mapping[str, ErasureMarker] = field(default_factory=dict)
    resurrected: Mapping[str, LeadGuard] = field(default_factory=dict)
    older: Mapping[str, Sequence[str]] = field(default_factory=dict)
    rewritable: Mapping[str, bool] = field(default_factory=dict)
    marks: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def with_lead(self, lead: LeadDocument) -> "View":
        """Return the view with this lead, created or changed."""
        return self._with(leads={lead["_id"]: lead})

    def with_claims(self, claims: Mapping[str, Sequence[str]], rewritten: Mapping[str, bool]) -> "View":
        """Return the view with these leads of claims."""
        return self._with(claims=claims, rewritable=rewritten) if claims or rewritten else self

    def with_released(self, claims: Mapping[str, Sequence[str]], markers: Mapping[str, ErasureMarker]) -> "View":
        """Return the view with these leads of claims, and further erasure markers."""
        return self._with(claims=claims, markers=markers)

    def with_mark(self, claim: str, mark: str) -> "View":
        """Return the view with another name mark of this claim."""
        return self._with(marks={claim: [*self.marks.get(claim, ()), mark]})

    def _with(
        self,
        *,
        claims: Mapping[str, Sequence[str]] = _NOTHING,
        leads: Mapping[str, LeadDocument] = _NOTHING,
        markers: Mapping[str, ErasureMarker] = _NOTHING,
        rewritable: Mapping[str, bool] = _NOTHING,
        marks: Mapping[str, Sequence[str]] = _NOTHING,
    ) -> "View":
        # Each capture makes several views: `dataclasses.replace` takes twice the time.
        return View(
            self.rows,
            overlay(self.claims, claims),
            overlay(self.leads, leads),
            overlay(self.markers, markers),
            self.resurrected,
            self.older,
            overlay(self.rewritable, rewritable),
            overlay(self.marks, marks),
        )
