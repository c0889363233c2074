"""Tasks over HTTP on real servers: from a plan to the activity of a call, the work list in pages, and who may what."""

from datetime import UTC, datetime, timedelta
from typing import Any

from deploy.local import LocalServers
from schemas.tasks import TaskAction
from schemas.topics import ACTIVITIES, ASSIGNED, TASK_CREATED, TASK_UPDATED, TASKS
from services.gateway.auth.domain.principals import Scope
from services.gateway.auth.domain.users import Role
from services.tasks.domain.task_changes import TaskRequest, new_task
from tests.builders import NOW, data, event, lead
from tests.collection_names import LEADS
from tests.collection_names import TASKS as ROWS
from tests.gateway import Caller, gateway, gateway_at, new_key, session_of
from tests.harness import Bench, bench, lead_id, told, until, until_told

FUNNEL = ("capture", "scoring", "assignment", "engagement", "tasks", "insights")


async def _listed(caller: Caller, key: str, query: str = "") -> list[dict[str, Any]]:
    answer = await caller.call("GET", f"/v1/tasks{query}", key=key)
    assert answer.status == 200, answer.text
    return list(answer.json["tasks"])


async def test_a_call_is_planned_put_off_done_and_then_an_activity(local: LocalServers) -> None:
    async with bench(local) as on, on.running(*FUNNEL), gateway(on) as caller:
        key, who = await new_key(on), lead_id("c1")
        await on.publish([event(data(phone="(212) 555-0142"), event_id="c1")])
        (owner,) = [one["assignedTo"] for one in await until_told(on, ASSIGNED, 1)]
        sam = await session_of(on, caller, Role.SALES, "sam")
        plan = {"leadId": who, "kind": "call", "title": "Ask about the menu"}
        planned = await caller.post("/v1/tasks", {**plan, "requestedBy": "the boss"}, session=sam)
        assert planned.status == 202, planned.text
        id_ = planned.json["eventId"]
        await until_told(on, TASK_CREATED, 1)
        (task,) = await _listed(caller, key)
        assert task == {
            "taskId": id_,
            **plan,
            "state": "open",
            "assignedTo": owner,
            "createdAt": task["createdAt"],
            "createdBy": "sam",
            "lead": {
                "firstName": "Ana",
                "lastName": "Reyes",
                "email": "ana@example.com",
                "phone": task["lead"]["phone"],
                "company": "Blue Fork",
                "status": "new",
            },
        }
        put_off = await caller.call(
            "PATCH", f"/v1/tasks/{id_}", {"action": "snooze", "until": "2036-05-04T09:00:00Z"}, session=sam
        )
        assert put_off.status == 202, put_off.text
        given = {"action": "reassign", "assignedTo": "kim", "leadId": who}
        assert (await caller.call("PATCH", f"/v1/tasks/{id_}", given, key=key)).status == 202
        await until_told(on, TASK_UPDATED, 2)
        assert await _listed(caller, key, f"?assignedTo={owner}") == []
        (task,) = await _listed(caller, key, "?assignedTo=kim&assignedTo=(none)&due=later")
        assert task["dueAt"] == "2036-05-04T09:00:00Z"
        done = await caller.call("PATCH", f"/v1/tasks/{id_}", {"action": "complete", "outcome": "sold"}, session=sam)
        assert done.status == 202, done.text
        (activity,) = await until_told(on, ACTIVITIES, 1)
        assert (activity["activity"]["outcome"], activity["activity"]["createdBy"]) == ("sold", "sam")
        assert await _listed(caller, key) == []
        assert await _listed(caller, key, f"?leadId={who}") == []
        await until(lambda: _says(caller, key, who), "the timeline's sentences")
        outcome = await caller.call("GET", planned.headers["Location"], session=sam)
        assert outcome.json == {"state": "done", "leadId": who}


async def _says(caller: Caller, key: str, who: str) -> bool:
    answer = await caller.call("GET", f"/v1/leads/{who}/timeline", key=key)
    said = {one["text"] for one in answer.json["events"]}
    wanted = {
        "sam planned a call: Ask about the menu",
        "website gave a task to kim: Ask about the menu",
        "sam completed a task: Ask about the menu",
        "Call done by sam: Ask about the menu (sold)",
        "Call by sam: Ask about the menu",
    }
    return wanted <= said and any(one.startswith("Call planned by sam, for ") for one in said)


async def _store(on: Bench, number: int, lead_id_: str = "lead-1", **more: Any) -> None:
    """A task as the worker stores it."""
    key, order = f"t{number:03}", ("",)
    request = TaskRequest(key, order, NOW, lead_id_, key, TaskAction.CREATE, "sam", title=f"Call {number}", **more)
    await on.storage.insert_new(ROWS, [dict(new_task(request, lead(), key, NOW))])


