"""Activity ids: events of one activity are one row that counts once, whatever order they come in and who is killed."""

import random
from collections.abc import Sequence
from contextvars import ContextVar
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest

from schemas import topics
from shared.domain.stored.untyped import Document
from shared.mongo import retries
from shared.mongo.connection import Mongo
from shared.mongo.storage import Storage
from tests.builders import NOW, data
from tests.collection_names import ACTIVITIES, LEADS
from tests.harness import lead_id, mongo_at
from tests.model.rig import Accident, Rig

_STEPS = 16
"""More steps than the handler has."""
WHO, EMAIL = lead_id("ana"), "ana@example.com"
MINUTE = timedelta(minutes=1)
PLANNED = {"type": "meeting", "description": "tasting", "createdBy": "sam", "scheduledAt": NOW.isoformat()}
HELD = PLANNED | {"completedAt": NOW.isoformat(), "outcome": "liked it"}
CANCELLED = PLANNED | {"cancelled": True, "description": "fell ill"}

pytestmark = [pytest.mark.usefixtures("quiet"), pytest.mark.timeout(600)]


@pytest.fixture
def mongo(mongo: str) -> Mongo:
    return mongo_at(mongo)


_databases = iter(range(10_000))


class _Case:
    """A lead, and events of its activities, each said `minutes` after now; `turn` is the engagement worker's."""

    def __init__(self, mongo: Mongo) -> None:
        self.rig = Rig(Storage(mongo, f"ids{next(_databases)}"))

    async def begin(self) -> "_Case":
        await self.rig.open()
        await self.rig.say("ana", topics.CAPTURED, data(EMAIL), NOW)
        await self.rig.run("capture", [0])
        self.rig.now = NOW + 60 * MINUTE
        return self

    async def say(self, event_id: str, activity: dict[str, Any] | str, minutes: int = 0, **more: Any) -> int:
        topic = topics.ENGAGEMENTS if isinstance(activity, str) else topics.ACTIVITIES
        said = {"action": activity} if isinstance(activity, str) else {"activity": activity}
        await self.rig.say(event_id, topic, {**(more or {"leadId": WHO}), **said}, NOW + minutes * MINUTE)
        return len(self.rig.log) - 1

    async def turn(self, *numbers: int, dies_at: int | None = None) -> None:
        await self.rig.run("engagement", numbers, Accident(dies_at) if dies_at else None)

    async def rows(self) -> list[Document]:
        return await self.rig.storage.find(ACTIVITIES, {"leadId": WHO})

    async def lead(self) -> Document:
        return (await self.rig.storage.read(LEADS, [WHO]))[WHO]

    async def counts(self) -> tuple[dict[str, int], int]:
        stats = (await self.lead())["activityStats"]
        return stats["counts"], len(stats["completedAt"])


def _outcome(rows: Sequence[Document]) -> list[tuple[Any, ...]]:
    named = ("activityId", "type", "description", "outcome", "cancelled")
    return [tuple(row.get(name) for name in named) for row in rows]


async def test_a_meeting_that_is_planned_and_then_held_is_one_activity_in_any_order_and_batch(mongo: Mongo) -> None:
    moved = PLANNED | {"description": "moved by a week"}
    events = {"e1": (PLANNED, 1), "e2": (moved, 2), "e3": (HELD, 3)}
    for order in permutations(events):
        for batches in ([order], [[one] for one in order], [order[:2], order[2:], order]):
            case = await _Case(mongo).begin()
            for batch in batches:
                said = [await case.say(one, {"id": "m1", **events[one][0]}, events[one][1]) for one in batch]
                await case.turn(*said)
            assert _outcome(await case.rows()) == [("m1", "meeting", "tasting", "liked it", None)], order
            assert await case.counts() == ({"meeting": 1}, 1)
            assert (await case.lead())["status"] == "contacted"
            await case.rig.close()


