"""Qualification: what sales learned of a lead, and its BANT score.

The rules are in schemas/README.md#qualification.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from schemas.base import WORDS_MAX
from schemas.commands import Bant, BantTimeline, ConsentStatement, UpdateLead
from schemas.reasons import RejectionReason
from shared.domain.activity_documents import activity
from shared.domain.bant import QUALIFIED_FROM, bant_score
from shared.domain.consent.statements import Restated, Statement, channel_of, restate, standing_of
from shared.domain.ids import derive
from shared.domain.statuses import Move, after
from shared.domain.stored.activity_row import ActivityRow
from shared.domain.stored.lead_document import (
    ConsentShift,
    LeadChanges,
    LeadDocument,
    QualificationPart,
    RequirementsPart,
)
from shared.domain.stored.sales_documents import NoteRow


@dataclass(frozen=True, slots=True)
class QualificationRequest:
    """The command that requests a qualification. `order` compares by time, then by id."""

    key: str
    by: str
    at: datetime
    order: tuple[str, ...]


def qualify_progressively(
    lead: LeadDocument, requirements: RequirementsPart, asked: QualificationRequest
) -> LeadChanges:
    """Return the fields to set on a lead without BANT.

    They are status, merged requirements and qualification.
    """
    return {
        "status": after(Move.FIT, lead["status"]).value,
        "requirements": merge_requirements(lead, requirements),
        "qualification": _newest(lead, asked, {"method": "progressive"}),
    }


def qualify_by_bant(lead: LeadDocument, bant: Bant, asked: QualificationRequest) -> LeadChanges:
    """Return the fields to set on a lead with BANT.

    They are status (by its score), requirements and qualification.
    """
    known: QualificationPart = {
        "bantScore": bant_score(bant),
        "bant": bant.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_unset=True),
    }
    return {
        "status": after(move_of(bant), lead["status"]).value,
        "requirements": {**(lead.get("requirements") or {}), **requirements_of(bant)},
        "qualification": _newest(lead, asked, {"method": "bant"}, known),
    }


def _newest(
    lead: LeadDocument, asked: QualificationRequest, how: QualificationPart, bant: QualificationPart | None = None
) -> QualificationPart:
    """Return the lead's newest qualification and newest BANT, by the commands' times.

    A command that arrives late replaces nothing newer. A qualification without BANT keeps the BANT.
    """
    newest: QualificationPart = {**(lead.get("qualification") or {})}
    if _is_newer(asked, newest.get("order")):
        newest |= how | {"cause": asked.key, "by": asked.by, "at": asked.at, "order": list(asked.order)}
    if bant and _is_newer(asked, newest.get("bantOrder")):
        newest |= bant | {"bantOrder": list(asked.order)}
    return newest


def _is_newer(asked: QualificationRequest, order: Sequence[str] | None) -> bool:
    # A qualification of an earlier release has no order: every command is newer.
    return order is None or asked.order >= tuple(order)


def move_of(bant: Bant | None) -> Move:
    """Return the lead's move: fit, unless the BANT score is too low."""
    return Move.UNFIT if bant and bant_score(bant) < QUALIFIED_FROM else Move.FIT


def requirements_of(bant: Bant) -> RequirementsPart:
    """Return the requirements that a BANT record has, without missing values and empty lists."""
    given: RequirementsPart = {}
    if bant.budget and bant.budget.amount is not None:
        given["budget"] = bant.budget.amount
    if bant.timeline and (timeline := _timeline(bant.timeline)) is not None:
        given["timeline"] = timeline
    if bant.authority and bant.authority.decision_makers:
        given["decisionMakers"] = list(bant.authority.decision_makers)
    if bant.need and bant.need.current_solution is not None:
        given["currentSolution"] = bant.need.current_solution
    if bant.need and bant.need.pain_points:
        given["painPoints"] = list(bant.need.pain_points)
    return given


def _timeline(timeline: BantTimeline) -> str | None:
    """Return the date of the implementation in RFC 3339, or else its urgency."""
    date = timeline.model_dump(mode="json")["implementation_date"]
    return date or (timeline.urgency.value if timeline.urgency else None)


