"""The qualification worker: `leads.qualify` and `leads.update`, each carried out or rejected."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from schemas.lead import Lead
from schemas.outputs import LeadDisqualified, LeadQualified, LeadUpdated
from schemas.topics import DISQUALIFIED, QUALIFIED, QUALIFY, UPDATE, UPDATED
from services.qualification import domain
from shared.commands import Policy, Ruling, carry_out
from shared.domain.consent import paths
from shared.domain.moments import stored
from shared.domain.statuses import Move, objection
from shared.events import Outgoing, Received, Result, emit
from shared.storage import Document
from shared.worker import ARRIVALS, Runtime, Worker

NAME = "qualification"
TOPICS = (QUALIFY, UPDATE, *ARRIVALS)
_SOURCE = f"/services/{NAME}"


def build(runtime: Runtime) -> Worker:
    """The worker, ready to run."""
    policies = {
        QUALIFY.name: Policy(_judge_qualify, _announce_qualify, _activity),
        UPDATE.name: Policy(partial(_judge_update, region=runtime.settings.region), _announce_update, _statement),
    }

    async def handle(received: Sequence[Received]) -> Sequence[Result]:
        return await carry_out(runtime, received, policies, _SOURCE)

    return Worker(NAME, TOPICS, handle, waits=True)


def _judge_qualify(lead: Document | None, received: Received, _at: datetime) -> Ruling:
    command = received.payload
    refused = objection(domain.move_of(command.bant), lead)
    if refused or lead is None:
        return Ruling(*refused) if refused else Ruling()
    asked = domain.Asked(received.key, command.requested_by, stored(received.event.time), received.order)
    if command.bant:
        return Ruling(set=domain.by_bant(lead, command.bant, asked))
    learned = command.requirements.model_dump(by_alias=True, exclude_none=True)
    return Ruling(set=domain.progressive(lead, learned, asked))


def _activity(received: Received, lead_id: str, at: datetime) -> Document | None:
    command = received.payload
    return domain.follow_up(received.key, lead_id, command.bant, command.requested_by, at) if command.bant else None


def _announce_qualify(lead: Document, received: Received, _note: Mapping[str, Any]) -> Sequence[Outgoing]:
    bant = received.payload.bant
    method, score = ("bant", domain.bant_score(bant)) if bant else ("progressive", None)
    fit = domain.move_of(bant) is Move.FIT
    payload = (LeadQualified if fit else LeadDisqualified)(lead=Lead.of(lead), method=method, bant_score=score)
    topic, at = (QUALIFIED if fit else DISQUALIFIED), lead["updatedAt"]
    return [emit(topic, payload, cause=received.cause, key=lead["_id"], source=_SOURCE, at=at)]


def _judge_update(lead: Document | None, received: Received, _at: datetime, *, region: str) -> Ruling:
    command = received.payload
    refused = objection(domain.move_asked(command), lead)
    if refused or lead is None:
        return Ruling(*refused) if refused else Ruling()
    changed = domain.changed(lead, command)
    sets = {path: change["to"] for path, change in changed.items()}
    if command.consent is None:
        return Ruling(set=sets, note=changed)
    at = stored(received.event.time)
    stated = domain.stated(lead, command.consent, at, received.event.source, received.key, region)
    return Ruling(set=sets | stated.set, note=changed | {"consent": stated.changed})


def _statement(received: Received, lead_id: str, at: datetime) -> Document | None:
    command = received.payload
    if command.consent is None:
        return None
    return domain.statement_made(received.key, lead_id, command.consent, command.requested_by, at)


def _announce_update(lead: Document, received: Received, note: Mapping[str, Any]) -> Sequence[Outgoing]:
    command, at = received.payload, lead["updatedAt"]
    changed = {path: change for path, change in note.items() if path != "consent"} | paths(note.get("consent", {}))
    updated = LeadUpdated(lead_id=lead["_id"], changed=changed, by=command.requested_by, reason=command.reason)
    return [emit(UPDATED, updated, cause=received.cause, key=lead["_id"], source=_SOURCE, at=at)]
