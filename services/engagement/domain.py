"""Engagement: an activity counts once on its lead, behaviour triggers, the lead's word on mail is kept (contract 3)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from schemas.base import Word
from services.engagement.versions import cause_of, count_key
from shared.domain.activities import activity, tally
from shared.domain.causes import Kind, remember, remembered
from shared.domain.consent import EMAIL, REFUSALS, Statement, paths, restate
from shared.domain.identity import email_key
from shared.domain.statuses import Move, after

CHANGES_MAX = 16
"""Newest changes of consent that a lead remembers, so that a redelivered event publishes its change again."""
BY_SYSTEM = "system"
"""Who records what leads do."""


class Triggers(BaseModel):
    """Which trigger an engagement's action sets off; actions compare without case."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    triggers: dict[Word, Word] = Field(max_length=500)

    @cached_property
    def _folded(self) -> dict[str, str]:
        return {name.casefold(): trigger for name, trigger in self.triggers.items()}

    def of(self, action: str) -> str | None:
        """The trigger that `action` sets off, or None."""
        return self._folded.get(action.casefold())


def engaged(  # noqa: PLR0913 - what an engagement event says
    activity_id: str,
    lead_id: str,
    action: str,
    at: datetime,
    *,
    source: str,
    address: str | None,
    trigger: str | None,
    metadata: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The activity that records an engagement, under its event's key; `address` is the one that a refusal is about."""
    document = activity(
        activity_id,
        lead_id,
        "email",
        at,
        created_by=BY_SYSTEM,
        description=f"Email engagement: {action}",
        outcome=action,
        completed_at=at,
    )
    refused = action.casefold() if action.casefold() in REFUSALS else None
    refusal = {"reason": refused, "address": address, "source": source, "at": at, "cause": activity_id}
    more = {
        "trigger": trigger,
        "refusal": refusal if refused else None,
        "metadata": dict(metadata) if metadata else None,
    }
    return {**document, "engagement": action, **{name: value for name, value in more.items() if value is not None}}


@dataclass(frozen=True, slots=True)
class Taken:
    """What taking activities in does to one lead; `update` is None when all of them were taken in before.

    `forgotten` are the activities that the lead remembers no more after it.
    """

    lead_id: str
    update: Mapping[str, Any] | None
    keys: tuple[str, ...]
    forgotten: tuple[str, ...] = ()


def take_in(lead: Mapping[str, Any], activities: Sequence[Mapping[str, Any]], now: datetime, region: str) -> Taken:
    """Count `activities` on `lead`, each once: the lead remembers its newest causes, the rows remember for good."""
    known = remembered(lead, Kind.ACTIVITY)
    fresh = [one for one in activities if count_key(one) not in known]
    keys = tuple(count_key(one) for one in activities)
    if not fresh:
        return Taken(lead["_id"], None, keys)
    memory = remember(lead.get(Kind.ACTIVITY.value) or (), [count_key(one) for one in fresh])
    changes = {
        "activityStats": tally(lead, fresh, [one["replaced"] for one in fresh if "replaced" in one]),
        Kind.ACTIVITY.value: memory.held,
        "updatedAt": now,
        **_first_contact(lead, fresh, now),
        **_consent(lead, fresh, region),
    }
    return Taken(lead["_id"], {"$set": changes}, keys, memory.forgotten)


def _first_contact(lead: Mapping[str, Any], fresh: Sequence[Mapping[str, Any]], now: datetime) -> dict[str, Any]:
    """Somebody of ours reached out, and it is done; what the lead did itself is no contact of ours."""
    ours = [one for one in fresh if "engagement" not in one and not one.get("cancelled")]
    done = [one for one in ours if "completedAt" in one and one["completedAt"] <= now]
    status = after(Move.FIRST_CONTACT, lead["status"]).value
    if not done or status == lead["status"]:
        return {}
    first = min(done, key=lambda one: (one["completedAt"], one["_id"]))
    contacted = {"cause": cause_of(first), "by": first["createdBy"], "from": lead["status"]}
    return {"status": status, "contacted": contacted}


def _consent(lead: Mapping[str, Any], fresh: Sequence[Mapping[str, Any]], region: str) -> dict[str, Any]:
    """What refusals of mail set on the lead: its standing, its consent, and which activity changed the latter."""
    sets: dict[str, Any] = {}
    changes = list(lead.get("consentChanges") or ())
    for one in (one for one in fresh if "refusal" in one):
        said = _statement(lead, one)
        restated = restate({**lead, **sets}, [said], region)
        sets |= restated.set
        if restated.changed:
            changed = {"cause": said.cause, "changed": restated.changed, "source": said.source, "reason": said.reason}
            sets["consentChanges"] = changes = [*changes, changed][-CHANGES_MAX:]
    return sets


def _statement(lead: Mapping[str, Any], one: Mapping[str, Any]) -> Statement:
    address = email_key(one["refusal"]["address"]) or email_key((lead.get("contact") or {}).get("email"))
    # A row of an earlier edition names the source as its author.
    source = one["refusal"].get("source", one["createdBy"])
    cause, at = one["refusal"].get("cause", one["_id"]), one["refusal"].get("at", one["at"])
    return Statement(EMAIL, address, given=False, at=at, source=source, cause=cause, reason=one["refusal"]["reason"])


def changed_by(lead: Mapping[str, Any], cause: str) -> dict[str, Any] | None:
    """What `leads.updated` says because of the event with this key: `changed`, `by`, `reason`; None for nothing."""
    contacted = lead.get("contacted") or {}
    if contacted.get("cause") == cause:
        changed = {"status": {"from": contacted["from"], "to": after(Move.FIRST_CONTACT, contacted["from"]).value}}
        return {"changed": changed, "by": contacted["by"], "reason": "first_contact"}
    consent = next((one for one in _consent_changes(lead) if one["cause"] == cause), None)
    if consent is None:
        return None
    return {"changed": paths(consent["changed"]), "by": consent["source"], "reason": consent["reason"]}


def _consent_changes(lead: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The changes that the lead remembers; a lead stored by an earlier version has one at most, of mail."""
    changes = list(lead.get("consentChanges") or ())
    old = lead.get("consentChange")
    return [*changes, {**old, "changed": {EMAIL: {"from": old["from"], "to": False}}}] if old else changes
