"""Capture: who a captured person is, and what becomes of the lead (contract 3, Identity and Merge)."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from services.capture.claims import IDENTIFYING, claim_for, is_anothers, matches
from services.capture.late import is_fresh, leftovers, newest
from services.capture.merging import MERGED_SECTIONS, copied, cut_to_size, differences, put_in
from services.capture.plan import Capture, Document, Outcome, Plan, View
from services.capture.remembering import as_remembered, decision, was_applied
from services.capture.stating import kept_refusals, restated, row_of, statements_of
from shared.domain.causes import remember
from shared.domain.identity import Match, compare, identity_of
from shared.domain.ids import derive
from shared.domain.provenance import erased_row
from shared.domain.statuses import Move, after


def decide(captures: Sequence[Capture], view: View, now: datetime, region: str) -> Plan:
    """Create or merge, for each capture in its turn, unless it is of an erased lead. Moves `view` on."""
    plan = Plan(strays=view.strays)
    _release(view, plan, leftovers(view.claims, view.leads, view.tombstones))
    for capture in captures:
        outcome = (
            _recall(capture, view, plan) or _bury(capture, view, plan) or _settle(capture, view, plan, now, region)
        )
        plan.outcomes.append(outcome)
    _forget(view, plan)
    return plan


def _forget(view: View, plan: Plan) -> None:
    """Bound what the leads remember: what one of them forgets goes to its own row for good."""
    for lead_id, changes in plan.sets.items():
        fresh = view.leads[lead_id]["revision"] - plan.bases[lead_id]
        decided = view.leads[lead_id]["decided"]
        memory = remember(decided[:-fresh], decided[-fresh:])
        view.leads[lead_id]["decided"] = changes["decided"] = memory.held
        plan.applied += memory.forgotten


def _release(view: View, plan: Plan, left: Iterable[tuple[str, str]]) -> None:
    """Take claims from erased leads; who comes by one that led nowhere else belongs to the erased chain."""
    for claim, lead_id in list(left):
        plan.releases.append((claim, lead_id))
        holders = view.claims.get(claim, [])
        view.claims[claim] = holders = [holder for holder in holders if holder != lead_id]
        if not holders:
            view.tombstones.setdefault(claim, view.tombstones[f"lead:{lead_id}"])


def _bury(capture: Capture, view: View, plan: Plan) -> Outcome | None:
    """The outcome of a capture that was made before its person's erasure; None when there is nothing of the kind."""
    row = view.rows.get(capture.key)
    mine = f"lead:{row['leadId']}" if row else ""
    if row and row.get("applied") and row["leadId"] not in view.leads:
        plan.begun_anew.add(capture.key)
    stone = newest([view.tombstones[n] for n in (*capture.identity.claims, mine) if n in view.tombstones])
    if row and mine in view.tombstones:
        _release(view, plan, [(claim, row["leadId"]) for claim in row.get("claims", ())])
    if stone is None or is_fresh(capture.captured_at, stone):
        return None
    buried = erased_row(capture.key, stone["leadId"])
    (plan.redecided if row else plan.rows).append(buried)
    return Outcome(capture, buried, None)


def _recall(capture: Capture, view: View, plan: Plan) -> Outcome | None:
    row = view.rows.get(capture.key)
    if row and row.get("erased"):
        return Outcome(capture, row, None)
    lead = view.leads.get(row["leadId"]) if row else None
    # A row is written before its lead: it may tell of a decision that was never carried out.
    if row is None or lead is None or not was_applied(row, lead):
        return None
    right = as_remembered(row, capture.data, lead)
    if right != row:
        plan.redecided.append(right)
    return Outcome(capture, right, lead)


def _settle(capture: Capture, view: View, plan: Plan, now: datetime, region: str) -> Outcome:
    found = _candidates(capture, view, region)
    if found:
        lead = view.leads[found[0][0]]
        row = _merge(capture, lead, found, view, plan, now)
    else:
        lead, left = _create(capture, view, plan, now)
        row = _row(capture, lead, "created", now) | ({"differed": left} if left else {})
    row |= _consent(capture, lead, view, plan, now, region)
    claim_for(capture.identity, lead, view, plan)
    row["claims"] = list(capture.identity.claims)
    if not IDENTIFYING.isdisjoint(row.get("filled", ())):
        shown = identity_of(lead, region)
        claim_for(shown, lead, view, plan)
        row["claims"] = list(dict.fromkeys([*row["claims"], *shown.claims]))
    lead["decided"] = [*lead.get("decided", ()), decision(row)]
    if lead["_id"] in plan.sets:
        plan.sets[lead["_id"]]["decided"] = lead["decided"]
    (plan.redecided if capture.key in view.rows else plan.rows).append(row)
    return Outcome(capture, row, copied({name: value for name, value in lead.items() if name != "decided"}))