def merge_requirements(lead: LeadDocument, learned: RequirementsPart) -> RequirementsPart:
    """Return the lead's requirements with the new ones over them; lists are united in order."""
    known = lead.get("requirements") or {}
    merged: RequirementsPart = {**known, **learned}
    if "decisionMakers" in learned:
        merged["decisionMakers"] = _unite(known.get("decisionMakers", ()), learned["decisionMakers"])
    if "painPoints" in learned:
        merged["painPoints"] = _unite(known.get("painPoints", ()), learned["painPoints"])
    return merged


def _unite(known: Sequence[str], learned: Sequence[str]) -> list[str]:
    # Keep the newest entries only: any number of commands must not exceed the lead's size limit.
    return list(dict.fromkeys([*known, *learned]))[-WORDS_MAX:]


def qualification_activity(cause_key: str, lead_id: str, bant: Bant, requested_by: str, at: datetime) -> ActivityRow:
    """Return the activity row that records a BANT qualification of the lead."""
    score = bant_score(bant)
    return activity(
        derive("activity", cause_key),
        lead_id,
        "follow_up",
        at,
        created_by=requested_by,
        description=f"BANT qualification completed - Score: {score}",
        outcome="qualified" if score >= QUALIFIED_FROM else "unqualified",
        completed_at=at,
    )


def requested_fields(lead: LeadDocument, command: UpdateLead) -> LeadChanges:
    """Return the fields that an update sets, beside consent and edits. A reason lasts as long as its lead is lost."""
    fields: LeadChanges = {}
    if command.status:
        fields["status"] = command.status.value
        if command.lost_reason or lead.get("lostReason"):
            fields["lostReason"] = command.lost_reason
    if command.assigned_to is not None:
        fields["assignedTo"] = command.assigned_to
    return fields


def lost_reason_objection(command: UpdateLead, known: Collection[str]) -> tuple[RejectionReason, str] | None:
    """Return why the update's reason of loss is rejected, as reason and sentence, or None."""
    if command.lost_reason is None or command.lost_reason in known:
        return None
    # The reason may be any text, and the ledger outlives an erasure: it is not quoted.
    return RejectionReason.UNKNOWN_LOST_REASON, f"lostReason must be one of {', '.join(known)}"


def note_row(cause_key: str, lead_id: str, text: str, by: str, at: datetime) -> NoteRow:
    """Return the document of a note."""
    return {"_id": derive("note", cause_key), "leadId": lead_id, "at": at, "by": by, "text": text}


def changes_of(lead: LeadDocument, fields: LeadChanges) -> dict[str, Mapping[str, object]]:
    """Return the changes of these fields by path, even if their values stay the same."""
    before: Mapping[str, object] = lead
    return {path: {"from": before.get(path), "to": value} for path, value in fields.items()}


def requested_move(command: UpdateLead) -> Move | None:
    """Return the move that an update requests; None if it sets only an owner."""
    return Move(f"set {command.status.value}") if command.status else None


def consent_statement(said: ConsentStatement, at: datetime, source: str, cause: str) -> Statement:
    """Return the statement, about every address of the person. It has no reliable time, so it never lifts a no."""
    return Statement(said.channel, None, given=said.given, at=at, source=source, cause=cause, dated=False)


def restate_consent(
    lead: LeadDocument, said: ConsentStatement | None, statements: Sequence[Statement], region: str
) -> Restated:
    """Return what these statements set on the lead, also at a new address.

    `changed` has the channel of `said` even if it stays the same.
    """
    restated = restate(lead, statements, region) if statements or standing_of(lead) else Restated({}, {})
    if said is None:
        return restated
    newest = channel_of(restated.set.get("consent") or lead.get("consent") or {}, said.channel)
    unchanged: ConsentShift = {"from": newest, "to": newest}
    return Restated(restated.set, {said.channel: unchanged} | restated.changed)


def consent_activity(
    cause_key: str, lead_id: str, said: ConsentStatement, requested_by: str, at: datetime
) -> ActivityRow:
    """Return the activity row of a consent statement.

    It is not completed, so it adds no points.
    """
    what, answer = {"email": "e-mail", "phone": "calls"}[said.channel], "given" if said.given else "refused"
    row = activity(
        derive("activity", cause_key),
        lead_id,
        "follow_up",
        at,
        created_by=requested_by,
        description=f"Consent to {what} {answer}",
    )
    return {**row, "statement": said.model_dump(mode="json", by_alias=True, exclude_none=True)}
