"""Qualification: sales learned more of a lead, and what they say it stands at (contract 3, Qualification)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from schemas.base import WORDS_MAX
from schemas.commands import Bant, BantTimeline, ConsentStatement, UpdateLead
from schemas.lead import Urgency
from shared.domain.activities import activity
from shared.domain.consent import Restated, Statement, restate
from shared.domain.ids import derive
from shared.domain.statuses import Move, after

POINTS_EACH = 25
QUALIFIED_FROM = 75
_SOON = frozenset({Urgency.IMMEDIATE, Urgency.WITHIN_MONTH})
_LISTS = ("decisionMakers", "painPoints")


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asked for a qualification, and when; `order` compares commands by their time, then by their id."""

    key: str
    by: str
    at: datetime
    order: tuple[str, ...]


def progressive(lead: Mapping[str, Any], requirements: Mapping[str, Any], asked: Asked) -> dict[str, Any]:
    """What to set on the lead: qualified, and the requirements merged."""
    return {
        "status": after(Move.FIT, lead["status"]).value,
        "requirements": merged(lead, requirements),
        "qualification": _newest(lead, asked, {"method": "progressive"}),
    }


def by_bant(lead: Mapping[str, Any], bant: Bant, asked: Asked) -> dict[str, Any]:
    """What to set on the lead: the verdict of its BANT score, the requirements taken over, and the whole BANT."""
    known = {
        "bantScore": bant_score(bant),
        "bant": bant.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_unset=True),
    }
    return {
        "status": after(move_of(bant), lead["status"]).value,
        "requirements": dict(lead.get("requirements") or {}) | requirements_of(bant),
        "qualification": _newest(lead, asked, {"method": "bant"}, known),
    }


def _newest(
    lead: Mapping[str, Any], asked: Asked, how: Mapping[str, Any], bant: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The lead's newest qualification, and its newest BANT, which a later progressive one leaves as it is.

    Newest by the commands' own times: one that arrives late replaces nothing newer.
    """
    held = dict(lead.get("qualification") or {})
    if _is_newer(asked, held.get("order")):
        held |= {**how, "cause": asked.key, "by": asked.by, "at": asked.at, "order": list(asked.order)}
    if bant and _is_newer(asked, held.get("bantOrder")):
        held |= {**bant, "bantOrder": list(asked.order)}
    return held


def _is_newer(asked: Asked, order: Sequence[str] | None) -> bool:
    # A qualification of an earlier edition doesn't say when it was asked for: any is newer.
    return order is None or asked.order >= tuple(order)


def move_of(bant: Bant | None) -> Move:
    """What a qualification does with the lead: fit, unless its BANT score is too low."""
    return Move.UNFIT if bant and bant_score(bant) < QUALIFIED_FROM else Move.FIT


def bant_score(bant: Bant) -> int:
    """0…100: 25 each for confirmed budget, a decision maker, a pain point, and a need within a month."""
    met = (
        bant.budget is not None and bool(bant.budget.confirmed),
        bant.authority is not None and bool(bant.authority.is_decision_maker),
        bant.need is not None and bool(bant.need.pain_points),
        bant.timeline is not None and bant.timeline.urgency in _SOON,
    )
    return POINTS_EACH * sum(met)


def requirements_of(bant: Bant) -> dict[str, Any]:
    """The lead's requirements as a BANT record gives them; what it leaves out, an empty list too, is missing."""
    given = {
        "budget": bant.budget.amount if bant.budget else None,
        "timeline": _timeline(bant.timeline) if bant.timeline else None,
        "decisionMakers": list(bant.authority.decision_makers or ()) or None if bant.authority else None,
        "currentSolution": bant.need.current_solution if bant.need else None,
        "painPoints": list(bant.need.pain_points or ()) or None if bant.need else None,
    }
    return {name: value for name, value in given.items() if value is not None}


def _timeline(timeline: BantTimeline) -> str | None:
    """The date of the implementation in RFC 3339, else how urgent it is."""
    date = timeline.model_dump(mode="json")["implementation_date"]
    return date or (timeline.urgency.value if timeline.urgency else None)


def merged(lead: Mapping[str, Any], learned: Mapping[str, Any]) -> dict[str, Any]:
    """What was learned last laid over what was known; lists united, in the order they were learned."""
    known = dict(lead.get("requirements") or {})
    news = {name: value for name, value in learned.items() if value is not None}
    for name in _LISTS:
        if name in news:
            # The newest fifty: a lead stays bounded however often it is qualified.
            news[name] = list(dict.fromkeys([*known.get(name, ()), *news[name]]))[-WORDS_MAX:]
    return known | news


def follow_up(cause_key: str, lead_id: str, bant: Bant, requested_by: str, at: datetime) -> dict[str, Any]:
    """The activity that records a BANT verdict on the lead."""
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


def changed(lead: Mapping[str, Any], command: UpdateLead) -> dict[str, Any]:
    """What an update sets on the lead, by path; what stays as it was stands there too."""
    asked = {"status": command.status.value if command.status else None, "assignedTo": command.assigned_to}
    return {path: {"from": lead.get(path), "to": value} for path, value in asked.items() if value is not None}


def move_asked(command: UpdateLead) -> Move | None:
    """The move that an update asks for; None when it only names an owner."""
    return Move(f"set {command.status.value}") if command.status else None


def stated(  # noqa: PLR0913 - what a statement says
    lead: Mapping[str, Any], said: ConsentStatement, at: datetime, source: str, cause: str, region: str
) -> Restated:
    """What the statement sets on the lead; what is in force now stands in `changed` even where it was before.

    Sales can't date what a person said, so this never lifts a no.
    """
    statement = Statement(said.channel, None, given=said.given, at=at, source=source, cause=cause, dated=False)
    restated = restate(lead, [statement], region)
    held = (restated.set.get("consent") or lead.get("consent") or {}).get(said.channel)
    return Restated(restated.set, {said.channel: {"from": held, "to": held}} | restated.changed)


def statement_made(
    cause_key: str, lead_id: str, said: ConsentStatement, requested_by: str, at: datetime
) -> dict[str, Any]:
    """The activity that keeps the statement. It is open, so that it gives no points."""
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
