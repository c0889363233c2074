"""Capture's collections: `leads`, `captures` (provenance) and `identities` (claims)."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from services.capture.domain.claims import claims_of, older_of, view_of_claims
from services.capture.domain.decision_log import final_update
from services.capture.domain.erasure import resurrected_leads, unchanged_guard
from services.capture.domain.plan import CapturePlan
from services.capture.domain.view import Capture, View
from shared.domain.identity.identity_rules import takeover
from shared.domain.stored.identity_documents import CaptureRow, IdentityClaim, LeadGuard
from shared.domain.stored.lead_document import CaptureDecision
from shared.leads.erasure_markers import erased, release
from shared.mongo.names import CAPTURES, IDENTITIES, LEADS
from shared.mongo.storage import Change, Storage

# A row that is applied, or of an erased lead, is final: a slow process must not change it.
_UNMARKED = {"applied": {"$ne": True}, "erased": {"$ne": True}}

_NO_MARKS: Mapping[str, Sequence[str]] = {}


async def read_view(storage: Storage, captures: Sequence[Capture], further: Iterable[str], pepper: str) -> View:
    """Read what a decision on `captures` depends on, in five reads by id.

    `further` are claims that merges make besides the captures' own. `pepper` is the one of the erasure markers.
    """
    names, older = [*claims_of(captures), *further], older_of(captures)
    rows, claims, markers = await asyncio.gather(
        storage.read(CAPTURES, (capture.key for capture in captures)),
        storage.read(IDENTITIES, [*names, *older]),
        erased(storage, names, pepper, older),
    )
    view = view_of_claims(names, older, claims)
    lead_ids = {row["leadId"] for row in rows.values()}.union(*view.claims.values())
    leads = await storage.read(LEADS, lead_ids)
    # Read the markers after the leads: a slow process may have stored a lead after its erasure.
    markers |= await erased(storage, [f"lead:{lead_id}" for lead_id in lead_ids], pepper)
    there = {lead_id: lead for lead_id, lead in leads.items() if f"lead:{lead_id}" not in markers}
    return replace(view, rows=rows, leads=there, markers=markers, resurrected=resurrected_leads(leads, markers))


async def save(storage: Storage, plan: CapturePlan, pepper: str) -> bool:
    """Write the plan; return False when another process wrote first: read and decide again.

    Claims come before leads: once a claim exists, no process stores a second lead for it. The claim of phone +
    company + name comes before the e-mail's. So two captures of one person under two e-mails meet there first.
    The releases come before the claims: a claim that still leads to an erased lead can't be made.
    """
    await release(storage, plan.releases)
    await _delete_resurrected(storage, plan.resurrected)
    for prefix in ("pcn:", "email:"):
        if not await _claim(storage, {c: lead for c, lead in plan.claims.items() if c.startswith(prefix)}, plan.marks):
            return False
    joins = [Change(c, {}, {"$addToSet": {"leadIds": lead}}) for c, lead in plan.joins]
    # This fails when an erasure has released one of the claims.
    if not await storage.change(IDENTITIES, [*joins, *_marks(plan)]):
        return False
    if await storage.insert_new(CAPTURES, plan.rows):
        return False
    if not await storage.replace(CAPTURES, [(_guard(row, plan), row) for row in plan.redecided]):
        return False
    await _mark_applied(storage, plan.applied)
    return await _save_leads(storage, plan, pepper)


async def _save_leads(storage: Storage, plan: CapturePlan, pepper: str) -> bool:
    """Write the leads; return False when one existed, changed, or was erased meanwhile.

    Crash after the inserts → a lead is stored beside its erasure marker → `read_view` finds it in the redelivery.
    """
    existed, changed = await asyncio.gather(
        storage.insert_new(LEADS, list(plan.inserts.values())),
        storage.change(LEADS, [Change(i, {"revision": plan.bases[i]}, {"$set": s}) for i, s in plan.sets.items()]),
    )
    own = {lead_id: lead for lead_id, lead in plan.inserts.items() if lead_id not in existed}
    markers = await erased(storage, [f"lead:{lead_id}" for lead_id in own], pepper)
    late = {lead_id: unchanged_guard(lead) for lead_id, lead in own.items() if f"lead:{lead_id}" in markers}
    await _delete_resurrected(storage, late)
    return changed and not existed and not late


async def _delete_resurrected(storage: Storage, guards: Mapping[str, LeadGuard]) -> None:
    await storage.delete_guarded(LEADS, guards)


def _guard(row: CaptureRow, plan: CapturePlan) -> Mapping[str, object]:
    return {} if row.get("erased") or row["_id"] in plan.restarted else _UNMARKED


async def _mark_applied(storage: Storage, applied: Sequence[CaptureDecision]) -> None:
    """Mark the captures' rows as applied.

    Crash after it → rows and leads both remember → the redelivery finds the captures applied.
    """
    await storage.change(CAPTURES, [Change(one["key"], _UNMARKED, final_update(one)) for one in applied])


def _marks(plan: CapturePlan) -> list[Change]:
    """Return the changes that mark claims with the names of this plan.

    Crash after it → the claims have these names → the redelivery finds them, and decides the same.
    """
    full = f"names.{plan.marks_max - 1}"
    return [
        Change(claim, {full: {"$exists": False}}, {"$addToSet": {"names": {"$each": marks}}})
        for claim, marks in plan.marks.items()
        if claim not in plan.claims
    ]


async def _claim(storage: Storage, claims: Mapping[str, str], marks: Mapping[str, Sequence[str]] = _NO_MARKS) -> bool:
    # Another process that makes the same claim for the same lead decides on the same capture.
    existed = await storage.insert_new(
        IDENTITIES, [_claim_row(claim, lead, marks.get(claim)) for claim, lead in claims.items()]
    )
    stored = await storage.read(IDENTITIES, existed)
    if freed := {claim: row for claim, row in stored.items() if row.get("former")}:
        taken = [_takeover(row, claims[claim], marks.get(claim, ())) for claim, row in freed.items()]
        if not await storage.change(IDENTITIES, taken):
            return False
        stored = await storage.read(IDENTITIES, existed)
    # A claim that isn't found was released, or isn't acknowledged yet: treat it as another lead's.
    return all(claim in stored and claims[claim] in stored[claim].get("leadIds", ()) for claim in existed)


def _takeover(row: IdentityClaim, lead: str, marks: Sequence[str]) -> Change:
    named = {"$addToSet": {"names": {"$each": list(marks)}}} if marks else {}
    return Change(row["_id"], {"former": True, "leadIds": row["leadIds"]}, {**takeover(lead), **named})


def _claim_row(claim: str, lead_id: str, marks: Sequence[str] | None) -> IdentityClaim:
    row: IdentityClaim = {"_id": claim, "leadIds": [lead_id]}
    return row if marks is None else {**row, "names": list(marks)}


async def create_indexes(storage: Storage) -> None:
    """Create the indexes that this worker's collections need beyond `_id`."""
    await storage.create_index(CAPTURES, [("leadId", 1), ("capturedAt", 1)])
