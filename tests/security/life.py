"""Leads' lives through every worker and the gateway, so that each process does what it is there for."""

from typing import Any

from schemas.topics import (
    ACTIONS,
    ACTIVITIES,
    ASSIGNED,
    CONVERTED,
    ENROLLED,
    ERASED,
    MERGED,
    QUALIFIED,
    REJECTED,
    TASK_CREATED,
    TASK_UPDATED,
    TRIGGERED,
    UPDATED,
)
from tests.builders import data, event
from tests.collection_names import LEADS, PENDING_EVENTS
from tests.gateway import Caller
from tests.harness import Bench, until, until_told

NOBODY = "5f0e7e6c-0000-4000-8000-000000000000"
CALL = {"type": "call", "description": "Talked it over", "createdBy": "sam", "completedAt": "2026-03-01T10:00:00Z"}


async def live(on: Bench, caller: Caller, key: str) -> str:
    """Lead the lives to their ends, and fail where one stands still; return the id of the lead that converted.

    `on` may do everything, `caller` calls a gateway with a key that may.
    """
    await _arrive(on, caller, key)
    ids = {one["contact"]["email"]: one["_id"] for one in await on.storage.find(LEADS, {})}
    ana, dan = ids["ana@example.com"], ids["dan@example.com"]
    await _say(caller, key, "/v1/leads", data(company={"size": "small"}))
    await until_told(on, MERGED, 1)
    await _say(caller, key, "/v1/activities", {"leadId": ana, "activity": CALL})
    await until_told(on, UPDATED, 1)
    edited = {"set": {"contact.email": "ana@new.example", "contact.title": "Owner"}, "note": "Has moved."}
    await _say(caller, key, f"/v1/leads/{ana}", edited, "PATCH")
    await until_told(on, UPDATED, 2)
    await _work(on, caller, key, ana)
    await _say(caller, key, f"/v1/leads/{ana}/qualify", {"requirements": {"painPoints": ["waste"]}})
    await until_told(on, QUALIFIED, 1)
    await _say(caller, key, f"/v1/leads/{ana}/convert", {"opportunity": {"amount": 10}})
    await until_told(on, CONVERTED, 1)
    await _say(caller, key, f"/v1/leads/{ana}", {"status": "lost", "reason": "no budget"}, "PATCH")
    await until_told(on, REJECTED, 1)
    await _say(caller, key, f"/v1/leads/{dan}", None, "DELETE")
    await until_told(on, ERASED, 1)
    await _mend(on, caller, key)
    await _look(on, caller, key, ana)
    return str(ana)


async def _say(caller: Caller, key: str, path: str, body: Any, method: str = "POST") -> None:
    answer = await caller.call(method, path, body, key=key)
    assert answer.status == 202, answer.text


async def _arrive(on: Bench, caller: Caller, key: str) -> None:
    """Two leads; of one, what it did was heard of before it was."""
    await _say(caller, key, "/v1/engagements", {"email": "ana@example.com", "action": "clicked_pricing"})
    # Nobody knows this one, ever.
    await _say(caller, key, f"/v1/leads/{NOBODY}/qualify", {"requirements": {"painPoints": ["waste"]}})
    await _say(caller, key, f"/v1/leads/{NOBODY}/convert", {"opportunity": {"amount": 10}})
    await _say(caller, key, f"/v1/leads/{NOBODY}", None, "DELETE")
    await until(lambda: _wait(on), "four events that wait for their leads")
    await _say(caller, key, "/v1/leads", data(consent={"email": True}))
    await _say(caller, key, "/v1/leads", data("dan@example.com", company="Red Spoon"))
    await until_told(on, ASSIGNED, 2)
    await until_told(on, TRIGGERED, 1)
    await until_told(on, ENROLLED, 3)
    await until_told(on, ACTIONS, 2)


async def _work(on: Bench, caller: Caller, key: str, lead: str) -> None:
    """A call is planned and done, which is an activity; a command on it then is rejected."""
    answer = await caller.post("/v1/tasks", {"leadId": lead, "kind": "call", "title": "Call back"}, key=key)
    assert answer.status == 202, answer.text
    task = f"/v1/tasks/{answer.json['eventId']}"
    await until_told(on, TASK_CREATED, 1)
    await _say(caller, key, task, {"action": "complete", "outcome": "agreed"}, "PATCH")
    await until_told(on, TASK_UPDATED, 1)
    await until_told(on, ACTIVITIES, 2)


async def _wait(on: Bench) -> bool:
    return await on.count(PENDING_EVENTS) == 4


async def _mend(on: Bench, caller: Caller, key: str) -> None:
    """A record that is no event is seen as a dead letter, goes back mended, and is a lead."""
    await on.publish([b"no event"])

    async def letters() -> list[Any]:
        answer = await caller.call("GET", "/v1/deadletters", key=key)
        assert answer.status == 200, answer.text
        return list(answer.json["letters"])

    async def there() -> bool:
        return bool(await letters())

    await until(there, "the dead letter")
    (letter,) = await letters()
    mended = {"value": event(data("cy@example.com")).decode()}
    await _say(caller, key, f"/v1/deadletters/{letter['id']}/replay", mended)
    await until_told(on, ASSIGNED, 3)


async def _look(on: Bench, caller: Caller, key: str, lead: str) -> None:
    """Everything that the gateway reads for others."""

    (open_,) = await on.storage.find(LEADS, {"status": "new"})
    views = ("", "/score", "/timeline", "/nurture", "/consent", "/export")
    paths = [f"/v1/leads/{lead}{view}" for view in views] + [f"/v1/leads/{open_['_id']}/prediction"]
    paths += [
        "/v1/tasks",
        "/v1/leads?q=blue",
        "/v1/analytics/leads?timeframe=month",
        "/v1/analytics/conversions?timeframe=month",
    ]

    async def told(path: str) -> bool:
        return (await caller.call("GET", path, key=key)).status == 200

    for path in [*paths, "/v1/model"]:
        await until(lambda path=path: told(path), path)  # type: ignore[misc]  # each its own path
