"""Capture: the lead of a captured person, and its change (schemas/README.md#identity)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from services.capture.domain.claims import IDENTIFYING, belongs_to_another, claim_identifiers, find_matches
from services.capture.domain.consent_stating import kept_refusals, restate_lead, statement_fields, statements_of
from services.capture.domain.decision_log import correct_row, decision_of, was_applied
from services.capture.domain.erasure import is_fresh, latest_erasure, stale_claims
from services.capture.domain.identifying import (
    DEFAULT_IDENTITY_RULES,
    IdentityRules,
    drop_shared_email,
    mark_name,
    replaces_placeholder,
    without_placeholders,
)
from services.capture.domain.merge import MERGED_SECTIONS, apply_changes, cut_to_size, deep_copy, differences
from services.capture.domain.plan import Capture, CapturePlan, Document, Outcome, View
from shared.domain.causes import remember
from shared.domain.identity.normal_forms import Match, compare, identity_of
from shared.domain.ids import derive
from shared.domain.provenance import erased_row
from shared.domain.statuses import Move, after


def decide(
    captures: Sequence[Capture],
    view: View,
    now: datetime,
    region: str,
    rules: IdentityRules = DEFAULT_IDENTITY_RULES,
) -> CapturePlan:
    """Plan a create or a merge for each capture, in order; changes `view`.

    A capture that was made before its person's erasure changes no lead.
    """
    plan = CapturePlan(resurrected=view.resurrected, marks_max=rules.names_max + 1)
    _release_claims(view, plan, stale_claims(view.claims, view.leads, view.markers))
    for one in captures:
        capture = replace(one, effective=drop_shared_email(one.identity, one.data, view, rules, region))
        outcome = (
            _find_decided(capture, view, plan)
            or _drop_erased(capture, view, plan)
            or _create_or_merge(capture, view, plan, now, region, rules)
        )
        plan.outcomes.append(outcome)
    _trim_decisions(view, plan)
    return plan


def _trim_decisions(view: View, plan: CapturePlan) -> None:
    """Limit each lead's decision log; a decision that leaves it goes to the capture's row."""
    for lead_id, changes in plan.sets.items():
        fresh = view.leads[lead_id]["revision"] - plan.bases[lead_id]
        decided = view.leads[lead_id]["decided"]
        memory = remember(decided[:-fresh], decided[-fresh:])
        view.leads[lead_id]["decided"] = changes["decided"] = memory.held
        plan.applied += memory.forgotten


def _release_claims(view: View, plan: CapturePlan, left: Iterable[tuple[str, str]]) -> None:
    """Release claims of erased leads.

    A claim without another lead inherits the erasure marker.
    """
    for claim, lead_id in list(left):
        plan.releases += [(form, lead_id) for form in (claim, *view.older.get(claim, ()))]
        holders = view.claims.get(claim, [])
        view.claims[claim] = holders = [holder for holder in holders if holder != lead_id]
        if not holders:
            view.markers.setdefault(claim, view.markers[f"lead:{lead_id}"])


def _drop_erased(capture: Capture, view: View, plan: CapturePlan) -> Outcome | None:
    """Return the outcome of a capture from before its person's erasure; None for any other."""
    row = view.rows.get(capture.key)
    mine = f"lead:{row['leadId']}" if row else ""
    if row and row.get("applied") and row["leadId"] not in view.leads:
        plan.restarted.add(capture.key)
    marker = latest_erasure([view.markers[n] for n in (*capture.known_by.claims, mine) if n in view.markers])
    if row and mine in view.markers:
        _release_claims(view, plan, [(claim, row["leadId"]) for claim in row.get("claims", ())])
    if marker is None or is_fresh(capture.captured_at, marker):
        return None
    erased = erased_row(capture.key, marker["leadId"])
    (plan.redecided if row else plan.rows).append(erased)
    return Outcome(capture, erased, None)


def _find_decided(capture: Capture, view: View, plan: CapturePlan) -> Outcome | None:
    row = view.rows.get(capture.key)
    if row and row.get("erased"):
        return Outcome(capture, row, None)
    lead = view.leads.get(row["leadId"]) if row else None
    # Crash after the row → its lead isn't written → the redelivery decides again.
    if row is None or lead is None or not was_applied(row, lead):
        return None
    right = correct_row(row, capture.data, lead)
    if right != row:
        plan.redecided.append(right)
    return Outcome(capture, right, lead)


def _create_or_merge(  # noqa: PLR0913 - the parts of one decision
    capture: Capture, view: View, plan: CapturePlan, now: datetime, region: str, rules: IdentityRules
) -> Outcome:
    found = _candidates(capture, view, region)
    if found:
        lead = view.leads[found[0][0]]
        row = _merge(capture, lead, found, view, plan, now, region, rules)
    else:
        lead, left = _create(capture, view, plan, now)
        row = _capture_row(capture, lead, "created", now) | ({"differed": left} if left else {})
    row |= _fold_consent(capture, lead, view, plan, now, region, rules)
    claim_identifiers(capture.known_by, lead, view, plan)
    mark_name(capture, view, plan, rules)
    row["claims"] = list(capture.known_by.claims)
    if not IDENTIFYING.isdisjoint(row.get("filled", ())):
        shown = drop_shared_email(identity_of(lead, region), lead, view, rules, region)
        claim_identifiers(shown, lead, view, plan)
        row["claims"] = list(dict.fromkeys([*row["claims"], *shown.claims]))
    lead["decided"] = [*lead.get("decided", ()), decision_of(row)]
    if lead["_id"] in plan.sets:
        plan.sets[lead["_id"]]["decided"] = lead["decided"]
    (plan.redecided if capture.key in view.rows else plan.rows).append(row)
    return Outcome(capture, row, deep_copy({name: value for name, value in lead.items() if name != "decided"}))


