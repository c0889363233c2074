"""Nurture's collections: `enrolments` and `nurture_steps`, which is the schedule itself.

`wakeAt` is when a scheduled step wants attention next: its due time, or the end of the lease of whoever holds it. A
step that is through has none and leaves the (sparse) index, so looking for work costs what is due, not what was.
"""

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from services.nurture.domain import CANCELLED, SCHEDULED, SENT, Judged
from shared.collections import ENROLMENTS, STEPS
from shared.storage import Change, Document, Storage


async def add(storage: Storage, enrolments: Sequence[Document], steps: Sequence[Document]) -> bool:
    """Store enrolments with their steps, each once; False when some of them were there already.

    Steps go first: an enrolment that is there has all its steps.
    """
    known_steps = await storage.insert_new(STEPS, steps)
    known = await storage.insert_new(ENROLMENTS, enrolments)
    return not (known or known_steps)


async def stored(
    storage: Storage, enrolments: Sequence[Document], steps: Sequence[Document]
) -> tuple[dict[str, Document], dict[str, Document]]:
    """Enrolments and steps as they are stored, by id."""
    return await asyncio.gather(
        storage.read(ENROLMENTS, (one["_id"] for one in enrolments)),
        storage.read(STEPS, (one["_id"] for one in steps)),
    )


async def decide(
    storage: Storage, steps: Sequence[Document], judged: Mapping[str, Judged], now: datetime, lease: timedelta
) -> tuple[list[Document], bool]:
    """Write what becomes of due steps, by id; return those that are ours to send, and whether nobody else was at them.

    A step that isn't sent is through. One that is keeps its content in `decided` from here on, and is ours until the
    lease ends: whoever takes it over after a crash sends the same. Of two processes at one step, the one that finds it
    as it read it wins.
    """
    hold = {"claim": uuid.uuid4().hex, "wakeAt": now + lease}
    results = {step["_id"]: _result(judged[step["_id"]], now, hold) for step in steps}
    alone = await storage.change(
        STEPS, [Change(step["_id"], {"wakeAt": step["wakeAt"]}, _update(results[step["_id"]])) for step in steps]
    )
    taken = {step["_id"]: {**step, **results[step["_id"]]} for step in steps}
    if not alone:
        taken = await storage.read(STEPS, taken)
    return [one for one in taken.values() if one["state"] == SCHEDULED and one.get("claim") == hold["claim"]], alone


def _result(verdict: Judged, now: datetime, hold: Document) -> Document:
    if verdict.state != SENT:
        return {"why": verdict.why, "decidedAt": now, "state": verdict.state}
    # What was decided before may have gone out: its content and its moment stay.
    fresh = {"why": verdict.why, "decidedAt": now, "decided": verdict.action.wire()} if verdict.action else {}
    return {**hold, **fresh}


def _update(result: Document) -> Document:
    return {"$set": result} if "wakeAt" in result else {"$set": result, "$unset": {"wakeAt": ""}}


async def finish(storage: Storage, steps: Sequence[Document], state: str) -> None:
    """Mark steps that are ours as through."""
    through = _update({"state": state})
    await storage.change(STEPS, [Change(step["_id"], {"claim": step["claim"]}, through) for step in steps])


async def cancel(storage: Storage, why: Mapping[str, str], now: datetime) -> None:
    """Cancel what is still to come for these leads (id → why), except what is being sent already."""
    for reason in sorted(set(why.values())):
        leads = [lead for lead, said in why.items() if said == reason]
        pending = {"leadId": {"$in": leads}, "state": SCHEDULED, "decided": None}
        update = _update({"state": CANCELLED, "why": reason, "decidedAt": now})
        await storage.change_all(STEPS, pending, update)


async def create_indexes(storage: Storage) -> None:
    """The indexes that the schedule needs."""
    await asyncio.gather(
        storage.create_index(STEPS, [("wakeAt", 1)], sparse=True), storage.create_index(STEPS, [("leadId", 1)])
    )
