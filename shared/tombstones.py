"""Tombstones: what is left of an erased lead, so that late events don't bring it back (contract 2, `leads.erase`).

A tombstone's id is derived from a name (`lead:ID`, `email:…`, `pcn:…`) and the setting `PANTRY_ERASURE_PEPPER`; the
name itself isn't kept.
"""

from collections.abc import Iterable

from shared.collections import TOMBSTONES
from shared.domain.ids import derive
from shared.storage import Document, Storage


def tombstone_id(name: str, pepper: str) -> str:
    """The id of the tombstone for a name."""
    return derive("erased", pepper, name)


async def erased(storage: Storage, names: Iterable[str], pepper: str) -> dict[str, Document]:
    """The tombstones of those names that were erased, by name."""
    by_id = {tombstone_id(name, pepper): name for name in names}
    return {by_id[id_]: row for id_, row in (await storage.read(TOMBSTONES, by_id)).items()}
