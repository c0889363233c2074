"""Tombstones: what is left of an erased lead, so that late events don't bring it back (contract 2, `leads.erase`).

A tombstone's id is derived from a name (`lead:ID`, `email:…`, `pcn:…`) and the setting `PANTRY_ERASURE_PEPPER`; the
name itself isn't kept. `at` is when the erasure began, `leadId` whom it erased.
"""

from collections.abc import Iterable

from shared.collections import IDENTITIES, TOMBSTONES
from shared.domain.ids import derive
from shared.storage import Change, Document, Storage
from shared.worker import settle


def tombstone_id(name: str, pepper: str) -> str:
    """The id of the tombstone for a name."""
    return derive("erased", pepper, name)


async def erased(storage: Storage, names: Iterable[str], pepper: str) -> dict[str, Document]:
    """The tombstones of those names that were erased, by name."""
    by_id = {tombstone_id(name, pepper): name for name in names}
    return {by_id[id_]: row for id_, row in (await storage.read(TOMBSTONES, by_id)).items()}


async def release(storage: Storage, leaving: Iterable[tuple[str, str]]) -> None:
    """Take claims from erased leads, pairs of a claim and a lead: those that lead to nobody else go, others lose it."""
    by_claim: dict[str, set[str]] = {}
    for claim, lead_id in leaving:
        by_claim.setdefault(claim, set()).add(lead_id)

    async def attempt() -> bool:
        rows = await storage.read(IDENTITIES, by_claim)
        held = {claim: row["leadIds"] for claim, row in rows.items() if not by_claim[claim].isdisjoint(row["leadIds"])}
        left = {claim: [one for one in holders if one not in by_claim[claim]] for claim, holders in held.items()}
        # A reader takes the first holder of a claim, so a claim with none must not be seen: those go whole.
        nobodys = {claim: {"leadIds": held[claim]} for claim, others in left.items() if not others}
        shared = [
            Change(c, {"leadIds": held[c]}, {"$set": {"leadIds": others}}) for c, others in left.items() if others
        ]
        return all([await storage.delete_guarded(IDENTITIES, nobodys), await storage.change(IDENTITIES, shared)])

    await settle(attempt)
