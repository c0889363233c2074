"""The qualification worker: it applies or rejects `leads.qualify` and `leads.update`."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from schemas.lead import Lead
from schemas.outputs import LeadDisqualified, LeadQualified, LeadUpdated
from schemas.topics import DISQUALIFIED, QUALIFIED, QUALIFY, UPDATE, UPDATED
from services.qualification.domain import decide
from shared.consuming.worker import Manifest, Runtime, Worker
from shared.domain.bant import bant_score
from shared.domain.consent.statements import paths
from shared.domain.moments import truncate_to_ms
from shared.domain.statuses import Move, objection
from shared.domain.stored.activity_row import ActivityRow
from shared.domain.stored.lead_document import LeadDocument
from shared.kafka.events import Outgoing, Received, Result, emit
from shared.leads.commands import CommandPolicy, Ruling, carry_out_commands
from shared.leads.pending import LEAD_EXISTS
from shared.leads.rights import COMMANDED

NAME = "qualification"
TOPICS = (QUALIFY, UPDATE, *LEAD_EXISTS)
_SOURCE = f"/services/{NAME}"


def build(runtime: Runtime) -> Worker:
    """Return the worker."""
    policies = {
        QUALIFY.name: CommandPolicy(_judge_qualify, _announce_qualify, _activity),
        UPDATE.name: CommandPolicy(
            partial(_judge_update, region=runtime.settings.region), _announce_update, _statement
        ),
    }

    async def handle(received: Sequence[Received]) -> Sequence[Result]:
        return await carry_out_commands(runtime, received, policies, _SOURCE)

    return Worker(NAME, TOPICS, handle, parks_unknown_leads=True)


def _judge_qualify(lead: LeadDocument | None, received: Received, _at: datetime) -> Ruling:
    command = received.payload
    refused = objection(decide.move_of(command.bant), lead)
    if refused or lead is None:
        return Ruling(*refused) if refused else Ruling()
    asked = decide.QualificationRequest(
        received.key, command.requested_by, truncate_to_ms(received.event.time), received.order
    )
    if command.bant:
        return Ruling(set=decide.qualify_by_bant(lead, command.bant, asked))
    learned = command.requirements.model_dump(by_alias=True, exclude_none=True)
    return Ruling(set=decide.qualify_progressively(lead, learned, asked))


def _activity(received: Received, lead_id: str, at: datetime) -> ActivityRow | None:
    command = received.payload
    return (
        decide.qualification_activity(received.key, lead_id, command.bant, command.requested_by, at)
        if command.bant
        else None
    )


def _announce_qualify(lead: LeadDocument, received: Received, _note: Mapping[str, object]) -> Sequence[Outgoing]:
    bant = received.payload.bant
    method, score = ("bant", bant_score(bant)) if bant else ("progressive", None)
    fit = decide.move_of(bant) is Move.FIT
    payload = (LeadQualified if fit else LeadDisqualified)(lead=Lead.of(lead), method=method, bant_score=score)
    topic, at = (QUALIFIED if fit else DISQUALIFIED), lead["updatedAt"]
    return [emit(topic, payload, cause=received.cause, key=lead["_id"], source=_SOURCE, at=at)]


def _judge_update(lead: LeadDocument | None, received: Received, _at: datetime, *, region: str) -> Ruling:
    command = received.payload
    refused = objection(decide.requested_move(command), lead)
    if refused or lead is None:
        return Ruling(*refused) if refused else Ruling()
    sets = decide.requested_fields(command)
    changed = decide.changes_of(lead, sets)
    if command.consent is None:
        return Ruling(set=sets, note=changed)
    at = truncate_to_ms(received.event.time)
    stated = decide.restate_consent(lead, command.consent, at, received.event.source, received.key, region)
    return Ruling(set=sets | stated.set, note=changed | {"consent": stated.changed})


def _statement(received: Received, lead_id: str, at: datetime) -> ActivityRow | None:
    command = received.payload
    if command.consent is None:
        return None
    return decide.consent_activity(received.key, lead_id, command.consent, command.requested_by, at)


def _announce_update(
    lead: LeadDocument,
    received: Received,
    note: Mapping[str, Any],  # what `_judge_update` noted of the changes
) -> Sequence[Outgoing]:
    command, at = received.payload, lead["updatedAt"]
    changed = {path: change for path, change in note.items() if path != "consent"} | paths(note.get("consent", {}))
    updated = LeadUpdated(lead_id=lead["_id"], changed=changed, by=command.requested_by, reason=command.reason)
    return [emit(UPDATED, updated, cause=received.cause, key=lead["_id"], source=_SOURCE, at=at)]


MANIFEST = Manifest(
    name=NAME,
    says="carries out the commands qualify and update",
    stage=50,
    topics=TOPICS,
    build=build,
    rights=COMMANDED,
)
