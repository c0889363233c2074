"""Whatever step a worker dies at, its sender is told an outcome only once it is there, and never another one later."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest

from schemas import topics
from schemas.topics import Topic
from services.gateway.outcomes.domain.event_states import EventOutcome, EventState, outcome
from services.gateway.outcomes.outcome_queries import find_outcome
from shared.domain.causes import REMEMBERED_MAX
from shared.mongo.connection import Mongo
from shared.mongo.storage import Storage
from tests.builders import NOW, data
from tests.collection_names import ACTIVITIES, LEADS, OUTCOMES, TIMELINE
from tests.harness import capture_key, lead_id, mongo_at
from tests.model.rig import SOURCE, Accident, Rig

_STEPS_MAX = 80
"""More steps than any worker has for one event."""
_LATER = timedelta(minutes=1)
WHO, BY = lead_id("ana"), {"requestedBy": "sam"}
CALL = {"type": "call", "description": "rang", "createdBy": "sam", "completedAt": NOW.isoformat()}
PENDING = outcome(EventState.PENDING)

pytestmark = [pytest.mark.usefixtures("quiet"), pytest.mark.timeout(600)]

_databases = iter(range(10_000))


@pytest.fixture
def mongo(mongo: str) -> Mongo:
    return mongo_at(mongo)


async def _rig(mongo: Mongo, *captures: str) -> Rig:
    """A rig whose capture worker has handled these captures of Ana."""
    rig = Rig(Storage(mongo, f"outcomes{next(_databases)}"))
    await rig.open()
    for one in captures:
        await rig.say(one, topics.CAPTURED, data(), NOW)
        await _all(rig, "capture")
    return rig


async def _all(rig: Rig, *workers: str, accident: Accident | None = None) -> None:
    """Let these workers handle what there is for them, once if there is an accident."""
    for worker in workers:
        while rig.pending[worker]:
            await rig.run(worker, rig.pending[worker][:50], accident)
            if accident:
                break


async def _of(rig: Rig, event_id: str) -> EventOutcome:
    return await find_outcome(rig.storage, SOURCE, event_id)


async def _applied(rig: Rig, event_id: str) -> bool:
    """Whether the lead remembers the event in any of its lists."""
    lead: dict[str, Any] = (await rig.storage.read(LEADS, [WHO])).get(WHO, {})
    causes = [*lead.get("carriedOut", ()), *lead.get("counted", ()), *(one["key"] for one in lead.get("decided", ()))]
    rows = await rig.storage.find(ACTIVITIES, {"eventKey": capture_key(SOURCE, event_id)})
    return bool({capture_key(SOURCE, event_id), *(row["_id"] for row in rows)} & set(causes))


INPUTS: Iterable[tuple[str, Topic, dict[str, Any], EventState]] = (
    ("capture", topics.CAPTURED, data(), EventState.CREATED),
    ("capture", topics.CAPTURED, data(phone="+1 312 555 0199"), EventState.MERGED),
    ("engagement", topics.ACTIVITIES, {"leadId": WHO, "activity": CALL}, EventState.DONE),
    ("engagement", topics.ACTIVITIES, {"email": "ana@example.com", "activity": {**CALL, "id": "x"}}, EventState.DONE),
    ("engagement", topics.ENGAGEMENTS, {"email": "ana@example.com", "action": "clicked_pricing"}, EventState.DONE),
    ("qualification", topics.QUALIFY, {"leadId": WHO, **BY, "requirements": {"budget": 5}}, EventState.DONE),
    ("qualification", topics.UPDATE, {"leadId": WHO, **BY, "status": "contacted"}, EventState.DONE),
)


@pytest.mark.parametrize(("worker", "topic", "payload", "expected"), INPUTS)
async def test_an_outcome_is_told_once_the_lead_has_it_and_stays(
    mongo: Mongo, worker: str, topic: Topic, payload: dict[str, Any], expected: EventState
) -> None:
    creates = expected is EventState.CREATED
    event_id, before = ("ana", ()) if creates else ("next", ("ana",))
    answers = []
    for dies_at in range(1, _STEPS_MAX):
        rig = await _rig(mongo, *before)
        await rig.say(event_id, topic, payload, NOW)
        assert await _of(rig, event_id) == PENDING
        await _all(rig, worker, accident=Accident(dies_at))
        died = bool(rig.pending[worker])
        await _all(rig, "insights")
        answers.append(await _of(rig, event_id))
        assert answers[-1] in (PENDING, outcome(expected, WHO)), dies_at
        assert answers[-1] == PENDING or await _applied(rig, event_id), dies_at
        await _all(rig, worker, "insights")
        assert await _of(rig, event_id) == outcome(expected, WHO), dies_at
        assert rig.faults == []
        await rig.close()
        if not died:
            break
    assert PENDING in answers[2:], "it died amid its writes"
    assert answers[-1] != PENDING, "at last it lived"


async def test_an_older_version_of_an_activity_is_done_when_it_is_handled_and_no_sooner(mongo: Mongo) -> None:
    rig = await _rig(mongo, "ana")
    held = {"leadId": WHO, "activity": {**CALL, "id": "visit"}}
    await rig.say("newer", topics.ACTIVITIES, held, NOW + _LATER)
    await rig.say("older", topics.ACTIVITIES, held, NOW)
    newer, older = rig.pending["engagement"][-2:]
    await rig.run("engagement", [newer])
    await _all(rig, "insights")
    assert await _of(rig, "newer") == outcome(EventState.DONE, WHO)
    assert await _of(rig, "older") == PENDING, "its timeline row and the row of its activity are there"
    await rig.run("engagement", [older])
    await _all(rig, "insights")
    assert await _of(rig, "older") == outcome(EventState.DONE, WHO)
    await rig.close()


async def test_a_lead_that_has_forgotten_its_causes_still_shows_their_outcome(mongo: Mongo) -> None:
    rig = await _rig(mongo, "ana")
    said = [("first", topics.CAPTURED, data()), ("call", topics.ACTIVITIES, {"leadId": WHO, "activity": CALL})]
    said += [("named", topics.UPDATE, {"leadId": WHO, **BY, "assignedTo": "kim"})]
    for event_id, topic, payload in said:
        await rig.say(event_id, topic, payload, NOW)
    for number in range(REMEMBERED_MAX + 5):
        await rig.say(f"c{number}", topics.CAPTURED, data(), NOW)
        await rig.say(f"a{number}", topics.ACTIVITIES, {"leadId": WHO, "activity": CALL}, NOW)
        await rig.say(f"u{number}", topics.UPDATE, {"leadId": WHO, **BY, "assignedTo": f"o{number}"}, NOW)
    for worker in ("capture", "engagement", "qualification"):
        for number in list(rig.pending[worker]):
            await rig.run(worker, [number])
    await _all(rig, "insights")
    assert not any([await _applied(rig, event_id) for event_id in ("ana", "first", "call", "named")])
    assert await _of(rig, "ana") == outcome(EventState.CREATED, WHO)
    assert await _of(rig, "first") == outcome(EventState.MERGED, WHO)
    assert await _of(rig, "call") == await _of(rig, "named") == outcome(EventState.DONE, WHO)
    await rig.close()


async def test_an_erasure_that_dies_at_any_step_leaves_no_outcome_but_the_former_one_or_erased(mongo: Mongo) -> None:
    before = {
        "ana": outcome(EventState.CREATED, WHO),
        "again": outcome(EventState.MERGED, WHO),
        "named": outcome(EventState.DONE, WHO),
        "call": outcome(EventState.DONE, WHO),
        "click": outcome(EventState.DONE, WHO),
    }
    for dies_at in range(1, _STEPS_MAX):
        rig = await _rig(mongo, "ana", "again")
        await rig.say("named", topics.UPDATE, {"leadId": WHO, **BY, "assignedTo": "kim"}, NOW)
        await rig.say("call", topics.ACTIVITIES, {"leadId": WHO, "activity": {**CALL, "id": "visit"}}, NOW)
        await rig.say("click", topics.ENGAGEMENTS, {"email": "ana@example.com", "action": "clicked_pricing"}, NOW)
        await _all(rig, "qualification", "engagement", "insights")
        assert {one: await _of(rig, one) for one in before} == before
        await rig.say("gone", topics.ERASE, {"leadId": WHO, **BY}, NOW)
        await _all(rig, "erasure", accident=Accident(dies_at))
        died, erased = bool(rig.pending["erasure"]), outcome(EventState.ERASED, WHO)
        # The lead is deleted, but its captures are not yet stripped: nothing tells it from a lead to come.
        for event_id, former in {**before, "gone": PENDING}.items():
            between = () if event_id in ("named", "call", "click") else (PENDING,)
            assert await _of(rig, event_id) in (former, *between, erased), (dies_at, event_id)
        await _all(rig, "erasure", "insights")
        assert {await _of(rig, one) for one in (*before, "gone")} == {erased}, dies_at
        await rig.close()
        if not died:
            break
    assert not died
    assert dies_at > 5


async def test_activities_that_insights_sees_after_the_erasure_are_of_an_erased_lead(mongo: Mongo) -> None:
    rig = await _rig(mongo, "ana")
    await _all(rig, "insights")
    await rig.say("call", topics.ACTIVITIES, {"leadId": WHO, "activity": CALL}, NOW)
    await rig.say("click", topics.ENGAGEMENTS, {"email": "ana@example.com", "action": "clicked_pricing"}, NOW)
    placed = rig.pending["insights"][0]
    await _all(rig, "engagement")
    await rig.run("insights", [placed])
    await rig.say("gone", topics.ERASE, {"leadId": WHO, **BY}, NOW)
    await _all(rig, "erasure")
    assert await _of(rig, "call") == outcome(EventState.ERASED, WHO)
    assert await _of(rig, "click") == PENDING, "no document names its lead"
    await _all(rig, "insights")
    await rig.run("insights", [placed])
    for event_id in ("call", "click"):
        assert await _of(rig, event_id) == outcome(EventState.ERASED, WHO), event_id
    assert await rig.storage.find(TIMELINE, {"leadId": WHO}) == []
    assert rig.faults == []
    await rig.close()


async def test_a_lead_with_more_activities_than_a_page_leaves_a_note_of_each(mongo: Mongo) -> None:
    rig = await _rig(mongo, "ana")
    await _all(rig, "insights")
    keys = [f"key-{number:04d}" for number in range(2_500)]
    rows: list[Any] = [{"_id": key, "leadId": WHO, "key": key, "topic": topics.ENGAGEMENTS.name} for key in keys]
    rows += [{"_id": f"other-{key}", "leadId": WHO, "key": key, "topic": topics.SCORED.name} for key in keys[:50]]
    await rig.storage.insert_new(TIMELINE, rows)
    await rig.say("gone", topics.ERASE, {"leadId": WHO, **BY}, NOW)
    await _all(rig, "erasure")
    noted = await rig.storage.find(OUTCOMES, {"state": "erased"})
    assert sorted(row["_id"] for row in noted) == keys
    assert {(row["leadId"], row["expiresAt"] - row["at"]) for row in noted} == {(WHO, timedelta(days=90))}
    await rig.close()


async def test_an_activity_after_the_erasure_is_a_dead_letter_whatever_insights_sees_first(mongo: Mongo) -> None:
    for letters_first in (True, False):
        rig = await _rig(mongo, "ana")
        await _all(rig, "insights")
        await rig.say("gone", topics.ERASE, {"leadId": WHO, **BY}, NOW)
        await _all(rig, "erasure")
        await rig.say("new", topics.ACTIVITIES, {"leadId": WHO, "activity": CALL}, NOW)
        await _all(rig, "engagement")
        (dead,) = (number for number in rig.pending["insights"] if rig.log[number].record.topic == "leads.deadletter")
        # Beside `leads.erased`, which says that the lead has existed, the activity gets a row of its timeline.
        others = [number for number in rig.pending["insights"] if number != dead]
        for numbers in ([dead], others) if letters_first else (others, [dead]):
            await rig.run("insights", numbers)
        assert await _of(rig, "new") == outcome(EventState.DEAD_LETTERED, reason="lead_not_found"), letters_first
        assert rig.faults == []
        await rig.close()
