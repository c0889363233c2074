"""Nurture's collections: `enrolments` and `nurture_steps`, which is the schedule itself.

`wakeAt` is when a scheduled step wants attention next: its due time, or the end of the lease of whoever holds it. A
step that is through leaves `state: scheduled`, so looking for work costs what is due and nothing for what was.
"""

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from services.nurture.domain import CANCELLED, SCHEDULED, Judged
from shared.storage import Change, Document, Storage

ENROLMENTS, STEPS = "enrolments", "nurture_steps"


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


async def claim(storage: Storage, now: datetime, lease: timedelta, most: int) -> list[Document]:
    """Take up to `most` due steps for ourselves until the lease ends; the longest due first."""
    due = {"state": SCHEDULED, "wakeAt": {"$lte": now}}
    found = await storage.find(STEPS, due, fields=("_id",), sort=(("wakeAt", 1),), limit=most)
    if not found:
        return []
    ids, token = {"_id": {"$in": [one["_id"] for one in found]}}, uuid.uuid4().hex
    await storage.change_all(STEPS, {**ids, **due}, {"$set": {"wakeAt": now + lease, "claim": token}})
    return await storage.find(STEPS, {**ids, "claim": token, "state": SCHEDULED})


async def decide(
    storage: Storage, claimed: Sequence[Document], judged: Mapping[str, Judged], now: datetime
) -> list[Document]:
    """Write what becomes of claimed steps; return those to be sent, with their content in `decided`.

    A step that isn't sent is through. One that is keeps its content from here on: whoever takes it over after a crash
    sends the same.
    """
    results = {
        step_id: {"why": verdict.why, "decidedAt": now}
        | ({"decided": verdict.action.wire()} if verdict.action else {"state": verdict.state})
        for step_id, verdict in judged.items()
    }
    changes = [
        Change(one["_id"], _ours(one), {"$set": results[one["_id"]]}) for one in claimed if one["_id"] in results
    ]
    steps = {one["_id"]: {**one, **results.get(one["_id"], {})} for one in claimed}
    if not await storage.change(STEPS, changes):
        steps = await storage.read(STEPS, steps)  # a lease ran out or a lead ended: what is stored holds
    mine = {one["_id"]: one["claim"] for one in claimed}
    return [
        one
        for one in steps.values()
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
