"""What became of an event follows from any documents about it, old or half written."""

from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from schemas.base import ID_MAX
from schemas.topics import ACTIVITIES, CAPTURED, CREATED, UPDATE
from services.gateway.app import build_app
from services.gateway.outcomes import routes
from services.gateway.outcomes.domain.event_states import (
    EventOutcome,
    EventState,
    StoredEffects,
    StoredEvent,
    judge,
    outcome,
)
from services.gateway.outcomes.outcome_queries import PARKING
from services.gateway.web.context import event_path
from shared.domain.activity_documents import row_id
from tests.builders import NOW, lead, verdict

KEY, WHO = "key-1", "lead-1"
ROW = row_id(WHO, "e1")
CAPTURE: Any = {"_id": KEY, "leadId": WHO, "outcome": "merged", "applied": False}
PLACED: Any = {"_id": KEY, "leadId": WHO, "topic": ACTIVITIES.name, "eventId": "e1", "details": {}}
RECORDED: Any = {"_id": ROW, "leadId": WHO, "n": 1, "tallied": False, "eventKey": KEY}
WAITING: Any = {"_id": "w", "name": f"lead:{WHO}"}
NOTED: Any = {"_id": KEY, "state": "dead_lettered", "reason": "handler_failed", "topic": CAPTURED.name}
PENDING = outcome(EventState.PENDING)
DONE, ERASED = outcome(EventState.DONE, WHO), outcome(EventState.ERASED, WHO)


def _with(key: str = KEY, **fields: Any) -> Any:
    return lead(**{"decided": [{"key": key, "outcome": "created"}], **fields})


def _judge(stored: dict[str, Any], **effects: Any) -> EventOutcome:
    return judge(StoredEvent(KEY, **stored), StoredEffects(**effects))


def test_an_event_of_which_nothing_is_stored_is_pending() -> None:
    assert _judge({}) == PENDING


@pytest.mark.parametrize(
    ("row", "of", "expected"),
    [
        ({}, None, PENDING),
        ({}, lead(decided=[]), PENDING),
        ({}, _with(), outcome(EventState.CREATED, WHO)),
        ({"applied": True}, lead(decided=[]), outcome(EventState.MERGED, WHO)),
        ({"applied": True}, None, ERASED),
        ({"erased": True}, None, ERASED),
        ({"erased": True}, lead(), ERASED),
    ],
)
def test_a_capture_has_the_outcome_that_its_lead_knows_or_that_its_row_had_at_last(
    row: Any, of: Any, expected: EventOutcome
) -> None:
    assert _judge({"capture": {**CAPTURE, **row}}, lead=of) == expected


def test_a_capture_of_an_earlier_release_has_the_outcome_of_its_row() -> None:
    row = {name: value for name, value in CAPTURE.items() if name != "applied"}
    assert _judge({"capture": row}, lead=lead()) == outcome(EventState.MERGED, WHO)
    assert _judge({"capture": row}) == PENDING
    del row["outcome"]
    assert _judge({"capture": row}, lead=lead()) == PENDING


@pytest.mark.parametrize(
    ("fields", "of", "expected"),
    [
        ({}, None, PENDING),
        ({}, lead(), PENDING),
        ({}, lead(carriedOut=[KEY]), DONE),
        ({}, lead(seen=[KEY]), DONE),
        ({"done": True}, lead(), DONE),
        ({"done": True}, None, ERASED),
        ({"reason": "lead_lost"}, lead(), outcome(EventState.REJECTED, WHO, "lead_lost")),
        ({"reason": "lead_not_found", "done": True}, None, outcome(EventState.REJECTED, WHO, "lead_not_found")),
        ({"reason": "a_word_of_later"}, None, outcome(EventState.REJECTED, WHO, "a_word_of_later")),
    ],
)
def test_a_command_is_rejected_by_its_verdict_and_done_once_its_lead_has_it(
    fields: Any, of: Any, expected: EventOutcome
) -> None:
    row: Any = {**verdict(WHO, NOW, KEY), **fields}
    assert _judge({"verdict": row}, lead=of) == expected


@pytest.mark.parametrize(
    ("row", "of", "announced", "expected"),
    [
        (None, lead(), False, PENDING),
        (None, lead(), True, DONE),
        ({}, lead(), False, PENDING),
        ({}, lead(counted=[ROW]), False, DONE),
        ({"tallied": True}, lead(), False, DONE),
        ({"n": 2}, lead(counted=[ROW]), False, PENDING),
        ({"n": 2}, lead(counted=[f"{ROW}:2"]), False, DONE),
        ({"eventKey": "another", "tallied": True}, lead(counted=[ROW]), False, PENDING),
        ({"eventKey": "another", "owner": KEY, "tallied": True}, lead(), False, DONE),
        ({}, None, False, ERASED),
    ],
)
def test_an_activity_is_done_once_its_lead_counts_it_or_it_is_announced(
    row: Any, of: Any, announced: Any, expected: EventOutcome
) -> None:
    rows = {} if row is None else {ROW: {**RECORDED, **row}}
    assert _judge({"placed": PLACED}, lead=of, activities=rows, announced=announced) == expected


