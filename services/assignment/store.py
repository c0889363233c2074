"""Assignment's reads and writes: a lead's owner, and the number of open leads per owner."""

from collections.abc import Iterable, Mapping, Sequence

from services.assignment.domain.decide import LoadChange
from shared.domain.stored.lead_document import LeadChanges, LeadDocument
from shared.domain.stored.work_documents import CountedLoad, OwnerDocument
from shared.mongo.names import LEADS, OWNERS
from shared.mongo.storage import Change, Storage

_SEEN_MAX = 500


async def read_loads(storage: Storage, owners: Iterable[str]) -> dict[str, int]:
    """Return the number of open leads of each of these owners."""
    return {owner: row["open"] for owner, row in (await storage.read(OWNERS, owners)).items()}


async def save_owners(storage: Storage, as_read: Mapping[str, LeadDocument], given: Mapping[str, LeadChanges]) -> bool:
    """Store each lead's owner with its cause's key; return False after a conflict on a lead.

    A lead has changed when another process gave it an owner or another status.
    """
    unowned = {"assignedTo": None, "assignment": None}
    changes = [Change(one, {**unowned, "status": as_read[one]["status"]}, {"$set": f}) for one, f in given.items()]
    return await storage.change(LEADS, changes)


async def save_ledgers(
    storage: Storage, as_read: Mapping[str, LeadDocument], settled: Mapping[str, Mapping[str, object]]
) -> bool:
    """Store on each lead the owner that it counts for; return False after a conflict."""
    changes = [Change(one, _as_read(as_read[one]), {"$set": fields}) for one, fields in settled.items()]
    return await storage.change(LEADS, changes)


def _as_read(lead: LeadDocument) -> dict[str, object]:
    settled = (lead.get("assignment") or {}).get("account")
    known = {name: lead.get(name) for name in ("assignedTo", "status")}
    return {**known, "assignment.account.number": settled["number"] if settled else None}


async def count_loads(storage: Storage, changes: Sequence[LoadChange]) -> bool:
    """Count each load change once; return False after a conflict on an owner."""
    by_owner: dict[str, list[LoadChange]] = {}
    for change in changes:
        by_owner.setdefault(change.owner, []).append(change)
    rows = await storage.read(OWNERS, by_owner)
    missing: list[OwnerDocument] = [{"_id": o, "open": 0, "revision": 0, "seen": []} for o in by_owner if o not in rows]
    if missing:
        await storage.insert_new(OWNERS, missing)
        return False
    updates = [_count_owner(rows[owner], theirs) for owner, theirs in by_owner.items()]
    return await storage.change(OWNERS, [update for update in updates if update])


def _count_owner(row: OwnerDocument, changes: Sequence[LoadChange]) -> Change | None:
    seen = {entry["key"] for entry in row["seen"]}
    # A change that is older than all of a full `seen` list was counted before.
    floor = row["seen"][0]["at"] if len(row["seen"]) >= _SEEN_MAX else None
    fresh = [s for s in changes if s.key not in seen and (floor is None or s.at > floor)]
    if not fresh:
        return None
    added: list[CountedLoad] = [{"key": s.key, "at": s.at} for s in fresh]
    entries = sorted([*row["seen"], *added], key=lambda entry: entry["at"])
    update = {"open": row["open"] + sum(s.by for s in fresh), "seen": entries[-_SEEN_MAX:]}
    return Change(row["_id"], {"revision": row["revision"]}, {"$set": update, "$inc": {"revision": 1}})
