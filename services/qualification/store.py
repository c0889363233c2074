"""Qualification's collections: the claims that edits move, former values of edited fields, and notes.

An edit takes its new claims before the lead's write, and frees the replaced ones after it. So no two leads ever show
one e-mail. A freed e-mail still leads events to the lead, until another person is captured with it.
Crash before the lead's write → a claim leads to a lead that does not show it → the redelivery writes the lead, or
deletes the claim that the edit made.
Crash after the lead's write → the lead lists the claims that it leaves → the redelivery frees them.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from services.qualification.domain.field_edits import ClaimChange
from shared.domain.consent.restating import kept_refusals
from shared.domain.consent.statements import Statement
from shared.domain.identity.identity_rules import SHARED_MAX, IdentityRules, is_shared, mark_of, takeover
from shared.domain.identity.normal_forms import identity_of
from shared.domain.stored.identity_documents import ErasureMarker, IdentityClaim
from shared.domain.stored.lead_document import EditPart, LeadDocument
from shared.domain.stored.sales_documents import EditRow, NoteRow
from shared.leads.erasure_markers import erased, release
from shared.mongo.names import EDITS, IDENTITIES, LEADS, NOTES
from shared.mongo.retries import retry_on_conflict
from shared.mongo.storage import Change, Storage

_EMAIL = "email:"
_IDENTITY = ("leaving", "contact", "company")
_DONE = {"$unset": {"leaving": ""}}


@dataclass(frozen=True, slots=True)
class TakenClaims:
    """What came of an edit's claims.

    `other_id` is the lead that has the e-mail, or None. `refused` are refusals that are kept of the new addresses.
    `joined` is a claim of phone + company + name that now leads to the lead too, or None.
    """

    other_id: str | None
    refused: Sequence[Statement]
    joined: str | None = None


@dataclass(frozen=True, slots=True)
class _Known:
    """The claims that edits want, their erasure markers, and which of the claims' leads exist."""

    rows: Mapping[str, IdentityClaim]
    markers: Mapping[str, ErasureMarker]
    there: frozenset[str]
    rules: IdentityRules

    def holders(self, change: ClaimChange, claim: str) -> dict[str, list[str]]:
        """Return the other leads of a claim in each form that is stored. A freed claim has none."""
        forms = [claim, *(form for form, today in change.older.items() if today == claim)]
        rows = {form: self.rows[form] for form in forms if form in self.rows and not self.rows[form].get("former")}
        return {form: [one for one in row["leadIds"] if one != change.lead["_id"]] for form, row in rows.items()}

    def is_shared(self, change: ClaimChange, claim: str) -> bool:
        """Return whether this e-mail identifies nobody."""
        marks = self.rows[claim].get("names", ()) if claim in self.rows else ()
        return is_shared(claim, change.lead, marks, self.markers.get(claim), self.rules.names_max)


async def take_claims(
    storage: Storage, changes: Mapping[str, ClaimChange], rules: IdentityRules, pepper: str
) -> dict[str, TakenClaims]:
    """Take the claims of these edits; return what came of each by its command's key."""
    if not any(one.email or one.person for one in changes.values()):
        return {key: TakenClaims(None, ()) for key in changes}
    async for _ in retry_on_conflict():
        known = await _read_known(storage, changes.values(), rules, pepper)
        others = _others(changes, known)
        free = {key: one for key, one in changes.items() if others[key] is None}
        if await _take_emails(storage, free, known):
            break
    joined = await _join_persons(storage, free, known)
    return {
        key: TakenClaims(others[key], kept_refusals(one.identity, known.markers), joined.get(key))
        for key, one in changes.items()
    }


async def _read_known(storage: Storage, changes: Iterable[ClaimChange], rules: IdentityRules, pepper: str) -> _Known:
    wanted = list(changes)
    claims = {claim for one in wanted for claim in (one.email, one.person) if claim}
    older = {form: claim for one in wanted for form, claim in one.older.items()}
    rows, markers = await asyncio.gather(
        storage.read(IDENTITIES, [*claims, *older]), erased(storage, claims, pepper, older)
    )
    holders = {lead_id for row in rows.values() for lead_id in row["leadIds"]}
    there = frozenset(await storage.read(LEADS, holders, fields=("_id",)))
    markers |= await erased(storage, [f"lead:{one}" for one in holders - there], pepper)
    return _Known(rows, markers, there, rules)


