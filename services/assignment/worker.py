"""The assignment worker: it gives a lead an owner after its first score.

`leads.assigned` has the owner and the rule.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

from schemas.outputs import LeadAssigned
from schemas.topics import ASSIGNED, CONVERTED, ERASED, SCORED, UPDATED
from services.assignment import store
from services.assignment.domain.decide import (
    AssignmentRules,
    LoadChange,
    choose_owners,
    erased_load_changes,
    is_unsettled,
    load_changes,
)
from shared.config import Reloading
from shared.consuming.worker import Manifest, Runtime, Worker
from shared.domain.stored.lead_document import LeadDocument
from shared.kafka.events import Outgoing, Received, emit
from shared.leads.documents import read_leads
from shared.leads.erasure_markers import erased
from shared.leads.rights import CONFIGURED
from shared.mongo import names as c
from shared.mongo.retries import retry_on_conflict

NAME = "assignment"
TOPICS = (SCORED, CONVERTED, UPDATED, ERASED)


def build(runtime: Runtime) -> Worker:
    """Return the worker. Raises `ConfigError` when the assignment file is invalid."""
    rules = Reloading(runtime.settings.assignment_file, AssignmentRules, runtime.settings.zone)

    async def handle(received: Sequence[Received]) -> Sequence[Outgoing]:
        first = {one.payload.lead_id: one for one in received if _is_first_score(one)}
        leads = await _assign(runtime, rules, {str(one.lead_id) for one in received}, first)
        await _count_loads(runtime, leads.values(), received)
        owned = [lead for lead_id in first if (lead := leads.get(lead_id)) and _caused(lead, first[lead_id])]
        return [_event(lead, first[lead["_id"]]) for lead in owned]

    return Worker(NAME, TOPICS, handle, files=(rules,))


async def _assign(
    runtime: Runtime, rules: Reloading[AssignmentRules], lead_ids: Collection[str], first: Mapping[str, Received]
) -> Mapping[str, LeadDocument]:
    """Give the leads of `first` an owner, and update the ledgers of all; return the leads as they are then."""
    storage = runtime.storage
    async for _ in retry_on_conflict():
        leads = await read_leads(storage, lead_ids)
        now, load = runtime.clock(), await store.read_loads(storage, rules.current.owners)
        chosen = choose_owners([leads[lead] for lead in first if lead in leads], rules.current, load)
        given = [(leads[lead], first[lead].key, choice) for lead, choice in chosen.items()]
        moved_on = [lead for lead in leads.values() if lead["_id"] not in chosen and is_unsettled(lead)]
        # After a write, read the leads again: they have what this round wrote, as in a redelivery.
        wrote = await store.save_owners(storage, given, now) and await store.settle_ledgers(storage, moved_on, now)
        if wrote and not (given or moved_on):
            break
    return leads


async def _count_loads(runtime: Runtime, leads: Iterable[LeadDocument], received: Sequence[Received]) -> None:
    moved = [change for lead in leads for change in load_changes(lead)] + await _erased_loads(runtime, received)
    async for _ in retry_on_conflict():
        if await store.count_loads(runtime.storage, moved):
            break


async def _erased_loads(runtime: Runtime, received: Sequence[Received]) -> list[LoadChange]:
    gone = {f"lead:{one.lead_id}" for one in received if one.record.topic == ERASED.name}
    markers = await erased(runtime.storage, gone, runtime.settings.erasure_pepper.get_secret_value())
    return [change for marker in markers.values() for change in erased_load_changes(marker)]


def _is_first_score(received: Received) -> bool:
    return received.record.topic == SCORED.name and received.payload.previous_score is None


def _caused(lead: LeadDocument, received: Received) -> bool:
    return bool((lead.get("assignment") or {}).get("cause") == received.key)


def _event(lead: LeadDocument, received: Received) -> Outgoing:
    record, source = lead["assignment"], f"/services/{NAME}"
    assigned = LeadAssigned(lead_id=lead["_id"], assigned_to=record["owner"], rule=record["rule"])
    return emit(ASSIGNED, assigned, cause=received.cause, key=lead["_id"], source=source, at=record["at"])


MANIFEST = Manifest(
    name=NAME,
    says="gives a lead its owner after its first score",
    stage=30,
    topics=TOPICS,
    build=build,
    rights={c.LEADS: "find update", c.OWNERS: "find insert update", c.ERASURE_MARKERS: "find", **CONFIGURED},
)
