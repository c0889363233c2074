"""The qualification worker: it applies or rejects `leads.qualify` and `leads.update`."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from schemas.attributes import Attributes
from schemas.lead import Lead
from schemas.outputs import LeadDisqualified, LeadQualified, LeadUpdated
from schemas.reasons import RejectionReason
from schemas.topics import DISQUALIFIED, QUALIFIED, QUALIFY, UPDATE, UPDATED
from services.qualification import store
from services.qualification.domain import decide
from services.qualification.domain.field_edits import ClaimChange, Edited, claim_change, edit_fields, edit_part
from services.qualification.store import TakenClaims
from shared.config import Reloading
from shared.consuming.worker import Manifest, Runtime, Worker
from shared.domain.bant import bant_score
from shared.domain.consent.statements import Statement, paths
from shared.domain.identity.identity_rules import IdentityRules
from shared.domain.identity.normal_forms import email_key
from shared.domain.identity.placeholders import Placeholders
from shared.domain.moments import truncate_to_ms
from shared.domain.statuses import Move, objection
from shared.domain.stored.activity_row import ActivityRow
from shared.domain.stored.lead_document import LeadDocument
from shared.domain.stored.sales_documents import NoteRow
from shared.kafka.events import Outgoing, Received, Result, emit
from shared.leads.command_policies import CommandPolicies, CommandPolicy, Ruling, Wave
from shared.leads.commands import carry_out_commands
from shared.leads.pending import LEAD_EXISTS
from shared.leads.rights import COMMANDED, CONFIGURED
from shared.mongo import names as c
from shared.mongo.storage import Storage

NAME = "qualification"
TOPICS = (QUALIFY, UPDATE, *LEAD_EXISTS)
_SOURCE = f"/services/{NAME}"


def build(runtime: Runtime) -> Worker:
    """Return the worker. Raises `ConfigError` when the file of placeholders or attributes is invalid."""
    settings = runtime.settings
    placeholders = Reloading(settings.placeholders_file, Placeholders, settings.zone)
    attributes = Reloading(settings.attributes_file, Attributes, settings.zone)
    pepper = settings.erasure_pepper.get_secret_value()

    async def prepare(wave: Sequence[Received], leads: Mapping[str, LeadDocument]) -> Wave:
        """Take the claims of these commands' edits."""
        rules = IdentityRules(placeholders.current, settings.shared_identifier_max)
        known = (one for one in wave if _edits(one) and one.payload.lead_id in leads)
        edits = sorted(known, key=lambda one: one.order)  # of two edits into one e-mail the earlier takes it
        await store.keep_edits(runtime.storage, [leads[one.payload.lead_id] for one in edits])
        may = [one for one in edits if not decide.lost_reason_objection(one.payload, settings.reasons_lost)]
        found = ((one.key, _claim_change(one, leads[one.payload.lead_id], rules, settings.region)) for one in may)
        changes = {key: change for key, change in found if change}
        taken = await store.take_claims(runtime.storage, changes, rules, pepper)
        return _Edits(runtime.storage, settings.region, settings.reasons_lost, changes, taken)

    async def handle(received: Sequence[Received]) -> Sequence[Result]:
        return await carry_out_commands(runtime, received, prepare, _SOURCE)

    files = (placeholders, attributes)
    return Worker(NAME, TOPICS, handle, files=files, attributes=attributes, parks_unknown_leads=True)


@dataclass(frozen=True, slots=True)
class _Edits:
    """Commands whose edits have taken their claims: by command, which claims move, and what came of it."""

    storage: Storage
    region: str
    lost_reasons: Collection[str]
    changes: Mapping[str, ClaimChange]
    taken: Mapping[str, TakenClaims]

    @property
    def policies(self) -> CommandPolicies:
        """The policies that know what came of the claims."""
        return {
            QUALIFY.name: CommandPolicy(_judge_qualify, _announce_qualify, _activity),
            UPDATE.name: CommandPolicy(partial(_judge_update, known=self), _announce_update, _statement),
        }

    async def finish(
        self, wave: Sequence[Received], accepted: Sequence[Received], leads: Mapping[str, LeadDocument]
    ) -> Mapping[str, Mapping[str, object]]:
        """Free the claims that edits replaced, delete those made in vain; store former values and notes."""
        edits = [one for one in wave if _edits(one)]
        notes = [_note(one) for one in accepted if one.record.topic == UPDATE.name and one.payload.note]
        if not edits and not notes:
            return {}
        edited = {lead_id: leads[lead_id] for one in edits if (lead_id := one.payload.lead_id) in leads}
        carried_out = {one.key for one in accepted if one.payload.lead_id in leads}
        vain = [triple for one in edits if one.key not in carried_out for triple in self._made(one)]
        await store.delete_made_claims(self.storage, vain, leads, self.region)
        await store.free_claims(self.storage, edited, self.region)
        await store.keep_shown_emails(self.storage, edited.values(), self.region)
        await store.keep_edits(self.storage, edited.values())
        await store.add_notes(self.storage, notes)
        await store.delete_of_erased(self.storage, [one.payload.lead_id for one in wave])
        kept = await store.read_edits(self.storage, [one.key for one in edits])
        return {key: {"edited": row["changes"]} for key, row in kept.items()}

    def _made(self, received: Received) -> Iterator[tuple[str, str, str]]:
        """Yield the claims that a command may have made, each with the command and the lead."""
        taken = self.taken.get(received.key)
        email = email_key(received.payload.set.email)
        for claim in (f"email:{email}" if email else None, taken.joined if taken else None):
            if claim:
                yield received.key, received.payload.lead_id, claim


