"""Build events and leads; a test names only the values it cares about."""

import json
import uuid
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from schemas.attributes import Attributes
from schemas.topics import CAPTURED, Topic
from services.capture.domain.decision_log import final_update
from services.capture.domain.plan import CapturePlan
from services.capture.domain.view import Capture, View
from shared.config import load_config
from shared.domain.identity.normal_forms import identity_of
from shared.domain.lead_changes import with_changes
from shared.domain.stored.command_documents import VerdictDocument
from shared.settings import Settings

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
LOST_REASONS = ("price", "timing", "other")
ATTRIBUTES = load_config(Settings().attributes_file, Attributes)
"""The declaration that is shipped."""


def data(
    email: str | None = "ana@example.com",
    phone: str | None = None,
    company: str | dict[str, Any] = "Blue Fork",
    first: str = "Ana",
    last: str = "Reyes",
    source: str = "website",
    **sections: Any,
) -> dict[str, Any]:
    """Return a capture's payload in wire form."""
    contact = {"firstName": first, "lastName": last, "email": email, "phone": phone}
    contact |= sections.pop("contact", {})
    return {
        "source": source,
        "company": {"name": "Blue Fork", **company} if isinstance(company, dict) else {"name": company},
        "contact": {name: value for name, value in contact.items() if value is not None},
        **sections,
    }


def capture(key: str, payload: Any = None, at: datetime = NOW) -> Capture:
    """Return a capture as the domain gets it. Its payload is of any shape: tests also build those of other releases."""
    payload = payload or data()
    return Capture(key, "/forms/website", key, at, payload, identity_of(payload, "US"))


def event(
    payload: dict[str, Any], topic: Topic = CAPTURED, event_id: str | None = None, source: str = "/tests", **more: Any
) -> bytes:
    """Return a record's value."""
    event_id = event_id or str(uuid.uuid4())
    attributes = {"specversion": "1.0", "id": event_id, "source": source, "type": topic.event_type}
    return json.dumps({**attributes, "time": NOW.isoformat(), "data": payload, **more}).encode()


def verdict(lead_id: str, at: datetime, key: str = "x1") -> VerdictDocument:
    """Return a verdict that nobody has carried out yet."""
    return {"_id": key, "leadId": lead_id, "at": at, "done": False, "reason": None, "detail": "", "note": {}}


def lead(**fields: Any) -> Any:
    """Return a lead document, of any shape: tests also build leads of other releases."""
    document: dict[str, Any] = {
        "_id": "lead-1",
        "source": "website",
        "status": "new",
        "company": {"name": "Blue Fork"},
        "contact": {"firstName": "Ana", "lastName": "Reyes", "email": "ana@example.com"},
        "createdAt": NOW,
        "updatedAt": NOW,
        "revision": 1,
        "captureCount": 1,
        "seen": [],
        "decided": [{"key": "first", "outcome": "created", "ordinal": 1, "knownAt": NOW}],
    }
    return document | fields


def written(view: View, plan: CapturePlan) -> View:
    """Return the view of what is stored once the plan is written."""
    rows: dict[str, Any] = {**view.rows, **{row["_id"]: row for row in [*plan.rows, *plan.redecided]}}
    for one in plan.applied:
        rows[one["key"]] = {**rows[one["key"]], **final_update(one)["$set"]}
    claims = {claim: list(holders) for claim, holders in view.claims.items()}
    for claim, lead_id in plan.releases:
        claims[claim] = [holder for holder in claims.get(claim, ()) if holder != lead_id]
    for claim, lead_id in [*plan.claims.items(), *plan.joins]:
        claims.setdefault(claim, []).append(lead_id)
    leads = {**view.leads, **plan.inserts}
    leads |= {lead_id: with_changes(leads[lead_id], changes) for lead_id, changes in plan.sets.items()}
    return deepcopy(replace(view, rows=rows, claims=claims, leads=leads))


def reading_claims(view: View, *names: str) -> View:
    """Return the view with these claims too, as read: a claim that isn't stored has no lead."""
    return replace(view, claims={**dict.fromkeys(names, ()), **view.claims})
