"""Tasks on a real database: killed at each step, redelivered, out of order, and with their lead erased meanwhile."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from schemas import topics
from shared.domain.ids import derive
from shared.domain.stored.untyped import Document
from shared.domain.task_lists import task_document_id
from shared.mongo.connection import Mongo
from shared.mongo.storage import Storage
from tests.builders import NOW, lead
from tests.collection_names import COMMANDS, LEADS, PENDING_EVENTS, TASKS
from tests.harness import mongo_at
from tests.model.rig import LEASE, Accident, Rig

_STEPS = 14
"""More steps than the handler has."""

pytestmark = [pytest.mark.usefixtures("quiet"), pytest.mark.timeout(600)]


@pytest.fixture
def mongo(mongo: str) -> Mongo:
    return mongo_at(mongo)


async def _opened(mongo: Mongo, *leads: Document) -> Rig:
    rig = Rig(Storage(mongo, "tasks"))
    await rig.open()
    await rig.storage.insert_new(LEADS, leads or [lead()])
    return rig


async def _say(rig: Rig, event_id: str, topic: topics.Topic, payload: dict[str, Any], minutes: float = 0) -> int:
    """Put an event into the log; return its number there."""
    await rig.say(event_id, topic, payload, NOW + timedelta(minutes=minutes))
    return len(rig.log) - 1


def _command(action: str, lead_id: str = "lead-1", **more: Any) -> dict[str, Any]:
    return {"leadId": lead_id, "requestedBy": "sam", "action": action, **more}


def _create(lead_id: str = "lead-1", **more: Any) -> dict[str, Any]:
    return _command("create", lead_id, kind="call", title="Call Ana", **more)


def _action(lead_id: str = "lead-1", action: str = "call", id_: str = "a1") -> dict[str, Any]:
    due = NOW.isoformat()
    rendered = {"subject": "Call about the offer", "body": "Ask."}
    step = {"sequenceId": "s", "stepId": "first", "action": action, "template": "brief", "rendered": rendered, "to": {}}
    return {"actionId": id_, "leadId": lead_id, **step, "dueAt": due}


def _told(rig: Rig, topic: topics.Topic) -> list[dict[str, Any]]:
    """The data of the events of a topic by the worker, each id once; a copy must say the same."""
    found: dict[str, dict[str, Any]] = {}
    for one in rig.log:
        if one.record.topic == topic.name and one.event["source"] == "/services/tasks":
            assert found.setdefault(one.event["id"], one.event["data"]) == one.event["data"]
    return list(found.values())


async def _task(rig: Rig, task_id: str = "t1", lead_id: str = "lead-1") -> Document | None:
    return (await rig.storage.read(TASKS, [task_document_id(lead_id, task_id)])).get(task_document_id(lead_id, task_id))


async def _killed(rig: Rig, numbers: Sequence[int], step: int) -> None:
    """Deliver this batch to a process that is killed before this step, and then to one that isn't."""
    await rig.run("tasks", numbers, Accident(step))
    await rig.run("tasks", numbers)


async def _erased(rig: Rig) -> None:
    await rig.run("erasure", [await _say(rig, "e1", topics.ERASE, {"leadId": "lead-1", "requestedBy": "desk"})])


