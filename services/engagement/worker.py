"""The engagement worker: it stores, counts and publishes activities and engagements.

It does each of these once.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from schemas.outputs import LeadTriggered, LeadUpdated, RescoreRequested
from schemas.topics import ACTIVITIES, ENGAGEMENTS, RESCORE, TRIGGERED, UPDATED, Topic
from services.engagement import store
from services.engagement.domain.decide import Triggers, change_caused_by, engagement_activity
from services.engagement.domain.versions import Version
from shared.config import Reloading
from shared.consuming.worker import Manifest, Runtime, Worker
from shared.domain.activity_documents import activity
from shared.domain.identity.normal_forms import email_key
from shared.domain.moments import truncate_to_ms
from shared.domain.stored.activity_row import ActivityRow
from shared.domain.stored.lead_document import LeadDocument
from shared.kafka.events import Outgoing, Received, Result, Unknown, emit
from shared.leads.documents import leads_by_email, names_in
from shared.leads.pending import LEAD_EXISTS
from shared.leads.rights import CONFIGURED, PENDING
from shared.mongo import names as c
from shared.mongo.retries import retry_on_conflict

NAME = "engagement"
TOPICS = (ACTIVITIES, ENGAGEMENTS, *LEAD_EXISTS)
_SOURCE = f"/services/{NAME}"


def build(runtime: Runtime) -> Worker:
    """Return the worker. Raises `ConfigError` when the triggers file is invalid."""
    triggers = Reloading(runtime.settings.triggers_file, Triggers, runtime.settings.zone)

    async def handle(received: Sequence[Received]) -> Sequence[Result]:
        unique = {one.key: one for one in received}
        lead_of = await _find_leads(runtime, list(unique.values()))
        now, known = runtime.clock(), {key: one for key, one in unique.items() if key in lead_of}
        versions = [_version(one, lead_of[key], triggers.current, now) for key, one in known.items()]
        rows, leads = await _record(runtime, versions)
        lost = [one for key, one in unique.items() if lead_of.get(key) not in leads]
        found = [(unique[key], row, leads[row["leadId"]]) for key, row in rows.items() if row["leadId"] in leads]
        return [*(_unknown(one) for one in lost), *(event for one in found for event in _events(*one))]

    return Worker(NAME, TOPICS, handle, files=(triggers,), parks_unknown_leads=True)


async def _record(
    runtime: Runtime, versions: Sequence[Version]
) -> tuple[Mapping[str, ActivityRow], Mapping[str, LeadDocument]]:
    """Store these versions, and count them on their leads; return each event's activity, and the leads by id."""
    rows, leads = dict[str, ActivityRow](), dict[str, LeadDocument]()
    async for _ in retry_on_conflict():
        plan = await store.save_versions(runtime.storage, versions, runtime.clock())
        if plan is None:
            continue
        region = runtime.settings.region
        counted = await store.count_on_leads(runtime.storage, plan, runtime.clock(), region)
        if counted is None:
            continue
        rows.update(plan.of)
        leads.update(counted)
        # The rows of a lead that is not there are taken back: another round would store them again.
        versions = [one for one in versions if one.document["leadId"] in counted]
        if plan.complete or not versions:
            break
    return rows, leads


async def _find_leads(runtime: Runtime, received: Sequence[Received]) -> Mapping[str, str]:
    """Return the id of each event's lead by the event's key. The lead may not be stored yet."""
    emails = {one.key: email_key(one.payload.email) for one in received if not one.payload.lead_id}
    by_email = await leads_by_email(runtime.storage, (one.payload.email for one in received if one.key in emails))
    named = {one.key: one.payload.lead_id or by_email.get(emails[one.key] or "") for one in received}
    return {key: lead for key, lead in named.items() if lead}


def _unknown(received: Received) -> Unknown:
    names = names_in(received.payload)
    # The lead's id comes before its address: the address may lead to another lead later.
    return Unknown(received, max(names))


def _version(received: Received, lead_id: str, triggers: Triggers, now: datetime) -> Version:
    given = received.payload.activity.id if received.record.topic == ACTIVITIES.name else None
    document = _document(received, lead_id, triggers)
    known_at = received.known_at(now) if received.is_historical else None
    return Version(document, given or received.event.id, given is not None, received.order, known_at)


def _document(received: Received, lead_id: str, triggers: Triggers) -> ActivityRow:
    at, payload = truncate_to_ms(received.event.time), received.payload
    if received.record.topic == ENGAGEMENTS.name:
        return engagement_activity(
            received.key,
            lead_id,
            payload.action,
            at,
            source=received.event.source,
            address=payload.email,
            trigger=triggers.of(payload.action),
            metadata=payload.metadata,
        )
    given = payload.activity
    return activity(
        received.key,
        lead_id,
        given.type.value,
        at,
        created_by=given.created_by,
        description=given.description,
        outcome=given.outcome,
        scheduled_at=given.scheduled_at,
        completed_at=given.completed_at,
        cancelled=bool(given.cancelled),
    )


def _events(received: Received, row: ActivityRow, lead: LeadDocument) -> Iterator[Outgoing]:
    at, lead_id = truncate_to_ms(received.event.time), row["leadId"]
    yield _event(received, RESCORE, RescoreRequested(lead_id=lead_id, reason="activity_recorded"), at)
    if received.record.topic == ENGAGEMENTS.name and "trigger" in row and not received.is_historical:
        triggered = LeadTriggered(lead_id=lead_id, trigger=row["trigger"], action=row["engagement"])
        yield _event(received, TRIGGERED, triggered, at)
    change = change_caused_by(lead, received.key)
    if change:
        yield _event(received, UPDATED, LeadUpdated(lead_id=lead_id, **change), at)


def _event(
    received: Received, topic: Topic, payload: RescoreRequested | LeadTriggered | LeadUpdated, at: datetime
) -> Outgoing:
    return emit(topic, payload, cause=received.cause, key=payload.lead_id, source=_SOURCE, at=at)


MANIFEST = Manifest(
    name=NAME,
    says="counts activities and engagements, finds triggers",
    stage=40,
    topics=TOPICS,
    build=build,
    rights={c.LEADS: "find update", c.ACTIVITIES: "find insert update remove", **PENDING, **CONFIGURED},
)
