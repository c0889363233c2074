"""Nurture's collections: `enrolments`, and `nurture_steps`, which is the schedule.

`wakeAt` is the time when a process looks at a step next: its due time, a later time after a delay, or the end of a
lease. A finished step has none, so it leaves the sparse index: a search reads due steps only.
"""

import asyncio
import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from services.nurture.domain.decide import NurtureEvent, NurtureView, as_read, repeated_steps, started_by_cause
from services.nurture.domain.enrolment import enrolment_id, planned_at
from services.nurture.domain.rounds import EnrolmentPlan, recover
from services.nurture.domain.steps import CANCELLED, SCHEDULED, SENT, SKIPPED, StepDecision
from shared.domain.stored.nurture_documents import EnrolmentDocument, StepChanges, StepDocument
from shared.leads.documents import read_leads
from shared.mongo.names import ENROLMENTS, LEADS, STEPS
from shared.mongo.storage import Change, Storage, replacement

_OF_ROUND = ("leadId", "cause", "sequenceId", "state")
_OF_PREVIOUS = ("stepId", "state", "wakeAt", "decidedAt", "lastSentAt", "previousId")


async def read_nurture_view(storage: Storage, events: Collection[NurtureEvent]) -> NurtureView:
    """Return what the decisions on these events depend on."""
    enrolling = {one.lead_id for one in events if one.enrols}
    leads, enrolments = await asyncio.gather(
        read_leads(storage, {one.lead_id for one in events}), storage.find_in(ENROLMENTS, "leadId", enrolling)
    )
    # Read the steps later: steps that were read before a new round is stored would make it look finished.
    steps = await storage.find_in(STEPS, "leadId", enrolling, fields=_OF_ROUND)
    repeated = await storage.read(STEPS, repeated_steps(enrolments, events))
    return NurtureView(leads, as_read(enrolments, steps), started_by_cause(steps), repeated)


async def save_enrolments(storage: Storage, plans: Sequence[EnrolmentPlan]) -> bool:
    """Store enrolments with their new steps; return False after a conflict: decide again.

    Steps come first, so an existing enrolment has all its steps.
    Crash after the steps → they have no enrolment → the next attempt stores the enrolment that the steps belong to.
    """
    known = await storage.insert_new(STEPS, [step for one in plans for step in one.steps])
    if known:
        plans = await _recover_enrolments(storage, plans, known)
    outrun = await storage.insert_new(ENROLMENTS, [one.enrolment for one in plans if not one.read_at])
    written = await storage.change(ENROLMENTS, [_update_of(one) for one in plans if one.read_at and one.changed])
    return written and not outrun and not known


def _update_of(plan: EnrolmentPlan) -> Change:
    enrolment = plan.enrolment
    return Change(enrolment["_id"], {"revision": plan.read_at}, replacement(enrolment))


async def _recover_enrolments(storage: Storage, plans: Sequence[EnrolmentPlan], known: set[str]) -> list[EnrolmentPlan]:
    met = [one for one in plans if not known.isdisjoint(step["_id"] for step in one.steps)]
    steps = await storage.find_in(STEPS, "leadId", [one.enrolment["leadId"] for one in met])
    return [recover(one, steps) if one in met else one for one in plans]


async def read_nurture(storage: Storage, lead_id: str) -> tuple[list[EnrolmentDocument], list[StepDocument]]:
    """Return a lead's enrolments, and the steps of all their rounds."""
    steps = await storage.find(STEPS, {"leadId": lead_id})
    ids = {enrolment_id(lead_id, step["sequenceId"]) for step in steps}
    return list((await storage.read(ENROLMENTS, ids)).values()), steps


async def find_previous_steps(storage: Storage, steps: Sequence[StepDocument]) -> dict[str, StepDocument]:
    """Return for each of these steps, by id, the nearest earlier step that wasn't cancelled."""
    found: dict[str, StepDocument] = {}
    wanted = {step["_id"]: step["previousId"] for step in steps if "previousId" in step and "decided" not in step}
    while wanted:
        rows = await storage.read(STEPS, wanted.values(), fields=_OF_PREVIOUS)
        met = {step_id: rows[previous] for step_id, previous in wanted.items() if previous in rows}
        found |= {step_id: row for step_id, row in met.items() if row.get("state") != CANCELLED}
        wanted = {i: row["previousId"] for i, row in met.items() if i not in found and "previousId" in row}
    return found


