"""Merging: the lead that a capture creates or changes, its consent and its claims.

The rules are in schemas/README.md#merge.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from services.capture.domain.claims import IDENTIFYING, ClaimWrite, belongs_to_another, claim_identifiers
from services.capture.domain.consent_stating import stated_by, statements_of
from services.capture.domain.erasure import latest_erasure
from services.capture.domain.filling import MERGED_SECTIONS, cut_to_size, deep_copy, differences
from services.capture.domain.identifying import (
    DecisionRules,
    NameMark,
    drop_shared_email,
    mark_name,
    replaces_placeholder,
)
from services.capture.domain.match import Matched
from services.capture.domain.view import Capture, View
from shared.domain.consent.restating import kept_refusals, restate_lead
from shared.domain.identity.identity_rules import without_placeholders
from shared.domain.identity.normal_forms import Identity, Match, identity_of
from shared.domain.ids import derive
from shared.domain.lead_changes import with_changes
from shared.domain.moments import learned_at
from shared.domain.statuses import Move, after
from shared.domain.stored.identity_documents import CaptureRow, DifferingValue
from shared.domain.stored.lead_document import LeadDocument


@dataclass(frozen=True, slots=True)
class Merged:
    """A lead with a capture, and the capture's row. `changes` are of a lead that exists, by path."""

    lead: LeadDocument
    row: CaptureRow
    creates: bool
    changes: Mapping[str, object]
    claims: Sequence[ClaimWrite] = ()
    mark: NameMark | None = None


def merge_capture(view: View, capture: Capture, matched: Matched, rules: DecisionRules) -> tuple[View, Merged]:
    """Return the lead with this capture, and the view with the claims that now lead to it."""
    merged = (
        _fill(view, capture, matched.known_by, matched.candidates, rules)
        if matched.candidates
        else _create(view, capture, matched.known_by, rules)
    )
    merged = _state_consent(view, capture, matched.known_by, merged, rules)
    return _claim(view, capture, matched.known_by, merged, rules)


def _create(view: View, capture: Capture, known_by: Identity, rules: DecisionRules) -> Merged:
    lead_id = _reserved_id(view, known_by) or _new_id(view, capture)
    stated: Mapping[str, object] = capture.data
    sections = {name: deep_copy(stated[name]) for name in MERGED_SECTIONS if stated.get(name)}
    whole = {
        "_id": lead_id,
        "source": capture.data["source"],
        "status": "new",
        **sections,
        "createdAt": _known_at(capture, rules),
        "updatedAt": _known_at(capture, rules),
        "revision": 1,
        "captureCount": 1,
        # Workers of the previous release read this field.
        "seen": [],
        **({"historical": True} if capture.historical else {}),
    }
    # Sections are copied by name, which loses the type.
    lead, left = cut_to_size(cast("LeadDocument", whole), capture.data)
    row = _row(capture, lead, "created", rules)
    return Merged(lead, {**row, "differed": left} if left else row, creates=True, changes={})


def _known_at(capture: Capture, rules: DecisionRules) -> datetime:
    return learned_at(capture.captured_at, rules.now, historical=capture.historical)


def _new_id(view: View, capture: Capture) -> str:
    lead_id = derive("lead", capture.key)
    # The first id has an erasure marker when the lead was erased while this capture was handled.
    return derive("lead", capture.key, lead_id) if f"lead:{lead_id}" in view.markers else lead_id


def _reserved_id(view: View, known_by: Identity) -> str | None:
    # The e-mail's claim comes first: two leads must never have one e-mail.
    for claim in (known_by.email_claim, known_by.person_claim):
        for lead_id in view.claims.get(claim or "", ()):
            if lead_id not in view.leads:
                return lead_id
    return None


