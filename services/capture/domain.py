"""Capture: who a captured person is, and what becomes of the lead (contract 3, Identity and Merge).

A claim reserves one lead id for an e-mail, or for a phone + company + name. It is made before the lead is stored and is
taken back only when its lead is erased; so a claim may name a lead that doesn't exist yet. Whoever needs that lead then
stores it under the reserved id, and two workers who do so at once meet at `_id`. Every capture's claims lead to its
lead for good: a person is known by each address they ever used.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from services.capture.late import is_fresh, leftovers, newest
from services.capture.merging import MERGED_SECTIONS, copied, differences
from services.capture.remembering import as_remembered, remembering
from shared.domain.identity import Identity, Match, compare, identity_of
from shared.domain.ids import derive
from shared.domain.provenance import erased_row
from shared.domain.statuses import Move, after

Document = dict[str, Any]

SEEN_MAX = 64
"""Newest causes a lead remembers: enough for what one crash can deliver again before its rows are written."""


@dataclass(frozen=True, slots=True)
class Capture:
    """One capture event: `key` identifies it, `data` is its payload in wire form."""

    key: str
    event_source: str
    event_id: str
    captured_at: datetime
    data: Mapping[str, Any]
    identity: Identity


@dataclass(slots=True)
class View:
    """What is stored of all that a batch touches; deciding moves it on, so that its captures see each other.

    `tombstones` are by name: of claims, and of leads (`lead:ID`) that are named but not stored.
    """

    rows: dict[str, Document]
    claims: dict[str, list[str]]
    leads: dict[str, Document]
    tombstones: dict[str, Document] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one capture: its provenance row, and its lead as it was right then (None: it was erased)."""

    capture: Capture
    row: Document
    lead: Document | None


@dataclass(slots=True)
class Plan:
    """What to write, in this order; and each capture's outcome, in the order of the captures.

    `releases` are claims that an erased lead no longer has. `rows` are new; `redecided` replace rows whose lead was
    never written, or is erased, or remembers otherwise.
    """

    releases: list[tuple[str, str]] = field(default_factory=list)
    claims: dict[str, str] = field(default_factory=dict)
    joins: list[tuple[str, str]] = field(default_factory=list)
    rows: list[Document] = field(default_factory=list)
    redecided: list[Document] = field(default_factory=list)
    inserts: dict[str, Document] = field(default_factory=dict)
    bases: dict[str, int] = field(default_factory=dict)
    sets: dict[str, Document] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)


def claims_of(captures: Iterable[Capture]) -> list[str]:
    """Every claim under which the captures' leads may be known."""
    return list(dict.fromkeys(claim for capture in captures for claim in capture.identity.claims))


def decide(captures: Sequence[Capture], view: View, now: datetime, region: str) -> Plan:
    """Create or merge, for each capture in its turn, unless it is of an erased lead. Moves `view` on."""
    plan = Plan()
    _release(view, plan, leftovers(view.claims, view.leads, view.tombstones))
    for capture in captures:
        outcome = (
            _recall(capture, view, plan) or _bury(capture, view, plan) or _settle(capture, view, plan, now, region)
        )
        plan.outcomes.append(outcome)
    return plan


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
    stone = newest([view.tombstones[n] for n in (*capture.identity.claims, mine) if n in view.tombstones])
    if row and mine in view.tombstones:
        _release(view, plan, [(claim, row["leadId"]) for claim in row.get("claims", ())])
    if stone is None or is_fresh(capture.captured_at, capture.data, stone):
        return None
    buried = erased_row(capture.key, stone["leadId"])
    (plan.redecided if row else plan.rows).append(buried)
    return Outcome(capture, buried, None)


def _recall(capture: Capture, view: View, plan: Plan) -> Outcome | None:
    row = view.rows.get(capture.key)
    if row and row.get("erased"):
        return Outcome(capture, row, None)
    lead = view.leads.get(row["leadId"]) if row else None
    if row is None or lead is None:
        return None
    # A row is written before its lead. The lead remembers its newest causes; an older one has long been applied.
    if capture.key not in lead["seen"] and row["ordinal"] > lead["captureCount"] - SEEN_MAX:
        return None
    right = as_remembered(row, capture.data, lead)
    if right != row:
        plan.redecided.append(right)
    return Outcome(capture, right, lead)