def _edits(received: Received) -> bool:
    return received.record.topic == UPDATE.name and received.payload.set is not None


def _note(received: Received) -> NoteRow:
    command, at = received.payload, truncate_to_ms(received.event.time)
    return decide.note_row(received.key, command.lead_id, command.note, command.requested_by, at)


def _claim_change(received: Received, lead: LeadDocument, rules: IdentityRules, region: str) -> ClaimChange | None:
    """Return the claims that an edit moves; None if its command is rejected anyway."""
    command = received.payload
    if objection(decide.requested_move(command), lead):
        return None
    edited = edit_fields(lead, command.set.values(), received.order)
    return None if edited.missing else claim_change(lead, edited.lead, rules, region)


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


def _judge_update(lead: LeadDocument | None, received: Received, at: datetime, *, known: _Edits) -> Ruling:
    command, move = received.payload, decide.requested_move(received.payload)
    refused = objection(move, lead) or decide.lost_reason_objection(command, known.lost_reasons)
    if refused or lead is None:
        return Ruling(*refused) if refused else Ruling()
    sets = decide.requested_fields(lead, command)
    note: dict[str, object] = {**decide.changes_of(lead, sets)}
    said, statements = command.consent, list[Statement]()
    if said is not None:
        moment = truncate_to_ms(received.event.time)
        statements.append(decide.consent_statement(said, moment, received.event.source, received.key))
    after, facts = lead, dict[str, object]()
    if command.set is not None:
        edited = edit_fields(lead, command.set.values(), received.order)
        claims = known.taken.get(received.key)
        if rejected := _edit_rejection(edited, claims):
            return rejected
        after, statements = edited.lead, [*statements, *(claims.refused if claims else ())]
        sets |= edit_part(edited, known.changes[received.key], received.key, at)
        facts["edited"] = edited.changes
    if said is not None or after is not lead:
        stated = decide.restate_consent(after, said, statements, known.region)
        sets, note = sets | stated.set, note | {"consent": stated.changed}
    return Ruling(set=sets, note=note, facts=facts)


def _edit_rejection(edited: Edited, claims: TakenClaims | None) -> Ruling | None:
    if edited.missing:
        return Ruling(RejectionReason.FIELD_REQUIRED, f"a lead needs {edited.missing.replace(' and ', ' or ')}")
    if claims and claims.other_id:
        detail = "another lead has this e-mail"
        return Ruling(RejectionReason.IDENTITY_TAKEN, detail, note={"otherId": claims.other_id})
    return None


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
    changed = {path: change for path, change in note.items() if path not in ("consent", "edited")}
    changed |= {one["path"]: {"from": one["from"], "to": one["to"]} for one in note.get("edited", ())}
    changed |= paths(note.get("consent", {}))
    if not changed:
        return ()  # a note alone, or an edit that changed nothing
    updated = LeadUpdated(lead_id=lead["_id"], changed=changed, by=command.requested_by, reason=command.reason)
    return [emit(UPDATED, updated, cause=received.cause, key=lead["_id"], source=_SOURCE, at=at)]


MANIFEST = Manifest(
    name=NAME,
    says="carries out the commands qualify and update",
    stage=50,
    topics=TOPICS,
    build=build,
    rights={
        **COMMANDED,
        c.IDENTITIES: "find insert update remove",
        c.EDITS: "find insert remove",
        c.NOTES: "insert remove",
        **CONFIGURED,
    },
    create_indexes=(store.create_indexes,),
)
