"""Qualification's collections: the claims that edits move, former values of edited fields, and notes.

An edit takes its new claims before the lead's write, and releases the replaced ones after it. So no two leads ever
show one e-mail.
Crash before the lead's write → a claim leads to a lead that does not show it → the redelivery writes the lead, or
releases the claim.
Crash after the lead's write → the lead lists the claims that it leaves → the redelivery releases them.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from services.qualification.domain.field_edits import ClaimChange
from shared.domain.consent.restating import kept_refusals
from shared.domain.consent.statements import Statement
from shared.domain.identity.identity_rules import SHARED_MAX, IdentityRules, is_shared, mark_of
from shared.domain.identity.normal_forms import identity_of
from shared.domain.stored.identity_documents import ErasureMarker, IdentityClaim
from shared.domain.stored.lead_document import EditPart, LeadDocument
from shared.domain.stored.sales_documents import EditRow, NoteRow
from shared.leads.erasure_markers import erased, release
from shared.mongo.names import EDITS, IDENTITIES, LEADS, NOTES
from shared.mongo.retries import retry_on_conflict
from shared.mongo.storage import Change, Storage


@dataclass(frozen=True, slots=True)
class TakenClaims:
    """What came of an edit's claims.

    `other_id` is the lead that has the e-mail, or None. `refused` are refusals that are kept of the new addresses.
    """

    other_id: str | None
    refused: Sequence[Statement]


@dataclass(frozen=True, slots=True)
class _Known:
    rows: Mapping[str, IdentityClaim]
    markers: Mapping[str, ErasureMarker]
    there: frozenset[str]


async def take_claims(
    storage: Storage, changes: Mapping[str, ClaimChange], rules: IdentityRules, pepper: str
) -> dict[str, TakenClaims]:
    """Take the claims of these edits; return what came of each by its command's key."""
    if not any(one.email or one.person for one in changes.values()):
        return {key: TakenClaims(None, ()) for key in changes}
    async for _ in retry_on_conflict():
        known = await _read_known(storage, changes.values(), pepper)
        found = _holders(changes, known, rules)
        if await _take(storage, [one for key, one in changes.items() if found[key] is None], known, rules):
            break
    return {key: TakenClaims(found[key], kept_refusals(one.identity, known.markers)) for key, one in changes.items()}


async def _read_known(storage: Storage, changes: Iterable[ClaimChange], pepper: str) -> _Known:
    claims = {claim for one in changes for claim in (one.email, one.person) if claim}
    older = {form: claim for one in changes for form, claim in one.older.items()}
    rows, markers = await asyncio.gather(
        storage.read(IDENTITIES, [*claims, *older]), erased(storage, claims, pepper, older)
    )
    holders = {lead_id for row in rows.values() for lead_id in row["leadIds"]}
    there = frozenset(await storage.read(LEADS, holders, fields=("_id",)))
    markers |= await erased(storage, [f"lead:{one}" for one in holders - there], pepper)
    return _Known(rows, markers, there)


def _others(change: ClaimChange, claim: str, known: _Known) -> dict[str, list[str]]:
    """Return the other leads of this claim in each form that is stored."""
    forms = [claim, *(form for form, today in change.older.items() if today == claim)]
    return {
        form: [one for one in known.rows[form]["leadIds"] if one != change.lead["_id"]]
        for form in forms
        if form in known.rows
    }


def _holders(changes: Mapping[str, ClaimChange], known: _Known, rules: IdentityRules) -> dict[str, str | None]:
    """Return the lead that stands against each edit. Of two edits into one e-mail the first takes it."""
    found: dict[str, str | None] = {}
    taken: dict[str, str] = {}
    for key, one in changes.items():
        found[key] = _holder(one, known, rules)
        if one.email and found[key] is None and not _identifies_nobody(one, known, rules):
            first = taken.setdefault(one.email, one.lead["_id"])
            found[key] = None if first == one.lead["_id"] else first
    return found


def _holder(change: ClaimChange, known: _Known, rules: IdentityRules) -> str | None:
    """Return another lead that has the e-mail, or None. A claim of a lead that was erased is free."""
    if change.email is None or _identifies_nobody(change, known, rules):
        return None
    others = [one for held in _others(change, change.email, known).values() for one in held]
    alive = [one for one in others if one in known.there or f"lead:{one}" not in known.markers]
    return next((one for one in alive if one in known.there), next(iter(alive), None))


