"""What became of an event, by the documents that its worker stored about it. Pure.

A document of the event's effect comes before a pending event or a dead letter: both may be left from an earlier try.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from schemas.base import Model
from schemas.topics import RESCORE
from shared.domain.activity_documents import RECORDED, count_key, row_id
from shared.domain.causes import CauseKind, remembered
from shared.domain.ids import derive
from shared.domain.stored.activity_row import ActivityRow
from shared.domain.stored.command_documents import PendingEventDocument, VerdictDocument
from shared.domain.stored.identity_documents import CaptureRow
from shared.domain.stored.insights_documents import OutcomeRow, TimelineRow
from shared.domain.stored.lead_document import LeadDocument

_BY_LEAD = "lead:"
# The engagement worker publishes a `leads.rescore` for each event, after all its writes.
_RECORDER = "/services/engagement"


class EventState(StrEnum):
    """What became of an event."""

    PENDING = "pending"
    CREATED = "created"
    MERGED = "merged"
    DONE = "done"
    WAITING = "waiting"
    REJECTED = "rejected"
    DEAD_LETTERED = "dead_lettered"
    ERASED = "erased"


class EventOutcome(Model):
    """What became of an event. `reason`: why it was rejected or is a dead letter.

    `pending`: not handled yet, or unknown. `waiting`: for its lead, or for the lead's status. `created`, `merged`: a
    capture made a lead, or was added to one. `done`: any other event took effect. `erased`: its lead is erased.
    """

    state: EventState
    lead_id: str | None = None
    reason: str | None = None


def outcome(state: EventState, lead_id: str | None = None, reason: str | None = None) -> EventOutcome:
    """Return an outcome with these parts."""
    return EventOutcome(state=state, lead_id=lead_id, reason=reason)


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """The documents under the event's key, as far as there are any."""

    key: str
    capture: CaptureRow | None = None
    verdict: VerdictDocument | None = None
    activity: ActivityRow | None = None
    placed: TimelineRow | None = None
    waiting: PendingEventDocument | None = None
    noted: OutcomeRow | None = None

    @property
    def lead_id(self) -> str | None:
        """The id of the lead that the event took effect on, or is about to."""
        return next((row["leadId"] for row in (self.capture, self.verdict, self.activity, self.placed) if row), None)

    @property
    def activity_rows(self) -> tuple[str, ...]:
        """The ids of the activities that the event may have changed."""
        named = _activity_of(self.placed) if self.placed and self.placed["topic"] in RECORDED else None
        return tuple(one for one in (named, self.activity and self.activity["_id"]) if one)

    @property
    def rescore_key(self) -> str | None:
        """The key of the event by which the engagement worker announced that it recorded this one."""
        lead_id = self.lead_id
        if lead_id is None or not self.activity_rows:
            return None
        return derive("cause", _RECORDER, derive("event", RESCORE.name, self.key, lead_id))


@dataclass(frozen=True, slots=True)
class StoredEffects:
    """What the documents of a `StoredEvent` lead to. `lead` is None if it is gone, or not there yet."""

    lead: LeadDocument | None = None
    activities: Mapping[str, ActivityRow] | None = None
    announced: bool = False
    """Whether the engagement worker announced that it recorded the event."""


def _activity_of(placed: TimelineRow) -> str:
    return row_id(placed["leadId"], placed["details"].get("activityId") or placed["eventId"])


def judge(event: StoredEvent, effects: StoredEffects) -> EventOutcome:
    """Return what became of the event."""
    for answer in (_captured(event, effects), _carried_out(event, effects), _recorded(event, effects)):
        if answer:
            return answer
    if event.waiting:
        name = event.waiting["name"]
        return outcome(EventState.WAITING, name.removeprefix(_BY_LEAD) if name.startswith(_BY_LEAD) else None)
    if event.noted:
        return outcome(EventState(event.noted["state"]), event.noted.get("leadId"), event.noted.get("reason"))
    return outcome(EventState.PENDING)


def _captured(event: StoredEvent, effects: StoredEffects) -> EventOutcome | None:
    """Return the outcome of a capture; None if it is no capture, or its lead hasn't got it yet."""
    row, lead = event.capture, effects.lead
    if row is None:
        return None
    # The row is final once it is applied. Before that, the lead's log has the decision.
    if row.get("erased") or (lead is None and row.get("applied")):
        return outcome(EventState.ERASED, row["leadId"])
    if lead is None:
        return None
    decided = next((one for one in lead.get("decided") or () if one["key"] == event.key), None)
    # A row of an earlier release has no mark: its lead exists, so the capture was applied.
    applied = row.get("applied", True) or event.key in remembered(lead, CauseKind.CAPTURE)
    said = (decided or row).get("outcome")
    return outcome(EventState(said), row["leadId"]) if applied and said else None


def _carried_out(event: StoredEvent, effects: StoredEffects) -> EventOutcome | None:
    """Return the outcome of a command; None if it is no command, or isn't carried out yet."""
    row = event.verdict
    if row is None:
        return None
    if row["reason"] is not None:
        return outcome(EventState.REJECTED, row["leadId"], row["reason"])
    if not row["done"] and (effects.lead is None or event.key not in remembered(effects.lead, CauseKind.COMMAND)):
        return None
    return outcome(EventState.DONE if effects.lead else EventState.ERASED, row["leadId"])


def _recorded(event: StoredEvent, effects: StoredEffects) -> EventOutcome | None:
    """Return the outcome of an activity or an engagement; None if it is neither, or isn't counted yet."""
    if not event.activity_rows or event.lead_id is None:
        return None
    if effects.lead is None:
        return outcome(EventState.ERASED, event.lead_id)
    stated = [
        row
        for row in (effects.activities or {}).values()
        if event.key in (row["_id"], row.get("eventKey"), row.get("owner"))
    ]
    counted = remembered(effects.lead, CauseKind.ACTIVITY)
    # Later events about the same activity replace this one in its row: then only the announcement shows it.
    if effects.announced or any(row.get("tallied") or count_key(row) in counted for row in stated):
        return outcome(EventState.DONE, event.lead_id)
    return None
