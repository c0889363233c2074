"""Consent on real servers: statements of forms, scanners, mailers and sales, in any order, and past an erasure."""

from datetime import UTC, datetime, timedelta
from typing import Any

from deploy.local import LocalServers
from schemas.topics import CREATED, ENGAGEMENTS, ENROLLED, ERASE, ERASED, MERGED, SCORED, TRIGGERED, UPDATE, UPDATED
from services.cli.commands.nurture import explanation_of
from shared.domain.consent.contact_permission import ConsentPolicy
from tests.builders import NOW, data, event
from tests.collection_names import ACTIVITIES, CAPTURES, ERASURE_MARKERS, LEADS
from tests.gateway import gateway, new_key
from tests.harness import Bench, bench, lead_id, told, until, until_told

HOUR = timedelta(hours=1)
SALES = {"requestedBy": "sam"}


def _said(event_id: str, hours: int, source: str = "/tests", **consent: Any) -> bytes:
    date = {} if consent.pop("undated", False) else {"capturedAt": (NOW + hours * HOUR).isoformat()}
    sections: dict[str, Any] = {"consent": {**consent, **date}} if consent else {}
    return event(data(phone="+13125550100", **sections), event_id=event_id, source=source)


async def _consents(on: Bench) -> list[Any]:
    return [one["changed"] for one in await told(on, UPDATED) if any("consent" in path for path in one["changed"])]


async def test_the_newest_statement_holds_and_each_change_is_told(local: LocalServers) -> None:
    who = {"leadId": lead_id("c1")}
    async with bench(local) as on, on.running("capture", "engagement", "qualification"):
        await on.publish([_said("c1", 1, email=True)])
        await until_told(on, CREATED, 1)
        await on.publish([_said("c2", 0, email=False), _said("c3", 9, "/scanners/7", email=True, undated=True)])
        await until_told(on, MERGED, 2)
        assert await _consents(on) == []
        leaves = event({**who, "action": "unsubscribed"}, ENGAGEMENTS, "e1", time=(NOW + 2 * HOUR).isoformat())
        await on.publish([leaves] * 2, ENGAGEMENTS)
        await until_told(on, UPDATED, 1)
        await on.publish([_said("c4", 9, "/scanners/7", email=True, undated=True)])
        await until_told(on, MERGED, 3)
        sales = {**who, **SALES, "consent": {"channel": "email", "given": True, "wording": "May we write?"}}
        await on.publish([event(sales, UPDATE, "u1", time=(NOW + 9 * HOUR).isoformat())], UPDATE)
        await until_told(on, UPDATED, 2)
        await on.publish([_said("c5", 3, email=True, wording="Write to me.")] * 2)
        await until_told(on, UPDATED, 3)
        changes = await _consents(on)
        (lead,) = await on.storage.find(LEADS, {})
        (row,) = await on.storage.find(CAPTURES, {"id": "c5"})
        (kept,) = await on.storage.find(ACTIVITIES, {"type": "follow_up"})
    assert {"consent.email": {"from": True, "to": False}} in changes
    assert {"consent.email": {"from": False, "to": False}} in changes, "sales lifts no refusal"
    assert {"consent.email": {"from": False, "to": True}} in changes
    assert (lead["consent"]["email"], lead["consent"]["capturedAt"]) == (True, NOW + 3 * HOUR)
    assert row["stated"][0]["wording"] == "Write to me."
    assert kept["statement"]["wording"] == "May we write?"


