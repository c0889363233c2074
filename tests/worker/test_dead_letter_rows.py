"""Insights notes each input that is a dead letter: once, the newest, and nothing of the event itself."""

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from deploy.local import LocalServers
from schemas.reasons import DeadLetterReason
from schemas.topics import ACTIVITIES, CAPTURED, CREATED, DEADLETTER, RESCORE, Topic
from services.insights import outcome_store
from services.insights.outcome_store import save_dead_letters
from shared.kafka.decoding import FailedRecord, decode
from shared.kafka.events import Outgoing, Received, Record, dead_letter
from shared.kafka.reading import publishing
from tests.builders import NOW, data, event
from tests.collection_names import OUTCOMES, TIMELINE, TIMELINE_PENDING
from tests.harness import Bench, bench, capture_key, until, until_told

INVALID, FAILED = DeadLetterReason.INVALID_DATA, DeadLetterReason.HANDLER_FAILED


def _letter(
    value: bytes | None, reason: DeadLetterReason = INVALID, topic: Topic = CAPTURED, at: datetime = NOW
) -> Outgoing:
    record = Record(topic.name, 1, 7, b"ana@example.com", value, (("x-mine", b"\xff"), ("trace", b"t")))
    return dead_letter(record, reason, "data: no", consumer="pantry.capture", at=at, attempts=1)


def _read(letter: Outgoing) -> Received | FailedRecord:
    headers = tuple((name, text.encode()) for name, text in letter.headers.items())
    return decode(Record(letter.topic, 0, 1, letter.key, letter.value, headers), "US")


def _received(*letters: Outgoing) -> list[Received]:
    read = [_read(one) for one in letters]
    assert all(isinstance(one, Received) for one in read), read
    return [one for one in read if isinstance(one, Received)]


async def _rows(on: Bench) -> dict[str, Any]:
    return {row["_id"]: row for row in await on.storage.find(OUTCOMES, {})}


async def _publish(on: Bench, letters: Sequence[Outgoing]) -> None:
    async with publishing(on.to.kafka) as publish:
        await publish(letters)


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"\xff\x00",
        b"[]",
        b"{}",
        b'{"specversion": "1.0", "source": "/tests", "type": "leads.captured.v1", "data": {}}',
        event({}, event_id="x" * 201),
        event({}, source="s" * 501),
        b'{"id": "\\ud800", "source": "/tests"}',
        b"[" * 100_000,
    ],
)
def test_a_dead_letter_that_is_no_event_is_read_as_a_failed_record(value: bytes | None) -> None:
    assert isinstance(_read(_letter(value)), FailedRecord)


def test_a_dead_letter_of_any_type_version_and_size_is_read_as_its_event_with_the_reason() -> None:
    for value in (
        event({}, event_id="e1"),
        event({}, event_id="e1", type="leads.captured.v9"),
        event({}, event_id="e1", type="something.else.v1"),
        event({"company": "x" * 300_000}, event_id="e1"),
    ):
        (received,) = _received(_letter(value, FAILED))
        assert (received.key, received.payload.reason, received.payload.topic) == (
            capture_key("/tests", "e1"),
            "handler_failed",
            "leads.captured",
        )


async def test_a_row_has_the_reason_and_nothing_that_the_producer_chose(local: LocalServers) -> None:
    async with bench(local) as on:
        named = event(data(), event_id="ana@example.com", source="/people/ana")
        at = NOW + timedelta(microseconds=1_999)
        await save_dead_letters(on.storage, _received(_letter(named, at=at)))
        assert await _rows(on) == {
            capture_key("/people/ana", "ana@example.com"): {
                "_id": capture_key("/people/ana", "ana@example.com"),
                "state": "dead_lettered",
                "reason": "invalid_data",
                "topic": "leads.captured",
                "at": NOW + timedelta(milliseconds=1),
                "expiresAt": NOW + timedelta(days=90, milliseconds=1),
            }
        }


async def test_outputs_have_no_row_for_nobody_may_ask_for_them(local: LocalServers) -> None:
    async with bench(local) as on:
        letters = [_letter(event({}, topic, topic.name), topic=topic) for topic in (CREATED, RESCORE, DEADLETTER)]
        await save_dead_letters(on.storage, _received(*letters))
        assert await _rows(on) == {}


