"""History: events of the past score, count and train, and start nothing."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deploy.local import LocalServers
from schemas.topics import (
    ACTIONS,
    ACTIVITIES,
    ASSIGNED,
    CAPTURED,
    CONVERT,
    CONVERTED,
    CREATED,
    ENGAGEMENTS,
    ENROLLED,
    MERGED,
    QUALIFY,
    REJECTED,
    SCORED,
    TASK_CREATED,
    TRIGGERED,
    UPDATE,
    UPDATED,
    Topic,
)
from services.gateway.auth.domain.principals import Scope
from shared.clock import system_clock
from tests import collection_names as c
from tests.builders import data, event
from tests.gateway import events, gateway, new_key
from tests.harness import Bench, bench, lead_id, told, until, until_told

LONG_AGO = datetime(2025, 11, 3, 9, 30, tzinfo=UTC)
STARTED = (ASSIGNED, ENROLLED, ACTIONS, TASK_CREATED, TRIGGERED)
SAM = {"requestedBy": "sam"}


def past(payload: dict[str, Any], topic: Topic, id_: str, days: float = 0) -> tuple[Topic, bytes]:
    at = (LONG_AGO + timedelta(days=days)).isoformat()
    return topic, event({**payload, "historical": True}, topic, id_, time=at)


def converted_past(email: str = "ana@example.com") -> list[tuple[Topic, bytes]]:
    """What an earlier system knows of a person who became a customer after ten days."""
    called = {"type": "call", "description": "Talked", "createdBy": "kim"}
    held = {**called, "completedAt": (LONG_AGO + timedelta(days=2)).isoformat()}
    one = lead_id("c1")
    return [
        past(data(email=email), CAPTURED, "c1"),
        past({"leadId": one, "action": "clicked_pricing"}, ENGAGEMENTS, "e1", 1),
        past({"email": email, "activity": held}, ACTIVITIES, "a1", 2),
        past({"leadId": one, **SAM, "requirements": {}}, QUALIFY, "q1", 5),
        past({"leadId": one, **SAM}, CONVERT, "v1", 10),
    ]


async def say(on: Bench, *said: tuple[Topic, bytes]) -> None:
    for topic, value in said:
        await on.publish([value], topic)


@pytest.mark.parametrize("backwards", [False, True], ids=["in order", "backwards"])
async def test_a_past_is_known_at_its_own_times_and_starts_nothing(local: LocalServers, *, backwards: bool) -> None:
    async with bench(local) as on, on.running(command_patience=0.2):
        said = converted_past()
        await say(on, *(reversed(said) if backwards else said), *said)  # and once more
        await until_told(on, CONVERTED, 1)
        await until_told(on, SCORED, 1)

        async def at_rest() -> bool:
            return (
                not await on.count(c.PENDING_EVENTS) and await on.count(c.LEAD_ROWS, {"counts": {"$exists": True}}) == 1
            )

        await until(at_rest, "nothing waits")
        (lead,) = await on.storage.find(c.LEADS, {})
        assert (lead["status"], lead["createdAt"]) == ("converted", LONG_AGO)
        assert lead["convertedAt"] == LONG_AGO + timedelta(days=10)
        assert lead["activityStats"]["counts"]["call"] == 1
        assert lead["score"] > 0
        (captured,) = await on.storage.find(c.CAPTURES, {})
        assert captured["knownAt"] == LONG_AGO
        known = {one["knownAt"] - LONG_AGO for one in await on.storage.find(c.ACTIVITIES, {"n": 1})}
        assert known == {timedelta(days=1), timedelta(days=2)}
        assert {one.payload.historical for one in await events(on, CONVERTED)} == {True}
        assert await told(on, REJECTED) == []
        assert [await told(on, topic) for topic in STARTED] == [[]] * len(STARTED)
        assert await on.count(c.ENROLMENTS) == 0
        assert "assignedTo" not in lead


async def test_a_lead_of_the_past_that_is_captured_again_is_an_ordinary_one(local: LocalServers) -> None:
    async with bench(local) as on, on.running():
        one = lead_id("c1")
        await say(on, past(data(), CAPTURED, "c1"))
        await until_told(on, CREATED, 1)
        await say(on, past({"leadId": one, **SAM, "status": "lost"}, UPDATE, "u1", 3))
        await until_told(on, UPDATED, 1)
        await say(on, past(data(source="referral"), CAPTURED, "c2", 1))
        await until_told(on, MERGED, 1)
        (lead,) = await on.storage.find(c.LEADS, {})
        # The loss came after this capture.
        assert (lead["status"], lead["historical"], lead["updatedAt"]) == ("lost", True, LONG_AGO + timedelta(days=3))
        await say(on, (CAPTURED, event(data(), CAPTURED, "c3", time=system_clock().isoformat())))
        await until_told(on, MERGED, 2)
        (lead,) = await on.storage.find(c.LEADS, {})
        assert (lead["status"], lead["historical"], lead["createdAt"]) == ("new", False, LONG_AGO)
        await say(on, (ENGAGEMENTS, event({"leadId": one, "action": "clicked_pricing"}, ENGAGEMENTS, "e2")))
        await until_told(on, TRIGGERED, 1)


async def test_only_a_key_with_the_scope_sends_history_and_says_when_it_was(local: LocalServers) -> None:
    async with bench(local) as on, gateway(on) as caller:
        ordinary = await new_key(on, "site", scopes=tuple(set(Scope) - {Scope.HISTORY}))
        trusted = await new_key(on, "old-crm")
        past_ = {"historical": True, "time": LONG_AGO.isoformat()}
        bodies = {
            "/v1/leads": data(),
            "/v1/activities": {"leadId": "l1", "activity": {"type": "call", "description": "x", "createdBy": "kim"}},
            "/v1/engagements": {"leadId": "l1", "action": "opened_email"},
            "/v1/leads/l1/qualify": {"requirements": {}},
            "/v1/leads/l1/convert": {},
        }
        for path, body in bodies.items():
            assert (await caller.post(path, {**body, **past_}, key=ordinary)).status == 403
            assert (await caller.post(path, {**body, **past_}, key=trusted)).status == 202
            assert (await caller.post(path, {**body, **past_, "time": "soon"}, key=trusted)).status == 422
        line = {**data(), **past_}
        refused = (await caller.post("/v1/scans", [line, data(email="b@example.com")], key=ordinary)).json
        assert [one["errors"][0]["path"] for one in refused["rejected"]] == ["historical"]
        assert (await caller.post("/v1/scans", [line], key=trusted)).json["rejected"] == []
        sent = [
            one for topic in (CAPTURED, ACTIVITIES, ENGAGEMENTS, QUALIFY, CONVERT) for one in await events(on, topic)
        ]
        assert {one.event.time for one in sent if one.is_historical} == {LONG_AGO}
        # Of an event that is no history, the gateway knows the time itself.
        assert (await caller.post("/v1/leads", {**data(), "time": LONG_AGO.isoformat()}, key=ordinary)).status == 202
        assert max(one.event.time for one in await events(on, CAPTURED)) > LONG_AGO + timedelta(days=1)


async def test_history_lies_between_the_coming_of_its_lead_and_now(local: LocalServers) -> None:
    async with bench(local) as on, on.running("capture", "qualification", "conversion"):
        await say(on, past(data(), CAPTURED, "c1", 100_000))
        await until_told(on, CREATED, 1)
        one = lead_id("c1")
        await say(on, past({"leadId": one, **SAM, "requirements": {}}, QUALIFY, "q1", -9))
        await say(on, past({"leadId": one, **SAM}, CONVERT, "v1", -5))
        await until_told(on, CONVERTED, 1)
        (lead,) = await on.storage.find(c.LEADS, {})
        assert lead["createdAt"] == lead["convertedAt"] <= system_clock()
