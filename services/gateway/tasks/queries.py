"""The reads behind the routes of tasks: pages of open tasks, and the lead of a task."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.domain.stored.lead_document import LeadDocument
from shared.domain.stored.task_document import TaskDocument
from shared.mongo.names import LEADS, TASKS
from shared.mongo.storage import Storage

_FIELDS = ("taskId", "leadId", "kind", "title", "state", "dueAt", "assignedTo", "createdAt")
_CONTACT = ("firstName", "lastName", "email", "phone")


@dataclass(frozen=True, slots=True)
class TaskRows:
    """Tasks as the answer has them, and the key after which more follow."""

    tasks: list[dict[str, object]]
    last: str | None


async def find_tasks(storage: Storage, lists: Sequence[str], after: str, before: str, most: int) -> TaskRows:
    """Return up to `most` open tasks that are in any of these lists, by due time, with keys between the two."""
    query = {"lists": {"$in": list(lists)}, "key": {"$gt": after, "$lt": before}}
    rows = await storage.find(TASKS, query, sort=(("key", 1),), limit=most + 1)
    leads = await storage.read(LEADS, (row["leadId"] for row in rows[:most]), fields=("contact", "company", "status"))
    shown = [_shown(row, leads[row["leadId"]]) for row in rows[:most] if row["leadId"] in leads]
    return TaskRows(shown, rows[most - 1]["key"] if len(rows) > most else None)


def _shown(row: TaskDocument, lead: LeadDocument) -> dict[str, object]:
    contact, company = lead.get("contact") or {}, lead.get("company") or {}
    person = {**_picked(contact, _CONTACT), "status": lead["status"]}
    person |= {"company": company["name"]} if "name" in company else {}
    return {**_picked(row, _FIELDS), "createdBy": row["changes"][0]["by"], "lead": person}


def _picked(document: Mapping[str, object], names: Sequence[str]) -> dict[str, object]:
    return {name: document[name] for name in names if document.get(name) is not None}


async def leads_of_task(storage: Storage, task_id: str) -> list[str]:
    """Return the leads that have a task with this id: one, or two if sources use the same ids."""
    found = await storage.find(TASKS, {"taskId": task_id}, fields=("leadId",), limit=2)
    return [row["leadId"] for row in found]
