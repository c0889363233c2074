"""Dead letters over HTTP, on a real broker and database: seen newest first, mended and sent back."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from deploy.local import LocalServers
from schemas.reasons import DeadLetterReason
from schemas.topics import CAPTURED, DEADLETTER
from services.gateway.auth.domain.principals import Scope
from services.gateway.auth.domain.users import Role
from services.gateway.dead_letters.domain import review
from shared.kafka.events import Outgoing, Record, dead_letter
from shared.kafka.reading import publishing, read_newest, read_one
from tests.builders import data, event
from tests.collection_names import REPLAYS
from tests.gateway import Answer, Caller, gateway, mistake, new_key, session_of
from tests.harness import Bench, bench, until

BEGAN = datetime(2026, 5, 1, 12, tzinfo=UTC)


def _letter(
    number: int,
    value: bytes = b"{}",
    topic: str = CAPTURED.name,
    reason: str = "invalid_data",
    source: str = "",
) -> Outgoing:
    record = Record(topic, 0, number, b"key-%d" % number, value)
    at = BEGAN + timedelta(seconds=number)
    why = DeadLetterReason(reason)
    return dead_letter(record, why, "data: no", consumer="pantry.capture", at=at, attempts=1, source=source)


async def _bury(on: Bench, buried: Sequence[Outgoing]) -> None:
    async with publishing(on.to.kafka) as publish:
        await publish(buried)


async def _list(caller: Caller, key: str, query: str = "") -> Answer:
    answer = await caller.call("GET", f"/v1/deadletters{query}", key=key)
    assert answer.status == 200, answer.text
    return answer


async def test_what_failed_is_seen_mended_and_handled(local: LocalServers) -> None:
    async with bench(local) as on, gateway(on, workers=("capture",)) as caller:
        session = await session_of(on, caller, Role.ADMIN, "robin.admin")
        whole = json.loads(event(data()))
        del whole["data"]["company"]["name"]
        broken = json.dumps(whole)
        await on.publish([broken.encode(), b"\xff\x00 no text"], keys=[b"ana@example.com", b"k"])

        async def there() -> bool:
            return len((await caller.call("GET", "/v1/deadletters", session=session)).json["letters"]) == 2

        await until(there, "the dead letters")
        found = await caller.call("GET", "/v1/deadletters?reason=invalid_data", session=session)
        (letter,) = found.json["letters"]
        assert letter["detail"].startswith("data.company.name: ")
        shown = {name: letter[name] for name in ("topic", "consumer", "attempts", "key", "value", "size", "isText")}
        assert shown == {
            "topic": "leads.captured",
            "consumer": "pantry.capture",
            "attempts": 1,
            "key": "ana@example.com",
            "value": broken,
            "size": len(broken),
            "isText": True,
        }
        (other,) = (await caller.call("GET", "/v1/deadletters?reason=not_json", session=session)).json["letters"]
        assert (other["isText"], other["value"]) == (False, "\ufffd\0 no text")
        path = f"/v1/deadletters/{letter['id']}/replay"
        still = await caller.post(path, {"value": broken}, session=session)
        assert (still.status, [one["path"] for one in still.json["errors"]]) == (422, ["data.company.name"])
        for bad in ({"value": 1}, {"value": "{"}, b"[]"):
            assert (await caller.post(path, bad, session=session)).status == 422
        assert len(await on.records(CAPTURED)) == 2, "nothing of these went back"
        whole["data"]["company"]["name"] = "Blue Fork"
        mended = await caller.post(path, {"value": json.dumps(whole)}, session=session)
        assert (mended.status, mended.json) == (202, {"replayed": True})

        async def handled() -> bool:
            return await on.count("leads") == 1

        await until(handled, "the lead of the mended record")
        back = [one for one in await on.records(CAPTURED) if one.value == json.dumps(whole).encode()]
        assert [(one.key, dict(one.headers)["content-type"]) for one in back] == [
            (b"ana@example.com", b"application/cloudevents+json")
        ]
        (letter,) = (await caller.call("GET", "/v1/deadletters?reason=invalid_data", session=session)).json["letters"]
        assert letter["replayedBy"] == "robin.admin"
        assert datetime.now(UTC) - datetime.fromisoformat(letter["replayedAt"]) < timedelta(minutes=5)
        assert "Blue Fork" not in json.dumps(await on.storage.find(REPLAYS, {}), default=str)


async def test_a_letter_goes_back_byte_for_byte_and_only_where_it_came_from(local: LocalServers) -> None:
    async with bench(local) as on, gateway(on) as caller:
        key = await new_key(on, "operations", scopes=(Scope.DEAD_LETTERS,))
        value = b'{"odd":  "\xff"}'
        await _bury(on, [_letter(1, value), _letter(2, topic="elsewhere"), _letter(3, topic=DEADLETTER.name)])
        nowhere = {two["id"]: two["topic"] for two in (await _list(caller, key)).json["letters"]}
        for id_, topic in nowhere.items():
            answer = await caller.post(f"/v1/deadletters/{id_}/replay", {}, key=key)
            assert answer.status == (202 if topic == CAPTURED.name else 422)
        (record,) = await on.records(CAPTURED)
        assert (record.key, record.value) == (b"key-1", value)
        assert len(await on.records(DEADLETTER)) == 3
        for id_ in ("0:3000", "9:0", "-1:0", "0:-1", f"0:{'9' * 18}", f"0:{'9' * 19}", "0", "0:0:0", "a:b", "²:0"):
            assert (await caller.post(f"/v1/deadletters/{quote(id_)}/replay", {}, key=key)).status == 404, id_
        # A letter of before, whose place another one has now: the embedded broker begins anew.
        (row,) = await on.storage.find(REPLAYS, {})
        await on.storage.put(REPLAYS, [{**row, "failedAt": "2020-01-01T00:00:00+00:00"}])
        assert not any("replayedBy" in one for one in (await _list(caller, key)).json["letters"])


async def test_the_newest_come_first_and_no_more_than_are_asked_for(
    local: LocalServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench(local) as on, gateway(on) as caller:
        key = await new_key(on, "operations", scopes=(Scope.DEAD_LETTERS,))
        assert (await _list(caller, key)).json == {"letters": [], "more": False}
        reasons = ["invalid_data"] * 9 + ["not_json"]
        buried = [_letter(number, reason=reasons[number % 10]) for number in range(300)]
        for start in range(0, 300, 30):
            await _bury(on, buried[start : start + 30])

        async def keys(query: str) -> tuple[list[int], bool]:
            told = (await _list(caller, key, query)).json
            return [int(one["key"].removeprefix("key-")) for one in told["letters"]], told["more"]

        assert await keys("?limit=7") == (list(range(299, 292, -1)), True)
        assert (await keys(""))[0] == list(range(299, 249, -1))
        assert await keys("?reason=not_json&limit=100") == (list(range(299, 0, -10)), False)
        assert await keys("?reason=not_json&limit=3") == ([299, 289, 279], True)
        assert await keys("?reason=nothing") == ([], False)
        monkeypatch.setattr(review, "EXAMINED_MAX", 30)
        few, more = await keys("?reason=not_json")
        assert more
        assert few == list(range(299, 299 - 10 * len(few), -10))
        assert 0 < len(few) < 15
        monkeypatch.setattr(review, "BYTES_MAX", 5)
        assert await keys("?limit=7") == ([299, 298], True), "each has two bytes"
        for wrong in ("?limit=0", "?limit=201", "?limit=x"):
            answer = await caller.call("GET", f"/v1/deadletters{wrong}", key=key)
            assert (answer.status, answer.json["errors"][0]["path"]) == (422, "limit")
            assert answer.headers["Content-Type"] == "application/problem+json"


async def test_letters_are_counted_by_source_and_reason(local: LocalServers) -> None:
    async with bench(local) as on, gateway(on) as caller:
        key = await new_key(on, "operations", scopes=(Scope.DEAD_LETTERS,))
        empty = await caller.call("GET", "/v1/deadletters/counts", key=key)
        assert (empty.status, empty.json) == (200, {"examined": 0, "counts": []})
        sources = ["/scanners/7"] * 5 + ["/forms/x y@example.com", ""]
        await _bury(on, [_letter(number, source=source) for number, source in enumerate(sources)])
        told = (await caller.call("GET", "/v1/deadletters/counts", key=key)).json
        assert told["examined"] == 7
        assert told["counts"][0] == {"source": "/scanners/7", "reason": "invalid_data", "letters": 5}
        assert {one["source"] for one in told["counts"]} == {"/scanners/7", "(not shown)", ""}
        sales = await session_of(on, caller, Role.SALES)
        assert (await caller.call("GET", "/v1/deadletters/counts", session=sales)).status == 403


async def test_a_reason_that_no_letter_has_is_told_with_those_that_there_are(local: LocalServers) -> None:
    async with bench(local) as on:
        await _bury(on, [_letter(1), _letter(2, reason="not_json")])
        told = await mistake(on, "deadletter", "list", "--reason", "invald_data")
    assert told == "no dead letter has the reason invald_data: the reasons are invalid_data, not_json\n"


async def test_only_the_end_of_a_long_topic_is_read(local: LocalServers) -> None:
    async with bench(local) as on:
        for start in range(0, 3_000, 500):
            await _bury(on, [_letter(number) for number in range(start, start + 500)])
        seen: list[Record] = []
        assert await read_newest(on.to.kafka, DEADLETTER.name, 10, seen.append)
        per_partition = {number: [one for one in seen if one.partition == number] for number in range(3)}
        # The embedded broker gives batches whole, and tells an end that may lie in the midst of one.
        assert all(10 <= len(part) <= 600 for part in per_partition.values())
        everything = await on.records(DEADLETTER)
        for number, part in per_partition.items():
            whole = [one for one in everything if one.partition == number]
            assert part[-10:] == whole[-10:]
            for wanted in (whole[0], whole[len(whole) // 2], whole[-1]):
                assert await read_one(on.to.kafka, DEADLETTER.name, number, wanted.offset) == wanted
            assert await read_one(on.to.kafka, DEADLETTER.name, number, whole[-1].offset + 1) is None


async def test_without_kafka_it_says_so_and_who_may_not_see_them_does_not(own: LocalServers) -> None:
    async with bench(own) as on, gateway(on) as caller:
        sales = await session_of(on, caller, Role.SALES)
        for method, path in (("GET", "/v1/deadletters"), ("POST", "/v1/deadletters/0:0/replay")):
            body: Any = None if method == "GET" else {}
            assert (await caller.call(method, path, body)).status == 401
            assert (await caller.call(method, path, body, session=sales)).status == 403
        if own.broker is None:
            pytest.skip("this broker is not ours to stop")
        own.broker.kill()
        answer = await caller.call("GET", "/v1/deadletters", key=await new_key(on))
        assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
