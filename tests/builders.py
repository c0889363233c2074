"""Build events and leads; a test names only the values it cares about."""

import json
import uuid
from datetime import UTC, datetime
from typing import Any

from schemas.topics import CAPTURED, Topic
from services.capture.domain.plan import Capture
from shared.domain.identity.normal_forms import identity_of

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


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


def capture(key: str, payload: dict[str, Any] | None = None, at: datetime = NOW) -> Capture:
    """Return a capture as the domain gets it."""
    payload = payload or data()
    return Capture(key, "/forms/website", key, at, payload, identity_of(payload, "US"))


def event(
    payload: dict[str, Any], topic: Topic = CAPTURED, event_id: str | None = None, source: str = "/tests", **more: Any
) -> bytes:
    """Return a record's value."""
    event_id = event_id or str(uuid.uuid4())
    attributes = {"specversion": "1.0", "id": event_id, "source": source, "type": topic.event_type}
    return json.dumps({**attributes, "time": NOW.isoformat(), "data": payload, **more}).encode()


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
