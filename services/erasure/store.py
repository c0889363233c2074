"""Erasure's share of the database: all of it that holds anything of a lead; see `places`."""

import asyncio
from collections.abc import Sequence

from services.erasure.domain import Document, Farewell, farewells
from services.erasure.places import PLACES, Fate
from shared import collections
from shared.domain.listing import PERSONAL
from shared.domain.provenance import erased_row
from shared.leads import read_leads
from shared.storage import Change, Storage
from shared.tombstones import release, tombstone_id

_WORKER = "erasure"
# What can't be emptied by a lead's id alone: one is guarded, one is shared, and in one an erasure may wait itself.
_TAKEN_APART = (collections.LEADS, collections.IDENTITIES, collections.ORPHANS)


async def begin(storage: Storage, verdicts: Sequence[Document]) -> bool:
    """Put fresh verdicts into the ledger; False when one of them was there already: read it, for it holds."""
    return not await storage.insert_new(collections.COMMANDS, verdicts)


async def erase(storage: Storage, verdicts: Sequence[Document], region: str, pepper: str) -> bool:
    """Carry verdicts out; False when a lead changed meanwhile: all of it may be done again.

    Tombstones come first: from then on no late event brings anything back. The lead goes next, so that no other worker
    finds it; then everything else; and last the captures, which tell all its names to whoever takes over after a crash.
    """
    if not verdicts:
        return True
    ids = sorted({row["leadId"] for row in verdicts})
    leads, captures = await asyncio.gather(read_leads(storage, ids), _captures(storage, ids))
    leaving = farewells(verdicts, leads, captures, region)
    await _bury(storage, leaving, pepper)
    if not await _delete_leads(storage, leaving):
        return False
    claims = [(name, one.lead_id) for one in leaving for name in one.names if not name.startswith("lead:")]
    await release(storage, claims)
    await _end_waiting(storage, leaving)
    await _purge(storage, ids)
    rows = [erased_row(row["_id"], row["leadId"]) for row in await _captures(storage, ids)]
    await storage.put(collections.CAPTURES, rows)
    await storage.change(collections.COMMANDS, [Change(row["_id"], {}, {"$set": {"done": True}}) for row in verdicts])
    return True


async def _captures(storage: Storage, lead_ids: Sequence[str]) -> list[Document]:
    return await storage.find_in(collections.CAPTURES, "leadId", lead_ids, fields=("leadId", "claims"))


async def _bury(storage: Storage, leaving: Sequence[Farewell], pepper: str) -> None:
    stones: dict[str, Document] = {}
    for one in sorted(leaving, key=lambda one: one.at):
        stones |= {tombstone_id(name, pepper): one.tombstone(name) for name in one.names}
    there = await storage.insert_new(collections.TOMBSTONES, [{"_id": id_, **stone} for id_, stone in stones.items()])
    # A name can be erased again after a new beginning; the latest erasure counts, and an earlier one come late doesn't.
    newer = [Change(id_, {"at": {"$lte": stones[id_]["at"]}}, {"$set": stones[id_]}) for id_ in there]
    await storage.change(collections.TOMBSTONES, newer)


async def _delete_leads(storage: Storage, leaving: Sequence[Farewell]) -> bool:
    """Delete the leads as they were read: what tombstones say of their accounts and names must be the last word."""
    as_read = {
        one.lead_id: {"revision": one.lead["revision"], "assignment.account.number": (one.account or {}).get("number")}
        for one in leaving
        if one.lead is not None
    }
    return await storage.delete_guarded(collections.LEADS, as_read)


async def _end_waiting(storage: Storage, leaving: Sequence[Farewell]) -> None:
    began = {name: one.at for one in leaving for name in one.names}
    rows = await storage.find_in(collections.ORPHANS, "name", began, fields=("name", "worker"))
    # Another command to erase the same lead has an outcome of its own, at once.
    own = [(row["_id"], began[row["name"]]) for row in rows if row["worker"] == _WORKER]
    at_once = [Change(id_, {}, {"$set": {"endsAt": at, "wakeAt": at}}) for id_, at in own]
    await storage.change(collections.ORPHANS, at_once)
    await storage.delete(collections.ORPHANS, [row["_id"] for row in rows if row["worker"] != _WORKER])


async def _purge(storage: Storage, lead_ids: Sequence[str]) -> None:
    stripped = {"$unset": dict.fromkeys(PERSONAL, "")}
    places = [one for one in PLACES if one.fate is Fate.DELETED and one.collection not in _TAKEN_APART]
    await asyncio.gather(
        *(storage.delete_all(place.collection, {str(place.by): {"$in": lead_ids}}) for place in places),
        # What a lead counts as stays until its leaving is counted.
        storage.change(collections.ROWS, [Change(one, {}, stripped) for one in lead_ids]),
    )
