"""Bad records go to the dead letter alone, byte for byte; good ones go on."""

import json
from typing import Any

from deploy.local import LocalServers
from schemas.base import ENVELOPE_LIMIT
from schemas.reasons import DeadLetterReason
from schemas.topics import ACTIVITIES, CAPTURED, CREATED, DEADLETTER
from shared.kafka import replay
from shared.kafka.events import Received, Record
from tests.builders import data, event
from tests.harness import Bench, bench, until
from tests.swapping import name_of


async def _dead(on: Bench) -> list[Record]:
    return await on.records(DEADLETTER)


async def _until_dead(on: Bench, count: int) -> list[Record]:
    async def there() -> bool:
        return len(await _dead(on)) >= count

    await until(there, f"{count} dead letters")
    return await _dead(on)


def _header(record: Record, name: str) -> str:
    return next(value.decode() for key, value in record.headers if key == name)


async def test_each_reason_of_the_contract_ends_in_the_dead_letter_byte_for_byte(local: LocalServers) -> None:
    bad = {
        DeadLetterReason.NOT_JSON: b'{"specversion": "1.0", ',
        DeadLetterReason.NOT_CLOUDEVENT: b'["a", "list"]',
        DeadLetterReason.INVALID_DATA: event(data(email="nobody at all")),
        DeadLetterReason.UNSUPPORTED_VERSION: event(data(), type="leads.captured.v2"),
        DeadLetterReason.TOO_LARGE: event(data(context={"notes": "x" * ENVELOPE_LIMIT})),
    }
    stray = event(
        {"leadId": "nobody", "activity": {"type": "call", "description": "Talked it over", "createdBy": "sam"}},
        ACTIVITIES,
    )
    async with bench(local) as on, on.running("capture", "engagement", orphan_ttl=1.0):
        await on.publish(bad.values())
        await on.publish([stray], ACTIVITIES)
        await on.publish([event(data(email="good@example.com"))])
        dead = await _until_dead(on, len(bad) + 1)

        async def good() -> bool:
            return await on.count("leads") == 1

        await until(good, "the good record's lead")
    expected = {reason.value: value for reason, value in bad.items()} | {"lead_not_found": stray}
    assert {_header(record, "x-reason"): record.value for record in dead} == expected
    by_reason = {_header(record, "x-reason"): record for record in dead}
    assert "data.contact.email" in _header(by_reason["invalid_data"], "x-detail")
    assert "nobody at all" not in _header(by_reason["invalid_data"], "x-detail"), "details carry no personal data"
    for record in dead:
        assert _header(record, "x-topic") in (CAPTURED.name, ACTIVITIES.name)
        assert int(_header(record, "x-offset")) >= 0
        assert _header(record, "x-consumer").startswith("pantry.")


async def test_a_mended_record_that_is_replayed_comes_through_once(local: LocalServers) -> None:
    broken = json.loads(event(data(email="fixable@example.com")))
    broken["data"]["company"] = {}
    async with bench(local) as on, on.running("capture"):
        await on.publish([json.dumps(broken).encode()])
        await _until_dead(on, 1)
        broken["data"]["company"] = {"name": "Blue Fork"}
        (letter,) = await replay.read_dead_letters(on.to.kafka)
        for _ in range(2):
            await replay.replay(on.to.kafka, [letter], json.dumps(broken).encode())

        async def there() -> bool:
            return await on.count("leads") == 1

        await until(there, "the mended lead")
        await on.publish([event(data(email="later@example.com"))])

        async def later() -> bool:
            return await on.count("leads") == 2

        await until(later, "the record after it")
        assert await on.count("captures") == 2


async def test_a_handler_that_fails_on_one_record_dead_letters_that_one_alone(
    local: LocalServers, monkeypatch: Any
) -> None:
    from services.capture import worker  # noqa: PLC0415 - the module whose function is broken below

    good = worker._capture

    tries = 0

    def broken(received: Received, region: str) -> Any:
        nonlocal tries
        if received.payload.contact.last_name == "Poison":
            tries += 1
            raise ZeroDivisionError("a bug that only this record meets")
        return good(received, region)

    monkeypatch.setattr(worker, name_of(worker, worker._capture), broken)
    values = [event(data(email=f"p{n}@example.com", last="Poison" if n == 13 else "Fine")) for n in range(50)]
    async with bench(local) as on, on.running("capture"):
        await on.publish(values, keys=[b"one-partition"] * 50)
        (dead,) = await _until_dead(on, 1)

        async def others() -> bool:
            return await on.count("leads") == 49

        await until(others, "the 49 others")
        assert len(await on.records(CREATED)) >= 49
    assert (dead.value, _header(dead, "x-reason")) == (values[13], "handler_failed")
    assert _header(dead, "x-attempts") == str(tries)
    assert tries > 3
    assert "ZeroDivisionError" in _header(dead, "x-detail")
