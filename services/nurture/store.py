"""Nurture's collections: `enrolments` and `nurture_steps`, which is the schedule itself.

`wakeAt` is when a scheduled step wants attention next: its due time, the time it was postponed to, or the end of the
lease of whoever holds it. A step that is through has none and leaves the (sparse) index, so looking for work costs what
is due, not what was.
"""

import asyncio
import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from services.nurture.domain import CANCELLED, SCHEDULED, SENT, SKIPPED, Judged
from services.nurture.enrolment import Admission, adopt, enrolment_id
from shared.collections import ENROLMENTS, STEPS
from shared.storage import Change, Document, Storage

_OF_PREVIOUS = ("stepId", "state", "wakeAt", "decidedAt", "lastSentAt", "previousId")


async def live(storage: Storage, enrolments: Collection[Document]) -> set[str]:
    """The ids of those enrolments that have steps still to come in their round."""
    ids = [step for one in enrolments for step in one["stepIds"]]
    steps = await storage.read(STEPS, ids, fields=("state",))
    scheduled = {step["_id"] for step in steps.values() if step["state"] == SCHEDULED}
    return {one["_id"] for one in enrolments if scheduled.intersection(one["stepIds"])}


async def admit(storage: Storage, admissions: Sequence[Admission]) -> Sequence[Admission] | None:
    """Store enrolments with their new steps; return them as they are now.

    None when somebody else was at one of them: read and decide again.

    Steps go first, so an enrolment that is there has all its steps. Steps without their enrolment were left by a
    process that was killed in between, or put there by one that is at it now: they get it, as of whoever caused them.
    """
    known = await storage.insert_new(STEPS, [step for one in admissions for step in one.steps])
    if known:
        admissions = await _adopted(storage, admissions, known)
    outrun = await storage.insert_new(ENROLMENTS, [one.enrolment for one in admissions if not one.read_at])
    held = await storage.change(ENROLMENTS, [_update_of(one) for one in admissions if one.read_at and one.changed])
    return admissions if held and not outrun and not known else None


def _update_of(admission: Admission) -> Change:
    enrolment = admission.enrolment
    return Change(enrolment["_id"], {"revision": admission.read_at}, {"$set": _without_id(enrolment)})


def _without_id(document: Document) -> Document:
    return {name: value for name, value in document.items() if name != "_id"}


async def _adopted(storage: Storage, admissions: Sequence[Admission], known: set[str]) -> list[Admission]:
    met = [one for one in admissions if not known.isdisjoint(step["_id"] for step in one.steps)]
    steps = await storage.find_in(STEPS, "leadId", [one.enrolment["leadId"] for one in met])
    return [adopt(one, steps) if one in met else one for one in admissions]


async def begun(storage: Storage, leads: Collection[str]) -> Mapping[tuple[str, str], set[str]]:
    """What these leads were enrolled in before: the sequences, by lead and cause."""
    steps = await storage.find_in(STEPS, "leadId", leads, fields=("leadId", "cause", "sequenceId"))
    found: dict[tuple[str, str], set[str]] = {}
    for step in steps:
        found.setdefault((step["leadId"], step["cause"]), set()).add(step["sequenceId"])
    return found


async def of_lead(storage: Storage, lead_id: str) -> tuple[list[Document], list[Document]]:
    """A lead's enrolments, and all steps of all their rounds."""
    steps = await storage.find(STEPS, {"leadId": lead_id})
    ids = {enrolment_id(lead_id, step["sequenceId"]) for step in steps}
    return list((await storage.read(ENROLMENTS, ids)).values()), steps


async def before(storage: Storage, steps: Sequence[Document]) -> dict[str, Document]:
    """For each of these steps, by id, the nearest step before it that wasn't cancelled, if there is one."""
    found: dict[str, Document] = {}
    wanted = {step["_id"]: step["previousId"] for step in steps if "previousId" in step and "decided" not in step}
    while wanted:
        rows = await storage.read(STEPS, wanted.values(), fields=_OF_PREVIOUS)
        met = {step_id: rows[previous] for step_id, previous in wanted.items() if previous in rows}
        found |= {step_id: row for step_id, row in met.items() if row.get("state") != CANCELLED}
        wanted = {i: row["previousId"] for i, row in met.items() if i not in found and "previousId" in row}
    return found


