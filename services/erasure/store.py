"""Erasure's reads and writes: every collection that has data of a lead; see `shared.mongo.names`."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import cast

from services.erasure.domain.decide import Erasure, LeadClaims, email_claims, plan_erasures
from shared.domain.listing import PERSONAL, PERSONAL_WORDS
from shared.domain.provenance import erased_row
from shared.domain.stored.command_documents import VerdictDocument
from shared.domain.stored.identity_documents import ErasureMarker
from shared.domain.stored.untyped import Document
from shared.leads.documents import read_leads
from shared.leads.erased_events import note_erased
from shared.leads.erasure_markers import PEPPER, check_pepper, marker_id, pepper_mark, release
from shared.mongo import names as collections
from shared.mongo.storage import Change, Storage

_ANSWER_COMMANDS = frozenset({"conversion", "erasure", "qualification", "tasks"})
_NAMES_A_WRITE = 500
# `_purge` leaves these out: leads need a guard, claims are shared, and an erasure may itself be a pending event.
_NOT_PURGED = (collections.LEADS, collections.IDENTITIES, collections.PENDING_EVENTS)
PURGED = tuple(
    one
    for one in collections.COLLECTIONS
    if one.action is collections.ErasureAction.DELETED and one.name not in _NOT_PURGED
)
"""The collections that an erasure deletes from by the lead's id alone."""


async def record_verdicts(storage: Storage, verdicts: Sequence[VerdictDocument]) -> bool:
    """Store new verdicts; return False when one of them exists: read that one, which is valid."""
    return not await storage.insert_new(collections.COMMANDS, verdicts)


async def erase(storage: Storage, verdicts: Sequence[VerdictDocument], region: str, pepper: str) -> bool:
    """Carry out verdicts; return False when a lead changed meanwhile: all steps can run again.

    Erasure markers come first, so that no late event brings the lead back. The lead comes next, so that no other worker
    finds it. The captures come last.
    Crash after the lead → its captures still have all its names → the redelivery erases the rest.
    """
    if not verdicts:
        return True
    ids = sorted({row["leadId"] for row in verdicts})
    leads, captures = await asyncio.gather(read_leads(storage, ids), _read_claims(storage, ids))
    erasures = plan_erasures(verdicts, leads, captures, region)
    # The earliest erasure comes first: a name of several leads keeps the marker of the last one.
    for one, names in _name_batches(sorted(erasures, key=lambda one: one.at)):
        rows = await storage.read(collections.IDENTITIES, names, fields=("names", "leadIds"))
        # An edit of this lead may have freed an e-mail that is another person's since.
        ours = [name for name in names if name not in rows or one.lead_id in rows[name]["leadIds"]]
        counted = {name: {"names": len(row["names"])} for name, row in rows.items() if row.get("names")}
        markers = {name: one.marker(name) | counted.get(name, {}) for name in ours}
        await _write_markers(storage, {marker_id(name, pepper): marker for name, marker in markers.items()}, pepper)
    if not await _delete_leads(storage, erasures):
        return False
    for one, names in _name_batches(erasures):
        await release(storage, [(name, one.lead_id) for name in names if not name.startswith("lead:")])
        await _end_pending_events(storage, dict.fromkeys(names, one.at))
    await note_erased(storage, {one.lead_id: one.at for one in erasures})
    await _purge(storage, ids)
    known = {one.lead_id: one.names for one in erasures}
    async for page in storage.pages_in(collections.CAPTURES, "leadId", ids, fields=("leadId", "claims")):
        if any(not known[row["leadId"]].issuperset(row.get("claims") or ()) for row in page):
            # `pantry indexes apply` rewrote a claim after the names were read. It moves no deleted lead.
            return False
        await storage.put(collections.CAPTURES, [erased_row(row["_id"], row["leadId"]) for row in page])
    await storage.change(collections.COMMANDS, [Change(row["_id"], {}, {"$set": {"done": True}}) for row in verdicts])
    return True