@pytest.mark.parametrize("step", range(1, _STEPS))
async def test_a_completed_call_is_one_activity_wherever_its_process_is_killed(mongo: Mongo, step: int) -> None:
    rig = await _opened(mongo)
    numbers = [
        await _say(rig, "t1", topics.TASKS, _create(dueAt=NOW.isoformat())),
        await _say(rig, "s1", topics.TASKS, _command("snooze", taskId="t1", until="2026-03-05T09:00:00Z"), 1),
        await _say(rig, "r1", topics.TASKS, _command("reassign", taskId="t1", assignedTo="kim"), 2),
        await _say(rig, "d1", topics.TASKS, _command("complete", taskId="t1", outcome="sent an offer"), 3),
        await _say(rig, "x1", topics.TASKS, _command("cancel", taskId="t1"), 4),
    ]
    await _killed(rig, numbers, step)
    (created,) = _told(rig, topics.TASK_CREATED)
    assert created == {
        "taskId": "t1",
        "leadId": "lead-1",
        "kind": "call",
        "title": "Call Ana",
        "dueAt": "2026-03-02T12:00:00Z",
        "state": "open",
        "by": "sam",
    }
    snoozed, given, done = _told(rig, topics.TASK_UPDATED)
    assert snoozed["dueAt"] == "2026-03-05T09:00:00Z"
    assert given["assignedTo"] == "kim"
    assert (done["state"], done["outcome"], done["assignedTo"]) == ("done", "sent an offer", "kim")
    (activity,) = _told(rig, topics.ACTIVITIES)
    assert activity["activity"] == {
        "type": "call",
        "description": "Call Ana",
        "outcome": "sent an offer",
        "scheduledAt": "2026-03-05T09:00:00Z",
        "completedAt": "2026-03-02T12:03:00Z",
        "createdBy": "sam",
    }
    (rejected,) = _told(rig, topics.REJECTED)
    assert (rejected["commandId"], rejected["reason"]) == ("x1", "invalid_transition")
    rows = await rig.storage.find(COMMANDS, {})
    assert len(rows) == 5
    assert all(row["done"] for row in rows)
    assert rig.faults == []
    await rig.close()


async def test_an_event_counts_the_completed_call_once_on_its_lead(mongo: Mongo) -> None:
    rig = await _opened(mongo)
    await _say(rig, "t1", topics.TASKS, _create())
    done = await _say(rig, "d1", topics.TASKS, _command("complete", taskId="t1"), -1)
    await rig.settle()
    await rig.run("tasks", [done])
    await rig.settle()
    (counted,) = (await rig.storage.read(LEADS, ["lead-1"])).values()
    assert counted["activityStats"]["counts"] == {"call": 1}
    assert counted["status"] == "contacted"
    await rig.close()


@pytest.mark.parametrize("step", range(1, _STEPS))
async def test_nurture_makes_tasks_of_calls_and_tasks_and_of_nothing_else(mongo: Mongo, step: int) -> None:
    rig = await _opened(mongo, lead(assignedTo="kim"))
    kinds = ("call", "task", "email", "content")
    numbers = [await _say(rig, f"n{kind}", topics.ACTIONS, _action(action=kind, id_=kind)) for kind in kinds]
    await _killed(rig, numbers, step)
    told = _told(rig, topics.TASK_CREATED)
    assert [(one["kind"], one["taskId"]) for one in told] == [
        ("call", derive("task", "call")),
        ("todo", derive("task", "task")),
    ]
    assert {(one["title"], one["assignedTo"], one["by"]) for one in told} == {("Call about the offer", "kim", "/tests")}
    assert await rig.storage.count(TASKS) == 2
    await rig.close()


@pytest.mark.parametrize("step", range(1, _STEPS))
async def test_a_new_task_misses_no_owner_that_comes_between_its_steps(mongo: Mongo, step: int) -> None:
    """The process stands still before one of its steps; meanwhile another one hears of the owner."""
    rig = await _opened(mongo)
    number = await _say(rig, "n1", topics.ACTIONS, _action())
    await rig.run("tasks", [number], Accident(step, pauses=True))
    await rig.storage.change_all(LEADS, {"_id": "lead-1"}, {"$set": {"assignedTo": "kim"}})
    assigned = {"leadId": "lead-1", "assignedTo": "kim", "rule": "all"}
    await rig.run("tasks", [await _say(rig, "a1", topics.ASSIGNED, assigned)])
    for job in list(rig.paused):
        await rig.resume(job)
    task = await _task(rig, derive("task", "a1"))
    assert task is not None
    assert task["assignedTo"] == "kim"
    last = [*_told(rig, topics.TASK_CREATED), *_told(rig, topics.TASK_UPDATED)][-1]
    assert last["assignedTo"] == "kim"
    await rig.close()


