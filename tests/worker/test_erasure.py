"""Erasure on real servers: nothing of the person is left anywhere, nothing late brings it back, a fresh word does."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import json_util
from pydantic import SecretStr

from deploy.local import LocalServers
from schemas.topics import (
    ACTIONS,
    ACTIVITIES,
    ASSIGNED,
    CONVERT,
    CONVERTED,
    CREATED,
    DEADLETTER,
    ENGAGEMENTS,
    ENROLLED,
    ERASE,
    ERASED,
    MERGED,
    QUALIFIED,
    QUALIFY,
    REJECTED,
    TASK_UPDATED,
    TASKS,
    UPDATE,
    UPDATED,
)
from services.composition.process import run_workers
from services.erasure import store
from shared.leads.erasure_markers import erased
from shared.mongo.names import COLLECTIONS
from shared.settings import Settings
from tests.builders import data, event, verdict
from tests.collection_names import (
    CAPTURES,
    COMMANDS,
    ERASURE_MARKERS,
    IDENTITIES,
    LEAD_ROWS,
    LEAD_WORDS,
    LEADS,
    OUTCOMES,
    OWNERS,
    PREDICTIONS,
)
from tests.collection_names import TASKS as TASK_ROWS
from tests.harness import DEADLINE_S, Bench, bench, lead_id, told, until, until_told

SALES = {"requestedBy": "sam"}
DESK = {"requestedBy": "privacy.desk"}
CANARY = "zyzzyva"
EMAIL, OLD_EMAIL = f"{CANARY}.now@example.com", f"{CANARY}.old@example.com"


def _canary_data(email: str, **more: Any) -> dict[str, Any]:
    contact = {"title": f"{CANARY} director"}
    requirements = {"painPoints": [f"{CANARY} waste"], "currentSolution": f"{CANARY} cash and carry"}
    return data(
        email,
        "+13125550100",
        f"{CANARY} Bistro",
        f"{CANARY}na",
        "Reyes",
        contact=contact,
        requirements=requirements,
        **more,
    )


def _activity(**names: str) -> dict[str, Any]:
    done = {"type": "call", "createdBy": "sam", "completedAt": "2026-03-01T10:00:00Z", "description": f"{CANARY} said"}
    return {**names, "activity": done}


async def _live(on: Bench, who: str) -> None:
    """Everything that can happen to a lead happens to this one, and waits or is planned besides."""
    await on.publish([event(_canary_data(OLD_EMAIL), event_id="c1")])
    await until_told(on, ENROLLED, 1)
    again = _canary_data(EMAIL, source="trade_show", context={"booth": f"{CANARY} hall"})
    await on.publish([event(again, event_id="c2"), event(_canary_data(OLD_EMAIL.upper()), event_id="c3")])
    await until_told(on, MERGED, 2)
    await on.publish([event(_activity(leadId=who), ACTIVITIES, "a1")], ACTIVITIES)
    await on.publish([event({"email": EMAIL, "action": "clicked_pricing"}, ENGAGEMENTS, "e1")], ENGAGEMENTS)
    await on.publish([event({"leadId": who, **SALES, "assignedTo": "kim"}, UPDATE, "u1")], UPDATE)
    await until_told(on, UPDATED, 2)
    task = {"leadId": who, **SALES, "action": "create", "kind": "call", "title": f"{CANARY} back"}
    done = {"leadId": who, **SALES, "action": "complete", "taskId": "t1", "outcome": f"{CANARY} agreed"}
    await on.publish([event(task, TASKS, "t1"), event(task, TASKS, "t2"), event(done, TASKS, "t3")], TASKS, [b"t"] * 3)
    await until_told(on, TASK_UPDATED, 1)
    fit = {"requirements": {"currentSolution": f"{CANARY} broadliner"}}
    await on.publish([event({"leadId": who, **SALES, **fit}, QUALIFY, "q1")], QUALIFY)
    await until_told(on, QUALIFIED, 1)
    await until_told(on, ENROLLED, 2)
    await until_told(on, ACTIONS, 2)
    wanted = {"opportunity": {"name": f"{CANARY} deal"}}
    await on.publish([event({"leadId": who, **SALES, **wanted}, CONVERT, "v1")], CONVERT)
    await until_told(on, CONVERTED, 1)


async def _dump(on: Bench) -> dict[str, str]:
    """All that the database holds, as text, by collection."""
    return {name: json_util.dumps(await on.storage.find(name, {})) for name in await on.storage.collections()}


async def test_nothing_of_an_erased_lead_is_left_in_any_collection(
    local: LocalServers, figure: Callable[[str], None]
) -> None:
    who = lead_id("c1")
    async with bench(local) as on:
        async with on.running():
            await _live(on, who)
            before = await _dump(on)
            assert {name for name, text in before.items() if CANARY in text} >= {
                LEADS,
                CAPTURES,
                IDENTITIES,
                TASK_ROWS,
            }
            owned = {row["_id"]: row["open"] for row in await on.storage.find(OWNERS, {})}
            await on.publish([event({"email": EMAIL.upper(), **DESK}, ERASE, "x1")] * 2, ERASE)
            (gone,) = await until_told(on, ERASED, 1)
            assert gone == {"leadId": who}

            async def settled() -> bool:
                left = await on.count(LEAD_ROWS, {"gone": True}) == 1 and await on.count(COMMANDS, {"done": True}) == 7
                left = left and await on.count(PREDICTIONS) == 0
                return left and not any(row["open"] for row in await on.storage.find(OWNERS, {}))

            await until(settled, "no owner and no figure counts it any more")
        after = await _dump(on)
        figure(f"open leads before: {owned}; collections: {', '.join(after)}")
        assert {one.name for one in COLLECTIONS} >= set(after)
        assert [name for name, text in after.items() if CANARY in text] == []
        referring = {one.name for one in COLLECTIONS if f'"{who}"' in after.get(one.name, "")}
        assert referring == {CAPTURES, COMMANDS, LEAD_ROWS, LEAD_WORDS, ERASURE_MARKERS, OUTCOMES}


async def test_what_comes_late_brings_nothing_back_and_a_fresh_word_starts_anew(local: LocalServers) -> None:
    who = lead_id("c1")
    captures = [event(data(OLD_EMAIL), event_id="c1"), event(data(OLD_EMAIL, "+13125550100"), event_id="c2")]
    async with bench(local) as on, on.running():
        await on.publish(captures[:1])
        await until_told(on, ASSIGNED, 1)
        await on.publish(captures[1:])
        await until_told(on, MERGED, 1)
        await on.publish([event({"leadId": who, **DESK}, ERASE, "x1")], ERASE)
        await until_told(on, ERASED, 1)

        # Delivered again, seen by a scanner before the erasure, and under each name that the lead was known by.
        by_phone = event(data("other@example.com", "+1 312 555 0100"), event_id="late")
        await on.publish([*captures, by_phone])
        await on.publish([event(_activity(leadId=who), ACTIVITIES)], ACTIVITIES)
        await on.publish([event({"email": OLD_EMAIL, "action": "opened_email"}, ENGAGEMENTS)], ENGAGEMENTS)
        await on.publish([event({"leadId": who, **SALES, "status": "lost"}, UPDATE, "u9")], UPDATE)
        (rejected,) = await until_told(on, REJECTED, 1)
        assert (rejected["commandId"], rejected["reason"]) == ("u9", "lead_not_found")

        async def buried() -> bool:
            return await on.count(CAPTURES, {"erased": True}) == 3 and len(await on.records(DEADLETTER)) == 2

        await until(buried, "three captures buried, two strays in the dead letter")
        assert {dict(one.headers)["x-reason"] for one in await on.records(DEADLETTER)} == {b"lead_not_found"}
        assert await on.count(LEADS) == await on.count(IDENTITIES) == 0

        now = datetime.now(UTC)
        old_word = {"email": True, "capturedAt": (now - timedelta(days=1)).isoformat()}
        fresh = {"email": True, "capturedAt": now.isoformat()}
        stale = event(data(OLD_EMAIL, consent=old_word), event_id="stale", time=now.isoformat())
        await on.publish([stale])
        await until_told(on, CREATED, 2)
        (lead,) = await on.storage.find(LEADS, {})
        assert lead["_id"] != who
        assert not lead.get("consent"), "a statement of before the erasure is void"
        await on.publish([event(data(OLD_EMAIL, consent=fresh), event_id="fresh", time=now.isoformat())])
        await until_told(on, MERGED, 2)
        (lead,) = await on.storage.find(LEADS, {})
        assert lead["consent"]["email"] is True

        # The same command delivered again means whom it meant, not who has the address now.
        await on.publish([event({"leadId": who, **DESK}, ERASE, "x1")], ERASE)
        await on.publish([event({"email": OLD_EMAIL, **DESK}, ERASE, "x2")], ERASE)
        erased = await until_told(on, ERASED, 2)
        assert sorted(one["leadId"] for one in erased) == sorted([who, lead["_id"]])


async def test_an_erasure_that_comes_before_its_lead_waits_and_one_whose_lead_never_comes_ends(
    local: LocalServers,
) -> None:
    async with bench(local) as on:
        async with on.running("capture", "erasure"):
            await on.publish([event({"email": OLD_EMAIL, **DESK}, ERASE, "x1")], ERASE)
            await on.publish([event({"email": OLD_EMAIL, **DESK}, ERASE, "x2")], ERASE)

            async def waiting() -> bool:
                return await on.count("orphans") == 2

            await until(waiting, "two commands that wait")
            await on.publish([event(data(OLD_EMAIL), event_id="c1")])
            erased = await until_told(on, ERASED, 2)
            assert [one["leadId"] for one in erased] == [lead_id("c1")] * 2
            assert await on.count(LEADS) == 0
        strays = [event({"leadId": "nobody", **DESK}, ERASE, "x3"), event({"email": EMAIL, **DESK}, ERASE, "x4")]
        async with on.running("erasure", orphan_ttl=1.0):
            await on.publish(strays, ERASE)
            (rejected,) = await until_told(on, REJECTED, 1)

            async def buried() -> bool:
                return len(await on.records(DEADLETTER)) == 1

            await until(buried, "the dead letter of the one that names an address")
        assert (rejected["commandId"], rejected["reason"]) == ("x3", "lead_not_found")
        assert (await on.records(DEADLETTER))[0].value == strays[1]


async def test_an_erasure_that_was_killed_midway_is_carried_to_its_end(local: LocalServers) -> None:
    """Killed after each of its writes in turn: whoever takes over finds what is left by what the captures tell."""
    who = [lead_id(f"c{n}") for n in range(_STEPS)]
    async with bench(local) as on:
        async with on.running("capture"):
            await on.publish([event(data(f"{CANARY}{n}@example.com"), event_id=f"c{n}") for n in range(_STEPS)])
            await until_told(on, CREATED, _STEPS)
        for survives, one in enumerate(who):
            await _killed_after(on, survives, one)
        async with on.running("erasure"):
            commands = [event({"leadId": one, **DESK}, ERASE, f"x{one}") for one in who]
            await on.publish(commands, ERASE)
            await until_told(on, ERASED, _STEPS)
        assert {one["leadId"] for one in await told(on, ERASED)} == set(who)
        assert await on.count(LEADS) == await on.count(IDENTITIES) == 0
        assert await on.count(CAPTURES, {"erased": True}) == _STEPS
        assert CANARY not in json.dumps(await _dump(on))


async def test_an_erasure_of_before_the_pepper_was_set_is_found_since(local: LocalServers) -> None:
    async with bench(local) as on:
        row = verdict("gone", datetime(2026, 5, 1, tzinfo=UTC))
        later = verdict("gone", datetime(2026, 5, 2, tzinfo=UTC), "x2")
        await store.erase(on.storage, [row], "US", "")
        (stone,) = (await erased(on.storage, ["lead:gone", "lead:other"], "salt")).values()
        assert stone["at"] == row["at"]
        await store.erase(on.storage, [later], "US", "salt")
        assert await on.count(ERASURE_MARKERS, {"leadId": "gone"}) == 2
        assert (await erased(on.storage, ["lead:gone"], "salt"))["lead:gone"]["at"] == later["at"]


async def test_a_tombstone_says_how_many_names_a_shared_address_had_also_when_it_is_made_again(
    local: LocalServers,
) -> None:
    async with bench(local) as on:
        claim = f"email:{EMAIL}"
        await on.storage.put(IDENTITIES, [{"_id": claim, "leadIds": ["gone"], "names": ["a", "b", "c"]}])
        await on.storage.put(CAPTURES, [{"_id": "c1", "leadId": "gone", "claims": [claim]}])
        for day, key in ((1, "x1"), (2, "x2")):
            one = verdict("gone", datetime(2026, 5, day, tzinfo=UTC), key)
            await store.erase(on.storage, [one], "US", "salt")
            assert (await erased(on.storage, [claim], "salt"))[claim]["names"] == 3
            assert await on.count(IDENTITIES) == 0


@pytest.mark.parametrize("another", ["", "sugar"])
async def test_a_worker_with_another_pepper_than_erasures_were_made_with_stops_and_brings_nobody_back(
    another: str, local: LocalServers
) -> None:
    async with bench(local) as on:
        salted, other = (_peppered(on.settings, one) for one in ("salt", another))
        address = f"{CANARY}@example.com"
        await on.publish([event(data(address), event_id="c1")])
        await on.publish([event({"leadId": lead_id("c1"), **DESK}, ERASE, "x1")], ERASE)
        async with run_workers(salted, on.to, ["capture", "erasure"]):
            await until_told(on, ERASED, 1)
        await on.publish([event(data(address), event_id="late", time="2026-01-01T00:00:00Z")])
        async with run_workers(other, on.to, ["capture"]) as service:
            await asyncio.wait_for(service.stopped.wait(), DEADLINE_S)
            assert "PANTRY_ERASURE_PEPPER" in (await service.unready())["capture"]
        assert await on.records(DEADLETTER) == []
        async with run_workers(other, on.to, ["erasure"]) as service:
            await on.publish([event({"leadId": lead_id("c1"), **DESK}, ERASE, "x2")], ERASE)
            await asyncio.wait_for(service.stopped.wait(), DEADLINE_S)
        async with run_workers(salted, on.to, ["capture", "erasure"]):
            await until_told(on, ERASED, 2)

            async def taken() -> bool:
                return await on.count(CAPTURES) == 2

            await until(taken, "the late capture")
        assert await on.count(LEADS) == 0


def _peppered(settings: Settings, pepper: str) -> Settings:
    return settings.model_copy(update={"erasure_pepper": SecretStr(pepper)})


_STEPS = 8


class _Killed(BaseException):
    pass


async def _killed_after(on: Bench, writes: int, who: str) -> None:
    """Erase this lead by a worker that is gone after so many writes."""
    left = iter(range(writes))

    def counted(name: str) -> Any:
        real = getattr(on.storage, name)

        async def write(*arguments: Any, **named: Any) -> Any:
            if next(left, None) is None:
                raise _Killed
            return await real(*arguments, **named)

        return write

    class Dying:
        def __getattr__(self, name: str) -> Any:
            return getattr(on.storage, name) if name in ("read", "find", "pages_in") else counted(name)

    row = verdict(who, datetime.now(UTC), f"dying {who}")
    dying: Any = Dying()
    try:
        await store.record_verdicts(dying, [row])
        await store.erase(dying, [row], "US", "")
    except _Killed:
        return
    raise AssertionError(f"an erasure takes more than {writes} writes")
