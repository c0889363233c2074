"""An input's record has the bytes and the key that the envelope's model and the identity give."""

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.base import CloudEvent
from schemas.topics import CAPTURED, ENGAGEMENTS, QUALIFY, Topic
from services.ingest.domain import capture_events
from shared.domain.identity.normal_forms import identity_of
from shared.kafka.events import encode
from tests.builders import NOW, data

TRACE = f"00-{'a' * 32}-{'b' * 16}-01"
FREE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text("ab\u00e9", min_size=1), part, max_size=3),
    max_leaves=6,
)
CONTEXTS = st.none() | st.dictionaries(st.text("ab\u00e9", min_size=1, max_size=4), FREE, max_size=3)
TIMES = st.just(NOW) | st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)).map(  # noqa: DTZ001 - the zone follows
    lambda time: time.replace(tzinfo=timezone(timedelta(hours=-3, minutes=-30)))
)
CAPTURES = st.builds(
    lambda context, email, phone, extra: data(email=email, phone=phone, context=context, **extra),
    CONTEXTS,
    st.sampled_from(["Ana@Example.com", " ana@b\u00fccher.example", "a\u00f1a@xn--bcher-kva.example", None]),
    st.sampled_from(["+1 415 555 2671", "(415) 555-2671"]),
    st.sampled_from(
        [{}, {"consent": {"email": True, "capturedAt": NOW.isoformat()}}, {"requirements": {"budget": 5e3}}]
    ),
)


def _expected(topic: Topic, payload: Any, at: datetime, trace: str | None) -> bytes:
    return encode(
        CloudEvent(
            specversion="1.0",
            id="id-1",
            source="/clients/shop",
            type=topic.event_type,
            subject=getattr(payload, "lead_id", None),
            time=at,
            traceparent=trace,
            data=payload.wire(),
        )
    )


def _made(topic: Topic, payload: Any, at: datetime, trace: str | None = None, **more: str) -> Any:
    given_ = {"id_": "id-1", "source": "/clients/shop", **more}
    return capture_events.event_of(topic, payload, at=at, region="US", traceparent=trace, **given_)


@given(CAPTURES, TIMES, st.sampled_from([None, TRACE]))
def test_a_capture_is_encoded_as_its_envelope_and_keyed_by_its_identity(sent: Any, at: datetime, trace: str) -> None:
    payload = capture_events.payload_of(CAPTURED, sent, "US")
    made = _made(CAPTURED, payload, at, trace)
    assert made.value == _expected(CAPTURED, payload, at, trace)
    identity = identity_of(payload.wire(), "US")
    assert made.key.decode() == (identity.email or identity.phone)


@pytest.mark.parametrize(
    ("topic", "sent"),
    [
        (QUALIFY, {"leadId": "lead-1", "requestedBy": "sam", "requirements": {"budget": 5_000}}),
        (ENGAGEMENTS, {"email": "Ana@Example.com", "action": "clicked_pricing"}),
    ],
)
def test_other_inputs_too(topic: Topic, sent: Any) -> None:
    payload = capture_events.payload_of(topic, sent, "US")
    assert _made(topic, payload, NOW).value == _expected(topic, payload, NOW, None)


@pytest.mark.parametrize("wrong", [{"id_": ""}, {"id_": "x" * 201}, {"source": ""}, {"source": "/" * 501}])
def test_attributes_that_no_reader_takes_are_refused_as_by_the_envelope(wrong: dict[str, str]) -> None:
    payload = capture_events.payload_of(CAPTURED, data(), "US")
    with pytest.raises(ValueError, match="too long"):
        _made(CAPTURED, payload, NOW, **wrong)
    with pytest.raises(ValidationError):
        CloudEvent.model_validate(
            {"specversion": "1.0", "type": "x.v1", "time": NOW, "data": {}, "id": "1", "source": "1"}
            | {name.rstrip("_"): text for name, text in wrong.items()}
        )


def test_a_time_without_zone_is_refused() -> None:
    payload = capture_events.payload_of(CAPTURED, data(), "US")
    with pytest.raises(ValueError, match="zone"):
        _made(CAPTURED, payload, NOW.replace(tzinfo=None))
