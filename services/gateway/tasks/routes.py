"""Routes of tasks (schemas/README.md#http): the work list, new tasks, and changes of a task."""

from datetime import tzinfo
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from schemas.tasks import TaskAction
from schemas.topics import TASKS
from services.gateway.auth.domain.principals import HttpProblem, Principal, Scope
from services.gateway.auth.domain.users import User
from services.gateway.leads.domain.page_cursors import cursor_text, key_before
from services.gateway.tasks import queries
from services.gateway.tasks.domain.task_bodies import CHANGED_TASK, CHANGES, NEW_TASK
from services.gateway.web import responses
from services.gateway.web.context import JSON, RequestContext, media_type
from services.gateway.web.etags import etag_response
from services.gateway.web.openapi import ACCEPTED, describe_command
from services.ingest.domain import capture_events
from services.ingest.domain.capture_events import Fault, Invalid
from shared.domain.task_lists import EVERY, Due, key_range, of_lead, of_owner
from shared.mongo.storage import Storage

_Owners = Annotated[list[str] | None, Query(alias="assignedTo", min_length=1, max_length=10)]
_LeadId = Annotated[str | None, Query(alias="leadId", min_length=1, max_length=100)]
_Cursor = Annotated[str | None, Query(max_length=300)]


def routes(gateway: RequestContext, storage: Storage, zone: tzinfo) -> APIRouter:
    """Return the routes."""
    router = APIRouter()

    async def accept(request: Request, sender: Principal, data: dict[str, object]) -> Response:
        signed = capture_events.as_sent(TASKS, data, None, sender.name, in_person=isinstance(sender, User))
        return await gateway.accept(request, TASKS, sender, signed)

    @router.get("/v1/tasks", **responses.describe_model("Tasks", responses.TaskPage))
    async def list_tasks(  # noqa: PLR0913 - one filter each
        request: Request,
        assigned_to: _Owners = None,
        due: Due | None = None,
        lead_id: _LeadId = None,
        cursor: _Cursor = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> Response:
        """Open tasks by due time; tasks without one come last. Scope `leads:read`.

        `assignedTo` may be given several times; `(none)` finds tasks that nobody has. `due`: before today (`overdue`),
        `today`, or `later`; days are those of `PANTRY_TIMEZONE`. `leadId` finds the tasks of one lead.
        """
        await gateway.admit(request, Scope.READ)
        if lead_id is not None and assigned_to:
            raise Invalid(Fault("leadId", "can't be combined with assignedTo"))
        lists = [of_lead(lead_id)] if lead_id else [of_owner(one) for one in assigned_to or ()] or [EVERY]
        first, end = key_range(due, gateway.clock(), zone)
        found = await queries.find_tasks(storage, lists, max(first, key_before(cursor) if cursor else ""), end, limit)
        following = cursor_text(found.last) if found.last else None
        return etag_response(request, {"tasks": found.tasks, "nextCursor": following})

    @router.post("/v1/tasks", **describe_command(ACCEPTED, "Tasks", NEW_TASK, repeatable=True))
    async def create_task(request: Request) -> Response:
        """Create a task of a lead. The answer's `eventId` is the task's id. Scope `leads:write`.

        Without `assignedTo` it belongs to the lead's owner, also to a later one.
        """
        sender = await gateway.admit(request, Scope.COMMAND)
        media_type(request, JSON)
        sent = capture_events.parse_json_object(await request.body())
        return await accept(request, sender, {**sent, "action": TaskAction.CREATE.value})

    @router.patch("/v1/tasks/{task_id}", **describe_command(ACCEPTED, "Tasks", CHANGED_TASK, repeatable=True))
    async def change_task(request: Request, task_id: str) -> Response:
        """Complete, snooze, reassign or cancel a task. Scope `leads:write`."""
        sender = await gateway.admit(request, Scope.COMMAND)
        media_type(request, JSON)
        sent = capture_events.parse_json_object(await request.body())
        if sent.get("action") not in [one.value for one in CHANGES]:
            raise Invalid(Fault("action", f"must be one of: {', '.join(CHANGES)}"))
        lead_id = sent.get("leadId") or await _lead_of(storage, task_id)
        return await accept(request, sender, {**sent, "taskId": task_id, "leadId": lead_id})

    return router


async def _lead_of(storage: Storage, task_id: str) -> str:
    found = await queries.leads_of_task(storage, task_id)
    if not found:
        raise HttpProblem(404, "Task not found. If it was created a moment ago, name its lead as leadId.")
    if len(found) > 1:
        raise Invalid(Fault("leadId", "is required: tasks of several leads have this id"))
    return found[0]
