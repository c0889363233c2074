"""The bytes of published events: those of the envelope's model, with the payload spliced in."""

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import schemas
from schemas.base import CloudEvent, Model
from schemas.lead import Lead
from schemas.outputs import LeadCreated, LeadUpdated
from schemas.topics import CREATED, TOPICS, UPDATED, Topic
from shared.kafka.events import Cause, emit_once, encode
from tests.builders import NOW, lead

EXAMPLES = Path(schemas.__file__).parent / "examples"
CAUSES = [None, Cause("key", "cause-1", "chain-1"), Cause("key", "cäuse\n", "chain-2", "00-abc-01")]
OUTPUTS = [one for one in TOPICS.values() if one.kind == "output"]


def by_the_model(topic: Topic, payload: Model, cause: Cause | None, at: datetime) -> bytes:
    return encode(
        CloudEvent(
            specversion="1.0",
            id="id-1",
            source="/services/capture",
            type=topic.event_type,
            subject="lead-1",
            time=at,
            correlationid=cause.correlation_id if cause else None,
            causationid=cause.event_id if cause else None,
            traceparent=cause.traceparent if cause else None,
            data=payload.wire(),
        )
    )


def emitted(topic: Topic, payload: Model, cause: Cause | None = None, at: datetime = NOW) -> bytes:
    one = emit_once(
        topic, payload, id_="id-1", key="lead-1", source="/services/capture", at=at, subject="lead-1", cause=cause
    )
    assert one.value is not None
    return one.value


@pytest.mark.parametrize("cause", CAUSES, ids=["none", "plain", "odd"])
@pytest.mark.parametrize("topic", OUTPUTS, ids=lambda topic: topic.name)
def test_an_event_has_the_bytes_of_its_model(topic: Topic, cause: Cause | None) -> None:
    example = json.loads((EXAMPLES / f"{topic.event_type}.json").read_text())
    payload = topic.model.model_validate(example.get("data", example))
    assert emitted(topic, payload, cause) == by_the_model(topic, payload, cause, NOW)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20) | st.datetimes(timezones=st.just(UTC)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(context=st.dictionaries(st.text(min_size=1, max_size=8), _JSON, max_size=4), revenue=st.floats(0, 1e15))
def test_free_parts_have_the_bytes_of_the_model(context: dict[str, Any], revenue: float) -> None:
    document = lead(context=context, company={"name": "Blue Fork", "annualRevenue": revenue})
    payload = LeadCreated(lead=Lead.of(document))
    assert emitted(CREATED, payload) == by_the_model(CREATED, payload, None, NOW)


@given(value=_JSON)
def test_changed_values_have_the_bytes_of_the_model(value: Any) -> None:
    payload = LeadUpdated.model_validate(
        {"leadId": "lead-1", "changed": {"status": {"from": None, "to": value}}, "by": "x"}
    )
    assert emitted(UPDATED, payload) == by_the_model(UPDATED, payload, None, NOW)


@given(at=st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))])))
def test_times_are_written_as_the_model_writes_them(at: datetime) -> None:
    payload = LeadCreated(lead=Lead.of(lead()))
    assert emitted(CREATED, payload, at=at) == by_the_model(CREATED, payload, None, at)