def _candidates(capture: Capture, view: View, region: str) -> list[tuple[str, Match]]:
    """Return the leads that `capture` duplicates, best first; its row's lead comes before all.

    So two processes that decide on one capture at once don't merge it into two leads.
    """
    found = find_matches(capture, view, region)
    named = view.rows.get(capture.key, {}).get("leadId")
    if named not in view.leads:
        return found
    match = dict(found).get(named) or compare(capture.known_by, identity_of(view.leads[named], region))
    return [(named, match), *(one for one in found if one[0] != named)]


def _create(capture: Capture, view: View, plan: CapturePlan, now: datetime) -> tuple[Document, list[Document]]:
    """Return the new lead, and the values that it has no room for."""
    lead_id = _reserved_id(capture, view) or _new_id(capture, view)
    lead: Document = {
        "_id": lead_id,
        "source": capture.data["source"],
        "status": "new",
        **{section: deep_copy(capture.data[section]) for section in MERGED_SECTIONS if capture.data.get(section)},
        "createdAt": now,
        "updatedAt": now,
        "revision": 1,
        "captureCount": 1,
        # Workers of the previous release read this field.
        "seen": [],
    }
    view.leads[lead_id] = plan.inserts[lead_id] = lead
    return lead, cut_to_size(lead, capture.data)


def _new_id(capture: Capture, view: View) -> str:
    lead_id = derive("lead", capture.key)
    # The first id has an erasure marker when the lead was erased while this capture was handled.
    return derive("lead", capture.key, lead_id) if f"lead:{lead_id}" in view.markers else lead_id


def _reserved_id(capture: Capture, view: View) -> str | None:
    # The e-mail's claim comes first: two leads must never have one e-mail.
    for claim in (capture.known_by.email_claim, capture.known_by.person_claim):
        for lead_id in view.claims.get(claim or "", ()):
            if lead_id not in view.leads:
                return lead_id
    return None


def _merge(  # noqa: PLR0913 - the parts of one decision
    capture: Capture,
    lead: Document,
    found: list[tuple[str, Match]],
    view: View,
    plan: CapturePlan,
    now: datetime,
    region: str,
    rules: IdentityRules,
) -> Document:
    changes, differed = differences(capture.data, lead)
    for one in [one for one in differed if replaces_placeholder(one, lead, rules, region)]:
        differed.remove(one)
        changes[one["path"]] = one["value"]
    if "contact.email" in changes and belongs_to_another(capture.known_by.email_claim, lead["_id"], view):
        # Another lead has this e-mail, so only the capture's row keeps it.
        differed.append({"path": "contact.email", "value": changes.pop("contact.email")})
    filled = sorted(changes)
    status = after(Move.CAPTURED_AGAIN, lead["status"]).value
    reopened = status != lead["status"]
    changes |= {
        "updatedAt": now,
        "revision": lead["revision"] + 1,
        "captureCount": lead["captureCount"] + 1,
    }
    if reopened:
        changes["status"] = status
    _change_lead(lead, changes, plan)
    (_, best), *others = found
    return _capture_row(capture, lead, "merged", now) | {
        "matchScore": best.score,
        "matchedOn": list(best.matched_on),
        "otherMatches": [lead_id for lead_id, _ in others],
        "filled": filled,
        "differed": differed,
        "reopened": reopened,
    }


def _fold_consent(  # noqa: PLR0913 - the parts of one decision
    capture: Capture, lead: Document, view: View, plan: CapturePlan, now: datetime, region: str, rules: IdentityRules
) -> Document:
    """Apply the capture's consent statements to its lead; return what the row keeps of them.

    A statement at a placeholder has no address: it counts for every address of the person.
    """
    identity, markers = without_placeholders(capture.identity, rules, region), view.markers
    erased_at = latest_erasure([markers[claim] for claim in capture.known_by.claims if claim in markers])
    said = statements_of(
        capture.key,
        capture.event_source,
        capture.captured_at,
        capture.data,
        identity,
        now=now,
        void_until=erased_at["at"] if erased_at else None,
        row=view.rows.get(capture.key),
    )
    result = restate_lead(lead, [*said, *kept_refusals(identity, markers)], region)
    _change_lead(lead, result.set, plan)
    return statement_fields(said, capture.data) | ({"restated": result.changed} if result.changed else {})


def _change_lead(lead: Document, changes: Mapping[str, object], plan: CapturePlan) -> None:
    """Change `lead` in the view, and plan the change unless this plan creates the lead."""
    if lead["_id"] not in plan.inserts:
        plan.bases.setdefault(lead["_id"], lead["revision"])
        plan.sets.setdefault(lead["_id"], {}).update(changes)
    apply_changes(lead, changes)


def _capture_row(capture: Capture, lead: Mapping[str, Any], outcome: str, now: datetime) -> Document:
    return {
        "_id": capture.key,
        "source": capture.event_source,
        "id": capture.event_id,
        "leadId": lead["_id"],
        "capturedAt": capture.captured_at,
        "knownAt": now,
        "channel": capture.data["source"],
        "outcome": outcome,
        "ordinal": lead["captureCount"],
        "applied": False,
    }
