"""The gateway on a real broker and database: what is accepted is in Kafka, and nobody does what they may not."""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from structlog.testing import capture_logs

from deploy.local import LocalServers
from schemas.topics import ACTIVITIES, CAPTURED, CONVERT, ENGAGEMENTS, ERASE, QUALIFY, TOPICS, UPDATE, Topic
from services.gateway.auth import key_store
from services.gateway.auth.domain import key_lifecycle
from services.gateway.auth.domain.principals import KeyKind, Scope
from services.gateway.auth.domain.signing import Signer
from shared import service
from shared.clock import system_clock
from tests.builders import data
from tests.collection_names import LEADS, RATES
from tests.gateway import SECRET, Answer, Caller, events, gateway, gateway_at, new_key, signed
from tests.harness import bench, until

ACTIVITY = {"activity": {"type": "call", "description": "rang", "createdBy": "sam"}}
CALLS: Sequence[tuple[str, str, Any, Topic]] = (
    ("POST", "/v1/leads", data(), CAPTURED),
    ("POST", "/v1/activities", {"leadId": "lead-1", **ACTIVITY}, ACTIVITIES),
    ("POST", "/v1/engagements", {"email": "Ana@Example.com", "action": "clicked_pricing"}, ENGAGEMENTS),
    ("POST", "/v1/leads/lead-1/qualify", {"requirements": {"budget": 5_000}}, QUALIFY),
    ("POST", "/v1/leads/lead-1/convert", {"opportunity": {"name": "Spring"}, "requestedBy": "sam"}, CONVERT),
    ("PATCH", "/v1/leads/lead-1", {"status": "lost", "reason": "too dear"}, UPDATE),
    ("DELETE", "/v1/leads/lead-1", None, ERASE),
)
FORM = {
    "contact.firstName": "Ana",
    "contact.lastName": "Reyes",
    "contact.email": "ana@example.com",
    "company.name": "Blue Fork",
    "consent.email": "yes",
    "consent.wording": "You may write to me.",
}
URLENCODED = "application/x-www-form-urlencoded"


