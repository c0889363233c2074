"""What an erasure means for the captures of the same person: late ones are nothing, a fresh one starts anew.

A tombstone stands under each name the erased lead was known by, `lead:ID` among them.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from shared.domain.consent import has_refused

Document = dict[str, Any]


def is_fresh(at: datetime, tombstone: Mapping[str, Any]) -> bool:
    """Whether a capture made `at` this time is of after the erasure. What it states of before is void (`stating`)."""
    return bool(at > tombstone["at"])


def leftovers(
    claims: Mapping[str, Sequence[str]], leads: Collection[str], tombstones: Mapping[str, Document]
) -> Iterator[tuple[str, str]]:
    """The claims that still lead to an erased lead, each with its id: what a writer in flight left."""
    for claim, holders in claims.items():
        for lead_id in holders:
            if lead_id not in leads and f"lead:{lead_id}" in tombstones:
                yield claim, lead_id


def strays(leads: Mapping[str, Document], tombstones: Mapping[str, Document]) -> dict[str, Document]:
    """The leads that a slow process stored after their erasure, as they were read.

    An erasure under way needs a lead's account, refusals and new names: what has any of them is left to it.
    """
    return {
        lead_id: untouched(lead)
        for lead_id, lead in leads.items()
        if f"lead:{lead_id}" in tombstones and _is_as_captured(lead)
    }


def _is_as_captured(lead: Document) -> bool:
    changed = lead["revision"] != lead["captureCount"] or lead.get("assignment")
    return not changed and not has_refused(lead)


def untouched(lead: Document) -> Document:
    """The guard that holds while nobody changed this lead."""
    return {"revision": lead["revision"], "assignment": None}


def newest(tombstones: Sequence[Document]) -> Document | None:
    """The latest erasure, which is the one that counts; None where there was none."""
    return max(tombstones, key=lambda one: (one["at"], one["_id"]), default=None)
