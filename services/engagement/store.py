"""Engagement's share of the database: activity rows, and what their leads take in of them."""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby

from services.engagement.domain import take_in
from shared.collections import ACTIVITIES
from shared.domain.causes import Kind, may_have_forgotten
from shared.leads import add_activities, change_leads, close_causes, read_leads, revised
from shared.storage import Change, Document, Storage


async def record(storage: Storage, activities: Sequence[Document], now: datetime) -> list[Document]:
    """Store rows that aren't there yet, untallied, as known from `now` on; return all of them as they are stored."""
    fresh = {one["_id"]: {**one, "knownAt": now, "tallied": False} for one in activities}
    existed = await add_activities(storage, list(fresh.values()))
    return list((fresh | await storage.read(ACTIVITIES, existed)).values())


async def take_in_all(storage: Storage, activities: Sequence[Document], now: datetime, region: str) -> bool:
    """Count untallied rows on their leads, then mark them; False when another writer of a lead came between.

    Rows whose lead has gone meanwhile go too.
    """
    pending = sorted((one for one in activities if not one["tallied"]), key=lambda one: str(one["leadId"]))
    leads = await read_leads(storage, (one["leadId"] for one in pending))
    await storage.delete(ACTIVITIES, [one["_id"] for one in pending if one["leadId"] not in leads])
    pending = [one for one in pending if one["leadId"] in leads]
    done = await _tallied(storage, [one for one in pending if may_have_forgotten(leads[one["leadId"]], Kind.ACTIVITY)])
    by_lead = groupby((one for one in pending if one["_id"] not in done), key=lambda one: one["leadId"])
    taken = [take_in(leads[lead_id], list(rows), now, region) for lead_id, rows in by_lead]
    await close_causes(storage, ACTIVITIES, [id_ for one in taken for id_ in one.forgotten], "tallied")
    if not await change_leads(storage, [revised(leads[one.lead_id], one.update) for one in taken if one.update]):
        return False
    marks = [Change(id_, {}, {"$set": {"tallied": True}}) for one in taken for id_ in one.activity_ids]
    await storage.change(ACTIVITIES, marks)
    return True


async def _tallied(storage: Storage, rows: Sequence[Document]) -> set[str]:
    """Those of these rows that are counted by now: their lead, which was read after them, may have forgotten them."""
    read = await storage.read(ACTIVITIES, (one["_id"] for one in rows), fields=("tallied",))
    return {id_ for id_, row in read.items() if row["tallied"]}
