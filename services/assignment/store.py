"""Assignment's share of the database: the lead's owner, and how many open leads each owner has."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from services.assignment.domain import Assignment, Shift, account, assigned, unsettled
from shared.collections import LEADS, OWNERS
from shared.storage import Change, Document, Storage

_SEEN_MAX = 500


async def loads(storage: Storage, owners: Iterable[str]) -> dict[str, int]:
    """How many open leads each of these owners has."""
    return {owner: row["open"] for owner, row in (await storage.read(OWNERS, owners)).items()}


async def assign(storage: Storage, chosen: Sequence[tuple[Document, str, Assignment]], now: datetime) -> bool:
    """Give each lead its owner, with the cause's key; False when one was assigned or changed status meanwhile."""
    changes = [
        Change(
            lead["_id"],
            {"assignedTo": None, "status": lead["status"], "assignment": None},
            {"$set": assigned(lead, choice, key, now)},
        )
        for lead, key, choice in chosen
    ]
    return await storage.change(LEADS, changes)


async def settle_accounts(storage: Storage, leads: Iterable[Document], now: datetime) -> bool:
    """Let each lead count for whom it should; False when one changed meanwhile."""
    changes = [
        Change(lead["_id"], _as_read(lead), {"$set": {"assignment.account": account(lead, now)}})
        for lead in leads
        if unsettled(lead)
    ]
    return await storage.change(LEADS, changes)


def _as_read(lead: Document) -> Document:
    settled = (lead.get("assignment") or {}).get("account") or {}
    known = {name: lead.get(name) for name in ("assignedTo", "status")}
    return {**known, "assignment.account.number": settled.get("number")}


async def count(storage: Storage, shifts: Sequence[Shift]) -> bool:
    """Count each shift once; False when another process counted for one of the owners meanwhile."""
    by_owner: dict[str, list[Shift]] = {}
    for shift in shifts:
        by_owner.setdefault(shift.owner, []).append(shift)
    rows = await storage.read(OWNERS, by_owner)
    missing = [{"_id": o, "open": 0, "revision": 0, "seen": []} for o in by_owner if o not in rows]
    if missing:
        await storage.insert_new(OWNERS, missing)
        return False
    changes = [_counted(rows[owner], theirs) for owner, theirs in by_owner.items()]
    return await storage.change(OWNERS, [change for change in changes if change])


def _counted(row: Document, shifts: Sequence[Shift]) -> Change | None:
    seen = {entry["key"] for entry in row["seen"]}
    # What is older than all that a full memory holds has been counted long ago.
    floor = row["seen"][0]["at"] if len(row["seen"]) >= _SEEN_MAX else None
    fresh = [s for s in shifts if s.key not in seen and (floor is None or s.at > floor)]
    if not fresh:
        return None
    entries = sorted([*row["seen"], *({"key": s.key, "at": s.at} for s in fresh)], key=lambda entry: entry["at"])
    update = {"open": row["open"] + sum(s.by for s in fresh), "seen": entries[-_SEEN_MAX:]}
    return Change(row["_id"], {"revision": row["revision"]}, {"$set": update, "$inc": {"revision": 1}})
