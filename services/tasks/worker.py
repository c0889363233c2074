"""The tasks worker: it carries out `leads.tasks`, and makes tasks of nurture's due calls and tasks.

When a lead changes its owner, or ends, its open tasks follow.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from schemas.tasks import TaskAction
from schemas.topics import ACTIONS, ASSIGNED, CONVERTED, TASKS, UPDATED
from services.tasks import store
from services.tasks.domain.decide import decide_requests
from services.tasks.domain.task_changes import TaskRequest, follow_lead
from services.tasks.domain.task_events import (
    SOURCE,
    following_event,
    mover_of,
    moves_lead,
    rejected_event,
    request_events,
    request_of,
    settling_key,
)
from shared.consuming.worker import Manifest, Runtime, Worker
from shared.domain.ids import derive
from shared.domain.stored.lead_document import LeadDocument
from shared.domain.stored.task_document import TaskDocument
from shared.kafka.events import Deferred, Outgoing, Received, Result, Unknown
from shared.leads.documents import read_leads
from shared.leads.pending import LEAD_EXISTS
from shared.leads.rights import PENDING
from shared.mongo import names as c
from shared.mongo.retries import retry_on_conflict

NAME = "tasks"
TOPICS = (TASKS, ACTIONS, ASSIGNED, UPDATED, CONVERTED, *LEAD_EXISTS)
_Tasks = Mapping[str, TaskDocument]
_Leads = Mapping[str, LeadDocument]


def build(runtime: Runtime) -> Worker:
    """Return the worker."""

    async def handle(received: Sequence[Received]) -> Sequence[Result]:
        unique = {one.key: one for one in received}
        asked = {key: request for key, one in unique.items() if (request := request_of(one))}
        moves = {key: one for key, one in unique.items() if moves_lead(one)}
        results = await _carry_out(runtime, unique, asked) if asked else []
        return [*results, *await _follow_leads(runtime, moves)] if moves else results

    return Worker(NAME, TOPICS, handle, parks_unknown_leads=True)


async def _carry_out(
    runtime: Runtime, received: Mapping[str, Received], asked: Mapping[str, TaskRequest]
) -> list[Result]:
    """Decide on the requests and change their tasks; return events, and the commands that wait."""
    storage, patient, requests = runtime.storage, runtime.settings.command_patience > 0, list(asked.values())
    final = frozenset(key for key in asked if received[key].final)
    async for _ in retry_on_conflict():
        view = await store.read_task_view(storage, requests)
        plan = decide_requests(view, requests, final, runtime.clock(), patient=patient)
        if await store.save_plan(storage, view, plan):
            break
    new = {place: asked[key] for key, place in plan.places.items() if asked[key].action is TaskAction.CREATE}
    causes = {place: (settling_key(request), SOURCE) for place, request in new.items()}
    tasks, leads = await _follow(runtime, {place: plan.tasks[place] for place in plan.places.values()}, causes)
    results: list[Result] = [Unknown(received[key], f"lead:{asked[key].lead_id}") for key in plan.unknown]
    results += [Deferred(received[key], view.leads[asked[key].lead_id]["status"]) for key in plan.early]
    results += [rejected_event(received[key], row) for key, row in plan.verdicts.items() if row["reason"]]
    for key, place in plan.places.items():
        # Of a lead that was erased meanwhile, nothing is published.
        if place in tasks and tasks[place]["leadId"] in leads:
            results += request_events(received[key].cause, asked[key], tasks[place])
    return results


async def _follow(runtime: Runtime, tasks: _Tasks, causes: Mapping[str, tuple[str, str]]) -> tuple[_Tasks, _Leads]:
    """Let the tasks that have a cause follow their leads; return all as they are then, and their leads.

    A cause is a key, and who changed the lead. The leads are read after the tasks, and the writes are guarded: so no
    task follows an older state of its lead.
    """
    storage = runtime.storage
    async for again in retry_on_conflict():
        tasks = await storage.read(c.TASKS, tasks) if again else tasks
        leads = await read_leads(storage, (one["leadId"] for one in tasks.values()))
        there = {id_: (task, leads[task["leadId"]]) for id_, task in tasks.items() if task["leadId"] in leads}
        after = {id_: follow_lead(*there[id_], *causes[id_], runtime.clock()) for id_ in there.keys() & causes.keys()}
        followed = {id_: task for id_, task in after.items() if task}
        if await store.save_changed(storage, tasks, followed):
            break
    # Crash before this, while the lead is erased → the tasks stay → the redelivery deletes them.
    await storage.delete(c.TASKS, tasks.keys() - there.keys())
    return {**tasks, **followed}, leads


async def _follow_leads(runtime: Runtime, moves: Mapping[str, Received]) -> list[Outgoing]:
    """Let the tasks of these leads follow them; return the events of what changed."""
    by_lead: dict[str, list[Received]] = {}
    for one in moves.values():
        by_lead.setdefault(str(one.lead_id), []).append(one)
    events: list[Outgoing] = []
    async for page in store.find_followers(runtime.storage, by_lead, moves):
        found = {one["_id"]: one for one in page if one["leadId"] in by_lead}
        first = {id_: by_lead[one["leadId"]][0] for id_, one in found.items()}
        tasks, leads = await _follow(runtime, found, {id_: (one.key, mover_of(one)) for id_, one in first.items()})
        for id_, task in tasks.items():
            for move in by_lead[task["leadId"]] if task["leadId"] in leads else ():
                # One change of a lead can change several tasks: each event needs its own id.
                events += following_event(replace(move.cause, key=derive(move.key, id_)), move.key, task)
    return events


MANIFEST = Manifest(
    name=NAME,
    says="keeps the tasks of each lead",
    stage=65,
    topics=TOPICS,
    build=build,
    rights={
        c.TASKS: "find insert update remove",
        c.COMMANDS: "find insert update",
        c.LEADS: "find",
        **PENDING,
    },
    create_indexes=(store.create_indexes,),
)
