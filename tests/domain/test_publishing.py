"""Publishing returns only after the acknowledgement of every record."""

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka.errors import KafkaConnectionError, RecordTooLargeError
from faststream.kafka import KafkaBroker

from shared.kafka.broker_errors import BrokerUnavailable, RecordRefused
from shared.kafka.client import Publisher
from shared.kafka.events import Outgoing
from shared.observability.metrics import Metrics

RECORDS = [Outgoing("leads.captured", b"ana", b"%d" % number, {"content-type": "x"}) for number in range(3)]


class Producer:
    """Stands for aiokafka's producer: the test decides each outcome."""

    def __init__(self) -> None:
        self.sent: list[tuple[Any, ...]] = []
        self.outcomes: list[asyncio.Future[None]] = []

    async def send(self, topic: str, value: Any, key: Any, *, headers: Any) -> asyncio.Future[None]:
        if value == b"refused":
            raise ValueError(value)
        self.sent.append((topic, key, value, headers))
        self.outcomes.append(asyncio.get_running_loop().create_future())
        return self.outcomes[-1]


def _publisher(producer: Producer, metrics: Metrics) -> Publisher:
    state = SimpleNamespace(producer=producer)
    broker = SimpleNamespace(config=SimpleNamespace(producer=SimpleNamespace(_producer=state)))
    return Publisher(cast("KafkaBroker", broker), metrics)


async def _under_way(producer: Producer, records: Sequence[Outgoing], metrics: Metrics) -> asyncio.Task[None]:
    task = asyncio.create_task(_publisher(producer, metrics).publish("gateway", records))
    await asyncio.sleep(0)
    assert not task.done()
    return task


async def test_it_returns_once_the_last_record_is_acknowledged() -> None:
    producer, metrics = Producer(), Metrics()
    task = await _under_way(producer, RECORDS, metrics)
    for outcome in reversed(producer.outcomes):
        assert not task.done()
        outcome.set_result(None)
        await asyncio.sleep(0)
    await task
    assert producer.sent == [("leads.captured", b"ana", b"%d" % one, [("content-type", b"x")]) for one in range(3)]
    labels = {"worker": "gateway", "topic": "leads.captured"}
    assert metrics.registry.get_sample_value("pantry_published_total", labels) == 3


@pytest.mark.parametrize(
    ("error", "raised"), [(KafkaConnectionError(), BrokerUnavailable), (RecordTooLargeError(), RecordRefused)]
)
async def test_one_record_without_acknowledgement_fails_all_after_the_others_outcomes(
    error: Exception, raised: type[Exception]
) -> None:
    producer, metrics = Producer(), Metrics()
    task = await _under_way(producer, RECORDS, metrics)
    producer.outcomes[0].set_exception(error)
    producer.outcomes[1].set_exception(OSError())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not task.done()
    producer.outcomes[2].set_result(None)
    with pytest.raises(raised):
        await task
    assert metrics.registry.get_sample_value("pantry_published_total") is None


async def test_a_record_that_the_client_refuses_is_refused() -> None:
    with pytest.raises(RecordRefused, match="ValueError"):
        await _publisher(Producer(), Metrics()).publish("gateway", [Outgoing("leads.captured", b"ana", b"refused")])


async def test_a_dead_letter_without_key_and_value_goes_out() -> None:
    producer = Producer()
    task = await _under_way(producer, [Outgoing("leads.deadletter", None, None)], Metrics())
    producer.outcomes[0].set_result(None)
    await task
    assert producer.sent == [("leads.deadletter", None, b"", [])]