async def test_events_of_one_activity_whose_lead_is_yet_to_come_wait_for_it_after_one_round(
    mongo: Mongo, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds = ContextVar("rounds", default=2)
    monkeypatch.setattr(retries, "_rounds", rounds)
    case, bo = await _Case(mongo).begin(), lead_id("bo")
    # The engagement changes the row of the newer event, once that one is counted: it never is.
    said = [
        await case.say("e1", "clicked_pricing", 1, leadId=bo),
        await case.say("e2", {"id": "e1", **HELD}, 2, leadId=bo),
    ]
    known = await case.say("e9", {"id": "m9", **HELD})
    await case.turn(*said, known)
    assert case.rig.faults == []
    assert await case.rig.waiting() == {"e1", "e2"}
    assert await case.rig.storage.count(ACTIVITIES, {"leadId": bo}) == 0
    assert await case.counts() == ({"meeting": 1}, 1)
    await case.rig.say("bo", topics.CAPTURED, data("bo@example.com", last="Li"), NOW)
    await case.rig.settle()
    rows = await case.rig.storage.find(ACTIVITIES, {"leadId": bo})
    assert _outcome(rows) == [("e1", "meeting", "tasting", "liked it", None)]
    await case.rig.close()


async def test_of_a_lead_that_is_not_there_a_worker_that_dies_at_any_step_leaves_no_activity(mongo: Mongo) -> None:
    case, bo = await _Case(mongo).begin(), lead_id("bo")
    for step in range(1, _STEPS):
        said = await case.say(f"e{step}", {"id": f"m{step}", **HELD}, leadId=bo)
        await case.turn(said, dies_at=step)
        await case.turn(said)
        assert await case.rig.waiting() == {f"e{number}" for number in range(1, step + 1)}
        assert await case.rig.storage.count(ACTIVITIES, {"leadId": bo}) == 0
    assert case.rig.faults == []
    await case.rig.close()


async def test_events_at_one_moment_are_ordered_by_their_ids(mongo: Mongo) -> None:
    for order in permutations(["a", "b"]):
        case = await _Case(mongo).begin()
        for one in order:
            await case.turn(await case.say(one, {"id": "m1", **(HELD if one == "a" else CANCELLED)}))
        assert _outcome(await case.rows()) == [("m1", "meeting", "fell ill", None, True)], order
        assert await case.counts() == ({}, 0)
        await case.rig.close()


async def test_what_is_cancelled_gives_no_points_and_what_is_held_after_all_gives_them_again(mongo: Mongo) -> None:
    case = await _Case(mongo).begin()
    await case.turn(await case.say("e1", {"id": "m1", **HELD}, 1))
    await case.turn(await case.say("e2", {"id": "m1", **CANCELLED}, 2))
    assert await case.counts() == ({}, 0)
    await case.turn(await case.say("e3", {"id": "m1", **HELD, "type": "call"}, 3))
    assert await case.counts() == ({"call": 1}, 1)
    await case.rig.close()


async def test_an_activity_changes_once_though_its_worker_dies_at_any_step_and_much_comes_between(mongo: Mongo) -> None:
    for step in range(1, _STEPS):
        case = await _Case(mongo).begin()
        planned = await case.say("e1", {"id": "m1", **PLANNED}, 1)
        held = await case.say("e2", {"id": "m1", **HELD}, 2)
        await case.turn(planned, dies_at=step)
        await case.turn(held, dies_at=step)
        others = [await case.say(f"o{n}", "opened_email", n) for n in range(70)]
        for start in range(0, 70, 7):
            await case.turn(*others[start : start + 7])
        await case.turn(held)
        await case.turn(planned, held)
        assert await case.counts() == ({"email": 70, "meeting": 1}, 71), step
        rows = [row for row in await case.rows() if row["type"] == "meeting"]
        assert _outcome(rows) == [("m1", "meeting", "tasting", "liked it", None)]
        await case.rig.close()


async def test_an_activities_event_corrects_an_engagement_by_its_event_s_id_in_either_order(mongo: Mongo) -> None:
    correction = {"id": "click", "type": "email", "description": "a bot", "createdBy": "kim", "cancelled": True}
    for first in ("engagement", "correction"):
        case = await _Case(mongo).begin()
        for one in (first, *({"engagement", "correction"} - {first})):
            said = ("unsubscribed", 1) if one == "engagement" else (correction, 2)
            number = await case.say("click" if one == "engagement" else "fix", *said, email=EMAIL)
            await case.turn(number)
            await case.turn(number)
        assert _outcome(await case.rows()) == [("click", "email", "a bot", None, True)]
        assert await case.counts() == ({}, 0)
        assert (await case.lead())["consent"]["email"] is False, "what the person said holds"
        await case.rig.close()


async def test_events_of_two_sources_with_one_id_are_two_activities(mongo: Mongo) -> None:
    case = await _Case(mongo).begin()
    mailers = [await case.say("1", "opened_email"), await case.say("2", "opened_email")]
    await case.rig.append_from("/other", topics.ENGAGEMENTS, "1", {"leadId": WHO, "action": "clicked_pricing"}, NOW)
    others = [len(case.rig.log) - 1]
    for numbers in ([*mailers, *others], others, mailers, [*others, *mailers]):
        await case.turn(*numbers)
    assert await case.counts() == ({"email": 3}, 3)
    assert sorted(row["activityId"] for row in await case.rows()) == ["1", "1", "2"]
    await case.rig.close()


async def test_rows_of_an_earlier_release_are_recognised_when_their_events_come_again(mongo: Mongo) -> None:
    case = await _Case(mongo).begin()
    number = await case.say("e1", {"id": "m1", **HELD})
    await case.turn(number)
    (row,) = await case.rows()
    old = {name: row[name] for name in ("leadId", "type", "description", "completedAt", "createdBy", "at", "knownAt")}
    await case.rig.storage.delete("activities", [row["_id"]])
    await case.rig.storage.put(ACTIVITIES, [{"_id": row["eventKey"], **old, "tallied": True}])
    await case.turn(number)
    assert len(await case.rows()) == 1
    assert await case.counts() == ({"meeting": 1}, 1)
    await case.rig.close()


async def test_any_history_of_activities_comes_to_the_newest_of_each_by_time(mongo: Mongo) -> None:
    rng = random.Random(7)
    for _ in range(6):
        case = await _Case(mongo).begin()
        states: list[dict[str, Any]] = [PLANNED, HELD, CANCELLED]
        events = [(f"e{n}", f"m{rng.randrange(3)}", rng.choice(states), n) for n in range(12)]
        said = [await case.say(key, {"id": of, **what}, minutes) for key, of, what, minutes in events]
        rng.shuffle(said)
        for number in said:
            await case.turn(*rng.sample(said, rng.randrange(4)), number, dies_at=rng.choice([None, rng.randrange(12)]))
            await case.turn(number)
        newest = {of: what for _, of, what, _ in events}
        assert len(await case.rows()) == len(newest)
        kept = [what for what in newest.values() if "cancelled" not in what]
        counts, completed = await case.counts()
        assert (counts.get("meeting", 0), completed) == (len(kept), sum("completedAt" in one for one in kept))
        await case.rig.close()
