"""Stores as an earlier release left them: its normal forms, by the functions that keep them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from services.capture.domain.decide import decide
from services.capture.domain.plan import CapturePlan
from services.capture.domain.view import Capture
from services.capture.store import read_view, save
from shared.domain.identity import older_forms
from shared.domain.identity.identity_rules import DEFAULT_IDENTITY_RULES, IdentityRules
from shared.domain.identity.normal_forms import Identity, identity_of
from shared.domain.identity.older_forms import older_claims
from shared.mongo.storage import Storage
from tests.builders import NOW, capture
from tests.collection_names import IDENTITIES

PEPPER = "salt"
REGION = "US"


def older_identity(payload: dict[str, Any]) -> Identity:
    """The identity of a capture as that release had it."""
    contact, company = payload["contact"], payload["company"]
    names = (
        older_forms._company(company.get("name")),
        older_forms._name(contact.get("firstName")),
        older_forms._name(contact.get("lastName")),
    )
    complete = (names[0], names[1], names[2]) if names[0] and names[1] and names[2] else None
    phone = contact.get("phone")
    return Identity(
        (contact.get("email") or "").strip().casefold() or None,
        older_forms._phone(phone, REGION) if phone else None,
        complete,
    )


def of_before(key: str, payload: dict[str, Any]) -> Capture:
    """A capture as that release took it in."""
    return replace(capture(key, payload), identity=older_identity(payload))


def of_today(key: str, payload: Any, at: datetime = NOW) -> Capture:
    """The same capture as it is taken in today."""
    identity = identity_of(payload, REGION)
    return Capture(key, "/forms/website", key, at, payload, identity, older_claims(identity, payload, REGION))


async def take(
    storage: Storage, one: Capture, counting: IdentityRules = DEFAULT_IDENTITY_RULES, now: datetime = NOW
) -> CapturePlan:
    """Take a capture in; return what was decided."""
    further: set[str] = set()
    while True:
        plan = decide([one], await read_view(storage, [one], further, PEPPER), now, REGION, counting)
        further |= plan.unread
        if not plan.unread and await save(storage, plan, PEPPER):
            return plan


async def store_of_before(storage: Storage, payloads: Sequence[dict[str, Any]]) -> list[str]:
    """Take in captures as that release did, the first as `c0`; return the ids of their leads."""
    leads = [(await take(storage, of_before(f"c{n}", one))).outcomes[0].row["leadId"] for n, one in enumerate(payloads)]
    # That release did not count the names of an address.
    rows = await storage.find(IDENTITIES, {})
    await storage.put(IDENTITIES, [{"_id": row["_id"], "leadIds": row["leadIds"]} for row in rows])
    return leads
