"""Engagement: an activity counts once on its lead, behaviour triggers, the lead's word on mail is kept (contract 3)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from shared.domain.activities import activity, tally
from shared.domain.identity import email_key
from shared.domain.statuses import Move, after

SEEN_MAX = 64
REFUSALS_MAX = 20
"""Addresses of one lead that mail is refused for; the oldest go first."""

UNSUBSCRIBED, BOUNCED = "unsubscribed", "bounced"
PURPOSE = "nurture"


class Triggers(BaseModel):
    """Which trigger an engagement's action sets off; actions compare without case."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    triggers: dict[str, str] = Field(max_length=500)

    def of(self, action: str) -> str | None:
        """The trigger that `action` sets off, or None."""
        return {name.casefold(): trigger for name, trigger in self.triggers.items()}.get(action.casefold())


def engaged(  # noqa: PLR0913 - what an engagement event says
    activity_id: str, lead_id: str, action: str, at: datetime, *, source: str, address: str | None, trigger: str | None
) -> dict[str, Any]:
    """The activity that records an engagement; `address` is the one that a refusal of mail is about."""
    document = activity(
        activity_id, lead_id, "email", at, created_by=source, description=f"Email engagement: {action}", completed_at=at
    )
    refused = action.casefold() if action.casefold() in (UNSUBSCRIBED, BOUNCED) else None
    more = {"trigger": trigger, "refusal": {"reason": refused, "address": address} if refused else None}
    return {**document, "engagement": action, **{name: value for name, value in more.items() if value is not None}}


@dataclass(frozen=True, slots=True)
class Taken:
    """What taking activities in does to one lead; `update` is None when all of them were taken in before."""

    lead_id: str
    update: Mapping[str, Any] | None
    activity_ids: tuple[str, ...]


def take_in(lead: Mapping[str, Any], activities: Sequence[Mapping[str, Any]], now: datetime) -> Taken:
    """Count `activities` on `lead`, each once: the lead remembers its newest causes, the rows remember for good."""
    fresh = [one for one in activities if one["_id"] not in lead["seen"]]
    ids = tuple(one["_id"] for one in activities)
    if not fresh:
        return Taken(lead["_id"], None, ids)
    changes = {
        "activityStats": tally(lead, fresh),
        "seen": [*lead["seen"], *(one["_id"] for one in fresh)][-max(SEEN_MAX, len(fresh)) :],
        "updatedAt": now,
        **_first_contact(lead, fresh, now),
        **_refusals(lead, fresh),
    }
    return Taken(lead["_id"], {"$set": changes}, ids)


def _first_contact(lead: Mapping[str, Any], fresh: Sequence[Mapping[str, Any]], now: datetime) -> dict[str, Any]:
    """Somebody of ours reached out, and it is done; what the lead did itself is no contact of ours."""
    done = [one for one in fresh if "engagement" not in one and "completedAt" in one and one["completedAt"] <= now]
    status = after(Move.FIRST_CONTACT, lead["status"]).value
    if not done or status == lead["status"]:
        return {}
    first = min(done, key=lambda one: (one["completedAt"], one["_id"]))
    contacted = {"cause": first["_id"], "by": first["createdBy"], "from": lead["status"]}
    return {"status": status, "contacted": contacted}


def _refusals(lead: Mapping[str, Any], fresh: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    refused = [_refusal(lead, one) for one in fresh if "refusal" in one]
    if not refused:
        return {}
    known = {(one["address"], one["purpose"], one["reason"]): one for one in lead.get("refusals") or ()}
    for one in refused:
        known.setdefault((one["address"], one["purpose"], one["reason"]), one)
    held = (lead.get("consent") or {}).get("email")
    current = email_key((lead.get("contact") or {}).get("email"))
    # Who unsubscribes wants no mail at any address; a bounce is about the one address that doesn't exist.
    stops = [one for one in refused if one["reason"] == UNSUBSCRIBED or one["address"] == current]
    changes: dict[str, Any] = {"refusals": sorted(known.values(), key=_weight)[-REFUSALS_MAX:]}
    if stops and held is not False:
        changes |= {"consent.email": False, "consentChange": {"from": held, **stops[0]}}
    return changes


def _weight(refusal: Mapping[str, Any]) -> tuple[bool, datetime]:
    # A person's word stays when addresses that don't exist go.
    return refusal["reason"] == UNSUBSCRIBED, refusal["at"]


def _refusal(lead: Mapping[str, Any], one: Mapping[str, Any]) -> dict[str, Any]:
    address = email_key(one["refusal"]["address"]) or email_key((lead.get("contact") or {}).get("email"))
    reason = one["refusal"]["reason"]
    return {
        "address": address,
        "channel": "email",
        "purpose": PURPOSE,
        "reason": reason,
        "source": one["createdBy"],
        "at": one["at"],
        "cause": one["_id"],
    }


def changed_by(lead: Mapping[str, Any], activity_id: str) -> dict[str, Any] | None:
    """What `leads.updated` has to tell of this activity: `changed`, `by` and `reason`; None when it changed nothing."""
    contacted, consent = lead.get("contacted") or {}, lead.get("consentChange") or {}
    if contacted.get("cause") == activity_id:
        changed = {"status": {"from": contacted["from"], "to": after(Move.FIRST_CONTACT, contacted["from"]).value}}
        return {"changed": changed, "by": contacted["by"], "reason": "first_contact"}
    if consent.get("cause") == activity_id:
        changed = {"consent.email": {"from": consent["from"], "to": False}}
        return {"changed": changed, "by": consent["source"], "reason": consent["reason"]}
    return None
