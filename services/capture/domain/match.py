"""Matching: what is stored of a capture, and which leads it duplicates."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.capture.domain.claims import find_matches
from services.capture.domain.decision_log import was_applied
from services.capture.domain.identifying import DecisionRules, drop_shared_email
from services.capture.domain.view import Capture, View
from shared.domain.identity.normal_forms import Identity, Match, compare, identity_of
from shared.domain.stored.identity_documents import CaptureRow
from shared.domain.stored.lead_document import LeadDocument


@dataclass(frozen=True, slots=True)
class Matched:
    """What is stored of a capture.

    `known_by` is its identity without placeholders and a shared e-mail. `final` is its row, if no decision may change
    what it did: `lead` has the capture, or is erased (None). `candidates` are the leads that it duplicates.
    """

    known_by: Identity
    final: CaptureRow | None = None
    lead: LeadDocument | None = None
    candidates: Sequence[tuple[str, Match]] = ()


def match_capture(view: View, capture: Capture, rules: DecisionRules) -> Matched:
    """Return what is stored of this capture, and the leads that it duplicates, best first."""
    known_by = drop_shared_email(capture.identity, capture.data, view, rules)
    row = view.rows.get(capture.key)
    lead = view.leads.get(row["leadId"]) if row else None
    if row and row.get("erased"):
        return Matched(known_by, row)
    # Crash after the row → its lead isn't written → the redelivery decides again.
    if row and lead and was_applied(row, lead):
        return Matched(known_by, row, lead)
    found = find_matches(known_by, view, rules.region)
    return Matched(known_by, candidates=found if lead is None else _first(lead, found, known_by, rules.region))


def _first(
    named: LeadDocument, found: Sequence[tuple[str, Match]], known_by: Identity, region: str
) -> list[tuple[str, Match]]:
    """Return these leads with the one that the capture's row names before all.

    So two processes that decide on one capture at once don't merge it into two leads.
    """
    lead_id = named["_id"]
    match = dict(found).get(lead_id) or compare(known_by, identity_of(named, region))
    return [(lead_id, match), *(one for one in found if one[0] != lead_id)]