async def decide(
    storage: Storage, steps: Sequence[Document], judged: Mapping[str, Judged], now: datetime, lease: timedelta
) -> tuple[list[Document], bool]:
    """Write what becomes of due steps, by id; return those that are ours to send, and whether nobody else was at them.

    A step that isn't sent is through, or postponed. One that is keeps its content in `decided` from here on, and is
    ours until the lease ends: whoever takes it over after a crash sends the same. Of two processes at one step, the one
    that finds it as it read it wins.
    """
    hold = {"claim": uuid.uuid4().hex, "wakeAt": now + lease}
    results = {step["_id"]: _result(step, judged[step["_id"]], now, hold) for step in steps}
    alone = await storage.change(
        STEPS, [Change(step["_id"], {"wakeAt": step["wakeAt"]}, _update(results[step["_id"]])) for step in steps]
    )
    taken = {step["_id"]: {**step, **results[step["_id"]]} for step in steps}
    if not alone:
        taken = await storage.read(STEPS, taken)
    return [one for one in taken.values() if one.get("state") == SCHEDULED and one.get("claim") == hold["claim"]], alone


def _result(step: Document, verdict: Judged, now: datetime, hold: Document) -> Document:
    if verdict.state == SCHEDULED:
        moved = {"dueAt": verdict.due, "plannedAt": step.get("plannedAt", step["dueAt"])} if verdict.due else {}
        return {"why": verdict.why, "wakeAt": verdict.until, **moved}
    if verdict.state != SENT:
        last = {"lastSentAt": verdict.last_sent_at} if verdict.last_sent_at else {}
        return {"why": verdict.why, "decidedAt": now, "state": verdict.state, **last}
    # What was decided before may have gone out: its content and its moment stay.
    fresh = {"why": verdict.why, "decidedAt": now, "decided": verdict.action.wire()} if verdict.action else {}
    return {**hold, **fresh}


def _update(result: Document) -> Document:
    return {"$set": result} if "wakeAt" in result else {"$set": result, "$unset": {"wakeAt": ""}}


async def finish(storage: Storage, steps: Sequence[Document], faults: Mapping[str, str]) -> None:
    """Mark steps that are ours as through: sent, or skipped for the fault that `faults` names by their id."""
    await storage.change(
        STEPS, [Change(step["_id"], {"claim": step["claim"]}, _through(step, faults)) for step in steps]
    )


def _through(step: Document, faults: Mapping[str, str]) -> Document:
    fault = faults.get(step["_id"])
    return _update({"state": SKIPPED, "why": fault} if fault else {"state": SENT})


async def cancel(
    storage: Storage, why: Mapping[str, str], now: datetime, actions: Collection[str] | None = None
) -> None:
    """Cancel what is still to come for these leads (id → why), except what is being sent already.

    `actions` narrows it to steps of those.
    """
    narrowed = {"action": {"$in": sorted(actions)}} if actions is not None else {}
    for reason in sorted(set(why.values())):
        leads = [lead for lead, said in why.items() if said == reason]
        pending = {"leadId": {"$in": leads}, "state": SCHEDULED, "decided": None, **narrowed}
        update = _update({"state": CANCELLED, "why": reason, "decidedAt": now})
        await storage.change_all(STEPS, pending, update)


async def forget(storage: Storage, leads: Collection[str]) -> None:
    """Delete all that is there of these leads, which were erased."""
    if leads:
        of_them = {"leadId": {"$in": sorted(leads)}}
        await storage.delete_all(STEPS, of_them)
        await storage.delete_all(ENROLMENTS, of_them)


async def create_indexes(storage: Storage) -> None:
    """The indexes that the schedule needs."""
    await asyncio.gather(
        storage.create_index(STEPS, [("wakeAt", 1)], sparse=True),
        storage.create_index(STEPS, [("leadId", 1)]),
        storage.create_index(ENROLMENTS, [("leadId", 1)]),
    )
