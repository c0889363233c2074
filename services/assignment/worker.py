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
    assign_lead,
    choose_owners,
    erased_load_changes,
    is_unsettled,
    ledger_update,
    load_changes,
    needs_owner,
)
from shared.config import Reloading
from shared.consuming.worker import Manifest, Runtime, Worker
from shared.domain.lead_changes import with_changes
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
        moved = {str(one.lead_id) for one in received if one.record.topic != SCORED.name}
        leads = await _assign(runtime, rules, moved | first.keys(), first)
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
        leads, now = await read_leads(storage, lead_ids), runtime.clock()
        ownerless = [leads[one] for one in first if one in leads and needs_owner(leads[one])]
        load = await store.read_loads(storage, rules.current.owners) if ownerless else {}
        chosen = choose_owners(ownerless, rules.current, load)
        given = {one: assign_lead(leads[one], choice, first[one].key, now) for one, choice in chosen.items()}
        settled = {
            one: ledger_update(lead, now) for one, lead in leads.items() if one not in given and is_unsettled(lead)
        }
        if await store.save_owners(storage, leads, given) and await store.save_ledgers(storage, leads, settled):
            break
    # Guarded, the writes have made of the leads what a redelivery would read.
    return leads | {one: with_changes(leads[one], fields) for one, fields in {**given, **settled}.items()}


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
