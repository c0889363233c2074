"""A lead's life on real servers: what it does, what sales says of it, in whatever order the news of it arrives."""

import json

import pytest

from deploy.local import LocalServers
from schemas.topics import (
    ACTIVITIES,
    ASSIGNED,
    CONVERT,
    CONVERTED,
    CREATED,
    DEADLETTER,
    DISQUALIFIED,
    ENGAGEMENTS,
    ENROLLED,
    QUALIFIED,
    QUALIFY,
    REJECTED,
    SCORED,
    TRIGGERED,
    UPDATE,
    UPDATED,
)
from shared.mongo.storage import Change
from tests.builders import data, event, lead
from tests.collection_names import LEADS
from tests.harness import bench, lead_id, told, until, until_told

SALES = {"requestedBy": "sam"}
CALL = {"type": "call", "description": "Talked it over", "createdBy": "sam", "completedAt": "2026-03-01T10:00:00Z"}


async def test_behaviour_triggers_enrols_and_an_unsubscription_is_honoured(local: LocalServers) -> None:
    async with bench(local) as on, on.running("capture", "scoring", "engagement", "nurture"):
        await on.publish([event(data(consent={"email": True}), event_id="c")])
        await until_told(on, ENROLLED, 1)
        did = [event({"email": "ANA@example.com", "action": "clicked_pricing"}, ENGAGEMENTS, "e1")]
        await on.publish(did * 3, ENGAGEMENTS)
        enrolled = await until_told(on, ENROLLED, 2)
        assert {one["sequenceId"] for one in enrolled} == {"default", "high_value"}
        leaves = event({"leadId": lead_id("c"), "action": "unsubscribed"}, ENGAGEMENTS, "e2")
        await on.publish([leaves], ENGAGEMENTS)

        async def ended() -> bool:
            return await on.count("nurture_steps", {"state": "scheduled"}) == 0

        await until(ended, "no step left to come")
        (lead,) = await on.storage.find(LEADS, {})
        (updated,) = await told(on, UPDATED)
        (triggered,) = await told(on, TRIGGERED)
    assert triggered == {"leadId": lead["_id"], "trigger": "high_intent_detected", "action": "clicked_pricing"}
    assert updated["changed"] == {"consent.email": {"from": True, "to": False}}
    assert lead["consent"]["email"] is False
    assert lead["activityStats"]["counts"] == {"email": 2}
    assert {(one["kind"], one["reason"]) for one in lead["standing"] if one["address"]} >= {("no", "unsubscribed")}


async def test_what_sales_says_of_a_lead_moves_it_by_the_table_or_is_rejected(local: LocalServers) -> None:
    who = {"leadId": lead_id("c")}
    async with bench(local) as on, on.running("capture", "engagement", "qualification", "conversion"):
        await on.publish([event(data(), event_id="c")])
        await until_told(on, CREATED, 1)
        await on.publish([event({**who, "activity": CALL}, ACTIVITIES)], ACTIVITIES)
        await until_told(on, UPDATED, 1)
        await on.publish([event({**who, **SALES, "bant": {"budget": {"confirmed": True}}}, QUALIFY)], QUALIFY)
        await until_told(on, DISQUALIFIED, 1)
        await on.publish([event({**who, **SALES, "status": "lost", "reason": "no budget"}, UPDATE, "u1")], UPDATE)
        await until_told(on, UPDATED, 2)
        await on.publish([event({**who, **SALES, "status": "contacted"}, UPDATE, "u2")], UPDATE)
        await on.publish([event({**who, **SALES}, CONVERT, "v1")], CONVERT)
        rejected = await until_told(on, REJECTED, 2)
        await on.publish([event({**who, **SALES, "status": "new", "assignedTo": "kim"}, UPDATE, "u3")], UPDATE)
        updated = await until_told(on, UPDATED, 3)
        (lead,) = await on.storage.find(LEADS, {})
    assert {(one["commandId"], one["reason"]) for one in rejected} == {("u2", "lead_lost"), ("v1", "lead_lost")}
    assert [one["changed"].get("status") for one in updated] == [
        {"from": "new", "to": "contacted"},
        {"from": "unqualified", "to": "lost"},
        {"from": "lost", "to": "new"},
    ]
    assert updated[2]["changed"]["assignedTo"] == {"to": "kim"}
    assert (lead["status"], lead["assignedTo"]) == ("new", "kim")


