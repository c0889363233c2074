"""Capture's collections: `leads`, `captures` (provenance) and `identities` (claims)."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from services.capture.claims import claims_of
from services.capture.late import strays, untouched
from services.capture.plan import Capture, Document, Plan, View
from services.capture.remembering import for_good
from shared.collections import CAPTURES, IDENTITIES, LEADS
from shared.storage import Change, Storage
from shared.tombstones import erased, release

# A row that is marked, or of an erased lead, is as it has to be: what a slow process writes late must not change it.
_OPEN = {"applied": {"$ne": True}, "erased": {"$ne": True}}


async def load(storage: Storage, captures: Sequence[Capture], further: Iterable[str], pepper: str) -> View:
    """Everything that deciding on `captures` depends on, in five reads by id; `pepper` is the tombstones'.

    `further` are claims that their merges make besides their own.
    """
    names = [*claims_of(captures), *further]
    rows, claims, tombstones = await asyncio.gather(
        storage.read(CAPTURES, (capture.key for capture in captures)),
        storage.read(IDENTITIES, names),
        erased(storage, names, pepper),
    )
    holders = {name: list(claims[name]["leadIds"]) if name in claims else [] for name in names}
    lead_ids = {row["leadId"] for row in rows.values()}.union(*holders.values())
    leads = await storage.read(LEADS, lead_ids)
    # Asked after the leads are read: what a slow process stored after the erasure isn't taken for a lead.
    tombstones |= await erased(storage, [f"lead:{lead_id}" for lead_id in lead_ids], pepper)
    there = {lead_id: lead for lead_id, lead in leads.items() if f"lead:{lead_id}" not in tombstones}
    return View(rows, holders, there, tombstones, strays(leads, tombstones))


async def save(storage: Storage, plan: Plan, pepper: str) -> bool:
    """Write the plan; False when another worker came between, and all must be read and decided anew.

    Claims come first: from then on nobody can store a second lead for them. The phone + company + name goes before
    the e-mail, so that two captures of one person under two e-mails contend for the former and agree before either
    e-mail is bound. Before that, what an erased lead left is taken away: a claim that leads to it can't be made.
    """
    await release(storage, plan.releases)
    await _take_back(storage, plan.strays)
    for prefix in ("pcn:", "email:"):
        if not await _claim(storage, {c: lead for c, lead in plan.claims.items() if c.startswith(prefix)}):
            return False
    joins = [Change(c, {}, {"$addToSet": {"leadIds": lead}}) for c, lead in plan.joins]
    # A claim that an erasure released since can't be joined.
    if not await storage.change(IDENTITIES, joins):
        return False
    if await storage.insert_new(CAPTURES, plan.rows):
        return False
    if not await storage.replace(CAPTURES, [(_guard(row, plan), row) for row in plan.redecided]):
        return False
    await _mark_applied(storage, plan.applied)
    return await _save_leads(storage, plan, pepper)


async def _save_leads(storage: Storage, plan: Plan, pepper: str) -> bool:
    """Write the leads; False when one was there, or changed, or was erased under its reserved id meanwhile.

    Crash before the erased are taken back → their captures come again → `load` finds them beside their tombstones.
    """
    existed, changed = await asyncio.gather(
        storage.insert_new(LEADS, list(plan.inserts.values())),
        storage.change(LEADS, [Change(i, {"revision": plan.bases[i]}, {"$set": s}) for i, s in plan.sets.items()]),
    )
    own = {lead_id: lead for lead_id, lead in plan.inserts.items() if lead_id not in existed}
    stones = await erased(storage, [f"lead:{lead_id}" for lead_id in own], pepper)
    late = {lead_id: untouched(lead) for lead_id, lead in own.items() if f"lead:{lead_id}" in stones}
    await _take_back(storage, late)
    return changed and not existed and not late


async def _take_back(storage: Storage, guards: Mapping[str, Document]) -> None:
    await storage.delete_guarded(LEADS, guards)


def _guard(row: Document, plan: Plan) -> Document:
    return {} if row.get("erased") or row["_id"] in plan.begun_anew else _OPEN


async def _mark_applied(storage: Storage, applied: Sequence[Document]) -> None:
    """Crash after it → the leads still remember these captures → their redelivery finds them applied either way."""
    await storage.change(CAPTURES, [Change(one["key"], _OPEN, for_good(one)) for one in applied])


async def _claim(storage: Storage, claims: dict[str, str]) -> bool:
    existed = await storage.insert_new(
        IDENTITIES, [{"_id": claim, "leadIds": [lead]} for claim, lead in claims.items()]
    )
    held = await storage.read(IDENTITIES, existed)
    # A claim that isn't found was released since, or isn't acknowledged yet: it is another lead's until it is read.
    return all(claims[claim] in held.get(claim, {}).get("leadIds", ()) for claim in existed)


async def create_indexes(storage: Storage) -> None:
    """The indexes that this worker's collections need beyond `_id`."""
    await storage.create_index(CAPTURES, [("leadId", 1), ("capturedAt", 1)])
