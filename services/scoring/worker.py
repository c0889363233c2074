"""The scoring worker: whatever a score depends on has changed, so the lead is scored again; `leads.scored` tells."""

from collections.abc import Sequence

import structlog

from schemas.topics import CONVERTED, CREATED, DISQUALIFIED, MERGED, QUALIFIED, RESCORE, SCORED
from services.scoring.domain import Decision, RuleSet, decide
from shared.config import Reloading
from shared.events import Outgoing, Received, emit
from shared.leads import LEADS, read_leads
from shared.storage import Change
from shared.worker import Runtime, Worker, settle

NAME = "scoring"
TOPICS = (CREATED, MERGED, QUALIFIED, DISQUALIFIED, CONVERTED, RESCORE)
_SOURCE = f"/services/{NAME}"
_log = structlog.get_logger()


def build(runtime: Runtime) -> Worker:
    """The worker, ready to run. Raises `ConfigError` when the rules file is wrong."""
    rules = Reloading(runtime.settings.rules_file, RuleSet)

    async def handle(received: Sequence[Received]) -> Sequence[Outgoing]:
        causes = {one.key: one for one in received}
        decisions: list[Decision] = []

        async def attempt() -> bool:
            decisions.clear()
            return await _score(runtime, rules, list(causes.values()), decisions)

        await settle(attempt)
        at = runtime.clock()
        return [
            emit(SCORED, scored, cause=causes[key].cause, key=scored.lead_id, source=_SOURCE, at=at)
            for decision in decisions
            for key, scored in decision.told
        ]

    return Worker(NAME, TOPICS, handle, (rules.watch,))


async def _score(
    runtime: Runtime, rules: Reloading[RuleSet], received: Sequence[Received], decisions: list[Decision]
) -> bool:
    by_lead: dict[str, list[tuple[str, str]]] = {}
    for one in received:
        by_lead.setdefault(_lead_id(one), []).append((one.key, _reason(one)))
    leads = await read_leads(runtime.storage, by_lead)
    changes = []
    for lead_id, lead in leads.items():
        decision = decide(lead, by_lead[lead_id], rules.current, rules.version, runtime.clock())
        decisions.append(decision)
        if decision.update:
            changes.append(Change(lead_id, decision.guard, decision.update))
        for rule, why in decision.errors:
            _log.warning("rule.skipped", rule=rule, why=why, lead=lead_id)
    return await runtime.storage.change(LEADS, changes)


def _lead_id(received: Received) -> str:
    lead_id = getattr(received.payload, "lead_id", None)
    return str(lead_id or received.payload.lead.id)


def _reason(received: Received) -> str:
    if received.record.topic == RESCORE.name:
        return str(received.payload.reason)
    return received.record.topic.rpartition(".")[2]
