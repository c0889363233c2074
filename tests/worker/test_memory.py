"""What a lead remembers of the events that changed it: more events than it remembers double nothing, and lose nothing.

In each test a process is killed before each of its steps in turn, each time at another lead. Then more events of the
same lead come than any list of it holds; then the killed process's event comes again.
"""

from collections.abc import Sequence
from typing import Any

import pytest

from schemas import topics
from shared.domain.causes import REMEMBERED_MAX
from shared.domain.stored.untyped import Document
from shared.mongo.connection import Mongo
from shared.mongo.storage import Storage
from tests.builders import data
from tests.collection_names import CAPTURES, LEADS
from tests.harness import capture_key, lead_id, mongo_at
from tests.model.rig import Accident, Rig

_AFTER = 100
_HISTORY = 200
_STEPS = 14
"""More steps than any of these handlers has."""

pytestmark = [pytest.mark.usefixtures("quiet"), pytest.mark.timeout(600)]


@pytest.fixture
def mongo(mongo: str) -> Mongo:
    return mongo_at(mongo)


async def _opened(mongo: Mongo) -> Rig:
    rig = Rig(Storage(mongo, "memory"))
    await rig.open()
    return rig


async def _say(rig: Rig, event_id: str, topic: topics.Topic, payload: dict[str, Any]) -> int:
    """Put an event into the log; return its number there."""
    await rig.say(event_id, topic, payload, rig.now)
    return len(rig.log) - 1


async def _created(rig: Rig) -> list[int]:
    """One lead for each step that a process can be killed at."""
    numbers = [await _say(rig, f"lead-{n}", topics.CAPTURED, _of(n)) for n in range(_STEPS)]
    await rig.run("capture", numbers)
    return numbers


def _of(number: int, **more: Any) -> dict[str, Any]:
    return data(email=f"person.{number}@example.com", last=f"No{number}", **more)


async def _killed_then_followed(rig: Rig, worker: str, firsts: Sequence[int], rest: Sequence[Sequence[int]]) -> None:
    for step, number in enumerate(firsts, start=1):
        await rig.run(worker, [number], Accident(step))
    for numbers in rest:
        await rig.run(worker, numbers)
    await rig.run(worker, [*firsts])


async def _leads(rig: Rig) -> list[Document]:
    leads = await rig.storage.read(LEADS, [lead_id(f"lead-{n}") for n in range(_STEPS)])
    return [leads[lead_id(f"lead-{n}")] for n in range(_STEPS)]


async def test_a_capture_that_hundreds_overtook_is_merged_once_with_all_that_it_says(mongo: Mongo) -> None:
    rig = await _opened(mongo)
    first = await _created(rig)
    phones = [f"(212) 555-01{n:02}" for n in range(_STEPS)]
    full = [_of(n, phone=phone, contact={"title": "Chef"}) for n, phone in enumerate(phones)]
    overtaken = [await _say(rig, f"full-{n}", topics.CAPTURED, one) for n, one in enumerate(full)]
    rest = [
        [await _say(rig, f"{n}-{k}", topics.CAPTURED, _of(n)) for k in range(start, start + 20) for n in range(_STEPS)]
        for start in range(0, _AFTER, 20)
    ]
    await _killed_then_followed(rig, "capture", overtaken, rest)
    leads = await _leads(rig)
    assert await rig.storage.count("leads") == _STEPS
    assert {(lead["contact"].get("title"), lead["captureCount"]) for lead in leads} == {("Chef", _AFTER + 2)}
    assert [lead["contact"].get("phone") for lead in leads] == phones
    assert max(len(lead["decided"]) for lead in leads) <= REMEMBERED_MAX
    rows = await rig.storage.find(CAPTURES, {"leadId": leads[0]["_id"]})
    assert sorted(row["ordinal"] for row in rows) == list(range(1, _AFTER + 3))

    lost = [await _say(rig, f"lost-{n}", topics.UPDATE, _asked(n, status="lost")) for n in range(_STEPS)]
    await rig.run("qualification", lost)
    before, told = await _leads(rig), len(rig.log)
    assert {lead["status"] for lead in before} == {"lost"}
    for numbers in (first, overtaken, *rest):
        await rig.run("capture", numbers)
    assert await _leads(rig) == before
    ids = {entry.event["id"] for entry in rig.log[:told]}
    assert {entry.event["id"] for entry in rig.log[told:]} <= ids
    await rig.close()