async def test_the_work_list_is_whole_in_its_order_and_each_day_is_the_zone_s(local: LocalServers) -> None:
    now = datetime(2026, 3, 2, 22, 30, tzinfo=UTC)  # half past eleven at night in Vienna
    async with bench(local) as on, gateway_at(on, lambda: now, timezone="Europe/Vienna") as caller:
        key = await new_key(on)
        await on.storage.insert_new(LEADS, [lead()])
        # Midnight in Vienna is at 23:00: the day began an hour before the first of these, and ends with the second.
        dues = {"overdue": [now - timedelta(hours=24)], "today": [now - timedelta(hours=23, minutes=30), now]}
        dues |= {"later": [now + timedelta(minutes=30), now + timedelta(days=9)]}
        numbered = [due for some in dues.values() for due in some]
        for number, due in enumerate(numbered):
            await _store(on, number, due_at=due, assigned_to="kim" if number % 2 else None)
        await _store(on, 99)
        ids = [f"t{number:03}" for number in range(len(numbered))]
        assert [one["taskId"] for one in await _listed(caller, key)] == [*ids, "t099"]
        found = [[one["taskId"] for one in await _listed(caller, key, f"?due={due}")] for due in dues]
        assert found == [ids[:1], ids[1:3], [*ids[3:], "t099"]]
        assert [one["taskId"] for one in await _listed(caller, key, "?assignedTo=kim")] == ids[1::2]
        assert [one["taskId"] for one in await _listed(caller, key, "?assignedTo=(none)")] == [*ids[::2], "t099"]
        pages, cursor = list[str](), ""
        while True:
            answer = await caller.call("GET", f"/v1/tasks?limit=2{cursor}", key=key)
            pages += [one["taskId"] for one in answer.json["tasks"]]
            if answer.json["nextCursor"] is None:
                break
            cursor = f"&cursor={answer.json['nextCursor']}"
        assert pages == [*ids, "t099"]
        tag = (await caller.call("GET", "/v1/tasks", key=key)).headers["ETag"]
        assert (await caller.call("GET", "/v1/tasks", key=key, If_None_Match=tag)).status == 304


async def test_what_can_t_be_used_is_refused_with_the_field_s_path(local: LocalServers) -> None:
    async with bench(local) as on, gateway(on) as caller:
        key, reader = await new_key(on), await new_key(on, "reader", scopes=(Scope.READ,))
        await on.storage.insert_new(LEADS, [lead()])
        await _store(on, 1)
        wrong: list[tuple[str, str, Any, int, set[str]]] = [
            ("POST", "/v1/tasks", {}, 422, {"leadId", "kind", "title"}),
            ("POST", "/v1/tasks", {"leadId": "l", "kind": "nap", "title": "x" * 201}, 422, {"kind", "title"}),
            ("POST", "/v1/tasks", {"leadId": "l", "kind": "call", "title": "x", "dueAt": 5}, 422, {"dueAt"}),
            ("PATCH", "/v1/tasks/t001", {}, 422, {"action"}),
            ("PATCH", "/v1/tasks/t001", {"action": ["complete"]}, 422, {"action"}),
            ("PATCH", "/v1/tasks/t001", {"action": "create", "kind": "call", "title": "x"}, 422, {"action"}),
            ("PATCH", "/v1/tasks/t001", {"action": "snooze"}, 422, {"until"}),
            ("PATCH", "/v1/tasks/t001", {"action": "reassign", "assignedTo": " "}, 422, {"assignedTo"}),
            ("GET", "/v1/tasks?due=never", None, 422, {"due"}),
            ("GET", "/v1/tasks?cursor=junk", None, 422, {"cursor"}),
            ("GET", "/v1/tasks?limit=201", None, 422, {"limit"}),
            ("GET", "/v1/tasks?leadId=l&assignedTo=kim", None, 422, {"leadId"}),
            ("GET", "/v1/tasks?state=open", None, 422, {"state"}),
        ]
        for method, path, body, status, paths in wrong:
            answer = await caller.call(method, path, body, key=key)
            assert (answer.status, {one["path"] for one in answer.json["errors"]}) == (status, paths), answer.text
        unknown = await caller.call("PATCH", "/v1/tasks/none", {"action": "complete"}, key=key)
        assert unknown.status == 404
        for method, path in (("POST", "/v1/tasks"), ("PATCH", "/v1/tasks/t001")):
            assert (await caller.call(method, path, {"action": "complete"}, key=reader)).status == 403
        assert len(await _listed(caller, reader)) == 1
        assert (await caller.call("GET", "/v1/tasks")).status == 401
        assert await told(on, TASKS) == []
        # Sources of two leads use one id: the lead must be named.
        await on.storage.insert_new(LEADS, [lead(_id="lead-2")])
        await _store(on, 2, "lead-2")
        rows = await on.storage.find(ROWS, {})
        await on.storage.change_all(ROWS, {"_id": {"$in": [row["_id"] for row in rows]}}, {"$set": {"taskId": "t001"}})
        both = await caller.call("PATCH", "/v1/tasks/t001", {"action": "complete"}, key=key)
        assert (both.status, both.json["errors"][0]["path"]) == (422, "leadId")
