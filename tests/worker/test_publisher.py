"""Publishing on a real broker: what arrives there, in which order, and what is refused."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from faststream.exceptions import IncorrectState
from faststream.kafka import KafkaBroker

from deploy.local import LocalServers
from schemas.topics import CREATED, DEADLETTER, SCORED
from shared.kafka.broker_errors import RecordRefused
from shared.kafka.client import MAX_REQUEST_BYTES, Kafka, Publisher, close, connect
from shared.kafka.events import Outgoing
from shared.observability.metrics import Metrics
from tests.harness import Bench, bench

RECORDS = [
    Outgoing(DEADLETTER.name, b"1", b"{}", {"content-type": "application/cloudevents+json"}),
    Outgoing(DEADLETTER.name, b"2", b"", {}),
    Outgoing(DEADLETTER.name, b"3", b"{}", {"x-reason": "not_json", "content-type": "text/plain", "empty": ""}),
    Outgoing(DEADLETTER.name, b"4", b"{}", {"correlation_id": "the producer's", "x-detail": "Žižkov 🍴"}),
    Outgoing(DEADLETTER.name, b"5", None, {"x-reason": "not_json"}),
    Outgoing(DEADLETTER.name, None, b"6"),
    Outgoing(DEADLETTER.name, None, None, {"x-reason": "too_large"}),
]


@asynccontextmanager
async def connected(on: Bench, metrics: Metrics) -> AsyncIterator[KafkaBroker]:
    broker = connect(on.to.kafka, idempotence=on.to.idempotence, metrics=metrics)
    await broker.connect()
    try:
        yield broker
    finally:
        await close(broker, 5.0)


async def test_records_arrive_byte_for_byte_with_their_own_headers(local: LocalServers) -> None:
    async with bench(local) as on, connected(on, Metrics()) as broker:
        await Publisher(broker, Metrics()).publish("capture", RECORDS)
        stored = await on.records(DEADLETTER)
    sent = [(one.key, one.value, tuple((name, text.encode()) for name, text in one.headers.items())) for one in RECORDS]
    # The client sends an empty value for a record that has neither key nor value.
    expected = [(key, value or b"" if key is None else value, headers) for key, value, headers in sent]
    assert sorted(map(repr, expected)) == sorted(repr((one.key, one.value, one.headers)) for one in stored)


async def test_records_of_one_key_stay_in_order_and_are_counted_by_topic(local: LocalServers) -> None:
    metrics = Metrics()
    records = [
        Outgoing(topic.name, b"key %d" % (number % 7), b"%d" % number)
        for number in range(300)
        for topic in (CREATED, SCORED)
    ]
    async with bench(local) as on, connected(on, metrics) as broker:
        publisher = Publisher(broker, metrics)
        await publisher.publish("capture", records)
        await publisher.publish("capture", [])
        stored = await on.records(CREATED)
    for key in {one.key for one in stored}:
        numbers = [int(one.value or b"") for one in stored if one.key == key]
        assert numbers == sorted(numbers)
    assert len(stored) == 300
    for topic in (CREATED, SCORED):
        labels = {"worker": "capture", "topic": topic.name}
        assert metrics.registry.get_sample_value("pantry_published_total", labels) == 300


async def test_a_record_that_the_client_refuses_is_refused_and_none_is_counted(local: LocalServers) -> None:
    metrics = Metrics()
    large = Outgoing(DEADLETTER.name, b"key", b"x" * (MAX_REQUEST_BYTES + 1))
    no_text = Outgoing(DEADLETTER.name, b"key", b"", {"x-detail": "\ud800"})
    async with bench(local) as on, connected(on, metrics) as broker:
        publisher = Publisher(broker, metrics)
        for refused in (large, no_text):
            with pytest.raises(RecordRefused):
                await publisher.publish("capture", [RECORDS[0], refused])
        await publisher.publish("capture", RECORDS[:1])
    labels = {"worker": "capture", "topic": DEADLETTER.name}
    assert metrics.registry.get_sample_value("pantry_published_total", labels) == 1


async def test_a_broker_that_was_never_reached_publishes_nothing() -> None:
    broker = connect(Kafka("127.0.0.1:1"), idempotence=False, metrics=Metrics())
    with pytest.raises(IncorrectState):
        await Publisher(broker, Metrics()).publish("capture", RECORDS[:1])