async def test_the_newest_dead_letter_of_an_event_holds_whatever_order_and_number_they_come_in(
    local: LocalServers,
) -> None:
    rng = random.Random(3)
    reasons = list(DeadLetterReason)
    letters = [
        _letter(event({}, event_id=f"e{n % 4}"), reasons[n % len(reasons)], at=NOW + timedelta(seconds=n))
        for n in range(28)
    ]
    async with bench(local) as on:
        for _ in range(3):
            rng.shuffle(letters)
            for start in range(0, len(letters), 5):
                await save_dead_letters(on.storage, _received(*letters[start : start + 5]))
        rows = await _rows(on)
        assert {key: (row["reason"], row["at"]) for key, row in rows.items()} == {
            capture_key("/tests", f"e{n % 4}"): (reasons[n % len(reasons)].value, NOW + timedelta(seconds=n))
            for n in range(24, 28)
        }


async def test_insights_notes_what_other_workers_could_not_use_and_goes_on(local: LocalServers) -> None:
    async with bench(local) as on:
        bad = json.loads(event(data(), event_id="bad"))
        del bad["data"]["company"]
        call = {"leadId": "nobody", "activity": {"type": "call", "description": "d", "createdBy": "sam"}}
        async with on.running("capture", "engagement", "insights", orphan_ttl=1):
            await on.publish([json.dumps(bad).encode(), b"no event", event(data(), event_id="c1")])
            await on.publish([event(call, ACTIVITIES, "a1")], ACTIVITIES)
            await until_told(on, CREATED, 1)

            async def noted() -> bool:
                return len(await _rows(on)) == 2 and await on.count("timeline") == 2

            await until(noted, "the rows of both dead letters, and the lead's timeline")
        rows = await _rows(on)
        assert {key: row["reason"] for key, row in rows.items()} == {
            capture_key("/tests", "bad"): "invalid_data",
            capture_key("/tests", "a1"): "lead_not_found",
        }
        assert len(await on.records(DEADLETTER)) == 3, "reading them makes no further ones"
        assert {row["topic"] for row in await on.storage.find(TIMELINE, {})} == {CAPTURED.name, CREATED.name}
        assert [row["eventId"] for row in await on.storage.find(TIMELINE_PENDING, {})] == ["a1"]


async def test_a_dead_letter_on_which_insights_fails_is_not_published_once_more(
    local: LocalServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = outcome_store.save_dead_letters

    async def failing(storage: Any, received: Sequence[Received]) -> None:
        if any(one.event.id == "poison" for one in received):
            raise ValueError("a bug")
        await saved(storage, received)

    monkeypatch.setattr(outcome_store, "save_dead_letters", failing)
    letters = [_letter(event({}, event_id=id_)) for id_ in ("e1", "poison", "e2")]
    async with bench(local) as on, on.running("insights"):
        await _publish(on, [replace(one, key=b"k") for one in letters])

        async def noted() -> bool:
            return len(await _rows(on)) == 2

        await until(noted, "the rows of the other two")
        # A letter after them: when it is noted, the poisoned one has been given up.
        await _publish(on, [replace(_letter(event({}, event_id="e3")), key=b"k")])

        async def later() -> bool:
            return len(await _rows(on)) == 3

        await until(later, "the row of the letter after them")
        assert len(await on.records(DEADLETTER)) == 4


async def test_a_dead_letter_replaces_what_insights_supposed_and_not_what_an_erasure_noted(local: LocalServers) -> None:
    erased: Any = {"state": "erased", "leadId": "l", "topic": ACTIVITIES.name, "at": NOW, "expiresAt": NOW}
    late = NOW + timedelta(days=1)
    rows = [
        {**erased, "_id": capture_key("/tests", "noted")},
        {**erased, "_id": capture_key("/tests", "supposed"), "late": True, "at": late},
    ]
    letters = [_letter(event({}, event_id=id_), at=NOW + timedelta(seconds=1)) for id_ in ("noted", "supposed")]
    async with bench(local) as on:
        await on.storage.insert_new(OUTCOMES, rows)
        for _ in range(2):
            await save_dead_letters(on.storage, _received(*letters))
        found = await _rows(on)
        assert found[rows[0]["_id"]] == rows[0]
        (alone,) = [row for key, row in found.items() if key == rows[1]["_id"]]
        assert (alone["state"], alone["reason"], "leadId" in alone, "late" in alone) == (
            "dead_lettered",
            "invalid_data",
            False,
            False,
        )
