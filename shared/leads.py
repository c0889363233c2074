"""The lead document as all workers write it: one revision guards content and status, so that no two writers cross."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from shared.storage import Change, Document, Storage

LEADS = "leads"
ACTIVITIES = "activities"


async def read_leads(storage: Storage, lead_ids: Iterable[str]) -> dict[str, Document]:
    """The leads with these ids, by id."""
    return await storage.read(LEADS, lead_ids)


def revised(lead: Mapping[str, Any], update: Mapping[str, Any]) -> Change:
    """`update` of `lead`'s content or status, void if anybody else changed either since `lead` was read."""
    added = {"$inc": {**update.get("$inc", {}), "revision": 1}}
    return Change(lead["_id"], {"revision": lead["revision"]}, {**update, **added})


async def change_leads(storage: Storage, changes: Sequence[Change]) -> bool:
    """Apply the changes; False when another writer came between for at least one of them."""
    return await storage.change(LEADS, changes)


async def add_activities(storage: Storage, activities: Sequence[Document]) -> set[str]:
    """Store activities that aren't there yet; return the ids of those that were."""
    return await storage.insert_new(ACTIVITIES, activities)


async def create_indexes(storage: Storage) -> None:
    """The indexes that several workers rely on."""
    await storage.create_index(ACTIVITIES, [("leadId", 1), ("at", 1)])
