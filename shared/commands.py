"""Commands on one lead: judged once, carried out once, whatever is redelivered.

A command is judged on the lead as it stands. Judged twice (killed in between, or by a worker that lost its partitions
and doesn't know it) the lead may have changed meanwhile; so the first verdict that reaches the ledger (`commands`)
holds. An accepted command's write on the lead is void if anybody else changed the lead since: then the command is
judged again, on what the other left.

A command that only the lead's present status forbids is deferred for a moment (`PANTRY_COMMAND_PATIENCE`): what allows
it may be under way on another topic. It has no verdict until then, and the ledger knows nothing of it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from schemas.base import ENVELOPE_LIMIT
from schemas.outputs import LeadRejected
from schemas.reasons import RejectionReason
from schemas.topics import REJECTED
from shared.collections import COMMANDS
from shared.domain.activities import tally
from shared.domain.causes import Kind, Memory, remember, remembered
from shared.domain.size import GROWTH_ROOM, convertible, slim
from shared.events import Deferred, Outgoing, Received, TooLarge, Unknown, emit
from shared.leads import add_activities, change_leads, close_causes, read_leads, revised
from shared.storage import Change, Document, Storage
from shared.worker import Runtime, settle

_MAY_PASS = frozenset(
    {RejectionReason.LEAD_NOT_QUALIFIED, RejectionReason.LEAD_LOST, RejectionReason.INVALID_TRANSITION}
)
"""Reasons that another command may take away: only the present status forbids."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """A decision on a command: rejected with `reason`, or accepted with what to `set` on the lead.

    `note` is kept in the ledger: what announcing needs to know of the lead as it was before.
    """

    reason: RejectionReason | None = None
    detail: str = ""
    set: Mapping[str, Any] | None = None
    note: Mapping[str, Any] | None = None


Announce = Callable[[Document, Received, Mapping[str, Any]], Sequence[Outgoing]]


@dataclass(frozen=True, slots=True)
class Policy:
    """What is particular to a kind of command; all three are pure.

    `judge` decides on the lead as it is (None: unknown). `activity` is the activity that carrying the command out adds
    to the lead, if any. `announce` tells what to publish of an accepted command, from the lead as it is stored then and
    the ruling's note.
    """

    judge: Callable[[Document | None, Received, datetime], Ruling]
    announce: Announce
    activity: Callable[[Received, str, datetime], Document | None] = lambda *_: None


@dataclass(frozen=True, slots=True)
class _Verdict:
    received: Received
    at: datetime
    ruling: Ruling
    done: bool = False

    def row(self) -> Document:
        ruling = self.ruling
        row = {"_id": self.received.key, "leadId": self.received.payload.lead_id, "at": self.at, "done": self.done}
        reason = ruling.reason.value if ruling.reason else None
        return row | {"reason": reason, "detail": ruling.detail, "note": dict(ruling.note or {})}


@dataclass(frozen=True, slots=True)
class _Wave:
    """What an attempt found out of commands on different leads: verdicts, and which are to be judged again."""

    verdicts: list[_Verdict] = field(default_factory=list)
    deferred: list[Deferred] = field(default_factory=list)

    def clear(self) -> None:
        self.verdicts.clear()
        self.deferred.clear()


Policies = Mapping[str, Policy]
"""A worker's policies, by the command's topic."""


async def carry_out(
    runtime: Runtime, received: Sequence[Received], policies: Policies, source: str
) -> list[Outgoing | Unknown | Deferred]:
    """Judge each command, carry out the accepted ones, and return what to publish, and which have to wait."""
    waiting = list({one.key: one for one in received}.values())
    results: list[Outgoing | Unknown | Deferred] = []
    while waiting:
        wave = list({one.payload.lead_id: one for one in reversed(waiting)}.values())
        taken = {one.key for one in wave}
        waiting = [one for one in waiting if one.key not in taken]
        results += await _carry_out_wave(runtime, wave, policies, source)
    return results


async def _carry_out_wave(
    runtime: Runtime, wave: Sequence[Received], policies: Policies, source: str
) -> list[Outgoing | Unknown | Deferred]:
    found = _Wave()

    async def attempt() -> bool:
        found.clear()
        return await _attempt(runtime, wave, policies, found)

    await settle(attempt)
    leads = await read_leads(runtime.storage, (one.payload.lead_id for one in wave))
    known = {one.received.key for one in found.verdicts} | {one.received.key for one in found.deferred}
    unknown = [Unknown(one, f"lead:{one.payload.lead_id}") for one in wave if one.key not in known]
    events = [event for verdict in found.verdicts for event in _events(verdict, leads, policies, source)]
    return [*unknown, *found.deferred, *events]


async def _attempt(runtime: Runtime, wave: Sequence[Received], policies: Policies, found: _Wave) -> bool:
    storage, now = runtime.storage, runtime.clock()
    # Leads first: a command that a lead has forgotten by now says in its row that it was carried out.
    leads = await read_leads(storage, (one.payload.lead_id for one in wave))
    rows = await storage.read(COMMANDS, (one.key for one in wave))
    known = [one for one in wave if one.payload.lead_id in leads or one.key in rows or one.final]
    all_ = [_judge(one, rows.get(one.key), leads.get(one.payload.lead_id), policies, now) for one in known]
    patient = runtime.settings.command_patience > 0
    deferred = [one for one in all_ if patient and _may_pass(one)]
    judged = [one for one in all_ if not (patient and _may_pass(one))]
    fresh = [verdict.row() for verdict in judged if verdict.received.key not in rows]
    if await storage.insert_new(COMMANDS, fresh):
        return False
    if not await _write(storage, judged, rows, leads, policies):
        return False
    found.verdicts.extend(judged)
    found.deferred.extend(Deferred(one.received, leads[one.received.payload.lead_id]["status"]) for one in deferred)
    return True


def _may_pass(verdict: _Verdict) -> bool:
    """Whether a later status may allow what this rejects, and there is time left for it. Pure."""
    return not verdict.done and not verdict.received.final and verdict.ruling.reason in _MAY_PASS


def _judge(
    received: Received, row: Document | None, lead: Document | None, policies: Policies, now: datetime
) -> _Verdict:
    if row is not None and row["reason"] is not None:
        return _Verdict(received, row["at"], Ruling(RejectionReason(row["reason"]), row["detail"]), done=True)
    at = row["at"] if row else now
    if row is not None and (row["done"] or (lead is not None and received.key in remembered(lead, Kind.COMMAND))):
        return _Verdict(received, at, Ruling(note=row["note"]), done=row["done"])
    return _Verdict(received, at, _judge_anew(lead, received, at, policies[received.record.topic]))


def _judge_anew(lead: Document | None, received: Received, at: datetime, policy: Policy) -> Ruling:
    ruling = policy.judge(lead, received, at)
    if ruling.reason is not None or lead is None:
        return ruling
    fault = _oversize(lead, received, {**lead, **(ruling.set or {}), "updatedAt": at}, ruling, policy)
    return Ruling(RejectionReason.TOO_LARGE, fault) if fault else ruling


def _oversize(lead: Document, received: Received, after: Document, ruling: Ruling, policy: Policy) -> str:
    """What would be too large of an accepted command, in words; empty if all of it can be published. Pure.

    Nothing is written yet: what can't be published must not be stored either.
    """
    limit = ENVELOPE_LIMIT - GROWTH_ROOM
    try:
        events = policy.announce(after, received, ruling.note or {})
    except TooLarge as error:
        return str(error)
    for event in events:
        if len(event.value or b"") > limit:
            return f"{event.topic} would have {len(event.value or b'')} bytes; {limit} are the limit"
    if convertible(lead) and not convertible(after):
        return "the lead would become too large to be converted"
    return ""


async def _write(
    storage: Storage,
    judged: Sequence[_Verdict],
    rows: Mapping[str, Document],
    leads: Mapping[str, Document],
    policies: Policies,
) -> bool:
    """Carry out what is not done yet. The row says so in the end, with the verdict that the lead then had."""
    open_ = [verdict for verdict in judged if not verdict.done]
    accepted = [verdict for verdict in open_ if verdict.ruling.reason is None]
    activities, changes = [], []
    forgotten: list[str] = []
    for verdict in accepted:
        lead = leads[verdict.received.payload.lead_id]
        activity = policies[verdict.received.record.topic].activity(verdict.received, lead["_id"], verdict.at)
        activities += [activity] if activity else []
        if verdict.ruling.set is not None:
            memory = remember(lead.get(Kind.COMMAND.value) or (), [verdict.received.key])
            changes.append(_change(verdict, lead, activity, memory))
            forgotten += memory.forgotten
    await close_causes(storage, COMMANDS, forgotten, "done")
    if not await change_leads(storage, changes):
        return False
    await add_activities(storage, [{**activity, "tallied": True} for activity in activities])
    final = [replace(verdict, done=True).row() for verdict in open_ if _news(verdict, rows)]
    await storage.change(COMMANDS, [Change(row.pop("_id"), {"done": False}, {"$set": row}) for row in final])
    return True


def _news(verdict: _Verdict, rows: Mapping[str, Document]) -> bool:
    # A rejection is final as inserted; it is news only where an earlier judgement had accepted.
    return verdict.ruling.reason is None or verdict.received.key in rows


def _change(verdict: _Verdict, lead: Document, activity: Document | None, memory: Memory) -> Change:
    counted = {"activityStats": tally(lead, [activity])} if activity else {}
    known = {Kind.COMMAND.value: memory.held, "updatedAt": verdict.at}
    return revised(lead, {"$set": {**(verdict.ruling.set or {}), **counted, **known}})


def _announced(announce: Announce, lead: Document, verdict: _Verdict) -> Sequence[Outgoing]:
    """The events of a command that was carried out; without the lead's bulky parts where they would be too large.

    A release that didn't measure may have stored what it then could not publish; the lead itself keeps all of it.
    """
    try:
        return announce(lead, verdict.received, verdict.ruling.note or {})
    except TooLarge:
        return announce(slim(lead), verdict.received, verdict.ruling.note or {})


def _events(verdict: _Verdict, leads: Mapping[str, Document], policies: Policies, source: str) -> Sequence[Outgoing]:
    received, ruling = verdict.received, verdict.ruling
    lead_id = received.payload.lead_id
    if ruling.reason is None:
        # A lead that was erased meanwhile has nothing left to tell.
        announce = policies[received.record.topic].announce
        return _announced(announce, leads[lead_id], verdict) if lead_id in leads else ()
    payload = LeadRejected(
        lead_id=lead_id,
        command=received.record.topic,
        command_id=received.event.id,
        reason=ruling.reason,
        detail=ruling.detail,
    )
    return [emit(REJECTED, payload, cause=received.cause, key=lead_id, source=source, at=verdict.at)]