async def test_events_that_come_before_their_lead_wait_and_are_taken_in_in_order(local: LocalServers) -> None:
    who = {"leadId": lead_id("c")}
    async with bench(local) as on, on.running():
        await on.publish([event({**who, "activity": CALL}, ACTIVITIES, "a1")], ACTIVITIES)
        await on.publish([event({"email": "ana@example.com", "action": "opened_email"}, ENGAGEMENTS)], ENGAGEMENTS)
        fit = {"requirements": {"painPoints": ["waste"]}}
        await on.publish([event({**who, **SALES, **fit}, QUALIFY, "q1")], QUALIFY)
        await on.publish([event({**who, **SALES, "status": "lost"}, UPDATE, "u1")], UPDATE)

        async def waiting() -> bool:
            return await on.count("orphans") == 4

        await until(waiting, "four events that wait")
        assert await on.count("activities") == await on.count("commands") == 0
        await on.publish([event(data(), event_id="c")])

        async def taken_in() -> bool:
            return await on.count("orphans") == 0 and await on.count("commands", {"done": True}) == 2

        await until(taken_in, "all of them taken in")
        (lead,) = await on.storage.find(LEADS, {})
        qualified = await told(on, QUALIFIED)
        assert await told(on, REJECTED) == await told(on, DEADLETTER) == []
    assert lead["activityStats"]["counts"] == {"call": 1, "email": 1}
    assert len(qualified) == 1
    assert lead["status"] == "lost", "the update came after the qualification"


async def test_an_event_whose_lead_never_comes_ends_as_the_contract_says(local: LocalServers) -> None:
    who = {"leadId": "nobody"}
    async with bench(local) as on, on.running("engagement", "qualification", "conversion", orphan_ttl=1.0):
        stray = event({**who, "activity": CALL}, ACTIVITIES)
        await on.publish([stray], ACTIVITIES)
        await on.publish([event({**who, **SALES, "status": "lost"}, UPDATE, "u1")], UPDATE)
        await on.publish([event({**who, **SALES}, CONVERT, "v1")], CONVERT)
        rejected = await until_told(on, REJECTED, 2)

        async def buried() -> bool:
            return len(await on.records(DEADLETTER)) == 1

        await until(buried, "the stray activity's dead letter")
        (dead,) = await on.records(DEADLETTER)

        async def empty() -> bool:
            return await on.count("orphans") == 0

        await until(empty, "nothing waits any more")
    assert {(one["commandId"], one["reason"]) for one in rejected} == {
        ("u1", "lead_not_found"),
        ("v1", "lead_not_found"),
    }
    assert dead.value == stray
    assert dict(dead.headers)["x-reason"] == b"lead_not_found"


