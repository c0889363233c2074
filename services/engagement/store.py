"""Engagement's reads and writes: activity rows, and their counts on the leads."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby

from services.engagement.domain.decide import count_on_lead
from services.engagement.domain.versions import RowPlan, Version, counted_row, plan_rows, row_ids_of
from shared.domain.activity_documents import count_key
from shared.domain.causes import CauseKind, may_have_forgotten
from shared.domain.lead_changes import with_changes
from shared.domain.stored.activity_row import ActivityRow
from shared.domain.stored.lead_document import LeadDocument
from shared.leads.documents import add_activities, change_leads, read_leads, revised
from shared.mongo.names import ACTIVITIES
from shared.mongo.storage import Change, Storage, replacement


async def save_versions(storage: Storage, versions: Sequence[Version], now: datetime) -> RowPlan | None:
    """Store the rows of these events, known from `now` on; None after a conflict on a row."""
    plan = plan_rows(versions, await storage.read(ACTIVITIES, row_ids_of(versions)), now)
    if await add_activities(storage, plan.inserts):
        return None
    return plan if await _change_rows(storage, plan.changes) else None


async def _change_rows(storage: Storage, changes: Iterable[tuple[ActivityRow, ActivityRow]]) -> bool:
    return await storage.change(ACTIVITIES, [_row_change(before, after) for before, after in changes])


def _row_change(before: ActivityRow, after: ActivityRow) -> Change:
    update = replacement(after, before.keys() - after.keys())
    return Change(before["_id"], {"n": before["n"], "tallied": True}, update)


async def count_on_leads(storage: Storage, plan: RowPlan, now: datetime, region: str) -> dict[str, LeadDocument] | None:
    """Count the plan's rows on their leads; return the leads as they are then, None after a conflict on a lead.

    Marks the rows that their leads forget. If the plan isn't complete, it marks all: then they can change.
    Deletes rows whose lead is not there: it is yet to come, or was erased.
    """
    activities = plan.of.values()
    leads = await read_leads(storage, (one["leadId"] for one in activities))
    fresh = {one["_id"]: one for one in activities if not one["tallied"]}
    pending = sorted(fresh.values(), key=lambda one: str(one["leadId"]))
    await storage.delete(ACTIVITIES, [one["_id"] for one in pending if one["leadId"] not in leads])
    pending = [one for one in pending if one["leadId"] in leads]
    done = await _find_tallied(
        storage, [one for one in pending if may_have_forgotten(leads[one["leadId"]], CauseKind.ACTIVITY)]
    )
    by_lead = groupby((one for one in pending if one["_id"] not in done), key=lambda one: one["leadId"])
    taken = [count_on_lead(leads[lead_id], list(rows), now, region) for lead_id, rows in by_lead]
    await _mark_tallied(storage, [key for one in taken for key in one.forgotten])
    sets = {one.lead_id: one.sets for one in taken if one.sets}
    if not await change_leads(storage, [revised(leads[lead_id], {"$set": fields}) for lead_id, fields in sets.items()]):
        return None
    if not plan.complete:
        await _mark_tallied(storage, [key for one in taken for key in one.keys])
    return leads | {lead_id: with_changes(leads[lead_id], fields) for lead_id, fields in sets.items()}


async def _mark_tallied(storage: Storage, keys: Iterable[str]) -> None:
    """Mark rows as counted if the counted change is still their newest."""
    rows = [counted_row(key) for key in keys]
    await storage.change(ACTIVITIES, [Change(id_, guard, {"$set": {"tallied": True}}) for id_, guard in rows])


async def _find_tallied(storage: Storage, rows: Sequence[ActivityRow]) -> set[str]:
    """Return the rows that are counted by now; their lead may not remember them any more."""
    read = await storage.read(ACTIVITIES, (one["_id"] for one in rows), fields=("tallied", "n"))
    current = {count_key(row) for row in read.values() if not row["tallied"]}
    return {one["_id"] for one in rows if count_key(one) not in current}
