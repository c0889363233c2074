"""Result of a decision: the outcome of each capture, and the writes that follow from all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from services.capture.domain.claims import ClaimWrite
from services.capture.domain.decision_log import trim_decisions
from services.capture.domain.identifying import NameMark
from services.capture.domain.view import Capture, View
from shared.domain.stored.identity_documents import CaptureRow, LeadGuard
from shared.domain.stored.lead_document import CaptureDecision, LeadDocument


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one capture: its row, its lead right after it, and its writes.

    `lead` is None if the person was erased. `creates` says that the capture creates its lead; `changes` are of a stored
    lead, by path. `released` are claims of an erased lead. `restarts` says that the row was applied to an erased lead.
    """

    capture: Capture
    row: CaptureRow
    lead: LeadDocument | None
    writes_row: bool = False
    creates: bool = False
    changes: Mapping[str, object] = field(default_factory=dict)
    claims: Sequence[ClaimWrite] = ()
    mark: NameMark | None = None
    released: Sequence[tuple[str, str]] = ()
    restarts: bool = False


@dataclass(frozen=True, slots=True)
class CapturePlan:
    """What to write, in this order, and each capture's outcome in the captures' order.

    `releases` are claims of erased leads. `resurrected` are leads to delete, with their guards. `marks` are name marks
    for claims that may have `marks_max` of them. `shared` has leads whose e-mail reached that number in this plan.
    `rows` are new. `redecided` replace rows whose lead was not written, is erased, or has another decision. `restarted`
    has the keys of rows whose lead is erased for good. `applied` are decisions that leave the leads' logs, for their
    rows. A plan with `unread` claims must not be written: read those claims and decide again.
    """

    releases: Sequence[tuple[str, str]] = ()
    resurrected: Mapping[str, LeadGuard] = field(default_factory=dict)
    claims: Mapping[str, str] = field(default_factory=dict)
    joins: Sequence[tuple[str, str]] = ()
    marks: Mapping[str, Sequence[str]] = field(default_factory=dict)
    marks_max: int = 0
    shared: Sequence[str] = ()
    rows: Sequence[CaptureRow] = ()
    redecided: Sequence[CaptureRow] = ()
    restarted: frozenset[str] = frozenset()
    applied: Sequence[CaptureDecision] = ()
    inserts: Mapping[str, LeadDocument] = field(default_factory=dict)
    bases: Mapping[str, int] = field(default_factory=dict)
    sets: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    outcomes: Sequence[Outcome] = ()
    unread: frozenset[str] = frozenset()


def plan_writes(
    start: View, released: Sequence[tuple[str, str]], outcomes: Sequence[Outcome], marks_max: int
) -> CapturePlan:
    """Return the writes of these outcomes, after the claims that were `released` before them.

    `start` is the view before the first capture.
    """
    claims = [one for outcome in outcomes for one in outcome.claims]
    marks = [outcome.mark for outcome in outcomes if outcome.mark]
    rows = [outcome.row for outcome in outcomes if outcome.writes_row]
    inserts, changes = _lead_writes(outcomes)
    bases = {lead_id: start.leads[lead_id]["revision"] for lead_id in changes}
    latest = {one.lead["_id"]: one.lead for one in outcomes if one.lead and one.changes}
    sets, applied = trim_decisions(changes, latest, bases)
    return CapturePlan(
        releases=[*released, *(one for outcome in outcomes for one in outcome.released)],
        resurrected=start.resurrected,
        claims={one.claim: one.lead_id for one in claims if not one.joins},
        joins=[(one.claim, one.lead_id) for one in claims if one.joins],
        marks=_by_claim(marks),
        marks_max=marks_max,
        shared=[one.shared_by for one in marks if one.shared_by],
        rows=[row for row in rows if row["_id"] not in start.rows],
        redecided=[row for row in rows if row["_id"] in start.rows],
        restarted=frozenset(outcome.capture.key for outcome in outcomes if outcome.restarts),
        applied=applied,
        inserts=inserts,
        bases=bases,
        sets=sets,
        outcomes=outcomes,
        unread=frozenset(one.claim for one in claims if one.unread),
    )


def _by_claim(marks: Sequence[NameMark]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in marks:
        found.setdefault(one.claim, []).append(one.mark)
    return found


def _lead_writes(outcomes: Sequence[Outcome]) -> tuple[dict[str, LeadDocument], dict[str, dict[str, object]]]:
    """Return the leads to insert, as the last capture leaves them, and the changes of stored leads."""
    inserts: dict[str, LeadDocument] = {}
    changes: dict[str, dict[str, object]] = {}
    for one in outcomes:
        if one.lead is None or not (one.creates or one.changes):
            continue
        lead_id = one.lead["_id"]
        if one.creates or lead_id in inserts:
            inserts[lead_id] = one.lead
        else:
            changes.setdefault(lead_id, {}).update(one.changes)
    return inserts, changes
