"""Erasure's share of the database: all of it that holds anything of a lead; see `places`."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from services.erasure.domain import Document, Farewell, farewells
from services.erasure.places import PLACES, Fate
from shared import collections
from shared.domain.listing import PERSONAL
from shared.domain.provenance import erased_row
from shared.leads import read_leads
from shared.storage import Change, Storage
from shared.tombstones import release, tombstone_id

_ANSWER_COMMANDS = frozenset({"conversion", "erasure", "qualification"})
_NAMES_A_WRITE = 500
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
    leads, captures = await asyncio.gather(read_leads(storage, ids), _claims(storage, ids))
    leaving = farewells(verdicts, leads, captures, region)
    # The earliest first: where a name is one of several leads, the last of them counts.
    for one, names in _parts(sorted(leaving, key=lambda one: one.at)):
        await _bury(storage, {tombstone_id(name, pepper): one.tombstone(name) for name in names})
    if not await _delete_leads(storage, leaving):
        return False
    for one, names in _parts(leaving):
        await release(storage, [(name, one.lead_id) for name in names if not name.startswith("lead:")])
        await _end_waiting(storage, dict.fromkeys(names, one.at))
    await _purge(storage, ids)
    async for page in storage.pages_in(collections.CAPTURES, "leadId", ids, fields=("leadId",)):
        await storage.put(collections.CAPTURES, [erased_row(row["_id"], row["leadId"]) for row in page])
    await storage.change(collections.COMMANDS, [Change(row["_id"], {}, {"$set": {"done": True}}) for row in verdicts])
    return True


async def _claims(storage: Storage, lead_ids: Sequence[str]) -> list[Document]:
    """All claims of each lead's captures, in one row a lead: it can have any number of captures."""
    claims: dict[str, set[str]] = {}
    async for page in storage.pages_in(collections.CAPTURES, "leadId", lead_ids, fields=("leadId", "claims")):
        for row in page:
            claims.setdefault(row["leadId"], set()).update(row.get("claims") or ())
    return [{"leadId": lead_id, "claims": sorted(found)} for lead_id, found in claims.items()]


def _parts(leaving: Sequence[Farewell]) -> Iterator[tuple[Farewell, Sequence[str]]]:
    """Each lead's names in parts: a lead can have been known by any number."""
    for one in leaving:
        names = sorted(one.names)
        yield from ((one, names[start : start + _NAMES_A_WRITE]) for start in range(0, len(names), _NAMES_A_WRITE))


async def _bury(storage: Storage, stones: Mapping[str, Document]) -> None:
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


async def _end_waiting(storage: Storage, began: Mapping[str, datetime]) -> None:
    rows = await storage.find_in(collections.ORPHANS, "name", began, fields=("name", "worker"))
    # A command has an outcome, whatever its lead comes to: its worker rejects it now, and deletes its row.
    commands = [(row["_id"], began[row["name"]]) for row in rows if row["worker"] in _ANSWER_COMMANDS]
    at_once = [Change(id_, {}, {"$set": {"endsAt": at, "wakeAt": at}}) for id_, at in commands]
    await storage.change(collections.ORPHANS, at_once)
    others = [row["_id"] for row in rows if row["worker"] not in _ANSWER_COMMANDS]
    await storage.delete(collections.ORPHANS, others)


async def _purge(storage: Storage, lead_ids: Sequence[str]) -> None:
    stripped = {"$unset": dict.fromkeys(PERSONAL, "")}
    places = [one for one in PLACES if one.fate is Fate.DELETED and one.collection not in _TAKEN_APART]
    await asyncio.gather(
        *(storage.delete_all(place.collection, {str(place.by): {"$in": lead_ids}}) for place in places),
        # What a lead counts as stays until its leaving is counted.
        storage.change(collections.ROWS, [Change(one, {}, stripped) for one in lead_ids]),
    )
