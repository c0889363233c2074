"""The collections `captures` and `identities`, and the erasure markers in `tombstones`."""

from datetime import datetime
from typing import NotRequired, TypedDict

from shared.domain.stored.lead_document import ConsentShift, KeptRefusal, LoadLedger


class DifferingValue(TypedDict):
    """A captured value that the lead has no room for, or has another value of."""

    path: str
    value: object


class StatedConsent(TypedDict):
    """A consent statement of a capture, and the `wording` that the person agreed to."""

    channel: str
    address: str | None
    given: bool
    at: datetime
    dated: bool
    wording: NotRequired[str]


class CaptureRow(TypedDict):
    """One capture: what it stated, and what it did to its lead.

    Capture writes it. Insights, prediction and the gateway read it. Erasure leaves `_id`, `leadId` and `erased`.
    """

    _id: str
    leadId: str
    erased: NotRequired[bool]
    source: NotRequired[str]
    id: NotRequired[str]
    capturedAt: NotRequired[datetime]
    knownAt: NotRequired[datetime]
    channel: NotRequired[str]
    outcome: NotRequired[str]
    ordinal: NotRequired[int]
    applied: NotRequired[bool]
    """True: the row is final, and its lead has forgotten the decision. Rows of an earlier release have none."""
    matchScore: NotRequired[float]
    matchedOn: NotRequired[list[str]]
    otherMatches: NotRequired[list[str]]
    filled: NotRequired[list[str]]
    differed: NotRequired[list[DifferingValue]]
    reopened: NotRequired[bool]
    stated: NotRequired[list[StatedConsent]]
    restated: NotRequired[dict[str, ConsentShift]]
    claims: NotRequired[list[str]]


class IdentityClaim(TypedDict):
    """One claim: an identifier, and the leads that it leads to.

    Capture and qualification write it; erasure releases leads from it. `names` are marks of the names that share an
    e-mail.
    """

    _id: str
    leadIds: list[str]
    names: NotRequired[list[str]]
    former: NotRequired[bool]
    """An edit has replaced this e-mail. Events with it still find the lead, until another person uses it."""
    by: NotRequired[str]
    """The last edit that took it: a process that was frozen since must not release it."""
    made: NotRequired[str]
    """The edit that made the claim. If that edit is rejected, the claim goes."""
    moved: NotRequired[list[str]]
    """The leads that an unfinished run of `pantry indexes apply` added."""


class ErasureMarker(TypedDict):
    """What remains of one name of an erased lead. Erasure writes it, every worker reads it.

    The row with the pepper's hash has `_id` and `hash` alone.
    """

    _id: str
    leadId: str
    at: datetime
    names: NotRequired[int]
    """How many names shared an e-mail's claim."""
    refused: NotRequired[list[KeptRefusal]]
    account: NotRequired[LoadLedger]
    """The load ledger of the lead: the marker of its id keeps it."""
    hash: NotRequired[str]


class LeadGuard(TypedDict):
    """The condition of a write: the lead is still as it was read, and has no owner."""

    revision: int
    assignment: None
