"""The capture worker: `leads.captured` becomes `leads.created` or `leads.merged`."""

from collections.abc import Sequence

import structlog

from schemas.lead import Lead
from schemas.outputs import LeadCreated, LeadMerged, LeadUpdated
from schemas.topics import CAPTURED, CREATED, MERGED, UPDATED
from services.capture import store
from services.capture.domain import decide
from services.capture.plan import Capture, Document, Outcome, Plan
from shared.domain.consent import paths
from shared.domain.identity import identity_of
from shared.domain.moments import stored
from shared.domain.size import slim
from shared.events import Outgoing, Received, TooLarge, emit
from shared.worker import Runtime, Worker, settle

NAME = "capture"
TOPICS = (CAPTURED,)
_SOURCE = f"/services/{NAME}"
_log = structlog.get_logger()


def build(runtime: Runtime) -> Worker:
    """The worker, ready to run."""
    region, pepper = runtime.settings.region, runtime.settings.erasure_pepper.get_secret_value()

    async def handle(received: Sequence[Received]) -> Sequence[Outgoing]:
        causes = {one.key: one for one in received}
        captures = [_capture(one, region) for one in causes.values()]
        outcomes: list[Outcome] = []

        async def attempt() -> bool:
            plan = await _plan(runtime, captures, region, pepper)
            outcomes[:] = plan.outcomes
            return await store.save(runtime.storage, plan, pepper)

        await settle(attempt)
        _tell_erased(outcomes)
        return [event for outcome in outcomes for event in _events(outcome, causes[outcome.capture.key])]

    return Worker(NAME, TOPICS, handle, lanes=2)


async def _plan(runtime: Runtime, captures: Sequence[Capture], region: str, pepper: str) -> Plan:
    """The decision on all captures, with every claim that it makes read before. Each round reads at least one more."""
    further: set[str] = set()
    while True:
        view = await store.load(runtime.storage, captures, further, pepper)
        plan = decide(captures, view, runtime.clock(), region)
        if not plan.unread:
            return plan
        further |= plan.unread


def _capture(received: Received, region: str) -> Capture:
    event, data = received.event, received.payload.model_dump(by_alias=True, exclude_none=True)
    return Capture(received.key, event.source, event.id, stored(event.time), data, identity_of(data, region))


def _tell_erased(outcomes: Sequence[Outcome]) -> None:
    erased = sum(outcome.lead is None for outcome in outcomes)
    if erased:
        _log.info("captures.erased", worker=NAME, records=erased)


def _events(outcome: Outcome, received: Received) -> list[Outgoing]:
    if outcome.lead is None:
        return []
    try:
        return _told(outcome.row, outcome.lead, received)
    except TooLarge:
        # A release that didn't measure may have stored a lead that no record can hold.
        return _told(outcome.row, slim(outcome.lead), received)


def _told(row: Document, document: Document, received: Received) -> list[Outgoing]:
    lead, at, cause = Lead.of(document), document["updatedAt"], received.cause
    if row["outcome"] == "created":
        return [emit(CREATED, LeadCreated(lead=lead), cause=cause, key=lead.id, source=_SOURCE, at=at)]
    merged = LeadMerged(
        lead=lead,
        match_score=row["matchScore"],
        matched_on=row["matchedOn"],
        filled=row["filled"],
        other_matches=row["otherMatches"],
    )
    events = [emit(MERGED, merged, cause=cause, key=lead.id, source=_SOURCE, at=at)]
    changed = ({"status": {"from": "lost", "to": "new"}} if row["reopened"] else {}) | paths(row.get("restated", {}))
    if changed:
        reason = "captured_again" if row["reopened"] else "consent_stated"
        updated = LeadUpdated(lead_id=lead.id, changed=changed, by=_SOURCE, reason=reason)
        events.append(emit(UPDATED, updated, cause=cause, key=lead.id, source=_SOURCE, at=at))
    return events
