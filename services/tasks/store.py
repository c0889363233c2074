"""The reads and writes of tasks, and of the verdicts on their commands."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

from services.tasks.domain.decide import TaskPlan, TaskView, places_of
from services.tasks.domain.task_changes import TaskRequest
from shared.domain.stored.command_documents import VerdictDocument
from shared.domain.stored.task_document import TaskDocument
from shared.domain.task_lists import changed_by, following
from shared.leads.documents import read_leads
from shared.mongo.names import COMMANDS, TASKS
from shared.mongo.storage import Change, Storage, replacement


async def read_task_view(storage: Storage, requests: Sequence[TaskRequest]) -> TaskView:
    """Return what is stored about these requests.

    Tasks are read before leads: a task whose lead is then missing was left by the lead's erasure.
    """
    verdicts = await storage.read(COMMANDS, (one.key for one in requests if one.action_id is None))
    tasks = await storage.read(TASKS, (place for one in requests for place in places_of(one)))
    return TaskView(await read_leads(storage, (one.lead_id for one in requests)), verdicts, tasks)


async def save_plan(storage: Storage, view: TaskView, plan: TaskPlan) -> bool:
    """Store the verdicts, then the tasks; return False when another process stored other ones.

    Crash after the verdicts → a task lacks its change → the redelivery makes it, or rejects the command.
    """
    if not await _save_verdicts(storage, view.verdicts, plan.verdicts):
        return False
    after = {place: plan.tasks[place] for place in plan.changed}
    if await storage.insert_new(TASKS, [one for place, one in after.items() if place not in view.tasks]):
        return False
    if not await save_changed(storage, view.tasks, {place: one for place, one in after.items() if place in view.tasks}):
        return False
    await storage.delete(TASKS, plan.gone)
    done = [key for key, row in plan.verdicts.items() if row["reason"] is None]
    undone = [key for key in done if key not in view.verdicts or not view.verdicts[key]["done"]]
    await storage.change(COMMANDS, [Change(key, {"done": False}, {"$set": {"done": True}}) for key in undone])
    return True


async def _save_verdicts(
    storage: Storage, stored: Mapping[str, VerdictDocument], verdicts: Mapping[str, VerdictDocument]
) -> bool:
    if await storage.insert_new(COMMANDS, [row for key, row in verdicts.items() if key not in stored]):
        return False
    # A command was accepted, and another one closed its task before it was carried out.
    late = [row for key, row in verdicts.items() if key in stored and row["reason"] and not stored[key]["reason"]]
    return await storage.change(COMMANDS, [Change(row["_id"], {"reason": None}, replacement(row)) for row in late])


async def save_changed(
    storage: Storage, as_read: Mapping[str, TaskDocument], after: Mapping[str, TaskDocument]
) -> bool:
    """Store the changed tasks; return False when another process changed one of them first."""
    return await storage.replace(TASKS, [({"revision": as_read[id_]["revision"]}, one) for id_, one in after.items()])


async def find_followers(
    storage: Storage, lead_ids: Iterable[str], cause_keys: Iterable[str]
) -> AsyncIterator[list[TaskDocument]]:
    """Yield the tasks that changes of these leads may change, and those that these causes changed, in pages."""
    lists = [*map(following, lead_ids), *map(changed_by, cause_keys)]
    async for page in storage.pages_in(TASKS, "lists", lists):
        yield page


async def create_indexes(storage: Storage) -> None:
    """Create the indexes of the lists of tasks, of a lead's tasks, and of tasks by their public id."""
    await storage.create_index(TASKS, [("lists", 1), ("key", 1)])
    await storage.create_index(TASKS, [("leadId", 1)])
    await storage.create_index(TASKS, [("taskId", 1)])
