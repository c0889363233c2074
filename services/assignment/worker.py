"""The assignment worker: a lead's first score gives it an owner; `leads.assigned` tells who, and by which rule."""

from collections.abc import Sequence

from schemas.outputs import LeadAssigned
from schemas.topics import ASSIGNED, CONVERTED, SCORED, UPDATED
from services.assignment import store
from services.assignment.domain import OPEN_STATUSES, AssignmentRules, assign
from services.assignment.store import Shift
from shared.config import Reloading
from shared.domain.moments import stored
from shared.events import Outgoing, Received, emit
from shared.leads import read_leads
from shared.storage import Document
from shared.worker import Runtime, Worker, settle

NAME = "assignment"
TOPICS = (SCORED, CONVERTED, UPDATED)


def build(runtime: Runtime) -> Worker:
    """The worker, ready to run. Raises `ConfigError` when the assignment file is wrong."""
    rules = Reloading(runtime.settings.assignment_file, AssignmentRules)
    storage = runtime.storage

    async def handle(received: Sequence[Received]) -> Sequence[Outgoing]:
        first = {one.payload.lead_id: one for one in received if _is_first_score(one)}
        leads: dict[str, Document] = {}

        async def attempt() -> bool:
            leads.update(await read_leads(storage, {_lead_id(one) for one in received}))
            load = await store.loads(storage, rules.current.owners)
            chosen = assign([leads[lead] for lead in first if lead in leads], rules.current, load)
            given = [(leads[lead], first[lead].key, choice) for lead, choice in chosen.items()]
            # A choice shows on the lead at the next reading, which is also where a redelivery enters.
            return not chosen or (await store.assign(storage, given, runtime.clock()) and False)

        await settle(attempt)
        owned = [lead for lead_id in first if (lead := leads.get(lead_id)) and _caused(lead, first[lead_id])]
        opened = [_opened(lead) for lead in owned if lead["assignment"]["open"]]
        shifts = [*opened, *(shift for one in received for shift in _shifts(one, leads))]
        await settle(lambda: store.count(storage, shifts))
        return [_event(lead, first[lead["_id"]]) for lead in owned]

    return Worker(NAME, TOPICS, handle, (rules.watch,))


def _is_first_score(received: Received) -> bool:
    return received.record.topic == SCORED.name and received.payload.previous_score is None


def _lead_id(received: Received) -> str:
    payload = received.payload
    return str(payload.lead.id if received.record.topic == CONVERTED.name else payload.lead_id)


def _caused(lead: Document, received: Received) -> bool:
    return bool((lead.get("assignment") or {}).get("cause") == received.key)


def _opened(lead: Document) -> Shift:
    return Shift(lead["assignment"]["cause"], lead["assignment"]["at"], lead["assignedTo"], 1)


def _shifts(received: Received, leads: dict[str, Document]) -> list[Shift]:
    owner = (leads.get(_lead_id(received)) or {}).get("assignedTo")
    if not owner or received.record.topic == SCORED.name:
        return []
    by = -1 if received.record.topic == CONVERTED.name else _status_shift(received)
    return [Shift(received.key, stored(received.event.time), owner, by)] if by else []


def _status_shift(received: Received) -> int:
    change = received.payload.changed.get("status")
    return (change.to in OPEN_STATUSES) - (change.from_ in OPEN_STATUSES) if change else 0


def _event(lead: Document, received: Received) -> Outgoing:
    assigned = LeadAssigned(lead_id=lead["_id"], assigned_to=lead["assignedTo"], rule=lead["assignment"]["rule"])
    at, source = lead["assignment"]["at"], f"/services/{NAME}"
    return emit(ASSIGNED, assigned, cause=received.cause, key=lead["_id"], source=source, at=at)
