"""The qualification worker: `leads.qualify` becomes `leads.qualified`, `leads.disqualified` or `leads.rejected`."""

from collections.abc import Sequence
from datetime import datetime

from schemas.lead import Lead
from schemas.outputs import LeadDisqualified, LeadQualified
from schemas.topics import DISQUALIFIED, QUALIFIED, QUALIFY
from services.qualification import domain
from shared.commands import Policy, Ruling, carry_out
from shared.events import Outgoing, Received, emit
from shared.storage import Document
from shared.worker import Runtime, Worker

NAME = "qualification"
TOPICS = (QUALIFY,)
_SOURCE = f"/services/{NAME}"


def build(runtime: Runtime) -> Worker:
    """The worker, ready to run."""
    policy = Policy(_judge, _activity, _announce)

    async def handle(received: Sequence[Received]) -> Sequence[Outgoing]:
        return await carry_out(runtime, received, policy, _SOURCE)

    return Worker(NAME, TOPICS, handle)


def _judge(lead: Document | None, received: Received, _at: datetime) -> Ruling:
    objection = domain.objection(lead)
    if objection or lead is None:
        return Ruling(*objection) if objection else Ruling()
    command = received.payload
    if command.bant:
        return Ruling(set=domain.by_bant(lead, command.bant, received.key))
    learned = command.requirements.model_dump(by_alias=True, exclude_none=True)
    return Ruling(set=domain.progressive(lead, learned, received.key))


def _activity(received: Received, lead_id: str, at: datetime) -> Document | None:
    command = received.payload
    return domain.follow_up(received.key, lead_id, command.bant, command.requested_by, at) if command.bant else None


def _announce(lead: Document, received: Received) -> Sequence[Outgoing]:
    bant = received.payload.bant
    score = domain.bant_score(bant) if bant else None
    method = "bant" if bant else "progressive"
    at, key, cause = lead["updatedAt"], lead["_id"], received.cause
    if score is not None and score < domain.QUALIFIED_FROM:
        disqualified = LeadDisqualified(lead=Lead.of(lead), method=method, bant_score=score)
        return [emit(DISQUALIFIED, disqualified, cause=cause, key=key, source=_SOURCE, at=at)]
    qualified = LeadQualified(lead=Lead.of(lead), method=method, bant_score=score)
    return [emit(QUALIFIED, qualified, cause=cause, key=key, source=_SOURCE, at=at)]
