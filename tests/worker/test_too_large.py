"""Commands whose events would be too large: rejected before anything is written; what fits always goes through."""

import json
from typing import Any

import pytest

from deploy.local import LocalServers
from schemas.base import ENVELOPE_LIMIT
from schemas.commands import OPPORTUNITY_BYTES
from schemas.topics import CONVERT, CONVERTED, DEADLETTER, QUALIFIED, QUALIFY, REJECTED
from services.conversion.domain import decide
from shared.domain.size import LEAD_BYTES_MAX, convertible, encoded_size, lead_size
from tests.builders import NOW, event, lead, verdict
from tests.collection_names import ACTIVITIES, COMMANDS, LEADS
from tests.harness import Bench, bench, capture_key, told, until, until_told

SALES = {"requestedBy": "sam"}
CONTROL, EMOJI = "\x01", "\N{FORK AND KNIFE}"


def full(letter: str) -> Any:
    """A lead with every field as long as a capture may make it, of this one letter."""
    word, text, words = letter * 200, letter * 4_000, [f"{n:02}{letter * 198}" for n in range(50)]
    return lead(
        status="qualified",
        company={"name": word, "industry": word, "website": text},
        contact=dict.fromkeys(("firstName", "lastName", "title", "email", "phone"), word),
        requirements={"timeline": text, "currentSolution": text, "decisionMakers": words, "painPoints": words},
    )


def largest(letter: str) -> Any:
    """A lead that can just be converted."""
    one = full(letter)
    while not convertible(one):
        needs = one["requirements"]
        (
            needs["decisionMakers"] if len(needs["decisionMakers"]) > len(needs["painPoints"]) else needs["painPoints"]
        ).pop()
    return one


async def outcome(on: Bench, *values: bytes, topic: Any = CONVERT) -> None:
    """Publish, and wait until it is carried out or rejected."""
    await on.publish(values, topic)

    async def there() -> bool:
        return len(await told(on, CONVERTED)) + len(await told(on, REJECTED)) >= 1

    await until(there, "an outcome")


@pytest.mark.parametrize("letter", [CONTROL, EMOJI], ids=["control", "emoji"])
async def test_a_convert_that_could_not_be_published_is_rejected_and_nothing_is_written(
    local: LocalServers, letter: str
) -> None:
    """A lead as an earlier release stored it: legal, and larger with its opportunity than any event."""
    stored = full(letter)
    assert lead_size(stored) > 120_000
    async with bench(local) as on, on.running("conversion"):
        await on.storage.insert_new(LEADS, [stored])
        await outcome(on, *[event({"leadId": "lead-1", **SALES}, CONVERT, "v1")] * 2)
        (rejected,) = await until_told(on, REJECTED, 1)
        assert rejected["reason"] == "too_large"
        assert "bytes" in rejected["detail"]
        assert await on.storage.find(LEADS, {}) == [stored]
        assert await on.count(ACTIVITIES) == 0
        assert [row["reason"] for row in await on.storage.find(COMMANDS, {})] == ["too_large"]
        assert await told(on, CONVERTED) == await told(on, DEADLETTER) == []


@pytest.mark.parametrize("letter", [CONTROL, EMOJI], ids=["control", "emoji"])
async def test_the_largest_lead_is_converted_with_the_largest_opportunity(local: LocalServers, letter: str) -> None:
    stored = largest(letter)
    assert lead_size(stored) > LEAD_BYTES_MAX - 5_000
    note = letter * ((OPPORTUNITY_BYTES - 2_000) // encoded_size(letter * 100) * 100)
    names = {"correlationid": CONTROL * 200, "traceparent": CONTROL * 200}
    ask = {"leadId": "lead-1", "requestedBy": "sam", "opportunity": {"note": note, "stage": letter * 200}}
    value = event(ask, CONVERT, CONTROL * 200, **names)
    async with bench(local) as on, on.running("conversion"):
        await on.storage.insert_new(LEADS, [stored])
        await outcome(on, value)
        (record,) = await on.records(CONVERTED)
    assert len(record.value or b"") <= ENVELOPE_LIMIT
    data = json.loads(record.value or b"")["data"]
    assert data["opportunity"]["note"] == note
    assert data["opportunity"]["contact"] == stored["contact"]
    assert data["opportunity"]["company"] == stored["company"]
    assert data["lead"]["requirements"] == stored["requirements"]


async def test_a_qualification_that_would_make_its_lead_too_large_to_convert_is_rejected(local: LocalServers) -> None:
    words = [f"{n:02}{CONTROL * 198}" for n in range(50)]
    needs = {"painPoints": words, "decisionMakers": words}
    async with bench(local) as on, on.running("qualification"):
        await on.storage.insert_new(LEADS, [lead()])
        await on.publish([event({"leadId": "lead-1", **SALES, "requirements": needs}, QUALIFY, "q1")], QUALIFY)
        (rejected,) = await until_told(on, REJECTED, 1)
        assert (rejected["commandId"], rejected["reason"]) == ("q1", "too_large")
        assert await on.storage.find(LEADS, {}) == [lead()]
        small = {"painPoints": ["waste"]}
        await on.publish([event({"leadId": "lead-1", **SALES, "requirements": small}, QUALIFY, "q2")], QUALIFY)
        await until_told(on, QUALIFIED, 1)


async def test_a_lead_that_is_too_large_already_can_be_qualified_all_the_same(local: LocalServers) -> None:
    stored = full("x") | {"status": "new"}
    words = [f"{n:02}{CONTROL * 198}" for n in range(50)]
    stored["requirements"] |= {"painPoints": words, "decisionMakers": words}
    assert not convertible(stored)
    async with bench(local) as on, on.running("qualification"):
        await on.storage.insert_new(LEADS, [stored])
        await on.publish([event({"leadId": "lead-1", **SALES, "requirements": {"budget": 5}}, QUALIFY, "q1")], QUALIFY)
        (qualified,) = await until_told(on, QUALIFIED, 1)
    assert qualified["lead"]["requirements"]["budget"] == 5


async def test_what_was_stored_and_not_published_is_published_without_its_bulk_when_it_comes_again(
    local: LocalServers,
) -> None:
    """An earlier release wrote first: lead and ledger say that it is done, and the event never went out."""
    key, stored = capture_key("/tests", "v1"), full(CONTROL)
    stored |= decide.convert_lead(stored, {"amount": 9.0}, key, NOW) | {"seen": ["first", key]}
    row = {**verdict("lead-1", NOW, key), "done": True}
    async with bench(local) as on, on.running("conversion"):
        await on.storage.insert_new(LEADS, [stored])
        await on.storage.insert_new(COMMANDS, [row])
        await outcome(on, event({"leadId": "lead-1", **SALES, "opportunity": {"amount": 9.0}}, CONVERT, "v1"))
        (converted,) = await until_told(on, CONVERTED, 1)
        assert await told(on, DEADLETTER) == []
        assert await on.storage.find(LEADS, {}) == [stored]
    assert converted["opportunity"]["amount"] == 9.0
    assert converted["opportunity"]["contact"] == converted["lead"]["contact"] == stored["contact"]
    assert "requirements" not in converted["lead"]