async def _made(rig: Rig) -> list[int]:
    return [await _say(rig, "t1", topics.TASKS, _create()), await _say(rig, "n1", topics.ACTIONS, _action())]


@pytest.mark.parametrize("step", range(1, _STEPS))
async def test_nothing_is_left_of_a_lead_that_is_erased_between_two_steps(mongo: Mongo, step: int) -> None:
    rig = await _opened(mongo)
    await rig.run("tasks", await _made(rig), Accident(step, pauses=True))
    await _erased(rig)
    for job in list(rig.paused):
        await rig.resume(job)
    await rig.settle()
    assert await rig.storage.count(TASKS) == 0
    assert await rig.storage.count(PENDING_EVENTS) == 0
    assert rig.faults == []
    await rig.close()


@pytest.mark.parametrize("step", range(1, _STEPS))
async def test_a_redelivery_deletes_what_a_killed_process_stored_of_an_erased_lead(mongo: Mongo, step: int) -> None:
    """The process stands still while the lead is erased, goes on, and is killed a few steps later."""
    for later in range(1, 6):
        rig = await _opened(mongo)
        numbers = await _made(rig)
        await rig.run("tasks", numbers, Accident(step, pauses=True))
        await _erased(rig)
        for job in list(rig.paused):
            await rig.resume(job, Accident(later))
        await rig.run("tasks", numbers)
        await rig.settle()
        assert await rig.storage.count(TASKS) == 0
        assert rig.faults == []
        await rig.close()


@pytest.mark.parametrize("step", range(1, _STEPS))
async def test_tasks_follow_their_lead_wherever_the_process_is_killed(mongo: Mongo, step: int) -> None:
    rig = await _opened(mongo)
    made = [
        await _say(rig, "t1", topics.TASKS, _create()),
        await _say(rig, "t2", topics.TASKS, _create(assignedTo="ann")),
        await _say(rig, "n1", topics.ACTIONS, _action()),
    ]
    await rig.run("tasks", made)
    await rig.storage.change_all(LEADS, {"_id": "lead-1"}, {"$set": {"assignedTo": "kim"}})
    moved = await _say(rig, "a1", topics.ASSIGNED, {"leadId": "lead-1", "assignedTo": "kim", "rule": "all"})
    await _killed(rig, [moved], step)
    tasks = {one["taskId"]: one.get("assignedTo") for one in await rig.storage.find(TASKS, {})}
    assert tasks == {"t1": "kim", "t2": "ann", derive("task", "a1"): "kim"}
    assert len(_told(rig, topics.TASK_UPDATED)) == 2
    await rig.storage.change_all(LEADS, {"_id": "lead-1"}, {"$set": {"status": "lost"}})
    changed = {"status": {"from": "new", "to": "lost"}}
    lost = await _say(rig, "u1", topics.UPDATED, {"leadId": "lead-1", "changed": changed, "by": "boss"})
    await _killed(rig, [lost], step)
    states = {one["taskId"]: one["state"] for one in await rig.storage.find(TASKS, {})}
    assert states == {"t1": "open", "t2": "open", derive("task", "a1"): "cancelled"}
    cancelled = _told(rig, topics.TASK_UPDATED)[-1]
    assert (cancelled["state"], cancelled["by"], cancelled["outcome"]) == ("cancelled", "boss", "the lead is lost")
    assert len(_told(rig, topics.TASK_UPDATED)) == 3
    await rig.close()


