"""The published schema says what the reader does: both take, and both refuse, the same events.

Left out is what a JSON Schema can't say: whether an address or a number can exist, days that no month has, bytes, names
inside free parts; and what readers put up with besides, such as numbers written as text.
"""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import export
from schemas.reasons import DeadLetterReason
from schemas.topics import ACTIVITIES, CAPTURED, TOPICS, UPDATE, Topic
from shared.kafka.decoding import FailedRecord, decode
from shared.kafka.events import Received, Record
from tests.builders import data, event
from tests.faults.malformed import EXAMPLES, FREE_PARTS, INPUTS

_BLANKS = ("", " ", "\t\n")
_OTHER: dict[type, tuple[Any, ...]] = {
    str: (*_BLANKS, 17, [], {}, None, "no such word", "46158.585", "2026-11-02T14:03:00Z"),
    bool: (*_BLANKS, [], {}, None, "no such word", True, False),
    int: (*_BLANKS, [], {}, None, -1, 1e16, "no such word", 0),
    float: (*_BLANKS, [], {}, None, -1, 1e16, "no such word", 0.5),
    list: ([], {}, None, 5, "no such word", [""], ["one"], ["x"] * 51, [5]),
    dict: ([], {}, None, 5, "no such word"),
    type(None): (*_BLANKS, None),
}
_NOT_SAID = ("email", "phone", "website", "timeZone")
"""Texts of which the reader asks more than a schema can say: they may be blank or of another type here, and no more."""
_TICKED = ("confirmed", "isDecisionMaker")
"""A blank in their place is what a form sends; the schema is a first reader's, and says a boolean."""

Path = tuple[str, ...]


@cache
def _validator(topic: Topic) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(export.schema(topic))


def _paths(value: dict[str, Any], at: Path = ()) -> Iterator[Path]:
    for name, part in value.items():
        if name not in FREE_PARTS.values():
            yield (*at, name)
            if isinstance(part, dict):
                yield from _paths(part, (*at, name))


def _at(value: dict[str, Any], path: Path) -> dict[str, Any]:
    for name in path:
        value = value[name]
    return value


@st.composite
def _events(draw: st.DrawFn) -> tuple[Topic, dict[str, Any]]:
    topic = draw(st.sampled_from(INPUTS))
    body: dict[str, Any] = json.loads(draw(st.sampled_from(EXAMPLES[topic.name])))
    for _ in range(draw(st.integers(0, 3))):
        path = draw(st.sampled_from([("specversion",), *(("data", *one) for one in _paths(body["data"]))]))
        holder, name = _at(body, path[:-1]), path[-1]
        there = holder.get(name)
        if draw(st.booleans()):
            holder.pop(name, None)
            continue
        others = _OTHER[type(there)]
        if name in _NOT_SAID:
            others = tuple(one for one in others if not isinstance(one, str) or not one.strip())
        if name in _TICKED:
            others = tuple(one for one in others if one not in _BLANKS)
        holder[name] = draw(st.sampled_from(others))
    return topic, body


def _taken(topic: Topic, body: dict[str, Any]) -> bool:
    return isinstance(decode(Record(topic.name, 0, 0, None, json.dumps(body).encode()), "US"), Received)


@settings(max_examples=500, derandomize=True)
@given(_events())
def test_schema_and_reader_take_the_same_events(made: tuple[Topic, dict[str, Any]]) -> None:
    topic, body = made
    faults = [error.message for error in _validator(topic).iter_errors(body)]
    assert _taken(topic, body) == (not faults), faults


def _outcome(value: bytes, topic: Topic) -> str:
    outcome = decode(Record(topic.name, 0, 0, None, value), "US")
    return outcome.reason.value if isinstance(outcome, FailedRecord) else "taken"


@pytest.mark.parametrize("topic", [TOPICS[name] for name in FREE_PARTS], ids=lambda one: one.name)
@pytest.mark.parametrize("name", ["", "$", "$ref", "a\0", "a", "a$", "__proto__", " ", "é", "a.b"])
def test_schema_and_reader_agree_on_the_names_in_a_free_part(topic: Topic, name: str) -> None:
    body = json.loads(EXAMPLES[topic.name][0])
    body["data"][FREE_PARTS[topic.name]] = {name: 1}
    assert _taken(topic, body) == _validator(topic).is_valid(body)