async def _read_claims(storage: Storage, lead_ids: Sequence[str]) -> list[LeadClaims]:
    """Return all claims of each lead's captures and of its former e-mails, in one row per lead."""
    claims: dict[str, set[str]] = {}
    async for edits in storage.pages_in(collections.EDITS, "leadId", lead_ids, fields=("leadId", "changes")):
        for edit in edits:
            claims.setdefault(edit["leadId"], set()).update(email_claims(edit["changes"]))
    async for page in storage.pages_in(collections.CAPTURES, "leadId", lead_ids, fields=("leadId", "claims")):
        for row in page:
            claims.setdefault(row["leadId"], set()).update(row.get("claims") or ())
    return [{"leadId": lead_id, "claims": sorted(found)} for lead_id, found in claims.items()]


def _name_batches(erasures: Sequence[Erasure]) -> Iterator[tuple[Erasure, Sequence[str]]]:
    """Yield each lead's names in batches: a lead can have any number of them."""
    for one in erasures:
        names = sorted(one.names)
        yield from ((one, names[start : start + _NAMES_A_WRITE]) for start in range(0, len(names), _NAMES_A_WRITE))


async def _write_markers(storage: Storage, markers: Mapping[str, Document], pepper: str) -> None:
    """Crash after some writes → some markers exist → the redelivery writes the others."""
    stored = [*pepper_mark(pepper), *({"_id": id_, **marker} for id_, marker in markers.items())]
    rows = cast("list[ErasureMarker]", stored)  # the pepper's row has its hash alone
    there = await storage.insert_new(collections.ERASURE_MARKERS, rows)
    if PEPPER in there:
        await check_pepper(storage, pepper)
    # A later lead with this name can be erased too: the latest erasure is valid, even if an earlier one comes late.
    known = there & markers.keys()
    newer = [Change(id_, {"at": {"$lte": markers[id_]["at"]}}, {"$set": markers[id_]}) for id_ in known]
    await storage.change(collections.ERASURE_MARKERS, newer)


async def _delete_leads(storage: Storage, erasures: Sequence[Erasure]) -> bool:
    """Delete the leads as they were read.

    The markers must have their latest load ledger and names.
    """
    as_read = {
        one.lead_id: {
            "revision": one.lead["revision"],
            "assignment.account.number": one.account["number"] if one.account else None,
        }
        for one in erasures
        if one.lead is not None
    }
    return await storage.delete_guarded(collections.LEADS, as_read)


async def _end_pending_events(storage: Storage, began: Mapping[str, datetime]) -> None:
    rows = await storage.find_in(collections.PENDING_EVENTS, "name", began, fields=("name", "worker"))
    # A command needs an outcome: waking its row makes its worker reject it and delete the row.
    commands = [(row["_id"], began[row["name"]]) for row in rows if row["worker"] in _ANSWER_COMMANDS]
    at_once = [Change(id_, {}, {"$set": {"endsAt": at, "wakeAt": at}}) for id_, at in commands]
    await storage.change(collections.PENDING_EVENTS, at_once)
    others = [row["_id"] for row in rows if row["worker"] not in _ANSWER_COMMANDS]
    await storage.delete(collections.PENDING_EVENTS, others)


async def _purge(storage: Storage, lead_ids: Sequence[str]) -> None:
    await asyncio.gather(
        *(storage.delete_all(one.name, {str(one.by): {"$in": lead_ids}}) for one in PURGED),
        # A lead's row keeps what it counts as, until insights subtracts it.
        storage.change(collections.LEAD_ROWS, [_stripped(one, PERSONAL) for one in lead_ids]),
        storage.change(collections.LEAD_WORDS, [_stripped(one, PERSONAL_WORDS) for one in lead_ids]),
    )


def _stripped(row_id: str, fields: Sequence[str]) -> Change:
    # The row stays, with its version, so that a late write of an older one changes nothing.
    return Change(row_id, {}, {"$unset": dict.fromkeys(fields, "")})