def _fill(
    view: View, capture: Capture, known_by: Identity, found: Sequence[tuple[str, Match]], rules: DecisionRules
) -> Merged:
    (lead_id, best), *others = found
    lead = view.leads[lead_id]
    fills, differed = _fills(view, capture, known_by, lead, rules)
    # History tells of a capture before the loss: it reopens nothing.
    status = lead["status"] if capture.historical else after(Move.CAPTURED_AGAIN, lead["status"]).value
    changes = {
        **fills,
        "updatedAt": max(capture.captured_at, lead["updatedAt"]) if capture.historical else rules.now,
        **({"historical": False} if lead.get("historical") and not capture.historical else {}),
        "revision": lead["revision"] + 1,
        "captureCount": lead["captureCount"] + 1,
        **({"status": status} if status != lead["status"] else {}),
        **({"lostReason": None} if status != lead["status"] and lead.get("lostReason") else {}),
    }
    filled = with_changes(lead, changes)
    row: CaptureRow = {
        **_row(capture, filled, "merged", rules),
        "matchScore": best.score,
        "matchedOn": list(best.matched_on),
        "otherMatches": [other for other, _ in others],
        "filled": sorted(fills),
        "differed": differed,
        "reopened": status != lead["status"],
    }
    return Merged(filled, row, creates=False, changes=changes)


def _fills(
    view: View, capture: Capture, known_by: Identity, lead: LeadDocument, rules: DecisionRules
) -> tuple[dict[str, object], list[DifferingValue]]:
    """Return the values that the lead takes, by path, and those that only the capture's row keeps."""
    fills, found = differences(capture.data, lead)
    replacing = [one for one in found if replaces_placeholder(one, lead, rules)]
    differed = [one for one in found if one not in replacing]
    fills = {**fills, **{one["path"]: one["value"] for one in replacing}}
    if "contact.email" in fills and belongs_to_another(known_by.email_claim, lead["_id"], view):
        # Another lead has this e-mail.
        differed.append({"path": "contact.email", "value": fills.pop("contact.email")})
    return fills, differed


def _state_consent(view: View, capture: Capture, known_by: Identity, merged: Merged, rules: DecisionRules) -> Merged:
    """Apply the capture's consent statements to its lead.

    A statement at a placeholder has no address: it counts for every address of the person.
    """
    identity = without_placeholders(capture.identity, rules.identity, rules.region)
    erased_at = latest_erasure([view.markers[claim] for claim in known_by.claims if claim in view.markers])
    said = statements_of(
        capture,
        identity,
        now=rules.now,
        void_until=erased_at["at"] if erased_at else None,
        row=view.rows.get(capture.key),
    )
    result = restate_lead(merged.lead, [*said, *kept_refusals(identity, view.markers)], rules.region)
    row: CaptureRow = {**merged.row, "stated": stated_by(said, capture.data)} if said else merged.row
    return Merged(
        with_changes(merged.lead, result.set),
        {**row, "restated": result.changed} if result.changed else row,
        merged.creates,
        {**merged.changes, **result.set},
    )


def _claim(
    view: View, capture: Capture, known_by: Identity, merged: Merged, rules: DecisionRules
) -> tuple[View, Merged]:
    """Return the view and the lead with the claims of the capture, and of the lead that it fills."""
    lead_id = merged.lead["_id"]
    view, claims = claim_identifiers(view, known_by, lead_id)
    view, mark = mark_name(view, capture, rules)
    names = known_by.claims
    if not IDENTIFYING.isdisjoint(merged.row.get("filled", ())):
        shown = drop_shared_email(identity_of(merged.lead, rules.region), merged.lead, view, rules)
        view, further = claim_identifiers(view, shown, lead_id)
        claims, names = [*claims, *further], tuple(dict.fromkeys([*names, *shown.claims]))
    row: CaptureRow = {**merged.row, "claims": list(names)}
    return view, Merged(merged.lead, row, merged.creates, merged.changes, claims, mark)


def _row(capture: Capture, lead: LeadDocument, outcome: str, rules: DecisionRules) -> CaptureRow:
    return {
        "_id": capture.key,
        "source": capture.event_source,
        "id": capture.event_id,
        "leadId": lead["_id"],
        "capturedAt": capture.captured_at,
        "knownAt": _known_at(capture, rules),
        "channel": capture.data["source"],
        "outcome": outcome,
        "ordinal": lead["captureCount"],
        "applied": False,
    }
