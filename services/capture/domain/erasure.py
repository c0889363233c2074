"""What an erasure means for captures of the same person.

Older captures are dropped, newer ones create a lead.

Each name of the erased lead has an erasure marker, also its id (`lead:ID`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.capture.domain.view import Capture, View
from shared.domain.consent.statements import has_refused
from shared.domain.identity.normal_forms import Identity
from shared.domain.provenance import erased_row
from shared.domain.stored.identity_documents import CaptureRow, ErasureMarker, LeadGuard
from shared.domain.stored.lead_document import LeadDocument


@dataclass(frozen=True, slots=True)
class ErasureCheck:
    """What erasures mean for a capture.

    `row` is the row of a capture from before its person's erasure. `released` are claims of the erased lead that its
    former row names. `restarts` says that its former row was applied to an erased lead.
    """

    row: CaptureRow | None
    released: Sequence[tuple[str, str]]
    restarts: bool


def check_erasure(view: View, capture: Capture, known_by: Identity) -> tuple[View, ErasureCheck]:
    """Return what erasures mean for this capture, and the view without the claims that it releases."""
    row = view.rows.get(capture.key)
    mine = f"lead:{row['leadId']}" if row else ""
    marker = latest_erasure([view.markers[name] for name in (*known_by.claims, mine) if name in view.markers])
    released: Sequence[tuple[str, str]] = ()
    restarts = bool(row and row.get("applied") and row["leadId"] not in view.leads)
    if row and mine in view.markers:
        view, released = _release(view, [(claim, row["leadId"]) for claim in row.get("claims", ())])
    if marker is None or _is_fresh(capture.captured_at, marker):
        return view, ErasureCheck(None, released, restarts)
    return view, ErasureCheck(erased_row(capture.key, marker["leadId"]), released, restarts)


def release_stale_claims(view: View) -> tuple[View, Sequence[tuple[str, str]]]:
    """Release the claims that still lead to erased leads; return the pairs of claim and lead."""
    return _release(view, _stale_claims(view))


def _release(view: View, leaving: Iterable[tuple[str, str]]) -> tuple[View, Sequence[tuple[str, str]]]:
    """Release claims of erased leads, in every form.

    A claim without another lead inherits the erasure marker.
    """
    released: list[tuple[str, str]] = []
    claims: dict[str, Sequence[str]] = {}
    markers: dict[str, ErasureMarker] = {}
    for claim, lead_id in leaving:
        released += [(form, lead_id) for form in (claim, *view.older.get(claim, ()))]
        holders = claims.get(claim, view.claims.get(claim, ()))
        claims[claim] = [holder for holder in holders if holder != lead_id]
        if not claims[claim] and claim not in view.markers:
            markers.setdefault(claim, view.markers[f"lead:{lead_id}"])
    return view.with_released(claims, markers), released


def _is_fresh(at: datetime, marker: ErasureMarker) -> bool:
    """Return whether a capture made `at` this time is newer than the erasure.

    Its older statements are void: see `consent_stating`.
    """
    return at > marker["at"]


def _stale_claims(view: View) -> Iterator[tuple[str, str]]:
    """Yield the claims that still lead to an erased lead, each with the lead's id.

    A process that wrote while the erasure ran leaves such claims.
    """
    for claim, holders in view.claims.items():
        for lead_id in holders:
            if lead_id not in view.leads and f"lead:{lead_id}" in view.markers:
                yield claim, lead_id


def resurrected_leads(leads: Mapping[str, LeadDocument], markers: Mapping[str, ErasureMarker]) -> dict[str, LeadGuard]:
    """Return the guards of leads that a slow process stored after their erasure, by id.

    An erasure that still runs needs a lead's load ledger, refusals and new names. So leads with any of them stay.
    """
    return {
        lead_id: unchanged_guard(lead)
        for lead_id, lead in leads.items()
        if f"lead:{lead_id}" in markers and _is_as_captured(lead)
    }


def _is_as_captured(lead: LeadDocument) -> bool:
    changed = lead["revision"] != lead["captureCount"] or lead.get("assignment")
    return not changed and not has_refused(lead)


def unchanged_guard(lead: LeadDocument) -> LeadGuard:
    """Return the guard that holds while the lead is unchanged."""
    return {"revision": lead["revision"], "assignment": None}


def latest_erasure(markers: Sequence[ErasureMarker]) -> ErasureMarker | None:
    """Return the latest of these erasure markers; None if there is none."""
    return max(markers, key=lambda one: (one["at"], one["_id"]), default=None)