def _identifies_nobody(change: ClaimChange, known: _Known, rules: IdentityRules) -> bool:
    claim = change.email or ""
    marks = known.rows[claim].get("names", ()) if claim in known.rows else ()
    return is_shared(claim, change.lead, marks, known.markers.get(claim), rules.names_max)


async def _take(storage: Storage, changes: Sequence[ClaimChange], known: _Known, rules: IdentityRules) -> bool:
    """Store the claims of edits that no other lead stands against; False if another process was faster."""
    exclusive = {one.email: one for one in changes if one.email and not _identifies_nobody(one, known, rules)}
    shared = {one.person: one for one in changes if one.person}
    await release(
        storage,
        [
            (form, lead_id)
            for claim, one in exclusive.items()
            for form, held in _others(one, claim, known).items()
            for lead_id in held
        ],
    )
    rows = [_row(claim, one) for claim, one in (exclusive | shared).items()]
    existed = await storage.insert_new(IDENTITIES, rows)
    stored = await storage.read(IDENTITIES, existed)
    if any(claim in exclusive and not _leads_to(stored, claim, exclusive[claim]) for claim in existed):
        return False
    joins = [
        Change(claim, {}, {"$addToSet": {"leadIds": shared[claim].lead["_id"]}})
        for claim in existed & shared.keys()
        if claim not in stored or len(stored[claim]["leadIds"]) < SHARED_MAX
    ]
    return await storage.change(IDENTITIES, joins)


def _row(claim: str, change: ClaimChange) -> IdentityClaim:
    row: IdentityClaim = {"_id": claim, "leadIds": [change.lead["_id"]]}
    mark = mark_of(claim, change.lead) if claim == change.email else None
    return {**row, "names": [mark]} if mark else row


def _leads_to(rows: Mapping[str, IdentityClaim], claim: str, change: ClaimChange) -> bool:
    return claim in rows and change.lead["_id"] in rows[claim]["leadIds"]


async def release_claims(
    storage: Storage, leads: Mapping[str, LeadDocument], tried: Mapping[str, Sequence[str]], region: str
) -> None:
    """Release the claims that these leads have left, and those that a rejected edit of them `tried` in vain."""
    leaving = {(claim, lead_id) for lead_id, lead in leads.items() for claim in lead.get("leaving") or ()} | {
        (claim, lead_id) for lead_id, claims in tried.items() for claim in claims
    }
    shown = {lead_id: identity_of(lead, region).claims for lead_id, lead in leads.items()}
    await release(storage, [(claim, lead_id) for claim, lead_id in leaving if claim not in shown.get(lead_id, ())])
    await storage.change(
        LEADS,
        [
            Change(lead_id, {"leaving": lead["leaving"]}, {"$unset": {"leaving": ""}})
            for lead_id, lead in leads.items()
            if lead.get("leaving")
        ],
    )


async def keep_edits(storage: Storage, leads: Iterable[LeadDocument]) -> None:
    """Store the leads' newest edits: the next edit of a lead replaces the one on the lead."""
    rows = [_edit_row(one["_id"], one["lastEdit"]) for one in leads if "lastEdit" in one]
    await storage.insert_new(EDITS, rows)


def _edit_row(lead_id: str, edit: EditPart) -> EditRow:
    return {
        "_id": edit["cause"],
        "leadId": lead_id,
        "at": edit["at"],
        "number": edit["number"],
        "changes": edit["changes"],
    }


async def read_edits(storage: Storage, keys: Sequence[str]) -> dict[str, EditRow]:
    """Return the edits of these commands."""
    return await storage.read(EDITS, keys)


async def add_notes(storage: Storage, rows: Sequence[NoteRow]) -> None:
    """Store notes, each once."""
    await storage.insert_new(NOTES, rows)


async def delete_of_erased(storage: Storage, lead_ids: Iterable[str]) -> None:
    """Delete what was stored of leads that an erasure has deleted meanwhile."""
    ids = set(lead_ids)
    gone = sorted(ids - (await storage.read(LEADS, ids, fields=("_id",))).keys())
    if gone:
        await storage.delete_all(EDITS, {"leadId": {"$in": gone}})
        await storage.delete_all(NOTES, {"leadId": {"$in": gone}})


async def create_indexes(storage: Storage) -> None:
    """Create the indexes by which a lead's edits and notes are found."""
    await storage.create_index(EDITS, [("leadId", 1), ("at", 1)])
    await storage.create_index(NOTES, [("leadId", 1), ("at", 1)])
