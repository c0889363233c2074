"""Engagement: count activities, find triggers, keep refusals of mail.

The rules are in schemas/README.md#engagement.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from schemas.base import Word
from services.engagement.domain.versions import cause_of
from shared.domain.activity_documents import activity, count_key, tally
from shared.domain.causes import CauseKind, remember, remembered
from shared.domain.consent.statements import EMAIL, REFUSALS, Statement, paths, restate
from shared.domain.identity.normal_forms import email_key, part_of, text_of
from shared.domain.statuses import Move, after
from shared.domain.stored.activity_row import ActivityRow
from shared.domain.stored.lead_document import ConsentChange, ConsentShift, ContactedPart, LeadChanges, LeadDocument

CHANGES_MAX = 16
"""Newest changes of consent that a lead remembers, so that a redelivered event publishes its change again."""
BY_SYSTEM = "system"
"""The author of rows for engagements."""


class Triggers(BaseModel):
    """The trigger of each engagement action; actions compare without case."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    triggers: dict[Word, Word] = Field(max_length=500)

    @cached_property
    def _folded(self) -> dict[str, str]:
        return {name.casefold(): trigger for name, trigger in self.triggers.items()}

    def of(self, action: str) -> str | None:
        """Return the trigger of `action`; None if it has none."""
        return self._folded.get(action.casefold())


def engagement_activity(  # noqa: PLR0913 - what an engagement event says
    activity_id: str,
    lead_id: str,
    action: str,
    at: datetime,
    *,
    source: str,
    address: str | None,
    trigger: str | None,
    metadata: Mapping[str, object] | None = None,
) -> ActivityRow:
    """Return the activity row of an engagement under its event's key.

    A refusal is for `address`.
    """
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
    row: ActivityRow = {**document, "engagement": action}
    if trigger is not None:
        row["trigger"] = trigger
    if refused:
        row["refusal"] = {"reason": refused, "address": address, "source": source, "at": at, "cause": activity_id}
    if metadata:
        row["metadata"] = dict(metadata)
    return row


@dataclass(frozen=True, slots=True)
class CountedActivities:
    """The effect of activities on one lead: the fields to set, none if all were counted before.

    `forgotten` are the activities that the lead doesn't remember after the update.
    """

    lead_id: str
    sets: Mapping[str, object]
    keys: tuple[str, ...]
    forgotten: tuple[str, ...] = ()


def count_on_lead(
    lead: LeadDocument, activities: Sequence[ActivityRow], now: datetime, region: str
) -> CountedActivities:
    """Count `activities` on `lead`, each once.

    The lead remembers the newest ones, the rows all.
    """
    known = remembered(lead, CauseKind.ACTIVITY)
    fresh = [one for one in activities if count_key(one) not in known]
    keys = tuple(count_key(one) for one in activities)
    if not fresh:
        return CountedActivities(lead["_id"], {}, keys)
    memory = remember(lead.get("counted") or (), [count_key(one) for one in fresh])
    changes = {
        "activityStats": tally(lead, fresh, [one["replaced"] for one in fresh if "replaced" in one]),
        CauseKind.ACTIVITY.value: memory.held,
        "updatedAt": max(lead["updatedAt"], *(one.get("knownAt", now) for one in fresh)),
        **_first_contact(lead, fresh, now),
        **_refuse_mail(lead, fresh, region),
    }
    return CountedActivities(lead["_id"], changes, keys, memory.forgotten)


def _first_contact(lead: LeadDocument, fresh: Sequence[ActivityRow], now: datetime) -> LeadChanges:
    """Return the fields of a first contact: sales completed an activity.

    Engagements are no contact.
    """
    ours = [one for one in fresh if "engagement" not in one and not one.get("cancelled")]
    done = [one for one in ours if "completedAt" in one and one["completedAt"] <= now]
    status = after(Move.FIRST_CONTACT, lead["status"]).value
    if not done or status == lead["status"]:
        return {}
    first = min(done, key=lambda one: (one["completedAt"], one["_id"]))
    contacted: ContactedPart = {"cause": cause_of(first), "by": first["createdBy"], "from": lead["status"]}
    return {"status": status, "contacted": contacted}


def _refuse_mail(lead: LeadDocument, fresh: Sequence[ActivityRow], region: str) -> LeadChanges:
    """Return the fields that refusals of mail set.

    They are statements, consent, and the changes of consent.
    """
    sets: LeadChanges = {}
    changes = list(lead.get("consentChanges") or ())
    for one in (one for one in fresh if "refusal" in one):
        said = _refusal_statement(lead, one)
        restated = restate({**lead, **sets}, [said], region)
        sets |= restated.set
        if restated.changed:
            changed: ConsentChange = {
                "cause": said.cause,
                "changed": restated.changed,
                "source": said.source,
                "reason": said.reason,
            }
            sets["consentChanges"] = changes = [*changes, changed][-CHANGES_MAX:]
    return sets


def _refusal_statement(lead: LeadDocument, one: ActivityRow) -> Statement:
    # A row of an earlier release has the source as its author.
    source = one["refusal"].get("source", one["createdBy"])
    cause, at = one["refusal"].get("cause", one["_id"]), one["refusal"].get("at", one["at"])
    address = email_key(one["refusal"]["address"]) or _email_at(lead, at)
    return Statement(EMAIL, address, given=False, at=at, source=source, cause=cause, reason=one["refusal"]["reason"])


def _email_at(lead: LeadDocument, at: datetime) -> str | None:
    """Return the e-mail that the lead had then; None if it had none, or an edit before the newest replaced it."""
    newest = next((one for one in lead.get("edited") or () if one["path"] == "contact.email"), None)
    if newest is None or datetime.fromisoformat(newest["order"][0]) <= at:
        return email_key(text_of(part_of(lead, "contact"), "email"))
    changes = lead["lastEdit"]["changes"] if "lastEdit" in lead else []
    before = next((one["from"] for one in changes if one["path"] == "contact.email"), None)
    return email_key(before) if isinstance(before, str) else None


def change_caused_by(lead: LeadDocument, cause: str) -> dict[str, Any] | None:  # the fields of `LeadUpdated`
    """Return the `leads.updated` fields for the cause with this key; None without a change.

    The fields are `changed`, `by` and `reason`.
    """
    contacted = lead.get("contacted") or {}
    if contacted.get("cause") == cause:
        changed = {"status": {"from": contacted["from"], "to": after(Move.FIRST_CONTACT, contacted["from"]).value}}
        return {"changed": changed, "by": contacted["by"], "reason": "first_contact"}
    consent = next((one for one in _consent_changes(lead) if one["cause"] == cause), None)
    if consent is None:
        return None
    return {"changed": paths(consent["changed"]), "by": consent["source"], "reason": consent["reason"]}


def _consent_changes(lead: LeadDocument) -> list[ConsentChange]:
    """Return the consent changes that the lead remembers.

    An earlier release kept only one, of mail.
    """
    changes = list(lead.get("consentChanges") or ())
    old = lead.get("consentChange")
    if not old:
        return changes
    changed: dict[str, ConsentShift] = {EMAIL: {"from": old["from"], "to": False}}
    return [*changes, {"cause": old["cause"], "changed": changed, "source": old["source"], "reason": old["reason"]}]
