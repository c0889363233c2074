"""Nurture's collections: `enrolments` and `nurture_steps`, which is the schedule itself.

`wakeAt` is when a scheduled step wants attention next: its due time, or the end of the lease of whoever holds it. A
step that is through leaves `state: scheduled`, so looking for work costs what is due and nothing for what was.
"""

import asyncio
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from services.nurture.domain import CANCELLED, SCHEDULED, Judged
from shared.storage import Change, Document, Storage

ENROLMENTS, STEPS = "enrolments", "nurture_steps"


async def add(storage: Storage, enrolments: Sequence[Document], steps: Sequence[Document]) -> dict[str, Document]:
    """Store enrolments with their steps, each once; return them as they are stored, by id.

    Steps go first: an enrolment that is there has all its steps.
    """
    await storage.insert_new(STEPS, steps)
    await storage.insert_new(ENROLMENTS, enrolments)
    return await storage.read(ENROLMENTS, (one["_id"] for one in enrolments))


async def claim(storage: Storage, now: datetime, lease: timedelta, most: int) -> list[Document]:
    """Take up to `most` due steps for ourselves until the lease ends; the longest due first."""
    due = {"state": SCHEDULED, "wakeAt": {"$lte": now}}
    found = await storage.find(STEPS, due, fields=("_id",), sort=(("wakeAt", 1),), limit=most)
    if not found:
        return []
    ids, token = {"_id": {"$in": [one["_id"] for one in found]}}, uuid.uuid4().hex
    await storage.change_all(STEPS, {**ids, **due}, {"$set": {"wakeAt": now + lease, "claim": token}})
    return await storage.find(STEPS, {**ids, "claim": token, "state": SCHEDULED})


async def decide(storage: Storage, judged: Iterable[tuple[Document, Judged]], now: datetime) -> None:
    """Write what becomes of claimed steps: those not sent are through, those to be sent keep their content first.

    From here on the action is what it is: whoever takes the step over after a crash sends the same.
    """
    changes = []
    for step, verdict in judged:
        result = {"why": verdict.why, "decidedAt": now}
        result |= {"decided": verdict.action.wire()} if verdict.action else {"state": verdict.state}
        changes.append(Change(step["_id"], _ours(step), {"$set": result}))
    await storage.change(STEPS, changes)


async def sending(storage: Storage, steps: Sequence[Document]) -> list[Document]:
    """Of these claimed steps, the ones that are still ours and have content to send."""
    stored = await storage.read(STEPS, (step["_id"] for step in steps))
    mine = {step["_id"]: step["claim"] for step in steps}
    return [
        one
        for one in stored.values()
        if one["claim"] == mine[one["_id"]] and one["state"] == SCHEDULED and "decided" in one
    ]


async def finish(storage: Storage, steps: Sequence[Document], state: str) -> None:
    """Mark claimed steps as through."""
    await storage.change(STEPS, [Change(step["_id"], _ours(step), {"$set": {"state": state}}) for step in steps])


async def cancel(storage: Storage, why: Mapping[str, str], now: datetime) -> None:
    """Cancel what is still to come for these leads (id → why), except what is being sent already."""
    for reason in sorted(set(why.values())):
        leads = [lead for lead, said in why.items() if said == reason]
        pending = {"leadId": {"$in": leads}, "state": SCHEDULED, "decided": None}
        update = {"$set": {"state": CANCELLED, "why": reason, "decidedAt": now}}
        await storage.change_all(STEPS, pending, update)


async def next_wake(storage: Storage) -> datetime | None:
    """When the next scheduled step wants attention."""
    return await storage.earliest(STEPS, "wakeAt", {"state": SCHEDULED})


async def create_indexes(storage: Storage) -> None:
    """The indexes that the schedule needs."""
    await asyncio.gather(
        storage.create_index(STEPS, [("state", 1), ("wakeAt", 1)]),
        storage.create_index(STEPS, [("leadId", 1), ("state", 1)]),
    )


def _ours(step: Document) -> Document:
    return {"state": SCHEDULED, "claim": step["claim"]}