async def test_a_lifted_unsubscribe_lets_later_enrolments_write_and_cancelled_steps_stay_cancelled(
    local: LocalServers,
) -> None:
    who = lead_id("c1")
    async with bench(local) as on, on.running("capture", "engagement", "nurture"):
        await on.publish([_said("c1", 1, email=True)])
        await until_told(on, CREATED, 1)
        scored = {"leadId": who, "score": 10, "breakdown": [], "reason": "created"}
        await on.publish([event(scored, SCORED, "s1")], SCORED)
        await until_told(on, ENROLLED, 1)
        leaves = event({"leadId": who, "action": "unsubscribed"}, ENGAGEMENTS, "e1", time=(NOW + 2 * HOUR).isoformat())
        await on.publish([leaves], ENGAGEMENTS)

        async def cancelled() -> bool:
            return await on.count("nurture_steps", {"state": "scheduled"}) == 0

        await until(cancelled, "no step to come")
        before = await on.count("nurture_steps", {"state": "cancelled"})
        triggered = {"leadId": who, "trigger": "high_intent_detected", "action": "clicked_pricing"}
        await on.publish([event(triggered, TRIGGERED, "t1")], TRIGGERED)
        await on.publish([_said("c2", 3, email=True)])
        await until_told(on, UPDATED, 2)
        await on.publish([event(triggered, TRIGGERED, "t2")], TRIGGERED)
        await until_told(on, ENROLLED, 2)
        assert await on.count("nurture_steps", {"state": "cancelled"}) == before > 0
        assert await on.count("nurture_steps", {"state": "scheduled", "sequenceId": "high_value"}) > 0


async def test_a_refusal_outlives_an_erasure_and_a_statement_from_before_it_is_void(local: LocalServers) -> None:
    async with bench(local) as on, on.running("capture", "engagement", "erasure"):
        await on.publish([_said("c1", 1, email=True, phone=True)])
        await until_told(on, CREATED, 1)
        gone = {"leadId": lead_id("c1"), "action": "bounced"}
        await on.publish([event(gone, ENGAGEMENTS, "e1", time=(NOW + 2 * HOUR).isoformat())], ENGAGEMENTS)
        await until_told(on, UPDATED, 1)
        await on.publish([event({"leadId": lead_id("c1"), "requestedBy": "desk"}, ERASE, "x1")], ERASE)
        await until_told(on, ERASED, 1)
        later = (datetime.now(UTC) + HOUR).isoformat()
        again = data(phone="+13125550100", consent={"email": True, "capturedAt": later})
        await on.publish([event(again, event_id="c2", time=later)])
        await until_told(on, CREATED, 2)
        (lead,) = await on.storage.find(LEADS, {})
        stones = await on.storage.find(ERASURE_MARKERS, {"refused": {"$ne": []}})
    assert lead["consent"]["email"] is False, "nothing lifts a bounce"
    assert lead["consent"].get("phone") is None, "what was said before the erasure is void"
    assert "ana@example.com" not in str(stones)


async def test_under_the_opt_in_policy_a_silent_lead_gets_nothing_and_every_page_says_so(local: LocalServers) -> None:
    async with bench(local) as on, on.running("capture", "nurture", consent_policy="opt_in"):
        await on.publish([_said("c1", 1)])
        await until_told(on, CREATED, 1)
        scored = {"leadId": lead_id("c1"), "score": 10, "breakdown": [], "reason": "created"}
        await on.publish([event(scored, SCORED, "s1")], SCORED)
        await until_told(on, ENROLLED, 1)
        consent, (story,) = await explanation_of(on.to.mongo, "test", lead_id("c1"), ConsentPolicy("opt_in", "US")) or (
            [],
            [],
        )
        async with gateway(on, consent_policy="opt_in") as http:
            key = await new_key(on)

            async def skipped() -> bool:
                return await on.count("nurture_steps", {"state": "skipped"}) == 1

            await until(skipped, "the first step skipped")
            lead = (await http.call("GET", f"/v1/leads/{lead_id('c1')}", key=key)).json
            steps = (await http.call("GET", f"/v1/leads/{lead_id('c1')}/nurture", key=key)).json["steps"]
    why = "nothing was stated; mail needs a yes (opt-in policy)"
    assert consent[0] == f"mail: not allowed, {why}"
    assert f"will not be sent: {why}" in {line.words for line in story.lines}
    assert lead["permissions"]["email"] == {"allowed": False, "why": why}
    assert {step.get("willNotGo") for step in steps if step["state"] == "scheduled"} == {why}
