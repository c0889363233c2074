"""The lead document as all workers write it: one revision guards content and status, so that no two writers cross."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from shared.collections import ACTIVITIES, IDENTITIES, LEADS
from shared.domain.identity import email_key
from shared.storage import Change, Document, Storage


async def read_leads(storage: Storage, lead_ids: Iterable[str]) -> dict[str, Document]:
    """The leads with these ids, by id."""
    return await storage.read(LEADS, lead_ids)


async def leads_by_email(storage: Storage, emails: Iterable[str]) -> dict[str, str]:
    """The lead id that each of these normalised e-mails leads to; the lead may not be stored yet."""
    found = await storage.read(IDENTITIES, (f"email:{email}" for email in emails))
    return {claim.removeprefix("email:"): row["leadIds"][0] for claim, row in found.items()}


def names_of(lead: Mapping[str, Any]) -> set[str]:
    """The names under which events may wait for this lead document."""
    email = email_key((lead.get("contact") or {}).get("email"))
    return {f"lead:{lead['_id']}"} | ({f"email:{email}"} if email else set())


def names_in(payload: Any) -> set[str]:
    """The names by which a payload says which lead it means."""
    lead_id, email = getattr(payload, "lead_id", None), email_key(getattr(payload, "email", None))
    return ({f"lead:{lead_id}"} if lead_id else set()) | ({f"email:{email}"} if email else set())


async def known_names(storage: Storage, names: Iterable[str]) -> set[str]:
    """Those of these names (`lead:ID`, `email:ADDRESS`) that lead to a lead which exists."""
    wanted = {name: name.partition(":")[2] for name in names}
    by_email = await leads_by_email(storage, (rest for name, rest in wanted.items() if name.startswith("email:")))
    ids = {name: by_email.get(rest) if name.startswith("email:") else rest for name, rest in wanted.items()}
    there = await storage.read(LEADS, (lead_id for lead_id in ids.values() if lead_id), fields=("_id",))
    return {name for name, lead_id in ids.items() if lead_id in there}


def revised(lead: Mapping[str, Any], update: Mapping[str, Any]) -> Change:
    """`update` of `lead`'s content or status, void if anybody else changed either since `lead` was read."""
    added = {"$inc": {**update.get("$inc", {}), "revision": 1}}
    return Change(lead["_id"], {"revision": lead["revision"]}, {**update, **added})


async def change_leads(storage: Storage, changes: Sequence[Change]) -> bool:
    """Apply the changes; False when another writer came between for at least one of them."""
    return await storage.change(LEADS, changes)


async def close_causes(storage: Storage, collection: str, keys: Iterable[str], mark: str) -> None:
    """Mark the rows of causes that their leads are about to forget; see `shared.domain.causes`."""
    await storage.change(collection, [Change(key, {mark: False}, {"$set": {mark: True}}) for key in keys])


async def add_activities(storage: Storage, activities: Sequence[Document]) -> set[str]:
    """Store activities that aren't there yet; return the ids of those that were."""
    return await storage.insert_new(ACTIVITIES, activities)


async def create_indexes(storage: Storage) -> None:
    """The indexes that several workers rely on."""
    await storage.create_index(ACTIVITIES, [("leadId", 1), ("at", 1)])