async def take_due_steps(
    storage: Storage,
    steps: Sequence[StepDocument],
    decisions: Mapping[str, StepDecision],
    now: datetime,
    lease: timedelta,
) -> tuple[list[StepDocument], bool]:
    """Write the decisions on due steps; return the steps to send, and False after a conflict.

    A step to send keeps its content in `decided`, and a lease for this process. Other steps are finished or postponed.
    Crash after it → the lease ends → another process sends the same content.
    If two processes decide on one step, only the first write matches the step as it was read.
    """
    hold: StepChanges = {"claim": uuid.uuid4().hex, "wakeAt": now + lease}
    results = {step["_id"]: _step_result(step, decisions[step["_id"]], now, hold) for step in steps}
    alone = await storage.change(
        STEPS, [Change(step["_id"], {"wakeAt": step["wakeAt"]}, _update(results[step["_id"]])) for step in steps]
    )
    taken: dict[str, StepDocument] = {step["_id"]: {**step, **results[step["_id"]]} for step in steps}
    if not alone:
        taken = await storage.read(STEPS, taken)
    return [one for one in taken.values() if one.get("state") == SCHEDULED and one.get("claim") == hold["claim"]], alone


def _step_result(step: StepDocument, decision: StepDecision, now: datetime, hold: StepChanges) -> StepChanges:
    if decision.until:
        moved: StepChanges = {"dueAt": decision.due, "plannedAt": planned_at(step)} if decision.due else {}
        return {"why": decision.why, "wakeAt": decision.until, **moved}
    if decision.state != SENT:
        last: StepChanges = {"lastSentAt": decision.last_sent_at} if decision.last_sent_at else {}
        return {"why": decision.why, "decidedAt": now, "state": decision.state, **last}
    # An earlier decision may be published already: its content and its time stay.
    if decision.action is None:
        return hold
    return {**hold, "why": decision.why, "decidedAt": now, "decided": decision.action.wire()}


def _update(result: Mapping[str, object]) -> dict[str, Mapping[str, object]]:
    return {"$set": result} if "wakeAt" in result else {"$set": result, "$unset": {"wakeAt": ""}}


async def finish_steps(storage: Storage, steps: Sequence[StepDocument], faults: Mapping[str, str]) -> None:
    """Finish steps of this process: sent, or skipped with their fault (`faults`, by id)."""
    await storage.change(
        STEPS, [Change(step["_id"], {"claim": step["claim"]}, _finished_update(step, faults)) for step in steps]
    )


def _finished_update(step: StepDocument, faults: Mapping[str, str]) -> dict[str, Mapping[str, object]]:
    fault = faults.get(step["_id"])
    return _update({"state": SKIPPED, "why": fault} if fault else {"state": SENT})


async def cancel_steps(
    storage: Storage, why: Mapping[str, str], now: datetime, actions: Collection[str] | None = None
) -> None:
    """Cancel the scheduled steps of these leads (id → why), except those being sent.

    With `actions`, cancel only steps with these actions.
    """
    narrowed = {"action": {"$in": sorted(actions)}} if actions is not None else {}
    for reason in sorted(set(why.values())):
        leads = [lead for lead, said in why.items() if said == reason]
        pending = {"leadId": {"$in": leads}, "state": SCHEDULED, "decided": None, **narrowed}
        update = _update({"state": CANCELLED, "why": reason, "decidedAt": now})
        await storage.change_all(STEPS, pending, update)


async def delete_erased(storage: Storage, lead_ids: Collection[str]) -> set[str]:
    """Delete the steps and enrolments of those leads that are erased by now; return these leads.

    Call it after all writes. An erasure deletes the lead first and its documents later. So either the erasure finds the
    documents of this worker, or this worker finds the lead deleted.
    Crash before it → documents of an erased lead may remain → the redelivery deletes them.
    """
    erased = set(lead_ids) - (await storage.read(LEADS, lead_ids, fields=("_id",))).keys()
    if erased:
        of_them = {"leadId": {"$in": sorted(erased)}}
        await storage.delete_all(STEPS, of_them)
        await storage.delete_all(ENROLMENTS, of_them)
    return erased


async def create_indexes(storage: Storage) -> None:
    """Create the indexes that the schedule needs."""
    await asyncio.gather(
        storage.create_index(STEPS, [("wakeAt", 1)], sparse=True),
        storage.create_index(STEPS, [("leadId", 1)]),
        storage.create_index(ENROLMENTS, [("leadId", 1)]),
    )