def _candidates(capture: Capture, view: View, region: str) -> list[tuple[str, Match]]:
    """The leads that `capture` duplicates, best first. The one that its row names, if it is there, comes before all.

    Two processes that decide on one capture at once, each on what it read, must not merge it into two leads.
    """
    found = matches(capture, view, region)
    named = view.rows.get(capture.key, {}).get("leadId")
    if named not in view.leads:
        return found
    match = dict(found).get(named) or compare(capture.identity, identity_of(view.leads[named], region))
    return [(named, match), *(one for one in found if one[0] != named)]


def _create(capture: Capture, view: View, plan: Plan, now: datetime) -> tuple[Document, list[Document]]:
    """The new lead, and what it has no room for."""
    lead_id = _reserved(capture, view) or _new_id(capture, view)
    lead: Document = {
        "_id": lead_id,
        "source": capture.data["source"],
        "status": "new",
        **{section: copied(capture.data[section]) for section in MERGED_SECTIONS if capture.data.get(section)},
        "createdAt": now,
        "updatedAt": now,
        "revision": 1,
        "captureCount": 1,
        # Workers of the release before this one read it.
        "seen": [],
    }
    view.leads[lead_id] = plan.inserts[lead_id] = lead
    return lead, cut_to_size(lead, capture.data)


def _new_id(capture: Capture, view: View) -> str:
    lead_id = derive("lead", capture.key)
    # Only a fresh capture whose own lead was erased while it was taken in comes by here twice.
    return derive("lead", capture.key, lead_id) if f"lead:{lead_id}" in view.tombstones else lead_id


def _reserved(capture: Capture, view: View) -> str | None:
    # The e-mail's reservation first: no two leads with one e-mail may exist, whatever the number of workers.
    for claim in (capture.identity.email_claim, capture.identity.person_claim):
        for lead_id in view.claims.get(claim or "", ()):
            if lead_id not in view.leads:
                return lead_id
    return None


def _merge(  # noqa: PLR0913 - the parts of one decision
    capture: Capture, lead: Document, found: list[tuple[str, Match]], view: View, plan: Plan, now: datetime
) -> Document:
    changes, differed = differences(capture.data, lead)
    if "contact.email" in changes and is_anothers(capture.identity.email_claim, lead["_id"], view):
        # The lead must not show it: only the row keeps it.
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
    _apply(lead, changes, plan)
    (_, best), *others = found
    return _row(capture, lead, "merged", now) | {
        "matchScore": best.score,
        "matchedOn": list(best.matched_on),
        "otherMatches": [lead_id for lead_id, _ in others],
        "filled": filled,
        "differed": differed,
        "reopened": reopened,
    }


def _consent(  # noqa: PLR0913 - the parts of one decision
    capture: Capture, lead: Document, view: View, plan: Plan, now: datetime, region: str
) -> Document:
    """Fold what the capture states into its lead; return what its row keeps: the statements, and what they changed."""
    identity, stones = capture.identity, view.tombstones
    erased_at = newest([stones[claim] for claim in identity.claims if claim in stones])
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
    result = restated(lead, [*said, *kept_refusals(identity, stones)], region)
    _apply(lead, result.set, plan)
    return row_of(said, capture.data) | ({"restated": result.changed} if result.changed else {})


def _apply(lead: Document, changes: Document, plan: Plan) -> None:
    """Change `lead` in the view, and note the change unless the lead is new in this very plan."""
    if lead["_id"] not in plan.inserts:
        plan.bases.setdefault(lead["_id"], lead["revision"])
        plan.sets.setdefault(lead["_id"], {}).update(changes)
    put_in(lead, changes)


def _row(capture: Capture, lead: Mapping[str, Any], outcome: str, now: datetime) -> Document:
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
