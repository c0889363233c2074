"""What an erasure means for captures of the same person.

Older captures are dropped, newer ones create a lead.

Each name of the erased lead has an erasure marker, also its id (`lead:ID`).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from shared.domain.consent.statements import has_refused

Document = dict[str, Any]


def is_fresh(at: datetime, marker: Mapping[str, Any]) -> bool:
    """Return whether a capture made `at` this time is newer than the erasure.

    Its older statements are void: see `consent_stating`.
    """
    return bool(at > marker["at"])


def stale_claims(
    claims: Mapping[str, Sequence[str]], leads: Collection[str], markers: Mapping[str, Document]
) -> Iterator[tuple[str, str]]:
    """Yield the claims that still lead to an erased lead, each with the lead's id.

    A process that wrote while the erasure ran leaves such claims.
    """
    for claim, holders in claims.items():
        for lead_id in holders:
            if lead_id not in leads and f"lead:{lead_id}" in markers:
                yield claim, lead_id


def resurrected_leads(leads: Mapping[str, Document], markers: Mapping[str, Document]) -> dict[str, Document]:
    """Return the guards of leads that a slow process stored after their erasure, by id.

    An erasure that still runs needs a lead's load ledger, refusals and new names. So leads with any of them stay.
    """
    return {
        lead_id: unchanged_guard(lead)
        for lead_id, lead in leads.items()
        if f"lead:{lead_id}" in markers and _is_as_captured(lead)
    }


def _is_as_captured(lead: Document) -> bool:
    changed = lead["revision"] != lead["captureCount"] or lead.get("assignment")
    return not changed and not has_refused(lead)


def unchanged_guard(lead: Document) -> Document:
    """Return the guard that holds while the lead is unchanged."""
    return {"revision": lead["revision"], "assignment": None}


def latest_erasure(markers: Sequence[Document]) -> Document | None:
    """Return the latest of these erasure markers; None if there is none."""
    return max(markers, key=lambda one: (one["at"], one["_id"]), default=None)
