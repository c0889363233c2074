"""Reads and writes of lead documents. One `revision` guards a lead's content and status."""

from collections.abc import Iterable, Mapping, Sequence

from shared.domain.identity.normal_forms import email_key, part_of, text_of
from shared.domain.identity.older_forms import older_emails
from shared.domain.stored.activity_row import ActivityRow
from shared.domain.stored.lead_document import LeadDocument
from shared.mongo.names import ACTIVITIES, IDENTITIES, LEADS, AnyCollection
from shared.mongo.storage import Change, Storage


async def read_leads(storage: Storage, lead_ids: Iterable[str]) -> dict[str, LeadDocument]:
    """Return the leads with these ids, by id."""
    return await storage.read(LEADS, lead_ids)


async def leads_by_email(storage: Storage, emails: Iterable[str | None]) -> dict[str, str]:
    """Return the lead id of each e-mail, by its normal form. The lead may not be stored yet.

    Also finds claims that earlier releases stored in another form, which the e-mail as sent still shows.
    """
    forms: dict[str, str] = {}
    for email in emails:
        if key := email_key(email):
            forms |= {f"email:{form}": key for form in older_emails(email)} | {f"email:{key}": key}
    found = await storage.read(IDENTITIES, forms)
    # A claim in today's form overrides older ones.
    in_order = sorted(found.items(), key=lambda pair: pair[0] != f"email:{forms[pair[0]]}", reverse=True)
    return {forms[claim]: row["leadIds"][0] for claim, row in in_order}


def names_of(lead: Mapping[str, object]) -> set[str]:
    """Return the names by which pending events may wait for this lead document."""
    given = text_of(part_of(lead, "contact"), "email")
    forms = filter(None, (email_key(given), *older_emails(given)))
    return {f"lead:{lead['_id']}", *(f"email:{form}" for form in forms)}


def names_in(payload: object) -> set[str]:
    """Return the names by which a payload identifies its lead."""
    lead_id, email = getattr(payload, "lead_id", None), email_key(getattr(payload, "email", None))
    return ({f"lead:{lead_id}"} if lead_id else set()) | ({f"email:{email}"} if email else set())


def older_names_in(payload: object) -> dict[str, str]:
    """Map each older form of the payload's e-mail to its name in today's form."""
    email = getattr(payload, "email", None)
    return {f"email:{form}": f"email:{email_key(email)}" for form in older_emails(email)}


async def known_names(storage: Storage, names: Iterable[str]) -> set[str]:
    """Return those of these names (`lead:ID`, `email:ADDRESS`) whose lead exists."""
    wanted = {name: name.partition(":")[2] for name in names}
    by_email = await leads_by_email(storage, (rest for name, rest in wanted.items() if name.startswith("email:")))
    ids = {
        name: by_email.get(email_key(rest) or "") if name.startswith("email:") else rest
        for name, rest in wanted.items()
    }
    there = await storage.read(LEADS, (lead_id for lead_id in ids.values() if lead_id), fields=("_id",))
    return {name for name, lead_id in ids.items() if lead_id in there}


def revised(lead: LeadDocument, update: Mapping[str, Mapping[str, object]]) -> Change:
    """Return a guarded change of a lead: another write of its content or status voids it."""
    added = {"$inc": {**update.get("$inc", {}), "revision": 1}}
    return Change(lead["_id"], {"revision": lead["revision"]}, {**update, **added})


async def change_leads(storage: Storage, changes: Sequence[Change]) -> bool:
    """Apply the changes; False if another writer changed any of these leads first."""
    return await storage.change(LEADS, changes)


async def close_causes(storage: Storage, collection: AnyCollection, keys: Iterable[str], mark: str) -> None:
    """Mark the rows of causes before their leads forget them (`shared.domain.causes`)."""
    await storage.change(collection, [Change(key, {mark: False}, {"$set": {mark: True}}) for key in keys])


async def add_activities(storage: Storage, activities: Sequence[ActivityRow]) -> set[str]:
    """Insert activities; return the ids that existed before, which stay untouched."""
    return await storage.insert_new(ACTIVITIES, activities)


async def create_indexes(storage: Storage) -> None:
    """Create the indexes that several workers use."""
    await storage.create_index(ACTIVITIES, [("leadId", 1), ("at", 1)])
