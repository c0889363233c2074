"""What producers fill with fields of their own: what can't be kept is refused, with its path, on every way in."""

import json
from typing import Any

import pytest
from bson import Int64

from schemas.base import flaw_in
from schemas.reasons import DeadLetterReason
from schemas.topics import CAPTURED, CONVERT, ENGAGEMENTS, TOPICS, Topic
from services.ingest.domain import batches
from services.ingest.domain.capture_events import Invalid, parse_json_object, payload_of
from services.ingest.domain.columns.meanings import columns_of
from services.ingest.domain.lines import Terms, ValidLine
from services.ingest.domain.rows import capture_of
from services.ingest.domain.tables.table_reading import TableReading
from shared.kafka.decoding import FailedRecord, decode
from shared.kafka.events import Received, Record
from tests.builders import NOW, data, event
from tests.faults.malformed import EXTENDED_JSON, FREE_PARTS

_WHOLE: dict[str, dict[str, Any]] = {
    CAPTURED.name: data(),
    ENGAGEMENTS.name: {"leadId": "lead-1", "action": "clicked_pricing"},
    CONVERT.name: {"leadId": "lead-1", "requestedBy": "sam"},
}
_TOPICS = [TOPICS[name] for name in FREE_PARTS]
_ODD: tuple[Any, ...] = ({"": 1}, {"a\0": 1}, {"\ud800": 1}, "\udc00", 2**63, -(2**63) - 1, float("inf"))


def _nested(value: Any, depth: int) -> Any:
    for level in range(depth):
        value = [value] if level % 2 else {"deeper": value}
    return value


def _with(topic: Topic, value: Any) -> dict[str, Any]:
    return {**_WHOLE[topic.name], FREE_PARTS[topic.name]: {"free": value}}


def _record(topic: Topic, value: bytes) -> Record:
    return Record(topic.name, 0, 0, None, value)


@pytest.mark.parametrize("topic", _TOPICS, ids=lambda one: one.name)
@pytest.mark.parametrize("depth", [0, 1, 2, 3, 10])
@pytest.mark.parametrize("form", EXTENDED_JSON, ids="-".join)
def test_extended_json_is_refused_at_any_depth_with_its_path(topic: Topic, depth: int, form: dict[str, Any]) -> None:
    payload = _with(topic, _nested(form, depth))
    outcome = decode(_record(topic, event(payload, topic)), "US")
    assert isinstance(outcome, FailedRecord)
    assert outcome.reason is DeadLetterReason.INVALID_DATA
    assert FREE_PARTS[topic.name] in outcome.detail
    names = ["0" if level % 2 else "deeper" for level in reversed(range(depth))]
    assert f"{'.'.join(['free', *names, '$…'][-8:])}: a name may neither" in outcome.detail
    with pytest.raises(Invalid):
        payload_of(topic, payload, "US")


@pytest.mark.parametrize("topic", _TOPICS, ids=lambda one: one.name)
def test_a_name_with_a_dollar_is_refused_at_the_top_too(topic: Topic) -> None:
    for form in EXTENDED_JSON:
        payload = {**_WHOLE[topic.name], FREE_PARTS[topic.name]: form}
        assert isinstance(decode(_record(topic, event(payload, topic)), "US"), FailedRecord)


@pytest.mark.parametrize("value", _ODD, ids=repr)
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_what_can_t_be_kept_is_found_wherever_it_stands(value: Any, depth: int) -> None:
    assert flaw_in({"free": _nested(value, depth)}) is not None


@pytest.mark.parametrize(
    "value",
    [
        *({"a.b": 1}, {"__proto__": {"admin": True}}, {"constructor": 1}, {"a$": 1}, {"x" * 2_000: 1}, {" ": 1}),
        *(2**63 - 1, -(2**63), 2**53 + 1, -0.0, "\0", "😀", None, True, [], {}),
    ],
    ids=lambda one: repr(one)[:30],
)
@pytest.mark.parametrize("topic", _TOPICS, ids=lambda one: one.name)
def test_what_is_odd_and_can_be_kept_is_taken_as_it_is(topic: Topic, value: Any) -> None:
    outcome = decode(_record(topic, event(_with(topic, value), topic)), "US")
    assert isinstance(outcome, Received)
    assert outcome.payload.wire()[FREE_PARTS[topic.name]].get("free") == value


@pytest.mark.parametrize(
    "token", [b'"\\ud800"', b'"\\udc00\\ud800"', b'{"\\ud800": 1}', b'"\xed\xa0\x80"', b"NaN", b"9" * 5_000]
)
def test_half_a_character_and_what_is_no_number_are_no_json(token: bytes) -> None:
    value = event(_with(CAPTURED, "HERE")).replace(b'"HERE"', token)
    outcome = decode(_record(CAPTURED, value), "US")
    assert isinstance(outcome, FailedRecord)
    assert outcome.reason is DeadLetterReason.NOT_JSON
    with pytest.raises(Invalid):
        parse_json_object(b'{"a": ' + token + b"}")


def test_a_number_that_no_float_holds_is_refused() -> None:
    value = event(_with(CAPTURED, "HERE")).replace(b'"HERE"', b"1e400")
    outcome = decode(_record(CAPTURED, value), "US")
    assert isinstance(outcome, FailedRecord)
    assert outcome.reason is DeadLetterReason.INVALID_DATA


def test_a_path_says_where_and_quotes_no_name_that_is_no_field_s() -> None:
    odd = {"a": [{"Ana Reyes, ana@example.com": {"$ref": "a"}}]}
    outcome = decode(_record(CAPTURED, event(_with(CAPTURED, odd))), "US")
    assert isinstance(outcome, FailedRecord)
    assert outcome.detail.startswith("data.context: free.a.0.….$…: ")
    assert "Reyes" not in outcome.detail


@pytest.mark.parametrize("form", EXTENDED_JSON, ids="-".join)
def test_a_line_of_a_batch_that_holds_it_is_taken_without_it(form: dict[str, Any]) -> None:
    lines = [data(context={"x": [form]}), data()]
    bodies = {
        "application/json": json.dumps(lines).encode(),
        "application/x-ndjson": b"\n".join(json.dumps(line).encode() for line in lines),
    }
    for kind, body in bodies.items():
        bad, good = batches.judge_batch(body, kind, Terms("US", None, NOW)).lines
        assert isinstance(bad, ValidLine)
        assert (bad.capture.context, [warning.path for warning in bad.warnings]) == (None, ["context"])
        assert isinstance(good, ValidLine)


def test_columns_and_form_fields_with_such_names_don_t_reach_the_context() -> None:
    names = ("context.$ref", "context.$id", "$ref", "context.", "context.a\0")
    found = capture_of(dict.fromkeys(names, "x"), TableReading(columns_of(names)), "website")
    assert flaw_in(found.data) is None


@pytest.mark.timeout(60)
def test_an_integer_as_the_driver_reads_it_is_judged_at_once() -> None:
    assert flaw_in({"x": Int64(2**62)}) is None
    assert flaw_in({"x": Int64(2**63)}) is not None
