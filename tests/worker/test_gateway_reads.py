"""The gateway's read half on real servers: what it answers, to whom, and from whatever is stored."""

import asyncio
from typing import Any

import aiohttp

from deploy.local import LocalServers
from schemas.topics import ACTIVITIES, ENROLLED
from services.insights.rebuild import verify
from tests.builders import data, event
from tests.gateway import Caller, gateway, new_key
from tests.harness import DEADLINE_S, Bench, bench, lead_id, until, until_told

SOURCES = ("website", "trade_show")


async def _counted(on: Bench, leads: int) -> None:
    async def equal() -> bool:
        try:
            verdict = await verify(on.storage)
        except LookupError:
            return False
        return verdict.equal and verdict.leads == leads

    await until(equal, f"{leads} leads counted", every_s=0.5)


async def _people(on: Bench, number: int) -> None:
    """So many leads, counted; every third came by a trade show."""
    captures = [
        event(
            data(f"p{n}@example.com", None, f"Blue {n} Fork", last=f"Reyes{n:03d}", source=SOURCES[n % 3 == 0]),
            event_id=f"c{n}",
        )
        for n in range(number)
    ]
    await on.publish(captures)
    await until_told(on, ENROLLED, number)
    await _counted(on, number)


async def _pages(caller: Caller, key: str, path: str) -> list[dict[str, Any]]:
    """All leads of all pages."""
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        answer = await caller.call("GET", f"{path}{cursor}", key=key)
        assert answer.status == 200, answer.text
        found += answer.json["leads"]
        if answer.json["nextCursor"] is None:
            return found
        cursor = f"&cursor={answer.json['nextCursor']}"


async def test_every_lead_is_on_one_page_newest_first_and_filters_hold(local: LocalServers) -> None:
    async with bench(local) as on, on.running(), gateway(on) as caller:
        key = await new_key(on)
        await _people(on, 45)
        leads = await _pages(caller, key, "/v1/leads?limit=7")
        ids = [one["id"] for one in leads]
        assert (len(ids), len(set(ids))) == (45, 45)
        assert [one["createdAt"] for one in leads] == sorted((one["createdAt"] for one in leads), reverse=True)
        shows = await _pages(caller, key, "/v1/leads?limit=4&source=trade_show&status=new")
        assert {one["source"] for one in shows} == {"trade_show"}
        assert len(shows) == 15
        (only,) = await _pages(caller, key, "/v1/leads?limit=4&q=reyes017+blue")
        assert only["contact"]["email"] == "p17@example.com"
        assert await _pages(caller, key, "/v1/leads?limit=4&minScore=100") == []
        odd = await caller.call("GET", "/v1/leads?cursor=junk&limit=7", key=key)
        assert (odd.status, odd.json["errors"][0]["path"]) == (422, "cursor")


async def test_a_lead_is_told_with_why_and_what_happened_and_what_is_to_come(local: LocalServers) -> None:
    async with bench(local) as on, on.running(), gateway(on) as caller:
        key, who = await new_key(on), lead_id("c0")
        await _people(on, 1)
        call = {
            "type": "call",
            "createdBy": "sam",
            "completedAt": "2026-03-01T10:00:00Z",
            "description": "Wants a demo",
        }
        await on.publish([event({"leadId": who, "activity": call}, ACTIVITIES, "a1")], ACTIVITIES)

        async def get(path: str) -> Any:
            return (await caller.call("GET", f"/v1/leads/{who}{path}", key=key)).json

        async def told() -> bool:
            score, events = await get("/score"), (await get("/timeline"))["events"]
            return score["score"] == 10 and any(one["topic"] == "leads.updated" for one in events)

        await until(told, "the call scored and told")
        document = await get("")
        assert (document["status"], document["activities"][0]["description"]) == ("contacted", "Wants a demo")
        assert (await get("/score"))["breakdown"] == [{"rule": "activity.call", "points": 10, "evidence": {"count": 1}}]
        events = {one["topic"]: one for one in (await get("/timeline"))["events"]}
        assert events["leads.activities"]["text"] == "Call by sam: Wants a demo"
        assert events["leads.updated"]["text"] == "Status new → contacted: first contact"
        assert events["leads.updated"]["causationId"] == events["leads.activities"]["eventId"]

        async def pages_are_the_whole() -> bool:
            first = await get("/timeline?limit=2")
            rest = await get(f"/timeline?limit=100&cursor={first['nextCursor']}")
            return bool([*first["events"], *rest["events"]] == (await get("/timeline"))["events"])

        await until(pages_are_the_whole, "a timeline to which nothing is added while it is read")
        assert {step["state"] for step in (await get("/nurture"))["steps"]} == {"sent", "scheduled"}
        for path in ("", "/score", "/timeline", "/nurture"):
            assert (await caller.call("GET", f"/v1/leads/nobody{path}", key=key)).status == 404


