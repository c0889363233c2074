"""The events of suspicions: each pair of leads has one event id."""

from datetime import datetime

from schemas.outputs import LeadSuspected
from schemas.topics import SUSPECTED
from shared.domain.identity.suspicion import pair_event_id
from shared.kafka.events import Cause, Outgoing, emit_once


def suspected(payload: LeadSuspected, *, source: str, at: datetime, cause: Cause | None = None) -> Outgoing:
    """Return the event of this pair of leads. `cause` is None if no event led to it."""
    lead, other = payload.lead_id, payload.other_id
    id_ = pair_event_id(lead, other)
    return emit_once(SUSPECTED, payload, id_=id_, cause=cause, key=lead, source=source, at=at, subject=lead)