def test_an_activity_of_an_earlier_release_is_under_its_event_s_key() -> None:
    row: Any = {"_id": KEY, "leadId": WHO}
    assert _judge({"activity": row}, lead=lead(seen=[KEY]), activities={KEY: row}) == DONE


def test_a_timeline_row_of_another_topic_says_nothing_of_an_activity() -> None:
    placed: Any = {**PLACED, "topic": UPDATE.name}
    event = StoredEvent(KEY, placed=placed)
    assert (event.activity_rows, event.rescore_key, event.lead_id) == ((), None, WHO)
    assert judge(event, StoredEffects()) == PENDING


def test_what_waits_names_its_lead_as_its_sender_did() -> None:
    assert _judge({"waiting": WAITING}) == outcome(EventState.WAITING, WHO)
    assert _judge({"waiting": {**WAITING, "name": "email:ana@example.com"}}) == outcome(EventState.WAITING)


def test_a_note_of_an_erased_lead_names_it() -> None:
    noted: Any = {"_id": KEY, "state": "erased", "leadId": WHO, "topic": ACTIVITIES.name}
    assert _judge({"noted": noted}) == ERASED


_DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "capture": st.sampled_from(
            [CAPTURE, {**CAPTURE, "applied": True}, {"_id": KEY, "leadId": WHO, "erased": True}]
        ),
        "verdict": st.sampled_from(
            [verdict(WHO, NOW, KEY), {**verdict(WHO, NOW, KEY), "done": True}, {**verdict(WHO, NOW), "reason": "x"}]
        ),
        "activity": st.just({"_id": KEY, "leadId": WHO}),
        "placed": st.sampled_from([PLACED, {**PLACED, "topic": CREATED.name}]),
        "waiting": st.just(WAITING),
        "noted": st.just(NOTED),
    },
)
_LEADS = st.sampled_from([None, lead(), _with(), lead(carriedOut=[KEY]), lead(counted=[ROW]), lead(seen=[KEY])])


@given(_DOCUMENTS, _LEADS, st.booleans())
def test_an_effect_comes_before_a_pending_event_and_that_before_a_dead_letter(
    stored: dict[str, Any], of: Any, announced: Any
) -> None:
    effects: dict[str, Any] = {"lead": of, "activities": {ROW: RECORDED}, "announced": announced}
    found = _judge(stored, **effects)
    bare = {name: row for name, row in stored.items() if name not in ("waiting", "noted")}
    effect = _judge(bare, **effects)
    if effect != PENDING:
        assert found == effect
    elif "waiting" in stored:
        assert found == outcome(EventState.WAITING, WHO)
    elif "noted" in stored:
        assert found == outcome(EventState.DEAD_LETTERED, None, "handler_failed")
    else:
        assert found == PENDING
    assert (found.reason is not None) == (found.state in (EventState.REJECTED, EventState.DEAD_LETTERED))


@given(st.text(min_size=1, max_size=ID_MAX))
def test_an_event_s_path_is_one_segment_of_plain_characters_that_says_its_id(event_id: str) -> None:
    path = event_path(event_id)
    assert path.isascii()
    assert urlsplit(path)[2:] == (path, "", "")
    segment = path.removeprefix("/v1/events/")
    assert not set(segment) - set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~%")
    assert segment not in (".", "..")
    assert unquote(segment, errors="strict") == event_id


def test_the_workers_whose_pending_events_are_looked_for_are_those_that_have_any() -> None:
    assert {"engagement", "qualification", "conversion", "erasure"} <= PARKING


def test_the_page_shows_an_example_of_each_state_that_fits_its_schema() -> None:
    unused: Any = None
    app: FastAPI = build_app([routes.routes(unused, unused)])
    page = app.openapi()
    content = page["paths"]["/v1/events/{event_id}"]["get"]["responses"]["200"]["content"]["application/json"]
    validator = Draft202012Validator({**content["schema"], "components": page["components"]})
    shown = [one["value"] for one in content["examples"].values()]
    for example in shown:
        validator.validate(example)
    assert {one["state"] for one in shown} == set(EventState)
