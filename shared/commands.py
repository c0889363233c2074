"""Commands on one lead: judged once, carried out once, whatever is redelivered.

A command is judged on the lead as it stands. Judged twice (killed in between, or by a worker that lost its partitions
and doesn't know it) the lead may have changed meanwhile; so the first verdict that reaches the ledger (`commands`)
holds. An accepted command's write on the lead is void if anybody else changed the lead since: then the command is
judged again, on what the other left.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from schemas.outputs import LeadRejected
from schemas.reasons import RejectionReason
from schemas.topics import REJECTED
from shared.domain.activities import tally
from shared.events import Outgoing, Received, emit
from shared.leads import add_activities, change_leads, read_leads, revised
from shared.storage import Change, Document, Storage
from shared.worker import Runtime, settle

_COMMANDS = "commands"
_SEEN_MAX = 64


@dataclass(frozen=True, slots=True)
class Ruling:
    """A decision on a command: rejected with `reason`, or accepted with what to `set` on the lead."""

    reason: RejectionReason | None = None
    detail: str = ""
    set: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """What is particular to a kind of command; all three are pure.

    `judge` decides on the lead as it is (None: unknown). `activity` is the activity that carrying the command out adds
    to the lead, if any. `announce` tells what to publish of an accepted command, from the lead as it is stored then.
    """

    judge: Callable[[Document | None, Received, datetime], Ruling]
    activity: Callable[[Received, str, datetime], Document | None]
    announce: Callable[[Document, Received], Sequence[Outgoing]]


@dataclass(frozen=True, slots=True)
class _Verdict:
    received: Received
    at: datetime
    ruling: Ruling
    done: bool = False

    def row(self) -> Document:
        reason = self.ruling.reason.value if self.ruling.reason else None
        row = {"_id": self.received.key, "leadId": self.received.payload.lead_id, "at": self.at, "done": self.done}
        return row | {"reason": reason, "detail": self.ruling.detail}


async def carry_out(runtime: Runtime, received: Sequence[Received], policy: Policy, source: str) -> list[Outgoing]:
    """Judge each command, carry out the accepted ones, and return what to publish of all."""
    waiting = list({one.key: one for one in received}.values())
    events: list[Outgoing] = []
    while waiting:
        wave = list({one.payload.lead_id: one for one in reversed(waiting)}.values())
        taken = {one.key for one in wave}
        waiting = [one for one in waiting if one.key not in taken]
        events += await _carry_out_wave(runtime, wave, policy, source)
    return events


async def _carry_out_wave(runtime: Runtime, wave: Sequence[Received], policy: Policy, source: str) -> list[Outgoing]:
    verdicts: list[_Verdict] = []

    async def attempt() -> bool:
        verdicts.clear()
        return await _attempt(runtime, wave, policy, verdicts)

    await settle(attempt)
    leads = await read_leads(runtime.storage, (one.payload.lead_id for one in wave))
    return [event for verdict in verdicts for event in _events(verdict, leads, policy, source)]


async def _attempt(runtime: Runtime, wave: Sequence[Received], policy: Policy, verdicts: list[_Verdict]) -> bool:
    storage, now = runtime.storage, runtime.clock()
    rows = await storage.read(_COMMANDS, (one.key for one in wave))
    leads = await read_leads(storage, (one.payload.lead_id for one in wave))
    judged = [_judge(one, rows.get(one.key), leads.get(one.payload.lead_id), policy, now) for one in wave]
    fresh = [verdict.row() for verdict in judged if verdict.received.key not in rows]
    if await storage.insert_new(_COMMANDS, fresh):
        return False
    overruled = [verdict for verdict in judged if verdict.ruling.reason and _accepted(rows.get(verdict.received.key))]
    await storage.put(_COMMANDS, [verdict.row() for verdict in overruled])
    if not await _write(storage, judged, leads, policy):
        return False
    verdicts.extend(judged)
    return True


def _accepted(row: Document | None) -> bool:
    return row is not None and row["reason"] is None


def _judge(received: Received, row: Document | None, lead: Document | None, policy: Policy, now: datetime) -> _Verdict:
    if row is not None and row["reason"] is not None:
        return _Verdict(received, row["at"], Ruling(RejectionReason(row["reason"]), row["detail"]))
    at = row["at"] if row else now
    if row is not None and (row["done"] or (lead is not None and received.key in lead["seen"])):
        return _Verdict(received, at, Ruling(), done=row["done"])
    return _Verdict(received, at, policy.judge(lead, received, at))


async def _write(storage: Storage, judged: Sequence[_Verdict], leads: Mapping[str, Document], policy: Policy) -> bool:
    open_ = [verdict for verdict in judged if verdict.ruling.reason is None and not verdict.done]
    activities, changes = [], []
    for verdict in open_:
        lead = leads[verdict.received.payload.lead_id]
        activity = policy.activity(verdict.received, lead["_id"], verdict.at)
        activities += [activity] if activity else []
        if verdict.ruling.set is not None:
            changes.append(_change(verdict, lead, activity))
    if not await change_leads(storage, changes):
        return False
    await add_activities(storage, [{**activity, "tallied": True} for activity in activities])
    done = [replace(verdict, done=True).row() for verdict in open_]
    await storage.change(_COMMANDS, [Change(row["_id"], {}, {"$set": {"done": True}}) for row in done])
    return True


def _change(verdict: _Verdict, lead: Document, activity: Document | None) -> Change:
    counted = {"activityStats": tally(lead, [activity])} if activity else {}
    seen = [*lead["seen"], verdict.received.key][-_SEEN_MAX:]
    return revised(lead, {"$set": {**(verdict.ruling.set or {}), **counted, "seen": seen, "updatedAt": verdict.at}})


def _events(verdict: _Verdict, leads: Mapping[str, Document], policy: Policy, source: str) -> Sequence[Outgoing]:
    received, ruling = verdict.received, verdict.ruling
    lead_id = received.payload.lead_id
    if ruling.reason is None:
        return policy.announce(leads[lead_id], received)
    payload = LeadRejected(
        lead_id=lead_id,
        command=received.record.topic,
        command_id=received.event.id,
        reason=ruling.reason,
        detail=ruling.detail,
    )
    return [emit(REJECTED, payload, cause=received.cause, key=lead_id, source=source, at=verdict.at)]
