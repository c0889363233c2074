"""The capture worker: `leads.captured` becomes `leads.created` or `leads.merged`."""

from collections.abc import Sequence

import structlog

from schemas.attributes import Attributes
from schemas.lead import Lead
from schemas.outputs import LeadCreated, LeadMerged, LeadUpdated
from schemas.topics import CAPTURED, CREATED, MERGED, UPDATED
from services.capture import store
from services.capture.domain.decide import decide
from services.capture.domain.plan import Outcome
from services.capture.domain.view import Capture
from shared.config import Reloading
from shared.consuming.worker import Manifest, Runtime, Worker
from shared.domain.consent.statements import paths
from shared.domain.identity.identity_rules import IdentityRules
from shared.domain.identity.normal_forms import identity_of
from shared.domain.identity.older_forms import older_claims
from shared.domain.identity.placeholders import Placeholders
from shared.domain.moments import truncate_to_ms
from shared.domain.size import slim
from shared.domain.stored.identity_documents import CaptureRow
from shared.domain.stored.lead_document import LeadDocument
from shared.kafka.events import Outgoing, Received, TooLarge, emit
from shared.leads.rights import CONFIGURED
from shared.mongo import names as c
from shared.mongo.retries import retry_on_conflict

NAME = "capture"
TOPICS = (CAPTURED,)
_SOURCE = f"/services/{NAME}"
_log = structlog.get_logger()


def build(runtime: Runtime) -> Worker:
    """Return the worker. Raises `ConfigError` when the file of placeholders or attributes is invalid."""
    settings = runtime.settings
    region, pepper = settings.region, settings.erasure_pepper.get_secret_value()
    placeholders = Reloading(settings.placeholders_file, Placeholders, settings.zone)
    attributes = Reloading(settings.attributes_file, Attributes, settings.zone)

    async def handle(received: Sequence[Received]) -> Sequence[Outgoing]:
        causes = {one.key: one for one in received}
        captures = [_capture(one, region) for one in causes.values()]
        async for _ in retry_on_conflict():
            rules = IdentityRules(placeholders.current, settings.shared_identifier_max)
            further: set[str] = set()
            while True:  # a plan may make claims that were not read: read those too, and decide again
                view = await store.read_view(runtime.storage, captures, further, pepper)
                plan = decide(captures, view, runtime.clock(), region, rules)
                if not plan.unread:
                    break
                further |= plan.unread
            if await store.save(runtime.storage, plan, pepper):
                break
        _log_erased(plan.outcomes)
        _report_shared(runtime, plan.shared)
        return [event for outcome in plan.outcomes for event in _events(outcome, causes[outcome.capture.key])]

    return Worker(NAME, TOPICS, handle, files=(placeholders, attributes), attributes=attributes, lanes=2)


def _capture(received: Received, region: str) -> Capture:
    event, data = received.event, received.payload.model_dump(by_alias=True, exclude_none=True)
    identity = identity_of(data, region)
    older = older_claims(identity, data, region)
    at, historical = truncate_to_ms(event.time), received.is_historical
    return Capture(received.key, event.source, event.id, at, data, identity, older, historical)


def _log_erased(outcomes: Sequence[Outcome]) -> None:
    erased = sum(outcome.lead is None for outcome in outcomes)
    if erased:
        _log.info("captures.erased", worker=NAME, records=erased)


def _report_shared(runtime: Runtime, lead_ids: Sequence[str]) -> None:
    for lead_id in lead_ids:
        # The address is personal data, so the log names a lead that has it.
        _log.warning("identity.shared", worker=NAME, kind="email", lead_id=lead_id)
        runtime.metrics.shared_identifiers.inc()


def _events(outcome: Outcome, received: Received) -> list[Outgoing]:
    if outcome.lead is None:
        return []
    try:
        return _lead_events(outcome.row, outcome.lead, received)
    except TooLarge:
        # An earlier release didn't limit a lead's size, so its event may exceed the record limit.
        return _lead_events(outcome.row, slim(outcome.lead), received)


def _lead_events(row: CaptureRow, document: LeadDocument, received: Received) -> list[Outgoing]:
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


MANIFEST = Manifest(
    name=NAME,
    says="makes one lead of all captures of one person",
    stage=10,
    topics=TOPICS,
    build=build,
    rights={
        # It deletes leads that it stored after their erasure.
        c.LEADS: "find insert update remove",
        c.CAPTURES: "find insert update",
        c.IDENTITIES: "find insert update remove",
        c.ERASURE_MARKERS: "find",
        **CONFIGURED,
    },
    create_indexes=(store.create_indexes,),
)
