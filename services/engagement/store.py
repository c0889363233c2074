"""Engagement's share of the database: activity rows, and what their leads take in of them."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby

from services.engagement.domain import take_in
from services.engagement.versions import Plan, Version, count_key, counted_row, planned, rows_of
from shared.collections import ACTIVITIES
from shared.domain.causes import Kind, may_have_forgotten
from shared.leads import add_activities, change_leads, read_leads, revised
from shared.storage import Change, Document, Storage


async def record(storage: Storage, versions: Sequence[Version], now: datetime) -> Plan | None:
    """Store what these events state, as known from `now` on; None when another writer of a row came between."""
    plan = planned(versions, await storage.read(ACTIVITIES, rows_of(versions)), now)
    if await add_activities(storage, plan.inserts):
        return None
    return plan if await _change_rows(storage, plan.changes) else None


async def _change_rows(storage: Storage, changes: Iterable[tuple[Document, Document]]) -> bool:
    return await storage.change(ACTIVITIES, [_replacing(before, after) for before, after in changes])


def _replacing(before: Document, after: Document) -> Change:
    gone = {name: "" for name in before if name not in after}
    update = {"$set": {name: value for name, value in after.items() if name != "_id"}}
    return Change(before["_id"], {"n": before["n"], "tallied": True}, update | ({"$unset": gone} if gone else {}))


async def take_in_all(storage: Storage, activities: Iterable[Document], now: datetime, region: str) -> bool:
    """Count untallied rows on their leads, then mark them; False when another writer of a lead came between.

    Rows whose lead has gone meanwhile go too.
    """
    fresh = {one["_id"]: one for one in activities if not one["tallied"]}
    pending = sorted(fresh.values(), key=lambda one: str(one["leadId"]))
    leads = await read_leads(storage, (one["leadId"] for one in pending))
    await storage.delete(ACTIVITIES, [one["_id"] for one in pending if one["leadId"] not in leads])
    pending = [one for one in pending if one["leadId"] in leads]
    done = await _tallied(storage, [one for one in pending if may_have_forgotten(leads[one["leadId"]], Kind.ACTIVITY)])
    by_lead = groupby((one for one in pending if one["_id"] not in done), key=lambda one: one["leadId"])
    taken = [take_in(leads[lead_id], list(rows), now, region) for lead_id, rows in by_lead]
    await _mark(storage, [key for one in taken for key in one.forgotten])
    if not await change_leads(storage, [revised(leads[one.lead_id], one.update) for one in taken if one.update]):
        return False
    await _mark(storage, [key for one in taken for key in one.keys])
    return True


async def _mark(storage: Storage, keys: Iterable[str]) -> None:
    """Mark rows as counted, where the change that was counted is their newest still."""
    rows = [counted_row(key) for key in keys]
    await storage.change(ACTIVITIES, [Change(id_, guard, {"$set": {"tallied": True}}) for id_, guard in rows])


async def _tallied(storage: Storage, rows: Sequence[Document]) -> set[str]:
    """Those of these rows that are counted by now: their lead, which was read after them, may have forgotten them."""
    read = await storage.read(ACTIVITIES, (one["_id"] for one in rows), fields=("tallied", "n"))
    current = {count_key(row) for row in read.values() if not row["tallied"]}
    return {one["_id"] for one in rows if count_key(one) not in current}
