"""The scoring worker: after each change it scores a lead, and publishes `leads.scored`."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import cast

import structlog

from schemas.lead import Lead
from schemas.topics import ASSIGNED, CONVERTED, CREATED, DISQUALIFIED, MERGED, QUALIFIED, RESCORE, SCORED, UPDATED
from services.scoring import store
from services.scoring.domain import decide as domain
from services.scoring.domain.decide import Decision, RuleSet, decide, rule_set
from services.scoring.domain.evidence import to_stored
from services.scoring.published_cache import PublishedCache
from services.scoring.rescore_requests import AgedScores
from services.scoring.rescoring import Rescoring
from shared.config import Reloading
from shared.consuming.worker import Manifest, Runtime, Worker
from shared.domain.stored.lead_document import LeadDocument
from shared.kafka.events import Cause, Outgoing, Received, emit
from shared.leads.documents import read_leads
from shared.leads.rights import CONFIGURED
from shared.mongo import names as c
from shared.mongo.names import LEADS
from shared.mongo.retries import retry_on_conflict
from shared.mongo.storage import Change

NAME = "scoring"
TOPICS = (CREATED, MERGED, QUALIFIED, DISQUALIFIED, CONVERTED, UPDATED, ASSIGNED, RESCORE)
_SOURCE = f"/services/{NAME}"
_LEADS_A_TURN = 10
_CARRIED_SECTIONS = frozenset(field.alias or name for name, field in Lead.model_fields.items()) - {"id"} | {
    "activityStats"
}
_log = structlog.get_logger()


def build(runtime: Runtime) -> Worker:
    """Return the worker. Raises `ConfigError` when the rules file is invalid."""
    rules, published = Reloading(runtime.settings.rules_file, RuleSet, runtime.settings.zone), PublishedCache()
    aged, rescoring = AgedScores(runtime, NAME, rules), Rescoring(runtime, NAME, rules)

    async def handle(received: Sequence[Received]) -> Sequence[Outgoing]:
        causes = {one.key: one for one in received if _matters(one, rules.current)}
        by_lead: dict[str, list[Received]] = {}
        for one in causes.values():
            by_lead.setdefault(str(one.lead_id), []).append(one)
        decisions = await _score(runtime, by_lead, rules, published)
        return [_event(one) for decision in decisions for one in decision.publications]

    background, pollers = (rescoring.run,), (aged.poller,)
    return Worker(NAME, TOPICS, handle, background, pollers, files=(rules,), lanes=2, on_published=published.record)


def _event(published: domain.ScorePublication) -> Outgoing:
    why = published.cause
    cause = Cause(why.key, why.event_id, why.correlation_id, why.traceparent)
    return emit(SCORED, published.scored, cause=cause, key=published.scored.lead_id, source=_SOURCE, at=published.at)


async def _score(
    runtime: Runtime, by_lead: Mapping[str, Sequence[Received]], rules: Reloading[RuleSet], published: PublishedCache
) -> Sequence[Decision]:
    """Score these leads, and write the changes."""
    carried = {
        lead_id: _carried_lead(theirs) for lead_id, theirs in by_lead.items() if _is_carried(theirs, rules.current)
    }
    left = set(by_lead)
    decided: dict[str, Decision] = {}
    async for _ in retry_on_conflict():
        for lead_id in left:
            decided.pop(lead_id, None)
        read = await read_leads(runtime.storage, left - carried.keys())
        fresh = await _decide_in_turns({**read, **carried}, by_lead, rules, published, runtime.clock())
        decided.update(fresh)
        carried.clear()
        changes = [Change(one.lead_id, one.guard, one.update) for one in fresh.values() if one.update]
        # A decision without a write is final. After a conflict, the next round reads all other leads again.
        left.intersection_update(change.id for change in changes)
        if await runtime.storage.change(LEADS, changes):
            break
    return list(decided.values())


async def _decide_in_turns(
    leads: Mapping[str, LeadDocument],
    by_lead: Mapping[str, Sequence[Received]],
    rules: Reloading[RuleSet],
    published: PublishedCache,
    now: datetime,
) -> dict[str, Decision]:
    fresh: dict[str, Decision] = {}
    for number, one in enumerate(_decide(leads, by_lead, rules, published, now)):
        fresh[one.lead_id] = one
        if number % _LEADS_A_TURN == 0:
            # Many rules over large leads take long: let heartbeats and other tasks run.
            await asyncio.sleep(0)
    return fresh


def _decide(
    leads: Mapping[str, LeadDocument],
    by_lead: Mapping[str, Sequence[Received]],
    rules: Reloading[RuleSet],
    published: PublishedCache,
    now: datetime,
) -> Iterator[Decision]:
    # Read both at once: the file may change between the decisions.
    version, current = rule_set(rules.version), rules.current
    for lead_id, lead in leads.items():
        causes = [_score_cause(one) for one in by_lead[lead_id]]
        decision = decide(lead, causes, current, version, now, published.of(lead_id))
        for rule, why in decision.errors:
            _log.warning("rule.skipped", rule=rule, why=why, lead=lead_id)
        yield decision


def _matters(received: Received, rules: RuleSet) -> bool:
    # Every lead gets an owner, but few rules depend on it.
    return received.record.topic != ASSIGNED.name or not rules.sections.isdisjoint({"assignedTo", "assignment"})


def _is_carried(received: Sequence[Received], rules: RuleSet) -> bool:
    return rules.sections <= _CARRIED_SECTIONS and all(one.record.topic == CREATED.name for one in received)


def _carried_lead(received: Sequence[Received]) -> LeadDocument:
    """Return a new lead from its event, which saves the read; it has no activities yet.

    A worker that changes the lead requests another score. If that score comes first, the guard (no score yet) fails,
    and the second round reads the lead.
    """
    lead = received[-1].payload.lead
    # The model has checked the fields of the event's lead.
    return cast(
        "LeadDocument",
        {**to_stored(lead.model_dump(by_alias=True, exclude_none=True, exclude={"score"})), "_id": lead.id},
    )


def _score_cause(received: Received) -> domain.ScoreCause:
    cause = received.cause
    return domain.ScoreCause(cause.key, _reason(received), cause.event_id, cause.correlation_id, cause.traceparent)


def _reason(received: Received) -> str:
    if received.record.topic == RESCORE.name:
        return str(received.payload.reason)
    return received.record.topic.rpartition(".")[2]


MANIFEST = Manifest(
    name=NAME,
    says="scores a lead after each change",
    stage=20,
    topics=TOPICS,
    build=build,
    rights={c.LEADS: "find update", c.RESCORING: "find insert update", **CONFIGURED},
    create_indexes=(store.create_indexes,),
)
