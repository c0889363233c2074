"""The assignment worker: a lead's first score gives it an owner; `leads.assigned` tells who, and by which rule."""

from collections.abc import Sequence

from schemas.outputs import LeadAssigned
from schemas.topics import ASSIGNED, CONVERTED, ERASED, SCORED, UPDATED
from services.assignment import store
from services.assignment.domain import AssignmentRules, Shift, assign, erased_shifts, shifts, unsettled
from shared.config import Reloading
from shared.events import Outgoing, Received, emit
from shared.leads import read_leads
from shared.storage import Document
from shared.tombstones import erased
from shared.worker import Runtime, Worker, settle

NAME = "assignment"
TOPICS = (SCORED, CONVERTED, UPDATED, ERASED)


def build(runtime: Runtime) -> Worker:
    """The worker, ready to run. Raises `ConfigError` when the assignment file is wrong."""
    rules = Reloading(runtime.settings.assignment_file, AssignmentRules, runtime.settings.zone)
    storage = runtime.storage

    async def handle(received: Sequence[Received]) -> Sequence[Outgoing]:
        first = {one.payload.lead_id: one for one in received if _is_first_score(one)}
        leads: dict[str, Document] = {}

        async def attempt() -> bool:
            leads.clear()
            leads.update(await read_leads(storage, {str(one.lead_id) for one in received}))
            now, load = runtime.clock(), await store.loads(storage, rules.current.owners)
            chosen = assign([leads[lead] for lead in first if lead in leads], rules.current, load)
            given = [(leads[lead], first[lead].key, choice) for lead, choice in chosen.items()]
            moved_on = [lead for lead in leads.values() if lead["_id"] not in chosen and unsettled(lead)]
            # What was written shows on the leads at the next reading, which is also where a redelivery enters.
            wrote = await store.assign(storage, given, now) and await store.settle_accounts(storage, moved_on, now)
            return wrote and not (given or moved_on)

        await settle(attempt)
        left = await _left(runtime, received)
        moved = [shift for lead in leads.values() for shift in shifts(lead)] + left
        await settle(lambda: store.count(storage, moved))
        owned = [lead for lead_id in first if (lead := leads.get(lead_id)) and _caused(lead, first[lead_id])]
        return [_event(lead, first[lead["_id"]]) for lead in owned]

    return Worker(NAME, TOPICS, handle, (rules.watch,))


async def _left(runtime: Runtime, received: Sequence[Received]) -> list[Shift]:
    gone = {f"lead:{one.lead_id}" for one in received if one.record.topic == ERASED.name}
    tombstones = await erased(runtime.storage, gone, runtime.settings.erasure_pepper.get_secret_value())
    return [shift for tombstone in tombstones.values() for shift in erased_shifts(tombstone)]


def _is_first_score(received: Received) -> bool:
    return received.record.topic == SCORED.name and received.payload.previous_score is None


def _caused(lead: Document, received: Received) -> bool:
    return bool((lead.get("assignment") or {}).get("cause") == received.key)


def _event(lead: Document, received: Received) -> Outgoing:
    record, source = lead["assignment"], f"/services/{NAME}"
    assigned = LeadAssigned(lead_id=lead["_id"], assigned_to=record["owner"], rule=record["rule"])
    return emit(ASSIGNED, assigned, cause=received.cause, key=lead["_id"], source=source, at=record["at"])
