"""The scoring worker: whatever a score depends on has changed, so the lead is scored again; `leads.scored` tells."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import structlog

from schemas.lead import Lead
from schemas.topics import ASSIGNED, CONVERTED, CREATED, DISQUALIFIED, MERGED, QUALIFIED, RESCORE, SCORED, UPDATED
from services.scoring import domain
from services.scoring.asking import Ageing
from services.scoring.domain import Decision, RuleSet, decide, rule_set
from services.scoring.evidence import plain
from services.scoring.rescoring import Rescoring
from services.scoring.told import Told
from shared.collections import LEADS
from shared.config import Reloading
from shared.events import Cause, Outgoing, Received, emit
from shared.leads import read_leads
from shared.storage import Change, Document
from shared.worker import Runtime, Worker, settle

NAME = "scoring"
TOPICS = (CREATED, MERGED, QUALIFIED, DISQUALIFIED, CONVERTED, UPDATED, ASSIGNED, RESCORE)
_SOURCE = f"/services/{NAME}"
_AT_A_STRETCH = 10
_CARRIED = frozenset(field.alias or name for name, field in Lead.model_fields.items()) - {"id"} | {"activityStats"}
_log = structlog.get_logger()


def build(runtime: Runtime) -> Worker:
    """The worker, ready to run. Raises `ConfigError` when the rules file is wrong."""
    rules, told = Reloading(runtime.settings.rules_file, RuleSet, runtime.settings.zone), Told()
    ageing, rescoring = Ageing(runtime, NAME), Rescoring(runtime, NAME, rules)

    async def handle(received: Sequence[Received]) -> Sequence[Outgoing]:
        causes = {one.key: one for one in received if _matters(one, rules.current)}
        by_lead: dict[str, list[Received]] = {}
        for one in causes.values():
            by_lead.setdefault(str(one.lead_id), []).append(one)
        decisions = await _score(runtime, by_lead, rules, told)
        return [_event(one) for decision in decisions for one in decision.told]

    background, alarms = (rules.watch, rescoring.run), (ageing.alarm,)
    return Worker(NAME, TOPICS, handle, background, alarms, lanes=2, acknowledged=told.note)


def _event(told: domain.Told) -> Outgoing:
    why = told.cause
    cause = Cause(why.key, why.event_id, why.correlation_id, why.traceparent)
    return emit(SCORED, told.scored, cause=cause, key=told.scored.lead_id, source=_SOURCE, at=told.at)


async def _score(
    runtime: Runtime, by_lead: Mapping[str, Sequence[Received]], rules: Reloading[RuleSet], told: Told
) -> Sequence[Decision]:
    """Score these leads, and store what is new."""
    carried = {lead_id: _carried(theirs) for lead_id, theirs in by_lead.items() if _is_carried(theirs, rules.current)}
    left = set(by_lead)
    decided: dict[str, Decision] = {}

    async def attempt() -> bool:
        for lead_id in left:
            decided.pop(lead_id, None)
        read = await read_leads(runtime.storage, left - carried.keys())
        fresh = await _decided({**read, **carried}, by_lead, rules, told, runtime.clock())
        decided.update(fresh)
        carried.clear()
        changes = [Change(one.lead_id, one.guard, one.update) for one in fresh.values() if one.update]
        # What has nothing to write stands as it was read; the others are read again if any of them met another writer.
        left.intersection_update(change.id for change in changes)
        return await runtime.storage.change(LEADS, changes)

    await settle(attempt)
    return list(decided.values())


async def _decided(
    leads: Mapping[str, Document],
    by_lead: Mapping[str, Sequence[Received]],
    rules: Reloading[RuleSet],
    told: Told,
    now: datetime,
) -> dict[str, Decision]:
    fresh: dict[str, Decision] = {}
    for number, one in enumerate(_decide(leads, by_lead, rules, told, now)):
        fresh[one.lead_id] = one
        if number % _AT_A_STRETCH == 0:
            # Many rules over large leads take long: heartbeats and other tasks go on meanwhile.
            await asyncio.sleep(0)
    return fresh


def _decide(
    leads: Mapping[str, Document],
    by_lead: Mapping[str, Sequence[Received]],
    rules: Reloading[RuleSet],
    told: Told,
    now: datetime,
) -> Iterator[Decision]:
    # Both at once: the file may change while this goes on.
    version, current = rule_set(rules.version), rules.current
    for lead_id, lead in leads.items():
        causes = [_cause(one) for one in by_lead[lead_id]]
        decision = decide(lead, causes, current, version, now, told.of(lead_id))
        for rule, why in decision.errors:
            _log.warning("rule.skipped", rule=rule, why=why, lead=lead_id)
        yield decision


def _matters(received: Received, rules: RuleSet) -> bool:
    # Every lead is given an owner once, and few rules look at him.
    return received.record.topic != ASSIGNED.name or not rules.sections.isdisjoint({"assignedTo", "assignment"})


def _is_carried(received: Sequence[Received], rules: RuleSet) -> bool:
    return rules.sections <= _CARRIED and all(one.record.topic == CREATED.name for one in received)


def _carried(received: Sequence[Received]) -> Document:
    """A lead that was just created, as its event carries it: no need to read it. It has no activities yet.

    Whoever changed it since asks for another score; and if that came first, the guard (no score yet) fails and the
    second attempt reads.
    """
    lead = received[-1].payload.lead
    return {**plain(lead.model_dump(by_alias=True, exclude_none=True, exclude={"score"})), "_id": lead.id}


def _cause(received: Received) -> domain.Cause:
    cause = received.cause
    return domain.Cause(cause.key, _reason(received), cause.event_id, cause.correlation_id, cause.traceparent)


def _reason(received: Received) -> str:
    if received.record.topic == RESCORE.name:
        return str(received.payload.reason)
    return received.record.topic.rpartition(".")[2]
