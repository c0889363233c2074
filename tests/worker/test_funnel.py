"""The whole funnel on real servers: each effect once, whatever is delivered how often and in which order."""

import json
import random
from collections import defaultdict
from typing import Any

from deploy.local import LocalServers
from schemas.reasons import RejectionReason
from schemas.topics import (
    ACTIONS,
    ACTIVITIES,
    ASSIGNED,
    CONVERT,
    CONVERTED,
    ENROLLED,
    QUALIFY,
    REJECTED,
    SCORED,
    Topic,
)
from shared.domain.ids import derive
from tests.builders import data, event
from tests.collection_names import LEADS, OWNERS
from tests.harness import Bench, bench, until

COPIES = 5


async def _outputs(on: Bench, topic: Topic) -> dict[str, dict[str, Any]]:
    """Distinct events of an output by their id; the same id must never say two things."""
    found: dict[str, dict[str, Any]] = {}
    for record in await on.records(topic):
        one = json.loads(record.value or b"")
        known = found.setdefault(one["id"], one)
        assert known["subject"] == one["subject"]
    return found


async def _until_count(on: Bench, topic: Topic, count: int) -> None:
    async def there() -> bool:
        return len(await _outputs(on, topic)) >= count

    await until(there, f"{count} events on {topic.name}")


def _times(values: list[bytes], rng: random.Random) -> list[bytes]:
    copies = values * COPIES
    rng.shuffle(copies)
    return copies


async def test_events_delivered_five_times_in_any_order_leave_what_one_delivery_leaves(local: LocalServers) -> None:
    rng = random.Random(3)
    people = 20
    captures = [event(data(email=f"p{n}@example.com"), event_id=f"c{n}") for n in range(people)]
    merges = [
        event(data(email=f"P{n}@example.com", company={"size": "small"}), event_id=f"m{n}") for n in range(people)
    ]
    async with bench(local) as on, on.running():
        await on.publish(captures)
        await _until_count(on, ENROLLED, people)
        leads = {lead["contact"]["email"]: lead["_id"] for lead in await on.storage.find(LEADS, {})}
        ids = [leads[f"p{n}@example.com"] for n in range(people)]
        activity = {
            "type": "call",
            "description": "Talked it over",
            "createdBy": "sam",
            "completedAt": "2026-03-01T10:00:00Z",
        }
        calls = [event({"leadId": i, "activity": activity}, ACTIVITIES, f"a{i}") for i in ids]
        await on.publish(_times(merges + captures, rng))
        await on.publish(_times(calls, rng), ACTIVITIES)
        needs = {"requestedBy": "sam", "requirements": {"painPoints": ["waste"]}}
        await on.publish(_times([event({"leadId": i, **needs}, QUALIFY, f"q{i}") for i in ids], rng), QUALIFY)

        async def settled() -> bool:
            done = await on.storage.find(LEADS, {"status": "qualified", "captureCount": 2})
            called = [one for one in done if one.get("activityStats", {}).get("counts") == {"call": 1}]
            return len(called) == people

        await until(settled, "every lead merged, called and qualified")
        wants = {"requestedBy": "sam", "opportunity": {"amount": 10}}
        converts = [event({"leadId": i, **wants}, CONVERT, f"v{i}") for i in ids]
        second = [event({"leadId": i, **wants}, CONVERT, f"w{i}") for i in ids]
        await on.publish(_times(converts + second, rng), CONVERT)
        await _until_count(on, CONVERTED, people)
        await _until_count(on, REJECTED, people)
        rest = [event(data(email="last@example.com"), event_id="last")]
        await on.publish(rest)
        await _until_count(on, ENROLLED, people + 1)
        await _check(on, ids)


async def _check(on: Bench, ids: list[str]) -> None:
    documents = await on.storage.read(LEADS, ids)
    for lead_id, lead in documents.items():
        assert lead["status"] == "converted"
        assert lead["convertedToOpportunityId"] == derive("opportunity", lead_id)
        assert lead["company"] == {"name": "Blue Fork", "size": "small"}
        assert lead["activityStats"]["counts"] == {"call": 1, "follow_up": 1}
        assert lead["score"] == sum(part["points"] for part in lead["scoring"]["breakdown"])
    assert await on.count("activities", {"leadId": {"$in": ids}}) == 2 * len(ids)
    assert await on.count("captures") == 2 * len(ids) + 1
    converted = await _outputs(on, CONVERTED)
    per_lead = defaultdict(set)
    for one in converted.values():
        per_lead[one["subject"]].add(one["data"]["opportunityId"])
    assert {lead: {derive("opportunity", lead)} for lead in ids} == per_lead
    rejected = await _outputs(on, REJECTED)
    assert {one["data"]["reason"] for one in rejected.values()} == {RejectionReason.ALREADY_CONVERTED.value}
    assert len(rejected) == len(ids)
    assigned = await _outputs(on, ASSIGNED)
    assert len({one["subject"] for one in assigned.values()}) == len(assigned) == len(ids) + 1
    firsts = [one for one in (await _outputs(on, SCORED)).values() if "previousScore" not in one["data"]]
    assert len({one["subject"] for one in firsts}) == len(firsts) == len(ids) + 1


async def test_owners_open_leads_are_counted_without_error(local: LocalServers) -> None:
    async with bench(local) as on, on.running():
        await on.publish([event(data(email=f"o{n}@example.com")) for n in range(40)])
        await _until_count(on, ASSIGNED, 40)

        async def counted() -> bool:
            owners = await on.storage.find(OWNERS, {})
            return bool(sum(owner["open"] for owner in owners) == 40)

        await until(counted, "40 open leads on the owners' accounts")


async def test_steps_that_are_due_go_out_once_and_the_rest_waits_for_its_day(local: LocalServers) -> None:
    async with bench(local) as on:
        async with on.running("capture", "scoring", "nurture"):
            await on.publish([event(data(email=f"n{n}@example.com"), event_id=f"n{n}") for n in range(30)])
            await _until_count(on, ACTIONS, 30)
        async with on.running("nurture"):
            await on.publish([event(data(email="x@example.com"))])
        actions = [json.loads(record.value or b"") for record in await on.records(ACTIONS)]
        assert {one["data"]["stepId"] for one in actions} == {"welcome"}
        assert len({one["data"]["actionId"] for one in actions}) == len(actions) == 30
        assert await on.count("nurture_steps", {"state": "sent"}) == 30
        assert await on.count("nurture_steps", {"state": "scheduled"}) == 60


async def test_two_schedulers_at_once_send_each_step_once(local: LocalServers) -> None:
    async with (
        bench(local) as on,
        on.running("nurture"),
        on.running("capture", "scoring", "nurture"),
    ):
        await on.publish([event(data(email=f"s{n}@example.com")) for n in range(200)])
        await _until_count(on, ACTIONS, 200)

        async def through() -> bool:
            return await on.count("nurture_steps", {"state": "sent"}) == 200

        await until(through, "200 steps marked as sent")
        assert len(await on.records(ACTIONS)) == 200


async def test_a_chain_of_events_names_its_cause_and_its_beginning(local: LocalServers) -> None:
    async with bench(local) as on, on.running():
        await on.publish([event(data(), event_id="beginning", correlationid="chain-7")])
        await _until_count(on, ACTIONS, 1)
        (enrolled,) = (await _outputs(on, ENROLLED)).values()
        (scored,) = (await _outputs(on, SCORED)).values()
        (action,) = (await _outputs(on, ACTIONS)).values()
    assert {one["correlationid"] for one in (enrolled, scored, action)} == {"chain-7"}
    assert enrolled["causationid"] == scored["id"]