def _others(changes: Mapping[str, ClaimChange], known: _Known) -> dict[str, str | None]:
    """Return the lead that stands against each edit. Of two edits into one e-mail the first takes it."""
    found: dict[str, str | None] = {}
    taken: dict[str, str] = {}
    for key, one in changes.items():
        found[key] = _other(one, known)
        if one.email and found[key] is None and not known.is_shared(one, one.email):
            first = taken.setdefault(one.email, one.lead["_id"])
            found[key] = None if first == one.lead["_id"] else first
    return found


def _other(change: ClaimChange, known: _Known) -> str | None:
    """Return another lead that has the e-mail, or None. A claim of a lead that was erased is free."""
    if change.email is None or known.is_shared(change, change.email):
        return None
    others = [one for held in known.holders(change, change.email).values() for one in held]
    alive = [one for one in others if one in known.there or f"lead:{one}" not in known.markers]
    return next((one for one in alive if one in known.there), next(iter(alive), None))


async def _take_emails(storage: Storage, changes: Mapping[str, ClaimChange], known: _Known) -> bool:
    """Store the e-mails' claims; False if another process was faster."""
    wanted = {key: (one.email, one) for key, one in changes.items() if one.email}
    gone = [
        (form, lead_id)
        for claim, one in wanted.values()
        if not known.is_shared(one, claim)
        for form, held in known.holders(one, claim).items()
        if form != claim
        for lead_id in held
    ]
    await release(storage, gone)
    fresh = [_row(key, claim, one) for key, (claim, one) in wanted.items() if claim not in known.rows]
    if await storage.insert_new(IDENTITIES, [row for row in fresh if not _shared_before(row["_id"], known)]):
        return False
    there = [(key, known.rows[claim], one) for key, (claim, one) in wanted.items() if claim in known.rows]
    changes_ = (_taking(key, row, one, known) for key, row, one in there)
    return await storage.change(IDENTITIES, [one for one in changes_ if one])


def _shared_before(claim: str, known: _Known) -> bool:
    """Return whether too many persons shared this e-mail before an erasure deleted its claim."""
    marker = known.markers.get(claim)
    return marker is not None and marker.get("names", 0) > known.rules.names_max


def _row(key: str, claim: str, change: ClaimChange) -> IdentityClaim:
    row: IdentityClaim = {"_id": claim, "leadIds": [change.lead["_id"]], "by": key, "made": key}
    mark = mark_of(claim, change.lead)
    return {**row, "names": [mark]} if mark else row


def _taking(key: str, row: IdentityClaim, change: ClaimChange, known: _Known) -> Change | None:
    """Return the change that makes a stored claim this lead's; None if too many share the e-mail, and are counted."""
    claim, lead_id, mark = row["_id"], change.lead["_id"], mark_of(row["_id"], change.lead)
    named = {"$addToSet": {"names": mark}} if mark else {}
    if known.is_shared(change, claim):
        return Change(claim, {}, named) if named and len(row.get("names", ())) <= known.rules.names_max else None
    as_read = {"leadIds": row["leadIds"], "by": row.get("by")}
    if lead_id in row["leadIds"]:
        return Change(claim, as_read, {"$set": {"by": key}, "$unset": {"former": ""}})
    return Change(claim, as_read, {**takeover(lead_id, key), **named})


