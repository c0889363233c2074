"""Capture: who a captured person is, and what becomes of the lead (contract 3, Identity and Merge).

A claim reserves one lead id for an e-mail, or for a phone + company + name. It is made before the lead is stored and is
never taken back; so a claim may name a lead that doesn't exist yet. Whoever needs that lead then stores it under the
reserved id, and two workers who do so at once meet at `_id`. Every capture's claims lead to its lead for good: a person
is known by each address they ever used.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from shared.domain.identity import Identity, Match, compare, identity_of
from shared.domain.ids import derive
from shared.domain.moments import stored
from shared.domain.statuses import Move, after

Document = dict[str, Any]

SEEN_MAX = 64
"""Newest causes a lead remembers: enough for what one crash can deliver again before its rows are written."""

MERGED_SECTIONS = ("company", "contact", "requirements", "consent", "context")
_CONTEXT_MAX = 50


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
    """What is stored of all that a batch touches; deciding moves it on, so that its captures see each other."""

    rows: dict[str, Document]
    claims: dict[str, list[str]]
    leads: dict[str, Document]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one capture: its provenance row, and its lead as it was right then."""

    capture: Capture
    row: Document
    lead: Document


@dataclass(slots=True)
class Plan:
    """What to write, in this order; and each capture's outcome, in the order of the captures.

    `rows` are new; `redecided` replace rows whose lead was never written.
    """

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
    """Create or merge, for each capture in its turn. Moves `view` on."""
    plan = Plan()
    for capture in captures:
        plan.outcomes.append(_recall(capture, view) or _settle(capture, view, plan, now, region))
    return plan


def _recall(capture: Capture, view: View) -> Outcome | None:
    row = view.rows.get(capture.key)
    lead = view.leads.get(row["leadId"]) if row else None
    if row is None or lead is None:
        return None
    # A row is written before its lead. The lead remembers its newest causes; an older one has long been applied.
    applied = capture.key in lead["seen"] or row["ordinal"] <= lead["captureCount"] - SEEN_MAX
    return Outcome(capture, row, lead) if applied else None


def _settle(capture: Capture, view: View, plan: Plan, now: datetime, region: str) -> Outcome:
    matches = _matches(capture, view, region)
    if matches:
        lead = view.leads[matches[0][0]]
        row = _merge(capture, lead, matches, view, plan, now)
    else:
        lead = _create(capture, view, plan, now)
        row = _row(capture, lead, "created")
    _claim(capture.identity, lead, view, plan)
    _claim(identity_of(lead, region), lead, view, plan)
    (plan.redecided if capture.key in view.rows else plan.rows).append(row)
    return Outcome(capture, row, deepcopy(lead))


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
    lead_id = _reserved(capture, view) or derive("lead", capture.key)
    lead: Document = {
        "_id": lead_id,
        "source": capture.data["source"],
        "status": "new",
        **{section: deepcopy(capture.data[section]) for section in MERGED_SECTIONS if capture.data.get(section)},
        "createdAt": now,
        "updatedAt": now,
        "revision": 1,
        "captureCount": 1,
        "seen": [capture.key],
    }
    view.leads[lead_id] = plan.inserts[lead_id] = lead
    return lead


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
    changes, differed = _differences(capture.data, lead)
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
    return _row(capture, lead, "merged") | {
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


def _differences(data: Mapping[str, Any], lead: Mapping[str, Any]) -> tuple[Document, list[Document]]:
    """What the capture fills of the lead, by path; and where it says otherwise than the lead."""
    fills: Document = {}
    differed: list[Document] = []
    room = _CONTEXT_MAX - len(lead.get("context") or ())
    for section, name, value in _leaves(data):
        held = (lead.get(section) or {}).get(name)
        if not _empty(held):
            differed += [{"path": f"{section}.{name}", "value": value}] if held != value else []
        elif section != "context" or room > 0:
            fills[f"{section}.{name}"] = value
            room -= section == "context"
    if data["source"] != lead["source"]:
        differed.append({"path": "source", "value": data["source"]})
    return fills, differed


def _leaves(data: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    for section in MERGED_SECTIONS:
        for name, value in (data.get(section) or {}).items():
            if not _empty(value):
                yield section, name, _comparable(value)


def _comparable(value: Any) -> Any:
    return stored(value) if isinstance(value, datetime) else value


def _empty(value: Any) -> bool:
    # Zero and False are values: a budget of 0 and a refused consent are known facts.
    return value is None or value in ("", [], {})


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


def _row(capture: Capture, lead: Mapping[str, Any], outcome: str) -> Document:
    return {
        "_id": capture.key,
        "source": capture.event_source,
        "id": capture.event_id,
        "leadId": lead["_id"],
        "capturedAt": capture.captured_at,
        "channel": capture.data["source"],
        "outcome": outcome,
        "ordinal": lead["captureCount"],
    }
