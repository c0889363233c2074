"""Capture: the lead of a captured person, and its change (schemas/README.md#identity).

A batch is a fold over its captures. Each goes through four steps: match, erasure, merge, decision log.
"""

from collections.abc import Sequence
from datetime import datetime

from services.capture.domain.decision_log import correct_row, record_decision
from services.capture.domain.erasure import check_erasure, release_stale_claims
from services.capture.domain.identifying import DecisionRules
from services.capture.domain.match import Matched, match_capture
from services.capture.domain.merge import merge_capture
from services.capture.domain.plan import CapturePlan, Outcome, plan_writes
from services.capture.domain.view import Capture, View
from shared.domain.identity.identity_rules import DEFAULT_IDENTITY_RULES, IdentityRules
from shared.domain.stored.identity_documents import CaptureRow


def decide(
    captures: Sequence[Capture],
    view: View,
    now: datetime,
    region: str,
    identity_rules: IdentityRules = DEFAULT_IDENTITY_RULES,
) -> CapturePlan:
    """Plan a create or a merge for each capture, in order.

    A capture that was made before its person's erasure changes no lead.
    """
    rules = DecisionRules(now, region, identity_rules)
    outcomes: list[Outcome] = []
    current, released = release_stale_claims(view)
    for capture in captures:
        current, outcome = decide_one(current, capture, rules)
        outcomes.append(outcome)
    return plan_writes(view, released, outcomes, identity_rules.names_max + 1)


def decide_one(view: View, capture: Capture, rules: DecisionRules) -> tuple[View, Outcome]:
    """Return the outcome of one capture, and the view after it."""
    matched = match_capture(view, capture, rules)
    if matched.final:
        return view, _redelivered(capture, matched.final, matched)
    view, erasure = check_erasure(view, capture, matched.known_by)
    if erasure.row:
        return view, Outcome(
            capture, erasure.row, None, writes_row=True, released=erasure.released, restarts=erasure.restarts
        )
    view, merged = merge_capture(view, capture, matched, rules)
    lead = record_decision(merged.lead, merged.row)
    return view.with_lead(lead), Outcome(
        capture,
        merged.row,
        lead,
        writes_row=True,
        creates=merged.creates,
        changes={**merged.changes, "decided": lead["decided"]},
        claims=merged.claims,
        mark=merged.mark,
        released=erasure.released,
        restarts=erasure.restarts,
    )


def _redelivered(capture: Capture, row: CaptureRow, matched: Matched) -> Outcome:
    """Return the outcome that an earlier decision on this capture had."""
    if matched.lead is None:
        return Outcome(capture, row, None)
    right = correct_row(row, capture.data, matched.lead)
    return Outcome(capture, right, matched.lead, writes_row=right != row)