def _settle(capture: Capture, view: View, plan: Plan, now: datetime, region: str) -> Outcome:
    matches = _matches(capture, view, region)
    if matches:
        lead = view.leads[matches[0][0]]
        row = _merge(capture, lead, matches, view, plan, now)
    else:
        lead = _create(capture, view, plan, now)
        row = _row(capture, lead, "created", now)
    shown = identity_of(lead, region) if matches else capture.identity
    _claim(capture.identity, lead, view, plan)
    _claim(shown, lead, view, plan)
    row["claims"] = list(dict.fromkeys([*capture.identity.claims, *shown.claims]))
    lead["decided"] = remembering(row, lead)
    if lead["_id"] in plan.sets:
        plan.sets[lead["_id"]]["decided"] = lead["decided"]
    (plan.redecided if capture.key in view.rows else plan.rows).append(row)
    return Outcome(capture, row, copied(lead))


def _matches(capture: Capture, view: View, region: str) -> list[tuple[str, Match]]:
    """The leads that `capture` duplicates: highest score first, then the oldest."""
    by_email = view.claims.get(capture.identity.email_claim or "", ())
    by_person = view.claims.get(capture.identity.person_claim or "", ())
    found = []
    for lead_id in dict.fromkeys([*by_email, *by_person]):
        lead = view.leads.get(lead_id)
        if lead is None:
            continue
        match = compare(
            capture.identity,
            identity_of(lead, region),
            known_email=lead_id in by_email,
            known_person=lead_id in by_person,
        )
        if match.duplicate:
            found.append((lead_id, match))
    return sorted(found, key=lambda pair: (-pair[1].score, view.leads[pair[0]]["createdAt"], pair[0]))


def _create(capture: Capture, view: View, plan: Plan, now: datetime) -> Document:
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
        "seen": [capture.key],
    }
    view.leads[lead_id] = plan.inserts[lead_id] = lead
    return lead


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
    capture: Capture, lead: Document, matches: list[tuple[str, Match]], view: View, plan: Plan, now: datetime
) -> Document:
    email_is_anothers = lead["_id"] not in view.claims.get(capture.identity.email_claim or "", [lead["_id"]])
    changes, differed = differences(capture.data, lead)
    if email_is_anothers:
        changes.pop("contact.email", None)
    filled = sorted(changes)
    status = after(Move.CAPTURED_AGAIN, lead["status"]).value
    reopened = status != lead["status"]
    changes |= {
        "updatedAt": now,
        "revision": lead["revision"] + 1,
        "captureCount": lead["captureCount"] + 1,
        "seen": [*lead["seen"], capture.key][-SEEN_MAX:],
    }
    if reopened:
        changes["status"] = status
    _apply(lead, changes, plan)
    (_, best), *others = matches
    return _row(capture, lead, "merged", now) | {
        "matchScore": best.score,
        "matchedOn": list(best.matched_on),
        "otherMatches": [lead_id for lead_id, _ in others],
        "filled": filled,
        "differed": differed,
        "reopened": reopened,
    }


def _apply(lead: Document, changes: Document, plan: Plan) -> None:
    """Change `lead` in the view, and note the change unless the lead is new in this very plan."""
    if lead["_id"] not in plan.inserts:
        plan.bases.setdefault(lead["_id"], lead["revision"])
        plan.sets.setdefault(lead["_id"], {}).update(changes)
    for path, value in changes.items():
        section, _, name = path.partition(".")
        if name:
            lead.setdefault(section, {})[name] = value
        else:
            lead[section] = value


def _claim(identity: Identity, lead: Mapping[str, Any], view: View, plan: Plan) -> None:
    for claim in identity.claims:
        holders = view.claims.setdefault(claim, [])
        if not holders:
            plan.claims[claim] = lead["_id"]
            holders.append(lead["_id"])
        elif claim == identity.person_claim and lead["_id"] not in holders:
            # Two leads with e-mails of their own can come to share phone + company + name; both stay findable.
            plan.joins.append((claim, lead["_id"]))
            holders.append(lead["_id"])


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
    }