async def _join_persons(storage: Storage, changes: Mapping[str, ClaimChange], known: _Known) -> dict[str, str]:
    """Let the claims of phone + company + name lead to these leads too; return those that did not before, by edit."""
    joins = {
        key: one.person
        for key, one in changes.items()
        if one.person and one.lead["_id"] not in (known.rows[one.person]["leadIds"] if one.person in known.rows else ())
    }
    first = {claim: changes[key].lead["_id"] for key, claim in reversed(joins.items())}
    async for _ in retry_on_conflict():
        fresh: list[IdentityClaim] = [{"_id": claim, "leadIds": [lead_id]} for claim, lead_id in first.items()]
        existed = await storage.insert_new(IDENTITIES, fresh)
        rows = await storage.read(IDENTITIES, first)
        further = {(claim, changes[key].lead["_id"]) for key, claim in joins.items()}
        adding = [
            Change(claim, {}, {"$addToSet": {"leadIds": lead_id}})
            for claim, lead_id in sorted(further)
            if claim in rows and lead_id not in rows[claim]["leadIds"] and len(rows[claim]["leadIds"]) < SHARED_MAX
        ]
        # A claim that was there can have been released since.
        if existed <= rows.keys() and await storage.change(IDENTITIES, adding):
            break
    return joins


async def free_claims(storage: Storage, lead_ids: Iterable[str], region: str) -> None:
    """Free the claims that edits of these leads have replaced."""
    ids = list(lead_ids)
    async for _ in retry_on_conflict():
        leaving = _leaving(await storage.read(LEADS, ids, fields=_IDENTITY), region)
        # The claims come before the leads: an edit that takes one back since then changes it.
        rows = await storage.read(IDENTITIES, (claim for claim, _ in leaving))
        leads = await storage.read(LEADS, {lead_id for _, lead_id in leaving}, fields=_IDENTITY)
        left = sorted(leaving & _leaving(leads, region))
        await release(storage, [pair for pair in left if not pair[0].startswith(_EMAIL)])
        alone = [rows[claim] for claim, id_ in left if claim in rows and rows[claim]["leadIds"] == [id_]]
        freed = [_freeing(row) for row in alone if row["_id"].startswith(_EMAIL) and not row.get("former")]
        done = [Change(id_, {"leaving": one["leaving"]}, _DONE) for id_, one in leads.items() if "leaving" in one]
        if await storage.change(IDENTITIES, freed) and await storage.change(LEADS, done):
            break


def _leaving(leads: Mapping[str, LeadDocument], region: str) -> set[tuple[str, str]]:
    """Return the claims that leads have left and don't show, each with its lead."""
    return {
        (claim, id_)
        for id_, one in leads.items()
        for claim in one.get("leaving") or ()
        if claim not in identity_of(one, region).claims
    }


def _freeing(row: IdentityClaim) -> Change:
    return Change(row["_id"], {"leadIds": row["leadIds"], "by": row.get("by")}, {"$set": {"former": True}})


async def delete_made_claims(
    storage: Storage, tried: Iterable[tuple[str, str, str]], leads: Mapping[str, LeadDocument], region: str
) -> None:
    """Delete the claims that edits made in vain: triples of command, lead and claim. A shown claim stays."""
    shown = {lead_id: identity_of(lead, region).claims for lead_id, lead in leads.items()}
    vain = [(key, id_, claim) for key, id_, claim in tried if claim not in shown.get(id_, ())]
    made = {claim: {"made": key, "leadIds": [id_]} for key, id_, claim in vain if claim.startswith(_EMAIL)}
    await storage.delete_guarded(IDENTITIES, made)
    await release(storage, [(claim, id_) for _, id_, claim in vain if not claim.startswith(_EMAIL)])


async def keep_shown_emails(storage: Storage, leads: Iterable[LeadDocument], region: str) -> None:
    """Take back the shown e-mails of these leads that a frozen process has freed since."""
    shown = {claim: one["_id"] for one in leads if (claim := identity_of(one, region).email_claim)}
    rows = await storage.read(IDENTITIES, shown)
    wrong = [claim for claim, row in rows.items() if row.get("former") and row["leadIds"] == [shown[claim]]]
    again = {"$unset": {"former": ""}}
    await storage.change(IDENTITIES, [Change(claim, {"leadIds": [shown[claim]]}, again) for claim in wrong])


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