async def test_each_call_puts_its_event_into_its_topic_under_the_id_the_sender_chose(local: LocalServers) -> None:
    async with bench(local) as on, gateway(on) as caller:
        key = await new_key(on)
        for number, (method, path, body, topic) in enumerate(CALLS):
            chosen = {"Idempotency_Key": f"id-{number}", "traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
            answer = await caller.call(method, path, body, key=key, **chosen)
            assert (answer.status, answer.json) == (202, {"eventId": f"id-{number}"})
            (found,) = await events(on, topic)
            assert (found.event.id, found.event.source) == (f"id-{number}", "/clients/website")
            assert found.event.traceparent == chosen["traceparent"]
            expected = b"ana@example.com" if topic in {CAPTURED, ENGAGEMENTS} else b"lead-1"
            assert found.record.key == expected
        assert (await events(on, UPDATE))[0].payload.requested_by == "website"
        assert (await events(on, CONVERT))[0].payload.requested_by == "sam"


async def test_a_plain_form_post_becomes_a_lead_with_its_consent_and_leads_back_to_the_site(
    local: LocalServers,
) -> None:
    async with bench(local) as on, gateway(on, workers=("capture",)) as caller:
        thanks = "https://blue.example/thanks"
        key = await new_key(on, "spring", KeyKind.FORM, origins=("https://blue.example",), redirects=(thanks,))
        body = urlencode({**FORM, "_key": key}).encode()
        answer = await caller.post("/v1/leads", body, media=URLENCODED, Origin="https://blue.example")
        assert (answer.status, answer.headers["Location"]) == (303, thanks)

        async def there() -> bool:
            return await on.count("leads") == 1

        await until(there, "the lead")
        (lead,) = await on.storage.find(LEADS, {})
        assert (lead["consent"]["email"], lead["consent"]["phone"]) == (True, False)
        assert datetime.now(UTC) - lead["consent"]["capturedAt"] < timedelta(minutes=5)
        (captured,) = await events(on, CAPTURED)
        assert captured.event.source == "/forms/spring"
        assert captured.payload.context["consentWording"] == "You may write to me."
        elsewhere = urlencode({**FORM, "_key": key, "_redirect": "https://evil.example/"}).encode()
        assert (await caller.post("/v1/leads", elsewhere, media=URLENCODED)).status == 422
        assert len(await events(on, CAPTURED)) == 1


async def test_a_box_that_is_not_understood_costs_no_lead_and_is_logged_for_its_developer(local: LocalServers) -> None:
    async with bench(local) as on, gateway(on) as caller:
        key = await new_key(on, "spring", KeyKind.FORM)
        body = urlencode({**FORM, "consent.email": "weekly ana@example.com", "_key": key}).encode()
        with capture_logs() as logged:
            assert (await caller.post("/v1/leads", body, media=URLENCODED)).status == 202
            assert (
                await caller.post("/v1/leads", urlencode({**FORM, "_key": key}).encode(), media=URLENCODED)
            ).status == 202
        unclear, clear = await events(on, CAPTURED)
        assert unclear.payload.consent.email is None
        assert unclear.payload.context["consent email"] == "weekly ana@example.com"
        assert clear.payload.consent.email is True
        (told,) = [one for one in logged if one["event"] == "form.consent_unclear"]
        assert (told["key"], told["paths"]) == ("spring", ["consent.email"])
        assert "ana" not in str(told)


async def test_bots_are_refused_and_a_button_pressed_twice_counts_once(local: LocalServers) -> None:
    async with bench(local) as on, gateway(on) as caller:
        key = await new_key(on, "spring", KeyKind.FORM, needs_token=True)
        signer = Signer(SECRET)
        now = datetime.now(UTC)
        slow, fast, old = (signer.form_token("spring", now - timedelta(seconds=s)) for s in (60, 0, 100_000))

        def sent(**more: str) -> bytes:
            return urlencode({**FORM, "_key": key, **more}).encode()

        for bad in (sent(), sent(_token=fast), sent(_token=old), sent(_token=slow[:-2] + "AA")):
            assert (await caller.post("/v1/leads", bad, media=URLENCODED)).status == 422
        trapped = sent(_token=slow, _website="https://spam.example")
        assert (await caller.post("/v1/leads", trapped, media=URLENCODED)).status == 422
        nested = {**data(), "form": {"token": slow, "website": "x"}}
        assert (await caller.post("/v1/leads", nested, key=key)).status == 422
        assert await events(on, CAPTURED) == []
        for _ in range(2):
            assert (await caller.post("/v1/leads", sent(_token=slow), media=URLENCODED)).status == 202
        assert len({one.event.id for one in await events(on, CAPTURED)}) == 1


async def test_nobody_does_what_their_key_does_not_say(local: LocalServers) -> None:
    async with bench(local) as on, gateway(on) as caller:
        form = await new_key(on, "spring", KeyKind.FORM, origins=("https://blue.example",))
        scanner = await new_key(on, "scanner", scopes=(Scope.CAPTURE,), sources=("trade_show",))
        for method, path, body, _ in CALLS:
            assert (await caller.call(method, path, body)).status == 401
            assert (
                await caller.call(method, path, body, key=form[:-1] + ("y" if form[-1] == "x" else "x"))
            ).status == 401
            if path != "/v1/leads":
                assert (await caller.call(method, path, body, key=form)).status == 403
                assert (await caller.call(method, path, body, key=scanner)).status == 403
        assert (await caller.post("/v1/scans", [data()], key=form)).status == 403
        assert (await caller.post("/v1/leads", data(), key=form, Origin="https://evil.example")).status == 403
        assert (await caller.post("/v1/leads", data(source="website"), key=scanner)).status == 403
        assert [await events(on, topic) for *_, topic in CALLS] == [[]] * len(CALLS)
        unnamed = {name: part for name, part in data().items() if name != "source"}
        assert (await caller.post("/v1/leads", unnamed, key=scanner)).status == 202
        allowed = await caller.post("/v1/leads", data(), key=form, Origin="https://blue.example")
        assert allowed.headers["Access-Control-Allow-Origin"] == "https://blue.example"
        assert {one.payload.source for one in await events(on, CAPTURED)} == {"trade_show", "website"}


async def test_a_wrong_site_is_named_to_its_developer_and_in_the_log(local: LocalServers) -> None:
    async with bench(local) as on, gateway(on) as caller:
        key = await new_key(on, "spring", KeyKind.FORM, origins=("https://blue.example",))
        wrong = {"Origin": "https://evil.example"}
        with capture_logs() as logged:
            asked = await caller.call("OPTIONS", "/v1/leads", **wrong)
            refused = await caller.post("/v1/leads", data(), key=key, **wrong)
            posted = await caller.post("/v1/leads", urlencode({"_key": key}).encode(), media=URLENCODED, **wrong)
            framed = {"Sec_Fetch_Dest": "iframe", "Referer": "https://evil.example/"}
            assert (await caller.call("GET", f"/v1/forms/{key}", **framed)).status == 200
            await caller.call("GET", f"/v1/forms/{key}", Sec_Fetch_Dest="iframe", Referer="https://blue.example/x")
        assert (asked.status, refused.status, posted.status) == (204, 403, 403)
        for answer in (asked, refused):
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
            assert "Access-Control-Allow-Credentials" not in answer.headers
        for answer in (refused, posted):
            assert "The form key spring is not allowed on this site" in answer.text
        told = [(one["key"], one["reason"], one["host"]) for one in logged if one["event"] == "origin.refused"]
        assert told == [("spring", reason, "evil.example") for reason in ("posted", "posted", "framed")]


async def test_a_rotated_key_holds_for_its_overlap_and_a_revoked_one_no_more(local: LocalServers) -> None:
    async with bench(local) as on:
        now = [system_clock()]
        old = await new_key(on)
        stored = await key_store.find_key(on.storage, "website")
        assert stored
        rotated = key_lifecycle.rotate_key(stored, "the-new-secret", now[0], timedelta(hours=1))
        assert await key_store.replace_key(on.storage, stored, rotated)
        assert not await key_store.replace_key(on.storage, stored, rotated), "of two changes at once one must fail"
        async with gateway_at(on, lambda: now[0]) as caller:

            async def statuses() -> list[int]:
                return [
                    (await caller.post("/v1/leads", data(), key=one)).status
                    for one in (old, "kps_website_the-new-secret")
                ]

            assert await statuses() == [202, 202]
            now[0] += timedelta(hours=2)
            assert await statuses() == [401, 202]
            assert await key_store.replace_key(on.storage, rotated, key_lifecycle.revoke_key(rotated, now[0]))
            now[0] += timedelta(seconds=6)
            assert await statuses() == [401, 401]


async def test_a_limit_holds_over_all_gateway_processes_together(local: LocalServers) -> None:
    async with bench(local) as on:
        now = [datetime(2026, 5, 1, 12, 0, 1, tzinfo=UTC)]
        key = await new_key(on, "spring", KeyKind.FORM, per_minute=60)
        async with gateway_at(on, lambda: now[0]) as one, gateway_at(on, lambda: now[0]) as two:

            async def burst() -> list[Answer]:
                calls = [caller.post("/v1/leads", data(), key=key) for caller in (one, two) for _ in range(60)]
                return list(await asyncio.gather(*calls))

            answers = await burst()
            assert sorted(answer.status for answer in answers) == [202] * 60 + [429] * 60
            refused = next(answer for answer in answers if answer.status == 429)
            assert refused.headers["Retry-After"] == "59"
            now[0] += timedelta(seconds=60)
            assert sum(answer.status == 202 for answer in await burst()) == 60
        rows = await on.storage.find(RATES, {})
        assert rows
        assert not any("127.0.0.1" in json.dumps(row, default=str) for row in rows), "an address is a person's"


@pytest.mark.parametrize("media", ["application/json", "application/x-ndjson", "text/csv"])
async def test_a_batch_of_scans_is_accepted_in_part_and_sent_again_changes_nothing(
    local: LocalServers, media: str
) -> None:
    scans = [{**data(email=f"s{n}@example.com"), "time": f"2026-05-16T14:0{n}:00Z"} for n in range(3)]
    scans[1]["contact"]["email"] = "nobody"
    scans[2]["source"] = "Other"
    header = "Scan time,First Name,Surname,E-mail,Organisation,Source\n"
    lines = [
        f"{one['time']},Ana,Reyes,{one['contact']['email']},{one['company']['name']},{one['source']}" for one in scans
    ]
    body = {
        "application/json": json.dumps(scans),
        "application/x-ndjson": "\n".join(map(json.dumps, scans)),
        "text/csv": header + "\n".join(lines),
    }[media].encode()
    async with bench(local) as on, gateway(on) as caller:
        key = await new_key(on)
        for _ in range(2):
            answer = await caller.post("/v1/scans", body, media=media, key=key)
            assert answer.status == 202
            assert answer.json["accepted"] == 2
            assert len(answer.json["eventIds"]) == 2
            (rejected,) = answer.json["rejected"]
            assert rejected["line"] == (3 if media == "text/csv" else 2)
            assert rejected["errors"][0]["message"] == "is not an e-mail address"
            (warning,) = answer.json["warnings"]
            assert (warning["line"], warning["column"]) == (
                rejected["line"] + 1,
                "Source" if media == "text/csv" else "source",
            )
            assert answer.json["remarks"] == []
            assert "nobody" not in answer.text
        found = await events(on, CAPTURED)
        assert {one.event.id for one in found} == set(answer.json["eventIds"])
        assert {one.event.time.minute for one in found} == {0, 2}
        for _ in range(2):
            named = await caller.post("/v1/scans", body, media=media, key=key, Idempotency_Key="x" * 200)
            assert (named.status, named.json["accepted"]) == (202, 2)
        assert len({one.event.id for one in await events(on, CAPTURED)}) == 4


async def test_a_batch_or_webhook_of_which_nothing_can_be_used_is_refused_as_a_whole(local: LocalServers) -> None:
    async with bench(local) as on, gateway(on) as caller:
        key, name = await new_key(on), await new_key(on, "mailer", KeyKind.WEBHOOK)
        bad = json.dumps([{"action": ""}, 7]).encode()
        headers = signed(Signer(SECRET).webhook_secret(name, "1"), bad)
        csv = b"Organisation,Given name,Newsletter\nBlue Fork,Ana,no\n"
        answers = (
            await caller.post("/v1/scans", csv, key=key, media="text/csv"),
            await caller.post("/v1/webhooks/mailer", bad, **headers),
            await caller.post("/v1/scans", [], key=key),
        )
        for answer, lines in zip(answers, ([2], [1, 2], []), strict=True):
            assert (answer.status, answer.headers["Content-Type"]) == (422, "application/problem+json")
            assert (answer.json["accepted"], [one["line"] for one in answer.json["rejected"]]) == (0, lines)
        (refusing,) = answers[0].json["rejected"]
        assert refusing["errors"][-1]["path"] == "Newsletter"
        assert "this refusal is not stored" in refusing["errors"][-1]["message"]
        assert any("1 rejected row refuses e-mail" in one for one in answers[0].json["remarks"])
        assert [await events(on, topic) for topic in (CAPTURED, ENGAGEMENTS)] == [[], []]


async def test_a_webhook_is_believed_when_signed_lately_by_a_secret_that_holds(local: LocalServers) -> None:
    async with bench(local) as on, gateway(on) as caller:
        name = await new_key(on, "mailer", KeyKind.WEBHOOK)
        first, second = (Signer(SECRET).webhook_secret(name, number) for number in ("1", "2"))
        body = json.dumps([{"email": "ana@example.com", "action": "opened_email"}, {"action": ""}]).encode()

        async def status(headers: dict[str, str], sent: bytes = body) -> int:
            return (await caller.post("/v1/webhooks/mailer", sent, **headers)).status

        late = datetime.now(UTC) - timedelta(minutes=6)
        for bad in ({}, signed(second, body), signed(first, body, at=late), signed(first, b"other")):
            assert await status(bad) == 401
        assert await status({**signed(first, body), "webhook_signature": "nonsense"}) == 401
        assert (await caller.post("/v1/webhooks/nobody", body, **signed(first, body))).status == 401
        stored = await key_store.find_key(on.storage, name)
        assert stored
        rotated = key_lifecycle.rotate_key(stored, "2", system_clock(), timedelta(hours=1))
        assert await key_store.replace_key(on.storage, stored, rotated)
        for _ in range(2):
            answer = await caller.post("/v1/webhooks/mailer", body, **signed(first, body))
            assert (answer.status, answer.json["accepted"]) == (202, 1)
            assert [one["line"] for one in answer.json["rejected"]] == [2]
        await until(lambda: _is(status(signed(second, b"[]"), b"[]"), 422), "the new secret")
        found = await events(on, ENGAGEMENTS)
        assert len({one.event.id for one in found}) == 1
        assert found[0].event.source == "/webhooks/mailer"


async def _is(status: Any, wanted: int) -> bool:
    return bool(await status == wanted)


async def _probe(caller: Caller) -> int:
    return (await caller.call("GET", "/readyz")).status


HOSTILE: Sequence[tuple[Any, int]] = (
    ({**data(), "contact": {"firstName": "A", "lastName": "B", "email": {"$gt": ""}}}, 422),
    ({**data(), "source": {"$ne": None}}, 422),
    ({**data(), "context": {"$where": "1"}}, 422),
    ({**data(), "context": {"a": {"$gt": ""}}}, 422),
    ({**data(), "context": {"__proto__": {"a.b": {"constructor": 1}}}}, 202),
    (data(first="{{ 7 * 7 }}", last="${7*7}", company="<script>alert(1)</script>"), 202),
    ({**data(), "context": {"deep": eval("[" * 30 + "]" * 30)}}, 422),  # noqa: S307 - thirty lists in one another
    (b"[" * 100_000, 422),
    (b'{"source": NaN}', 422),
    (b"\xff\xfe", 422),
    (b"[]", 422),
    (data(first="x" * 300), 422),
    (data(first="a\0b"), 422),
    ({**data(), "context": {"n": 2**63}}, 422),
)


async def test_hostile_input_is_refused_or_taken_as_text_and_never_quoted(
    local: LocalServers,
) -> None:
    async with bench(local) as on, gateway(on, workers=("capture", "scoring"), http_body_max=200_000) as caller:
        key = await new_key(on)
        for body, status in HOSTILE:
            answer = await caller.post(
                "/v1/leads", body, key=key, Idempotency_Key=f"id-{HOSTILE.index((body, status))}"
            )
            assert answer.status == status, body
            assert not any(mark in answer.text for mark in ("$gt", "$where", "49", "script", "{{", "xxx"))
        too_large = await caller.post("/v1/leads", b" " * 200_001, key=key)
        assert (too_large.status, too_large.headers["Connection"]) == (413, "close")
        assert (await caller.post("/v1/leads", b"<a/>", media="application/xml", key=key)).status == 415
        assert (await caller.post("/v1/leads", data(), key="kps_§_x")).status == 401

        # The two that were taken are of one person: text is text all the way down.
        async def taken() -> bool:
            return await on.count("captures") + len(await on.records(TOPICS["leads.deadletter"])) == 2

        await until(taken, "all of them somewhere")


async def test_every_answer_carries_a_request_id_and_forbids_what_a_browser_could_do_with_it(
    local: LocalServers,
) -> None:
    async with bench(local) as on, gateway(on) as caller:
        form = await new_key(on, "spring", KeyKind.FORM, origins=("https://blue.example",))
        for path in ("/docs", "/openapi.json", "/nowhere", f"/v1/forms/{form}", "/healthz"):
            answer = await caller.call("GET", path, X_Request_Id="request-7")
            if path == "/healthz":
                continue
            assert answer.headers["X-Request-Id"] == "request-7"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            policy = answer.headers["Content-Security-Policy"]
            assert "'none'" in policy or "'self'" in policy
            assert "http://" not in policy
        strange = await caller.call("GET", "/nowhere", X_Request_Id="<script>")
        assert strange.headers["X-Request-Id"] != "<script>"
        assert strange.status == 404
        assert (await caller.call("PUT", "/v1/leads")).headers["Allow"]
        page = await caller.call("GET", f"/v1/forms/{form}")
        assert "frame-ancestors 'self' https://blue.example" in page.headers["Content-Security-Policy"]


async def test_without_kafka_nothing_is_accepted_and_without_a_database_everything(
    own: LocalServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_FLUSH_S", 0.5)  # nobody waits for the record that Kafka did not take
    async with bench(own) as on, gateway(on, ack_timeout_s=1.0) as caller:
        if own.broker is None or own.database is None:
            pytest.skip("these servers are not ours to stop")
        key = await new_key(on)
        assert (await caller.post("/v1/leads", data(), key=key)).status == 202
        own.database.kill()
        assert (await caller.post("/v1/leads", data(), key=key)).status == 202
        await until(lambda: _is(_probe(caller), 200), "a gateway that is ready without its database")
        own.broker.kill()
        answer = await caller.post("/v1/leads", data(), key=key)
        assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
        await until(lambda: _is(_probe(caller), 503), "a gateway that is not ready without its broker")
        assert (await caller.call("GET", "/healthz")).status == 200
        own.database.start()  # to end is faster with it


async def test_the_log_tells_of_each_request_without_anything_personal(
    local: LocalServers, capfd: pytest.CaptureFixture[str]
) -> None:
    async with bench(local) as on, gateway(on) as caller:
        key = await new_key(on)
        capfd.readouterr()
        private = data(first="Canary", last="Canary", email="canary@example.com", company="Canary Inc")
        assert (await caller.post("/v1/leads", private, key=key, X_Request_Id="request-7")).status == 202
        broken = data(first="Canary", email="canary.example.com")
        assert (await caller.post("/v1/leads", broken, key=key)).status == 422
        assert (await caller.call("GET", "/v1/canary@example.com?email=canary", key="kps_canary_x")).status == 404
        logged = "".join(capfd.readouterr())
    assert logged.count("http.request") == 3
    assert "request-7" in logged
    assert "/v1/leads" in logged
    for personal in ("canary", key, "127.0.0.1"):
        assert personal not in logged.casefold()