async def test_an_activity_is_counted_once_however_many_others_come_before_it_comes_again(mongo: Mongo) -> None:
    rig = await _opened(mongo)
    await _created(rig)

    async def said(event_id: str, number: int, kind: str) -> int:
        done = {"type": kind, "createdBy": "sam", "description": "spoke", "completedAt": rig.now.isoformat()}
        return await _say(rig, event_id, topics.ACTIVITIES, {"leadId": lead_id(f"lead-{number}"), "activity": done})

    meetings = [await said(f"meeting-{n}", n, "meeting") for n in range(_STEPS)]
    rest = [
        [await said(f"{n}-{k}", n, "call") for k in range(start, start + 20) for n in range(_STEPS)]
        for start in range(0, _AFTER, 20)
    ]
    await _killed_then_followed(rig, "engagement", meetings, rest)
    for numbers in rest:
        await rig.run("engagement", numbers)
    counts = [lead["activityStats"]["counts"] for lead in await _leads(rig)]
    assert counts == [{"meeting": 1, "call": _AFTER}] * _STEPS
    assert max(len(lead["counted"]) for lead in await _leads(rig)) <= REMEMBERED_MAX
    await rig.close()


async def test_a_command_is_carried_out_once_however_many_others_come_before_it_comes_again(mongo: Mongo) -> None:
    rig = await _opened(mongo)
    await _created(rig)
    bant = {"budget": {"confirmed": True}, "need": {"painPoints": ["waste"]}, "authority": {"isDecisionMaker": True}}
    qualified = [await _say(rig, f"fit-{n}", topics.QUALIFY, _asked(n, bant=bant)) for n in range(_STEPS)]
    rest = [
        [await _say(rig, f"{n}-{k}", topics.UPDATE, _asked(n, assignedTo=f"kim-{k}")) for n in range(_STEPS)]
        for k in range(REMEMBERED_MAX + 10)
    ]
    await _killed_then_followed(rig, "qualification", qualified, rest)
    for numbers in rest:
        await rig.run("qualification", numbers)
    leads = await _leads(rig)
    assert [lead["activityStats"]["counts"] for lead in leads] == [{"follow_up": 1}] * _STEPS
    assert {(lead["status"], lead["assignedTo"]) for lead in leads} == {("qualified", f"kim-{REMEMBERED_MAX + 9}")}
    assert max(len(lead["carriedOut"]) for lead in leads) <= REMEMBERED_MAX
    await rig.close()


def _asked(number: int, **what: Any) -> dict[str, Any]:
    return {"leadId": lead_id(f"lead-{number}"), "requestedBy": "sam", **what}


async def test_two_hundred_events_of_every_kind_later_the_same_capture_changes_nothing(mongo: Mongo) -> None:
    rig = await _opened(mongo)
    first = await _say(rig, "lead-0", topics.CAPTURED, _of(0))
    await rig.run("capture", [first])
    names = ("captured", "spoke", "asked")
    for k in range(_HISTORY):
        done = {"type": "call", "createdBy": "sam", "description": "spoke"}
        await _say(rig, f"captured-{k}", topics.CAPTURED, _of(0))
        await _say(rig, f"spoke-{k}", topics.ACTIVITIES, {"leadId": lead_id("lead-0"), "activity": done})
        await _say(rig, f"asked-{k}", topics.UPDATE, _asked(0, assignedTo=f"kim-{k}"))
    lost = await _say(rig, "asked-last", topics.UPDATE, _asked(0, status="lost"))
    workers = ("capture", "engagement", "qualification")
    events = {
        worker: [n for n, entry in enumerate(rig.log) if entry.event["id"].startswith(name)]
        for worker, name in zip(workers, names, strict=True)
    }
    for worker, numbers in events.items():
        for start in range(0, len(numbers), 20):
            await rig.run(worker, numbers[start : start + 20])
    before = await rig.storage.read(LEADS, [lead_id("lead-0")])
    lead = before[lead_id("lead-0")]
    assert (lead["status"], lead["captureCount"], lead["assignedTo"]) == ("lost", _HISTORY + 1, f"kim-{_HISTORY - 1}")
    assert lead["activityStats"]["counts"] == {"call": _HISTORY}
    for worker, number in (("capture", first), ("qualification", lost), *((w, n[0]) for w, n in events.items())):
        await rig.run(worker, [number])
    for worker, numbers in events.items():
        await rig.run(worker, numbers)
    assert await rig.storage.read(LEADS, [lead_id("lead-0")]) == before
    await rig.close()


async def test_a_slow_process_changes_no_row_that_is_said_to_be_applied(mongo: Mongo) -> None:
    storage = Storage(mongo, "memory")
    key = capture_key("/tests", "one")
    await storage.put(CAPTURES, [{"_id": key, "leadId": "a", "applied": True}])
    open_ = {"applied": {"$ne": True}}
    assert not await storage.replace(CAPTURES, [(open_, {"_id": key, "leadId": "b", "applied": False})])
    assert (await storage.read(CAPTURES, [key]))[key] == {"_id": key, "leadId": "a", "applied": True}
    await storage.close()