async def test_a_command_waits_for_its_lead_and_for_its_task_and_is_then_rejected(mongo: Mongo) -> None:
    rig = await _opened(mongo)
    early = await _say(rig, "s1", topics.TASKS, _command("snooze", taskId="t1", until="2026-03-05T09:00:00Z"))
    nobody = await _say(rig, "d1", topics.TASKS, _command("complete", "nobody", taskId="t1"))
    never = await _say(rig, "d2", topics.TASKS, _command("complete", taskId="no such task"))
    await rig.run("tasks", [early, nobody, never])
    assert await rig.storage.count(PENDING_EVENTS) == 3
    assert _told(rig, topics.REJECTED) == []
    await rig.run("tasks", [await _say(rig, "t1", topics.TASKS, _create())])
    rig.now += LEASE * 20
    await rig.settle()
    task = await _task(rig)
    assert task is not None
    assert task["dueAt"] == NOW + timedelta(days=2, hours=21)
    assert {one["commandId"]: one["reason"] for one in _told(rig, topics.REJECTED)} == {
        "d1": "lead_not_found",
        "d2": "unknown_task",
    }
    assert await rig.storage.count(PENDING_EVENTS) == 0
    # A task that comes after the verdict changes nothing of it.
    await rig.run("tasks", [await _say(rig, "no such task", topics.TASKS, _create()), never])
    late = await _task(rig, "no such task")
    assert late is not None
    assert late["state"] == "open"
    await rig.close()


async def test_two_processes_that_decide_at_once_agree(mongo: Mongo) -> None:
    """One stands still before each of its steps in turn, while another one closes the task."""
    for step in range(1, _STEPS):
        rig = await _opened(mongo)
        await rig.run("tasks", [await _say(rig, "t1", topics.TASKS, _create())])
        done = await _say(rig, "d1", topics.TASKS, _command("complete", taskId="t1", outcome="sold"), 2)
        gone = await _say(rig, "x1", topics.TASKS, _command("cancel", taskId="t1"), 1)
        await rig.run("tasks", [done], Accident(step, pauses=True))
        await rig.run("tasks", [gone])
        for job in list(rig.paused):
            await rig.resume(job)
        await rig.run("tasks", [done, gone])
        task = await _task(rig)
        assert task is not None
        (updated,), (rejected,) = _told(rig, topics.TASK_UPDATED), _told(rig, topics.REJECTED)
        assert updated["state"] == task["state"]
        assert rejected["commandId"] == ("d1" if task["state"] == "cancelled" else "x1")
        assert len(_told(rig, topics.ACTIVITIES)) == (task["state"] == "done")
        assert rig.faults == []
        await rig.close()


@pytest.mark.parametrize("step", range(1, _STEPS))
async def test_two_sources_that_use_one_event_id_at_the_same_moment_make_two_tasks(mongo: Mongo, step: int) -> None:
    rig = await _opened(mongo)
    ours = await _say(rig, "t1", topics.TASKS, _create())
    await rig.append_from("/others", topics.TASKS, "t1", {**_create(), "title": "Call Ben"}, NOW)
    await rig.run("tasks", [ours], Accident(step, pauses=True))
    await rig.run("tasks", [len(rig.log) - 1])
    for job in list(rig.paused):
        await rig.resume(job)
    await rig.settle()
    assert sorted(row["title"] for row in await rig.storage.find(TASKS, {})) == ["Call Ana", "Call Ben"]
    told = _told(rig, topics.TASK_CREATED)
    assert sorted(one["title"] for one in told) == ["Call Ana", "Call Ben"]
    assert len({one["taskId"] for one in told}) == 2
    await rig.close()


@pytest.mark.parametrize("step", range(1, _STEPS))
async def test_a_command_whose_wait_ends_while_its_task_comes_has_one_outcome(mongo: Mongo, step: int) -> None:
    """A process that gives up on the command stands still; meanwhile its task comes, and the command again."""
    rig = await _opened(mongo)
    early = await _say(rig, "d1", topics.TASKS, _command("complete", taskId="t1"))
    await rig.run("tasks", [early])
    rig.now += LEASE
    await rig.look("tasks", Accident(step, pauses=True))
    await rig.run("tasks", [await _say(rig, "t1", topics.TASKS, _create()), early])
    for job in list(rig.paused):
        await rig.resume(job)
    await rig.settle()
    task = await _task(rig)
    assert task is not None
    outcomes = [*_told(rig, topics.TASK_UPDATED), *_told(rig, topics.REJECTED)]
    assert len(outcomes) == 1
    assert task["state"] == ("done" if "taskId" in outcomes[0] else "open")
    assert rig.faults == []
    await rig.close()
