"""Tombstones: what is left of an erased lead, so that late events don't bring it back (contract 2, `leads.erase`).

A tombstone's id is derived from a name (`lead:ID`, `email:…`, `pcn:…`) and the setting `PANTRY_ERASURE_PEPPER`; the
name itself isn't kept. `at` is when the erasure began, `leadId` whom it erased.
"""

from collections.abc import Iterable, Sequence

from shared.collections import IDENTITIES, TOMBSTONES
from shared.domain.ids import derive
from shared.storage import Document, Storage


def tombstone_id(name: str, pepper: str) -> str:
    """The id of the tombstone for a name."""
    return derive("erased", pepper, name)


async def erased(storage: Storage, names: Iterable[str], pepper: str) -> dict[str, Document]:
    """The tombstones of those names that were erased, by name."""
    by_id = {tombstone_id(name, pepper): name for name in names}
    return {by_id[id_]: row for id_, row in (await storage.read(TOMBSTONES, by_id)).items()}


async def release(storage: Storage, claims: Sequence[str], lead_id: str) -> None:
    """Take claims from an erased lead: those that lead only to it go, shared ones lose it."""
    if not claims:
        return
    some = {"_id": {"$in": list(claims)}}
    # A reader takes the first holder of a claim, so a claim with none must not be seen: those go whole, and first.
    await storage.delete_all(IDENTITIES, {**some, "leadIds": [lead_id]})
    await storage.change_all(IDENTITIES, {**some, "leadIds": lead_id}, {"$pull": {"leadIds": lead_id}})
    await storage.delete_all(IDENTITIES, {**some, "leadIds": []})
