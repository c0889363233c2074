"""The scoring worker: whatever a score depends on has changed, so the lead is scored again; `leads.scored` tells."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import structlog

from schemas.topics import CONVERTED, CREATED, DISQUALIFIED, MERGED, QUALIFIED, RESCORE, SCORED, UPDATED
from services.scoring.domain import Decision, RuleSet, decide
from shared.collections import LEADS
from shared.config import Reloading
from shared.events import Outgoing, Received, emit
from shared.leads import read_leads
from shared.storage import Change, Document
from shared.worker import Runtime, Worker, settle

NAME = "scoring"
TOPICS = (CREATED, MERGED, QUALIFIED, DISQUALIFIED, CONVERTED, UPDATED, RESCORE)
_SOURCE = f"/services/{NAME}"
_log = structlog.get_logger()


def build(runtime: Runtime) -> Worker:
    """The worker, ready to run. Raises `ConfigError` when the rules file is wrong."""
    rules = Reloading(runtime.settings.rules_file, RuleSet)

    async def handle(received: Sequence[Received]) -> Sequence[Outgoing]:
        causes = {one.key: one for one in received}
        by_lead: dict[str, list[Received]] = {}
        for one in causes.values():
            by_lead.setdefault(_lead_id(one), []).append(one)
        carried = {lead_id: _carried(theirs) for lead_id, theirs in by_lead.items() if _all_created(theirs)}
        decisions: list[Decision] = []

        async def attempt() -> bool:
            read = await read_leads(runtime.storage, by_lead.keys() - carried.keys())
            decisions[:] = _decide({**read, **carried}, by_lead, rules, runtime.clock())
            carried.clear()
            changes = [Change(one.lead_id, one.guard, one.update) for one in decisions if one.update]
            return await runtime.storage.change(LEADS, changes)

        await settle(attempt)
        at = runtime.clock()
        return [
            emit(SCORED, scored, cause=causes[key].cause, key=scored.lead_id, source=_SOURCE, at=at)
            for decision in decisions
            for key, scored in decision.told
        ]

    return Worker(NAME, TOPICS, handle, (rules.watch,))


def _decide(
    leads: Mapping[str, Document], by_lead: Mapping[str, Sequence[Received]], rules: Reloading[RuleSet], now: datetime
) -> Iterator[Decision]:
    for lead_id, lead in leads.items():
        causes = [(one.key, _reason(one)) for one in by_lead[lead_id]]
        decision = decide(lead, causes, rules.current, rules.version, now)
        for rule, why in decision.errors:
            _log.warning("rule.skipped", rule=rule, why=why, lead=lead_id)
        yield decision


def _all_created(received: Sequence[Received]) -> bool:
    return all(one.record.topic == CREATED.name for one in received)


def _carried(received: Sequence[Received]) -> Document:
    """A lead that was just created, as its event carries it: no need to read it.

    Whoever changed it since asks for another score; and if that came first, the guard (no score yet) fails and the
    second attempt reads.
    """
    lead = received[-1].payload.lead
    return {**lead.model_dump(by_alias=True, exclude_none=True, exclude={"score"}), "_id": lead.id}


def _lead_id(received: Received) -> str:
    lead_id = getattr(received.payload, "lead_id", None)
    return str(lead_id or received.payload.lead.id)


def _reason(received: Received) -> str:
    if received.record.topic == RESCORE.name:
        return str(received.payload.reason)
    return received.record.topic.rpartition(".")[2]