async def test_figures_follow_the_leads_and_a_reader_who_has_them_is_told_so(local: LocalServers) -> None:
    async with bench(local) as on, on.running(), gateway(on) as caller:
        key = await new_key(on)
        await _people(on, 6)
        for timeframe in ("week", "month", "quarter"):
            answer = await caller.call("GET", f"/v1/analytics/leads?timeframe={timeframe}", key=key)
            told = answer.json
            assert (told["totalLeads"], told["bySource"]["trade_show"]) == (6, 2)
            assert sum(part["total"] for part in told["series"]) == 6
        same = await caller.call(
            "GET", "/v1/analytics/leads?timeframe=quarter", key=key, if_none_match=answer.headers["etag"]
        )
        assert (same.status, same.text) == (304, "")
        await on.publish([event(data("new@example.com"), event_id="n1")])

        async def seven() -> bool:
            return bool((await caller.call("GET", "/v1/analytics/conversions", key=key)).json["totalLeads"] == 7)

        await until(seven, "the seventh lead counted")
        assert (await caller.call("GET", "/v1/analytics/leads?timeframe=year", key=key)).status == 422
        for query, named, there in (
            (
                "min_score=70&limit=5",
                "min_score",
                "assignedTo, attribute, cursor, from, limit, minScore, q, source, status, to",
            ),
            ("ana@example.com=1", "(query)", "minScore"),
        ):
            unknown = await caller.call("GET", f"/v1/leads?{query}", key=key)
            (fault,) = unknown.json["errors"]
            assert (unknown.status, fault["path"]) == (422, named)
            assert there in fault["message"]
            assert "ana@" not in unknown.text
        paths = ("leads/none", "leads/none/score", "me", "model", "deadletters/counts", "live")
        for path in paths:
            assert (await caller.call("GET", f"/v1/{path}?utm_source=x", key=key)).status == 422, path


async def test_a_stream_tells_of_changes_and_ends_with_the_process(local: LocalServers) -> None:
    async with bench(local) as on, on.running(), aiohttp.ClientSession() as http:
        key = await new_key(on)
        async with gateway(on) as caller:
            live = await http.get(f"{caller.url}/v1/live", headers={"authorization": f"Bearer {key}"})
            assert live.content_type == "text/event-stream"
            assert await live.content.readline() == b"retry: 2000\n"
            await on.publish([event(data(), event_id="c1")])
            async with asyncio.timeout(DEADLINE_S):
                while await live.content.readline() != b"event: changed\n":
                    pass
        # The gateway has gone, though somebody listened.
        await live.content.read()
        live.close()


async def test_readers_need_the_scope_to_read(local: LocalServers) -> None:
    async with bench(local) as on, gateway(on) as caller:
        key = await new_key(on, "scanner", scopes=("captures:write",))
        for path in ("/v1/leads", "/v1/leads/x", "/v1/analytics/leads", "/v1/live"):
            assert (await caller.call("GET", path, key=key)).status == 403
            assert (await caller.call("GET", path)).status == 401
