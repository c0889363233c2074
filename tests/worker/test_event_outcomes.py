"""A sender asks what became of its event, over HTTP and on real servers: each state, and nothing of anybody else's."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote, urlencode

import pytest
from aiohttp import ClientSession
from yarl import URL

from deploy.local import LocalServers
from schemas.topics import ACTIVITIES, CAPTURED, DEADLETTER, ENGAGEMENTS
from services.gateway.auth.domain.key_lifecycle import new_key as made_key
from services.gateway.auth.domain.principals import KeyKind, Scope
from services.gateway.auth.domain.users import Role
from services.gateway.auth.key_store import create_key
from shared.clock import system_clock
from shared.domain.activity_documents import row_id
from shared.domain.ids import derive
from tests.builders import data, event
from tests.collection_names import ACTIVITIES as ACTIVITY_ROWS
from tests.gateway import Answer, Caller, gateway, new_key, session_of
from tests.harness import bench, until

MINE, BY = "/clients/website", {"requestedBy": "sam"}
CALL = {"type": "call", "description": "rang", "createdBy": "sam", "completedAt": "2026-03-01T10:00:00Z"}
BANT = {"budget": {"confirmed": True}, "authority": {"isDecisionMaker": True}, "need": {"painPoints": ["late"]}}
_FIELDS = {
    "contact.firstName": "Ana",
    "contact.lastName": "Reyes",
    "contact.email": "ana@example.com",
    "company.name": "Blue Fork",
}
LONG = {"orphan_ttl": 600, "command_patience": 0.0}


async def _follow(caller: Caller, path: str, **headers: str) -> Answer:
    """What a client gets that takes the address as it is."""
    async with (
        ClientSession() as http,
        http.get(URL(f"{caller.url}{path}", encoded=True), headers=headers) as answer,
    ):
        return Answer(answer.status, answer.headers, await answer.text())


async def _ask(caller: Caller, key: str, event_id: str) -> dict[str, Any]:
    answer = await _follow(caller, f"/v1/events/{quote(event_id, safe='')}", Authorization=f"Bearer {key}")
    assert answer.status == 200, answer.text
    assert isinstance(answer.json, dict)
    return answer.json


async def _until(caller: Caller, key: str, event_id: str, state: str) -> dict[str, Any]:
    found: dict[str, Any] = {}

    async def reached() -> bool:
        found.clear()
        found.update(await _ask(caller, key, event_id))
        return bool(found["state"] == state)

    await until(reached, f"{event_id}: {state}")
    return found


async def _send(caller: Caller, key: str, method: str, path: str, body: Any, event_id: str) -> None:
    answer = await caller.call(method, path, body, key=key, Idempotency_Key=event_id)
    assert (answer.status, answer.json) == (202, {"eventId": event_id}), answer.text
    assert answer.headers["Location"] == f"/v1/events/{event_id}"


def _said(state: str, lead: str | None = None, reason: str | None = None) -> dict[str, Any]:
    said = {"state": state, "leadId": lead, "reason": reason}
    return {name: value for name, value in said.items() if value is not None}


async def test_each_input_is_answered_from_its_way_in_to_the_erasure_of_its_lead(local: LocalServers) -> None:
    async with bench(local) as on, gateway(on) as caller:
        key = await new_key(on)
        await _send(caller, key, "POST", "/v1/leads", data(), "c1")
        assert await _ask(caller, key, "c1") == _said("pending"), "no worker runs"
        async with on.running(command_patience=0.0):
            lead = (await _until(caller, key, "c1", "created"))["leadId"]
            assert lead == derive("lead", derive("cause", MINE, "c1"))
            of = f"/v1/leads/{lead}"
            for event_id, state, method, path, body in (
                ("c2", "merged", "POST", "/v1/leads", data(phone="+1 312 555 0199")),
                ("a1", "done", "POST", "/v1/activities", {"leadId": lead, "activity": CALL}),
                ("a2", "done", "POST", "/v1/activities", {"email": "ANA@example.com", "activity": {**CALL, "id": "x"}}),
                ("e1", "done", "POST", "/v1/engagements", {"email": "ana@example.com", "action": "clicked_pricing"}),
                ("t1", "done", "POST", "/v1/tasks", {"leadId": lead, "kind": "call", "title": "Ring"}),
                ("t2", "rejected", "PATCH", "/v1/tasks/none", {"leadId": lead, "action": "complete"}),
                ("v1", "rejected", "POST", f"{of}/convert", {"opportunity": {"name": "n"}}),
                ("u1", "done", "PATCH", of, {"assignedTo": "kim"}),
                ("q1", "done", "POST", f"{of}/qualify", {"bant": BANT}),
                ("v2", "done", "POST", f"{of}/convert", {"opportunity": {"name": "n"}}),
                ("v3", "rejected", "POST", f"{of}/convert", {"opportunity": {"name": "n"}}),
            ):
                await _send(caller, key, method, path, body, event_id)
                reason = {"t2": "unknown_task", "v1": "lead_not_qualified", "v3": "already_converted"}.get(event_id)
                assert await _until(caller, key, event_id, state) == _said(state, lead, reason), event_id
            await _send(caller, key, "DELETE", of, None, "gone")
            for event_id in ("gone", "c1", "c2", "a1", "a2", "e1", "t1", "u1", "q1", "v2"):
                assert await _until(caller, key, event_id, "erased") == _said("erased", lead), event_id
            assert await _ask(caller, key, "v1") == _said("rejected", lead, "lead_not_qualified")
            # What came before the erasure and arrives late is of an erased person too.
            before = "2020-01-01T00:00:00Z"
            await on.publish([event(data(), CAPTURED, "late", MINE, time=before)])
            assert await _until(caller, key, "late", "erased") == _said("erased", lead)
            # A copy of what was counted is a dead letter now; what became of the event stays.
            counted = {"leadId": lead, "activity": CALL}
            await on.publish([event(counted, ACTIVITIES, one, MINE) for one in ("a1", "new")], ACTIVITIES)
            expected = _said("dead_lettered", None, "lead_not_found")
            assert await _until(caller, key, "new", "dead_lettered") == expected
            assert len(await on.records(DEADLETTER)) == 2
            assert await _ask(caller, key, "a1") == _said("erased", lead)


async def test_what_names_an_unknown_lead_waits_and_then_has_its_outcome(local: LocalServers) -> None:
    async with bench(local) as on, gateway(on) as caller:
        key = await new_key(on)
        to_come = derive("lead", derive("cause", MINE, "c1"))
        async with on.running(**LONG):
            task = {"leadId": to_come, "kind": "call", "title": "Ring"}
            waiting: Mapping[str, tuple[str, str, Any, str | None]] = {
                "t1": ("POST", "/v1/tasks", task, to_come),
                "a1": ("POST", "/v1/activities", {"leadId": to_come, "activity": CALL}, to_come),
                "e1": ("POST", "/v1/engagements", {"email": "ana@example.com", "action": "x"}, None),
                "u1": ("PATCH", f"/v1/leads/{to_come}", {"assignedTo": "kim"}, to_come),
                "v1": ("POST", f"/v1/leads/{to_come}/convert", {"opportunity": {"name": "n"}}, to_come),
                "d1": ("DELETE", "/v1/leads/nobody", None, "nobody"),
            }
            for event_id, (method, path, body, lead) in waiting.items():
                await _send(caller, key, method, path, body, event_id)
                assert await _until(caller, key, event_id, "waiting") == _said("waiting", lead)
            await _send(caller, key, "POST", "/v1/leads", data(), "c1")
            for event_id in ("a1", "e1", "t1", "u1"):
                assert await _until(caller, key, event_id, "done") == _said("done", to_come)
            assert (await _until(caller, key, "v1", "rejected"))["reason"] == "lead_not_qualified"
            assert await _ask(caller, key, "d1") == _said("waiting", "nobody")
        async with on.running(orphan_ttl=1, command_patience=0.0):
            for event_id, method, path, body in (
                ("a9", "POST", "/v1/activities", {"leadId": "nobody", "activity": CALL}),
                ("e9", "POST", "/v1/engagements", {"email": "nobody@example.com", "action": "x"}),
                ("d9", "DELETE", "/v1/leads/nobody", None),
            ):
                await _send(caller, key, method, path, body, event_id)
            for event_id in ("a9", "e9"):
                expected = _said("dead_lettered", None, "lead_not_found")
                assert await _until(caller, key, event_id, "dead_lettered") == expected
            assert await _until(caller, key, "d9", "rejected") == _said("rejected", "nobody", "lead_not_found")


async def test_a_command_that_the_status_forbids_waits_for_another_one(local: LocalServers) -> None:
    async with bench(local) as on, gateway(on) as caller:
        key = await new_key(on)
        async with on.running(command_patience=600.0):
            await _send(caller, key, "POST", "/v1/leads", data(), "c1")
            lead = (await _until(caller, key, "c1", "created"))["leadId"]
            await _send(caller, key, "POST", f"/v1/leads/{lead}/convert", {"opportunity": {"name": "n"}}, "v1")
            assert await _until(caller, key, "v1", "waiting") == _said("waiting", lead)
            await _send(caller, key, "POST", f"/v1/leads/{lead}/qualify", {"requirements": {"budget": 5}}, "q1")
            assert await _until(caller, key, "v1", "done") == _said("done", lead)


async def test_only_the_sender_learns_what_became_of_an_event(local: LocalServers) -> None:
    async with bench(local) as on, gateway(on, workers=("capture", "insights")) as caller:
        key, other = await new_key(on), await new_key(on, "hall-7")
        person = await session_of(on, caller, Role.ADMIN, "robin.admin")
        viewer = await session_of(on, caller, Role.VIEWER, "vera.viewer")
        bad = {"state": "pending"}
        await _send(caller, key, "POST", "/v1/leads", data(), "c1")
        assert (await _until(caller, key, "c1", "created"))["leadId"]
        # An event that another program publishes straight to Kafka is nobody's here, unless it has the key's source.
        broken = json.loads(event(data(), event_id="b1", source=MINE))
        del broken["data"]["company"]
        await on.publish([json.dumps(broken).encode(), event(data("b@example.com"), event_id="k1")])
        assert (await _until(caller, key, "b1", "dead_lettered"))["reason"] == "invalid_data"
        for id_ in ("c1", "b1", "k1"):
            assert await _ask(caller, other, id_) == bad
            assert (await caller.call("GET", f"/v1/events/{id_}", session=person)).json == bad
        assert await _ask(caller, key, "k1") == bad
        # A user sees what he sent himself, and no other user's events.
        sent = await caller.post("/v1/leads", data("c@example.com"), session=person, Idempotency_Key="c1")
        assert sent.headers["Location"] == "/v1/events/c1"

        async def created() -> bool:
            answer = await caller.call("GET", "/v1/events/c1", session=person)
            return bool(answer.json["state"] == "created")

        await until(created, "the user's own capture")
        assert (await caller.call("GET", "/v1/events/c1", session=viewer)).json == bad
        ours = (await caller.call("GET", "/v1/events/c1", session=person)).json["leadId"]
        assert ours != (await _ask(caller, key, "c1"))["leadId"]


async def test_who_may_not_read_leads_may_not_ask(local: LocalServers) -> None:
    async with bench(local) as on, gateway(on) as caller:
        form = await new_key(on, "form", KeyKind.FORM, origins=("https://blue.example",))
        scanner = await new_key(on, "scanner", scopes=(Scope.CAPTURE, Scope.COMMAND, Scope.ANALYTICS))
        reader = await new_key(on)
        # A form key that was given the scope behind the command's back.
        odd = made_key("odd", KeyKind.FORM, "word", system_clock()).model_copy(update={"scopes": (Scope.READ,)})
        assert await create_key(on.storage, odd)
        for key, status in ((form, 403), (scanner, 403), ("kps_nobody_x", 401), (None, 401)):
            assert (await caller.call("GET", "/v1/events/c1", key=key)).status == status
        refused = await caller.call("GET", "/v1/events/c1", key="kpf_odd_word")
        assert (refused.status, refused.json["detail"]) == (403, "A form key captures leads and reads nothing.")
        assert (await caller.call("GET", "/v1/events/c1?of=1", key=reader)).status == 422
        assert (await _ask(caller, reader, "x" * 200)) == _said("pending")
        for wrong in ("x" * 201, ""):
            assert (await caller.call("GET", f"/v1/events/{wrong}", key=reader)).status == 422


@pytest.mark.parametrize(
    "event_id",
    [
        "order/17",
        "/",
        "//a//b/",
        "..",
        ".",
        "...",
        "../../v1/leads",
        "a.b",
        "50%",
        "%2F",
        "a?b=c&d#e",
        "~!*'();:@&=+$,[]{}|\\^`<>\"",
        "x" * 200,
        "%" * 200,
    ],
)
async def test_the_location_of_an_odd_idempotency_key_leads_to_its_event(local: LocalServers, event_id: str) -> None:
    async with bench(local) as on, gateway(on, workers=("capture",)) as caller:
        key = await new_key(on)
        answer = await caller.post("/v1/leads", data(), key=key, Idempotency_Key=event_id)
        assert (answer.status, answer.json) == (202, {"eventId": event_id})
        location = answer.headers["Location"]
        assert location.startswith("/v1/events/")
        assert "/" not in location.removeprefix("/v1/events/")
        assert unquote(location.removeprefix("/v1/events/")) == event_id

        async def created() -> bool:
            found = await _follow(caller, location, Authorization=f"Bearer {key}")
            return found.status == 200 and bool(found.json["state"] == "created")

        await until(created, "the capture")


async def test_ids_that_only_kafka_takes_are_found_too(local: LocalServers) -> None:
    ids = ["Größe/№ 7", "två\nrader", "ends\n", " ", "a b", "😀" * 200, "nul\0", "\ufffd", "e\u0301", "\u00e9"]
    async with bench(local) as on, gateway(on, workers=("capture",)) as caller:
        key = await new_key(on)
        await on.publish(
            [event(data(f"p{n}@example.com"), event_id=id_, source=MINE) for n, id_ in enumerate(ids)], CAPTURED
        )
        leads = [(await _until(caller, key, id_, "created"))["leadId"] for id_ in ids]
        assert len(set(leads)) == len(ids)
        assert await _ask(caller, key, "ends") == _said("pending")


async def test_an_event_that_comes_again_keeps_its_outcome(local: LocalServers) -> None:
    async with bench(local) as on, gateway(on) as caller, on.running(command_patience=0.0):
        key = await new_key(on)
        for _ in range(3):
            await _send(caller, key, "POST", "/v1/leads", data(), "c1")
        lead = (await _until(caller, key, "c1", "created"))["leadId"]
        called = {"leadId": lead, "activity": CALL}
        for number in range(3):
            await _send(caller, key, "POST", "/v1/activities", called, "a1")
            await _send(caller, key, "PATCH", f"/v1/leads/{lead}", {"status": "contacted"}, "u1")
            await _send(caller, key, "POST", "/v1/leads", data(), f"again{number}")
        for number in range(3):
            assert await _until(caller, key, f"again{number}", "merged") == _said("merged", lead)
        assert await _until(caller, key, "a1", "done") == _said("done", lead)
        assert await _until(caller, key, "u1", "done") == _said("done", lead)
        assert await _ask(caller, key, "c1") == _said("created", lead)


async def test_each_version_of_an_activity_is_done_also_one_that_another_replaced(local: LocalServers) -> None:
    async with bench(local) as on, gateway(on) as caller, on.running():
        key, other = await new_key(on), await new_key(on, "mailer-2")
        await _send(caller, key, "POST", "/v1/leads", data(), "c1")
        lead = (await _until(caller, key, "c1", "created"))["leadId"]
        visit = {"leadId": lead, "activity": {**CALL, "id": "visit"}}
        times = {"second": "2026-03-01T12:00:00Z", "first": "2026-03-01T10:00:00Z", "third": "2026-03-01T14:00:00Z"}
        for event_id, time in times.items():
            await on.publish([event(visit, ACTIVITIES, event_id, MINE, time=time)], ACTIVITIES)
            assert await _until(caller, key, event_id, "done") == _said("done", lead)
        # Another sender's event has the same id, and so a row of its own.
        await on.publish([event({"leadId": lead, "action": "x"}, ENGAGEMENTS, "same", MINE)], ENGAGEMENTS)
        await _until(caller, key, "same", "done")
        twin = event({"leadId": lead, "action": "y"}, ENGAGEMENTS, "same", "/clients/mailer-2")
        await on.publish([twin], ENGAGEMENTS)
        assert await _until(caller, other, "same", "done") == _said("done", lead)
        assert await on.storage.read(ACTIVITY_ROWS, [row_id(lead, "visit"), row_id(lead, "same")])


async def test_a_replayed_dead_letter_is_answered_by_what_became_of_it_then(local: LocalServers) -> None:
    async with bench(local) as on, gateway(on) as caller:
        key = await new_key(on)
        whole = json.loads(event(data(), event_id="c1", source=MINE))
        broken = {**whole, "data": {**whole["data"], "company": {}}}
        async with on.running("capture", "insights", "engagement", orphan_ttl=1):
            await on.publish([json.dumps(broken).encode()])
            dead = _said("dead_lettered", None, "invalid_data")
            assert await _until(caller, key, "c1", "dead_lettered") == dead
            await _send(caller, key, "POST", "/v1/activities", {"email": "ana@example.com", "activity": CALL}, "a1")
            await _until(caller, key, "a1", "dead_lettered")
            letters = (await caller.call("GET", "/v1/deadletters", key=key)).json["letters"]
            by_topic = {one["topic"]: f"/v1/deadletters/{one['id']}/replay" for one in letters}
            assert (await caller.post(by_topic[CAPTURED.name], {}, key=key)).status == 202

            async def again() -> bool:
                return len(await on.records(DEADLETTER)) == 3

            await until(again, "the same dead letter once more")
            assert await _ask(caller, key, "c1") == dead
            mended = {"value": json.dumps(whole)}
            assert (await caller.post(by_topic[CAPTURED.name], mended, key=key)).status == 202
            lead = (await _until(caller, key, "c1", "created"))["leadId"]
            assert (await caller.post(by_topic[ACTIVITIES.name], {}, key=key)).status == 202
            assert await _until(caller, key, "a1", "done") == _said("done", lead)
        assert await on.count("outcomes") == 2, "their notes are still there"


async def test_a_batch_names_its_events_and_each_can_be_asked_for(local: LocalServers) -> None:
    async with bench(local) as on, gateway(on, workers=("capture",)) as caller:
        key = await new_key(on, sources=("website", "trade_show"))
        lines = [data("a@example.com"), {"company": {}}, data("b@example.com"), data("a@example.com")]
        answer = await caller.post("/v1/scans", lines, key=key)
        assert (answer.status, answer.json["accepted"], len(answer.json["eventIds"])) == (202, 3, 3)
        assert "Location" not in answer.headers
        states = [await _final(caller, key, id_) for id_ in answer.json["eventIds"]]
        assert sorted(states) in (["created", "created", "merged"], ["created", "created", "created"])
        refused = await caller.post("/v1/scans", [{"company": {}}], key=key)
        assert refused.status == 422


async def test_forms_in_html_are_answered_as_ever_and_a_form_s_script_may_not_ask(local: LocalServers) -> None:
    async with bench(local) as on, gateway(on) as caller:
        form = await new_key(on, "form", KeyKind.FORM, origins=("https://blue.example",))
        back = await new_key(on, "back", KeyKind.FORM, redirects=("https://blue.example/thanks",))
        posted = urlencode({"_key": form, **_FIELDS}).encode()
        answer = await caller.post("/v1/leads", posted, media="application/x-www-form-urlencoded")
        assert (answer.status, "Location" in answer.headers) == (202, False), answer.text
        posted = urlencode({"_key": back, **_FIELDS}).encode()
        answer = await caller.post("/v1/leads", posted, media="application/x-www-form-urlencoded")
        assert (answer.status, answer.headers["Location"]) == (303, "https://blue.example/thanks")
        scripted = await caller.post("/v1/leads", data(), key=form, Idempotency_Key="s1")
        assert (scripted.status, scripted.headers["Location"]) == (202, "/v1/events/s1")
        assert (await caller.call("GET", "/v1/events/s1", key=form)).status == 403


async def _final(caller: Caller, key: str, event_id: str) -> str:
    found: list[str] = []

    async def handled() -> bool:
        found.append((await _ask(caller, key, event_id))["state"])
        return found[-1] != "pending"

    await until(handled, f"{event_id} handled")
    return found[-1]


async def test_an_unchanged_answer_is_not_sent_again(local: LocalServers) -> None:
    async with bench(local) as on, gateway(on, workers=("capture",)) as caller:
        key = await new_key(on)
        first = await caller.call("GET", "/v1/events/c1", key=key)
        tag = first.headers["ETag"]
        assert (await caller.call("GET", "/v1/events/c1", key=key, If_None_Match=tag)).status == 304
        await _send(caller, key, "POST", "/v1/leads", data(), "c1")
        await _until(caller, key, "c1", "created")
        assert (await caller.call("GET", "/v1/events/c1", key=key, If_None_Match=tag)).status == 200
