"""Commands on one lead: each is judged once and carried out once, at every redelivery.

A worker judges a command on the current lead. Two processes may judge one command, on different states of the lead: the
first verdict in the ledger (the collection `commands`) counts. The write of an accepted command is guarded: if another
writer changed the lead, the worker reads the lead and judges again.

If only the lead's current status forbids a command, the worker defers it for `PANTRY_COMMAND_PATIENCE`: an event on
another topic may change the status. A deferred command has no verdict and no row in the ledger.

Crash after the ledger's row → the verdict is stored, the lead is unchanged → the redelivery carries it out.
Crash after the lead's write → the lead remembers the command → the redelivery publishes the same events.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from schemas.base import ENVELOPE_LIMIT
from schemas.outputs import LeadRejected
from schemas.reasons import RejectionReason
from schemas.topics import REJECTED
from shared.consuming.worker import Runtime
from shared.domain.activity_documents import tally
from shared.domain.causes import CauseKind, Memory, remember, remembered
from shared.domain.size import GROWTH_ROOM, convertible, slim
from shared.domain.stored.activity_row import ActivityRow
from shared.domain.stored.command_documents import VerdictDocument
from shared.domain.stored.lead_document import LeadDocument
from shared.kafka.events import Deferred, Outgoing, Received, TooLarge, Unknown, emit
from shared.leads.command_policies import Announce, CommandPolicies, CommandPolicy, Prepare, Ruling
from shared.leads.documents import add_activities, change_leads, close_causes, read_leads, revised
from shared.mongo.names import COMMANDS
from shared.mongo.retries import retry_on_conflict
from shared.mongo.storage import Change, Storage, replacement

_MAY_PASS = frozenset(
    {RejectionReason.LEAD_NOT_QUALIFIED, RejectionReason.LEAD_LOST, RejectionReason.INVALID_TRANSITION}
)
"""Reasons that another event may remove: only the current status forbids the command."""


@dataclass(frozen=True, slots=True)
class _Verdict:
    received: Received
    at: datetime
    ruling: Ruling
    done: bool = False

    def row(self) -> VerdictDocument:
        ruling = self.ruling
        return {
            "_id": self.received.key,
            "leadId": self.received.payload.lead_id,
            "at": self.at,
            "done": self.done,
            "reason": ruling.reason.value if ruling.reason else None,
            "detail": ruling.detail,
            "note": ruling.note or {},
        }


@dataclass(frozen=True, slots=True)
class _Known:
    """What is stored about some commands: their leads by id, their ledger rows by key."""

    leads: Mapping[str, LeadDocument]
    rows: Mapping[str, VerdictDocument]


@dataclass(frozen=True, slots=True)
class _Wave:
    """What one round decided on commands of different leads: verdicts and deferred commands."""

    verdicts: Sequence[_Verdict]
    deferred: Sequence[Deferred]


async def carry_out_commands(
    runtime: Runtime, received: Sequence[Received], prepare: Prepare, source: str
) -> list[Outgoing | Unknown | Deferred]:
    """Judge the commands and carry out the accepted; return events and pending commands."""
    left = list({one.key: one for one in received}.values())
    results: list[Outgoing | Unknown | Deferred] = []
    while left:
        wave = list({one.payload.lead_id: one for one in reversed(left)}.values())
        taken = {one.key for one in wave}
        left = [one for one in left if one.key not in taken]
        results += await _carry_out_wave(runtime, wave, prepare, source)
    return results


async def _carry_out_wave(
    runtime: Runtime, wave: Sequence[Received], prepare: Prepare, source: str
) -> list[Outgoing | Unknown | Deferred]:
    storage, patient = runtime.storage, runtime.settings.command_patience > 0
    async for _ in retry_on_conflict():
        now = runtime.clock()
        stored = await _read_known(storage, wave)
        prepared = await prepare([one for one in wave if _is_open(stored.rows.get(one.key))], stored.leads)
        policies = prepared.policies
        found = _judge_wave(wave, stored, policies, now, patient=patient)
        new_rows = [one.row() for one in found.verdicts if one.received.key not in stored.rows]
        if await storage.insert_new(COMMANDS, new_rows):
            continue
        if await _write(storage, found.verdicts, stored, policies):
            break
    leads = await read_leads(storage, (one.payload.lead_id for one in wave))
    accepted = [one.received for one in found.verdicts if one.ruling.reason is None]
    facts = await prepared.finish(wave, accepted, leads)
    known = {one.received.key for one in found.verdicts} | {one.received.key for one in found.deferred}
    unknown = [Unknown(one, f"lead:{one.payload.lead_id}") for one in wave if one.key not in known]
    verdicts = [_with_facts(one, facts.get(one.received.key)) for one in found.verdicts]
    events = [event for verdict in verdicts for event in _events(verdict, leads, policies, source)]
    return [*unknown, *found.deferred, *events]


async def _read_known(storage: Storage, wave: Sequence[Received]) -> _Known:
    # Reads leads before rows: if a lead has forgotten a command, its row says that it was carried out.
    leads = await read_leads(storage, (one.payload.lead_id for one in wave))
    return _Known(leads, await storage.read(COMMANDS, (one.key for one in wave)))


def _with_facts(verdict: _Verdict, facts: Mapping[str, object] | None) -> _Verdict:
    return replace(verdict, ruling=replace(verdict.ruling, facts=facts))


def _is_open(row: VerdictDocument | None) -> bool:
    return row is None or not (row["done"] or row["reason"])


def _judge_wave(
    wave: Sequence[Received], stored: _Known, policies: CommandPolicies, now: datetime, *, patient: bool
) -> _Wave:
    """Judge the commands whose lead or row is known; `patient`: defer those that may pass. Pure."""
    leads, rows = stored.leads, stored.rows
    known = [one for one in wave if one.payload.lead_id in leads or one.key in rows or one.final]
    judged = [_judge(one, rows.get(one.key), leads.get(one.payload.lead_id), policies, now) for one in known]
    deferred = [one for one in judged if patient and _may_pass(one)]
    return _Wave(
        [one for one in judged if not (patient and _may_pass(one))],
        [Deferred(one.received, leads[one.received.payload.lead_id]["status"]) for one in deferred],
    )


def _may_pass(verdict: _Verdict) -> bool:
    """Return whether a later status may still allow the rejected command. Pure."""
    return not verdict.done and not verdict.received.final and verdict.ruling.reason in _MAY_PASS


def _judge(
    received: Received, row: VerdictDocument | None, lead: LeadDocument | None, policies: CommandPolicies, now: datetime
) -> _Verdict:
    if row is not None and row["reason"] is not None:
        rejected = Ruling(RejectionReason(row["reason"]), row["detail"], note=row["note"])
        return _Verdict(received, row["at"], rejected, done=True)
    at = row["at"] if row else _known_at(received, lead, now)
    if row is not None and (row["done"] or (lead is not None and received.key in remembered(lead, CauseKind.COMMAND))):
        return _Verdict(received, at, Ruling(note=row["note"]), done=row["done"])
    return _Verdict(received, at, _judge_anew(lead, received, at, policies[received.record.topic]))


def _known_at(received: Received, lead: LeadDocument | None, now: datetime) -> datetime:
    known = received.known_at(now)
    # Nothing became of a lead before it came: another source may have known the person earlier.
    return max(known, min(lead["createdAt"], now)) if lead else known


def _judge_anew(lead: LeadDocument | None, received: Received, at: datetime, policy: CommandPolicy) -> Ruling:
    ruling = policy.judge(lead, received, at)
    if ruling.reason is not None or lead is None:
        return ruling
    fault = _oversize(lead, received, {**lead, **(ruling.set or {}), "updatedAt": at}, ruling, policy)
    return Ruling(RejectionReason.TOO_LARGE, fault) if fault else ruling


def _oversize(
    lead: LeadDocument, received: Received, after: LeadDocument, ruling: Ruling, policy: CommandPolicy
) -> str:
    """Return what an accepted command would make too large, in words; empty if nothing. Pure.

    It runs before any write: the worker must not store what it can't publish.
    """
    limit = ENVELOPE_LIMIT - GROWTH_ROOM
    try:
        events = policy.announce(after, received, ruling.known)
    except TooLarge as error:
        return str(error)
    for event in events:
        if len(event.value or b"") > limit:
            return f"{event.topic} would have {len(event.value or b'')} bytes; {limit} are the limit"
    if convertible(lead) and not convertible(after):
        return "the lead would become too large to be converted"
    return ""


async def _write(storage: Storage, judged: Sequence[_Verdict], stored: _Known, policies: CommandPolicies) -> bool:
    """Carry out the open verdicts, then mark them done; False if another writer interfered."""
    undone = [verdict for verdict in judged if not verdict.done]
    accepted = [verdict for verdict in undone if verdict.ruling.reason is None]
    activities, changes = [], []
    forgotten: list[str] = []
    for verdict in accepted:
        lead = stored.leads[verdict.received.payload.lead_id]
        activity = policies[verdict.received.record.topic].activity(verdict.received, lead["_id"], verdict.at)
        activities += [activity] if activity else []
        if verdict.ruling.set is not None:
            memory = remember(lead.get("carriedOut") or (), [verdict.received.key])
            changes.append(_change(verdict, lead, activity, memory))
            forgotten += memory.forgotten
    await close_causes(storage, COMMANDS, forgotten, "done")
    if not await change_leads(storage, changes):
        return False
    await add_activities(storage, [{**activity, "tallied": True} for activity in activities])
    final = [replace(verdict, done=True).row() for verdict in undone if _needs_update(verdict, stored.rows)]
    await storage.change(COMMANDS, [Change(row["_id"], {"done": False}, replacement(row)) for row in final])
    return True


def _needs_update(verdict: _Verdict, rows: Mapping[str, VerdictDocument]) -> bool:
    # A rejection is final as inserted. It changes a row only where an earlier judgement had accepted.
    return verdict.ruling.reason is None or verdict.received.key in rows


def _change(verdict: _Verdict, lead: LeadDocument, activity: ActivityRow | None, memory: Memory[str]) -> Change:
    stats = {"activityStats": tally(lead, [activity])} if activity else {}
    at = max(verdict.at, lead["updatedAt"]) if verdict.received.is_historical else verdict.at
    known = {CauseKind.COMMAND.value: memory.held, "updatedAt": at}
    return revised(lead, {"$set": {**(verdict.ruling.set or {}), **stats, **known}})


def _announce(announce: Announce, lead: LeadDocument, verdict: _Verdict) -> Sequence[Outgoing]:
    """Return the events of a command; if they are too large, without the lead's bulky parts.

    An older release stored leads without measuring them. The lead itself keeps all its parts.
    """
    try:
        return announce(lead, verdict.received, verdict.ruling.known)
    except TooLarge:
        return announce(slim(lead), verdict.received, verdict.ruling.known)


def _events(
    verdict: _Verdict, leads: Mapping[str, LeadDocument], policies: CommandPolicies, source: str
) -> Sequence[Outgoing]:
    received, ruling = verdict.received, verdict.ruling
    lead_id = received.payload.lead_id
    if ruling.reason is None:
        # Of a lead that was erased meanwhile, nothing is published.
        announce = policies[received.record.topic].announce
        return _announce(announce, leads[lead_id], verdict) if lead_id in leads else ()
    payload = LeadRejected(
        lead_id=lead_id,
        command=received.record.topic,
        command_id=received.event.id,
        reason=ruling.reason,
        detail=ruling.detail,
        other_id=(ruling.note or {}).get("otherId"),
    )
    return [emit(REJECTED, payload, cause=received.cause, key=lead_id, source=source, at=verdict.at)]