async def test_of_one_source_only_so_many_events_wait_for_unknown_leads_and_others_are_not_touched(
    local: LocalServers,
) -> None:
    def call(number: int, source: str) -> bytes:
        return event({"leadId": lead_id("c"), "activity": CALL}, ACTIVITIES, f"{source}{number}", source)

    async with bench(local) as on, on.running("capture", "engagement", pending_max=5):
        flood = [call(number, "/flood") for number in range(9)]
        await on.publish(flood, ACTIVITIES, [b"one"] * 9)

        async def refused() -> bool:
            return len(await on.records(DEADLETTER)) == 4 and await on.count("orphans") == 5

        await until(refused, "four dead letters, and five events that wait")
        assert {dict(one.headers)["x-reason"] for one in await on.records(DEADLETTER)} == {b"lead_not_found"}
        assert b"too many events of its source" in dict((await on.records(DEADLETTER))[0].headers)["x-detail"]
        # What waits already goes on waiting when it comes again, and another source has room of its own.
        await on.publish([*flood[:5], call(0, "/other")], ACTIVITIES, [b"one"] * 6)

        async def waits() -> bool:
            return await on.count("orphans") == 6

        await until(waits, "an event of another source that waits")
        assert len(await on.records(DEADLETTER)) == 4
        await on.publish([event(data(), event_id="c")])

        async def taken_in() -> bool:
            return await on.count("orphans") == 0 and await on.count("activities") == 6

        await until(taken_in, "all that waited")
        await on.publish([call(10, "/flood")], ACTIVITIES)

        async def there_is_room() -> bool:
            return await on.count("activities") == 7

        await until(there_is_room, "one more")


@pytest.mark.parametrize("copies", [1, 5])
async def test_two_commands_at_the_same_moment_are_judged_one_after_the_other(local: LocalServers, copies: int) -> None:
    """Two workers, two topics: whichever comes first wins, and the other is judged on what it left."""
    ids = [lead_id(f"c{number}") for number in range(30)]
    async with bench(local) as on, on.running("capture", "qualification", "conversion"):
        await on.publish([event(data(email=f"p{n}@example.com"), event_id=f"c{n}") for n in range(30)])
        await until_told(on, CREATED, 30)
        fit = {"requirements": {"painPoints": ["waste"]}}
        await on.publish([event({"leadId": i, **SALES, **fit}, QUALIFY, f"q{i}") for i in ids], QUALIFY)
        await until_told(on, QUALIFIED, 30)
        loses = [event({"leadId": i, **SALES, "status": "lost"}, UPDATE, f"u{i}") for i in ids]
        converts = [event({"leadId": i, **SALES}, CONVERT, f"v{i}") for i in ids]
        for lost, converted in zip(loses, converts, strict=True):
            await on.publish([lost] * copies, UPDATE)
            await on.publish([converted] * copies, CONVERT)
        rejected = {one["commandId"]: one["reason"] for one in await until_told(on, REJECTED, 30)}

        async def all_done() -> bool:
            return await on.count("commands", {"done": True, "reason": None}) == 60

        await until(all_done, "30 qualified, and 30 lost or converted")
        leads = await on.storage.read(LEADS, ids)
        converted_ids = {one["lead"]["id"] for one in await told(on, CONVERTED)}
        lost_ids = {one["leadId"] for one in await told(on, UPDATED)}
    assert converted_ids | lost_ids == set(ids)
    assert not converted_ids & lost_ids
    for one in ids:
        won = "converted" if one in converted_ids else "lost"
        assert leads[one]["status"] == won
        refused = {f"v{one}": "lead_lost"} if won == "lost" else {f"u{one}": "invalid_transition"}
        assert {key: reason for key, reason in rejected.items() if key.endswith(one)} == refused


async def test_an_assignment_that_is_told_again_says_whom_the_rule_chose_whoever_owns_the_lead_by_now(
    local: LocalServers,
) -> None:
    scored = event({"leadId": "lead-1", "score": 10, "breakdown": [], "reason": "created"}, SCORED, "s1")
    async with bench(local) as on, on.running("assignment"):
        await on.storage.insert_new(LEADS, [lead(score=10)])
        await on.publish([scored], SCORED)
        (first,) = await until_told(on, ASSIGNED, 1)
        await on.storage.change(LEADS, [Change("lead-1", {}, {"$set": {"assignedTo": "kim"}})])
        await on.publish([scored], SCORED)

        async def twice() -> bool:
            return len(await on.records(ASSIGNED)) == 2

        await until(twice, "the assignment told again")
        assert [json.loads(one.value or b"")["data"] for one in await on.records(ASSIGNED)] == [first, first]
