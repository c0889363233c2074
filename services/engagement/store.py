"""Engagement's share of the database: activity rows, and the tally on their leads."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby

from services.engagement.domain import take_in
from shared.leads import ACTIVITIES, add_activities, change_leads, read_leads, revised
from shared.storage import Change, Document, Storage

_IDENTITIES = "identities"


async def leads_by_email(storage: Storage, claims: Iterable[str]) -> dict[str, str]:
    """The lead id that each e-mail claim leads to."""
    found = await storage.read(_IDENTITIES, claims)
    return {claim: row["leadIds"][0] for claim, row in found.items()}


async def record(storage: Storage, activities: Sequence[Document]) -> Sequence[Document]:
    """Store rows that aren't there yet, untallied; return those not yet tallied on their lead."""
    existed = await add_activities(storage, [{**one, "tallied": False} for one in activities])
    stored = await storage.read(ACTIVITIES, existed)
    return [one for one in activities if not stored.get(one["_id"], {}).get("tallied", False)]


async def tally(storage: Storage, activities: Sequence[Document], now: datetime) -> bool:
    """Count rows on their leads, then mark them; False when another writer of a lead came between."""
    by_lead = sorted(activities, key=lambda one: str(one["leadId"]))
    leads = await read_leads(storage, (one["leadId"] for one in by_lead))
    taken = [take_in(leads[lead], list(rows), now) for lead, rows in groupby(by_lead, key=lambda one: one["leadId"])]
    changes = [revised(leads[one.lead_id], one.update) for one in taken if one.update]
    if not await change_leads(storage, changes):
        return False
    marks = [Change(id_, {}, {"$set": {"tallied": True}}) for one in taken for id_ in one.activity_ids]
    await storage.change(ACTIVITIES, marks)
    return True
