"""Erasure markers: they stop late events of an erased lead (schemas/README.md#erasure).

A marker's id is derived from a name (`lead:ID`, `email:…`, `pcn:…`) and the setting `PANTRY_ERASURE_PEPPER`. No name is
stored. `at` is when the erasure began, `leadId` the lead that it erased.

A process with another pepper would find no marker, and late events would restore erased leads. So the first erasure
with a pepper also stores a hash of the pepper. A worker with another pepper stops.
"""

from collections.abc import Iterable, Mapping

from shared.consuming.circuit_breaker import CircuitOpen
from shared.domain.identity.older_forms import older_names
from shared.domain.ids import derive
from shared.domain.stored.identity_documents import ErasureMarker
from shared.domain.stored.untyped import Document
from shared.mongo.names import ERASURE_MARKERS, IDENTITIES
from shared.mongo.retries import retry_on_conflict
from shared.mongo.storage import Change, Storage

PEPPER = "pepper"
"""The id of the row with the pepper's hash; no marker has it."""


class WrongPepper(CircuitOpen):
    """This process has another pepper than the stored erasure markers: it can't find them."""

    by = "stopped"
    then = (
        "Set PANTRY_ERASURE_PEPPER to its former value, the same for every worker, and start again."
        " Nothing of this batch is committed. deploy/docs/erasure.md says what to do if it is lost."
    )


def marker_id(name: str, pepper: str) -> str:
    """Return the id of the erasure marker for this name."""
    return derive("erased", pepper, name)


def _ids(name: str, pepper: str) -> set[str]:
    """Return all ids that a marker for this name can have, also one made without a pepper."""
    return {marker_id(name, one) for one in (pepper, "")}


async def erased(
    storage: Storage, names: Iterable[str], pepper: str, older: Mapping[str, str] | None = None
) -> dict[str, ErasureMarker]:
    """Return the erasure markers of those names that were erased, by name; the newest of each.

    `older` maps names of earlier releases to today's, by which their markers are returned. Raises `WrongPepper`.
    """
    forms = {form: name for name in names for form in (*older_names(name), name)} | dict(older or {})
    by_id = {id_: name for form, name in forms.items() for id_ in _ids(form, pepper)}
    rows = await storage.read(ERASURE_MARKERS, [*by_id, PEPPER] if by_id else [])
    _check(rows.pop(PEPPER, None), pepper)
    found: dict[str, ErasureMarker] = {}
    for id_, row in rows.items():
        found[by_id[id_]] = max(row, found.get(by_id[id_], row), key=lambda one: (one["at"], one["_id"]))
    return found


def _check(pepper_row: ErasureMarker | None, pepper: str) -> None:
    if pepper_row and pepper_row["hash"] != marker_id(PEPPER, pepper):
        raise WrongPepper("PANTRY_ERASURE_PEPPER is not the one in the markers of erased leads")


def pepper_mark(pepper: str) -> list[Document]:
    """Return the row with the pepper's hash; none without a pepper."""
    return [{"_id": PEPPER, "hash": marker_id(PEPPER, pepper)}] if pepper else []


async def check_pepper(storage: Storage, pepper: str) -> None:
    """Raise `WrongPepper` if stored erasure markers have another pepper."""
    _check((await storage.read(ERASURE_MARKERS, [PEPPER])).get(PEPPER), pepper)


async def release(storage: Storage, leaving: Iterable[tuple[str, str]]) -> None:
    """Take claims from erased leads: pairs of claim and lead id. Deletes unused claims."""
    by_claim: dict[str, set[str]] = {}
    for claim, lead_id in leaving:
        by_claim.setdefault(claim, set()).add(lead_id)
    async for _ in retry_on_conflict():
        rows = await storage.read(IDENTITIES, by_claim)
        before = {
            claim: row["leadIds"] for claim, row in rows.items() if not by_claim[claim].isdisjoint(row["leadIds"])
        }
        left = {claim: [one for one in ids if one not in by_claim[claim]] for claim, ids in before.items()}
        # A reader takes a claim's first lead. So a claim without a lead is deleted, never stored empty.
        empty = {claim: {"leadIds": before[claim]} for claim, rest in left.items() if not rest}
        shared = [Change(c, {"leadIds": before[c]}, {"$set": {"leadIds": rest}}) for c, rest in left.items() if rest]
        if all([await storage.delete_guarded(IDENTITIES, empty), await storage.change(IDENTITIES, shared)]):
            break
