"""Capture's collections: `leads`, `captures` (provenance) and `identities` (claims)."""

import asyncio
from collections.abc import Sequence

from services.capture.domain import Capture, Plan, View, claims_of
from shared.collections import CAPTURES, IDENTITIES, LEADS
from shared.storage import Change, Storage
from shared.tombstones import erased, release


async def load(storage: Storage, captures: Sequence[Capture], pepper: str) -> View:
    """Everything that deciding on `captures` depends on, in four reads by id; `pepper` is the tombstones'."""
    names = claims_of(captures)
    rows, claims, tombstones = await asyncio.gather(
        storage.read(CAPTURES, (capture.key for capture in captures)),
        storage.read(IDENTITIES, names),
        erased(storage, names, pepper),
    )
    holders = {claim: list(row["leadIds"]) for claim, row in claims.items()}
    lead_ids = {row["leadId"] for row in rows.values()}.union(*holders.values())
    leads = await storage.read(LEADS, lead_ids)
    gone = [f"lead:{lead_id}" for lead_id in lead_ids if lead_id not in leads]
    return View(rows, holders, leads, {**tombstones, **await erased(storage, gone, pepper)})


async def save(storage: Storage, plan: Plan) -> bool:
    """Write the plan; False when another worker came between, and all must be read and decided anew.

    Claims come first: from then on nobody can store a second lead for them. The phone + company + name goes before
    the e-mail, so that two captures of one person under two e-mails contend for the former and agree before either
    e-mail is bound. Before that, what an erased lead left is taken away: a claim that leads to it can't be made.
    """
    await release(storage, plan.releases)
    for prefix in ("pcn:", "email:"):
        if not await _claim(storage, {c: lead for c, lead in plan.claims.items() if c.startswith(prefix)}):
            return False
    await storage.change(IDENTITIES, [Change(c, {}, {"$addToSet": {"leadIds": lead}}) for c, lead in plan.joins])
    if await storage.insert_new(CAPTURES, plan.rows):
        return False
    await storage.put(CAPTURES, plan.redecided)
    existed, changed = await asyncio.gather(
        storage.insert_new(LEADS, list(plan.inserts.values())),
        storage.change(LEADS, [Change(i, {"revision": plan.bases[i]}, {"$set": s}) for i, s in plan.sets.items()]),
    )
    return changed and not existed


async def _claim(storage: Storage, claims: dict[str, str]) -> bool:
    existed = await storage.insert_new(
        IDENTITIES, [{"_id": claim, "leadIds": [lead]} for claim, lead in claims.items()]
    )
    held = await storage.read(IDENTITIES, existed)
    return all(claims[claim] in row["leadIds"] for claim, row in held.items())


async def create_indexes(storage: Storage) -> None:
    """The indexes that this worker's collections need beyond `_id`."""
    await storage.create_index(CAPTURES, [("leadId", 1), ("capturedAt", 1)])