def test_a_capture_that_nobody_can_answer_is_refused_by_the_schema_too() -> None:
    for nobody in (data(email=None), data(email=" "), data(email=None, phone="")):
        body = json.loads(event(nobody))
        assert not _validator(CAPTURED).is_valid(body)
        assert _outcome(json.dumps(body).encode(), CAPTURED) == DeadLetterReason.INVALID_DATA.value


def test_an_activity_says_what_was_done() -> None:
    for said in ({}, {"description": None}, {"description": ""}, {"description": "  "}):
        body = json.loads(event({"leadId": "l", "activity": {"type": "call", "createdBy": "sam", **said}}, ACTIVITIES))
        assert not _validator(ACTIVITIES).is_valid(body)
        assert _outcome(json.dumps(body).encode(), ACTIVITIES) == DeadLetterReason.INVALID_DATA.value


def test_a_record_without_a_version_of_the_envelope_is_no_cloud_event() -> None:
    body = json.loads(event(data()))
    del body["specversion"]
    assert not _validator(CAPTURED).is_valid(body)
    assert _outcome(json.dumps(body).encode(), CAPTURED) == DeadLetterReason.NOT_CLOUDEVENT.value


@pytest.mark.parametrize(
    ("named", "outcome"),
    [
        *((one, "taken") for one in ("application/json", "application/json; charset=utf-8", "Application/JSON;a=b;c")),
        *((one, "not_cloudevent") for one in ("text/plain", "application/jsonp", "", "text/x; application/json", 5)),
    ],
)
def test_json_is_json_whatever_its_parameters(named: Any, outcome: str) -> None:
    value = event(data(), datacontenttype=named)
    assert _outcome(value, CAPTURED) == outcome
    assert _validator(CAPTURED).is_valid(json.loads(value)) == (outcome == "taken")


@pytest.mark.parametrize(
    "time", [1_778_940_180, "1778940180", "46158.585", "2026-05-16", "2026-05-16T14:03:00", "-5", ""]
)
def test_a_number_is_no_moment(time: Any) -> None:
    in_data = json.loads(event(data(consent={"email": True, "capturedAt": time})))
    in_envelope = json.loads(event(data())) | {"time": time}
    assert _outcome(json.dumps(in_envelope).encode(), CAPTURED) == DeadLetterReason.NOT_CLOUDEVENT.value
    assert not _validator(CAPTURED).is_valid(in_envelope)
    assert _outcome(json.dumps(in_data).encode(), CAPTURED) == ("invalid_data" if time else "taken")
    assert _validator(CAPTURED).is_valid(in_data) == (time == "")


def test_a_blank_is_a_missing_value_wherever_a_value_may_be_missing() -> None:
    blank: dict[str, Any] = {
        "company": {"size": "", "annualRevenue": " ", "industry": "", "website": ""},
        "contact": {"title": " ", "phone": ""},
        "requirements": {"budget": "", "timeline": "", "currentSolution": " "},
        "consent": {"email": "", "phone": " ", "capturedAt": ""},
    }
    said = decode(Record(CAPTURED.name, 0, 0, None, event(data(**blank))), "US")
    assert isinstance(said, Received)
    assert said.payload.wire() == {**data(), "requirements": {}, "consent": {}}
    update = {"leadId": "l", "requestedBy": "sam", "status": "", "assignedTo": "kim", "reason": " "}
    taken = decode(Record(UPDATE.name, 0, 0, None, event(update, UPDATE)), "US")
    assert isinstance(taken, Received)
    assert taken.payload.wire() == {"leadId": "l", "requestedBy": "sam", "assignedTo": "kim"}


def test_words_of_rejections_and_dead_letters_are_open() -> None:
    """A reader that was built today takes a word of tomorrow."""
    topic = TOPICS["leads.rejected"]
    said = {"leadId": "l", "command": "leads.convert", "commandId": "c", "reason": "no_such_word_yet", "detail": "So."}
    value = event(said, topic)
    assert _outcome(value, topic) == "taken"
    assert _validator(topic).is_valid(json.loads(value))
    for name, path in (("leads.rejected", "data"), ("leads.deadletter", "")):
        schema = export.schema(TOPICS[name])
        fields = schema["properties"]["data"]["properties"] if path else schema["properties"]
        reason = fields["reason" if path else "x-reason"]
        assert reason["type"] == "string"
        assert "enum" not in reason
        assert "too_large" in reason["examples"]
