"""The bound on what a gateway process holds: it needs a broker that never answers, which no real one is on demand."""

import asyncio
from collections.abc import Sequence

import pytest
from aiokafka.errors import KafkaConnectionError, MessageSizeTooLargeError

from services.gateway import door
from services.gateway.access import Refused
from services.gateway.domain import Invalid
from services.gateway.door import Door
from shared.broker import Publisher
from shared.events import Outgoing
from shared.metrics import Metrics

RECORD = Outgoing("leads.captured", b"key", b"x" * 1_000)


class SlowPublisher(Publisher):
    """Acknowledges when told to."""

    def __init__(self) -> None:
        self.told = asyncio.Event()
        self.fault: Exception | None = None

    async def publish(self, worker: str, records: Sequence[Outgoing]) -> None:  # noqa: ARG002 - the port's shape
        await self.told.wait()
        if self.fault:
            raise self.fault


async def _status(of: Door, records: int = 1) -> int:
    try:
        await of.publish([RECORD] * records)
    except Refused as error:
        return error.status if "Retry-After" in error.headers else 0
    return 202


@pytest.mark.parametrize(("limit", "value"), [("RECORDS_MAX", 4), ("BYTES_MAX", 4_000)])
async def test_what_waits_is_bounded_and_counts_until_it_has_its_outcome(
    monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    monkeypatch.setattr(door, limit, value)
    publisher, metrics = SlowPublisher(), Metrics()
    slow = Door(publisher, metrics, patience_s=0.01)
    for _ in range(2):
        assert await _status(slow, 2) == 503
    assert metrics.registry.get_sample_value("pantry_gateway_records_under_way") == 4
    patient = slow.publish([RECORD])
    with pytest.raises(Refused, match="Too much is waiting"):
        await patient
    publisher.told.set()
    async with asyncio.timeout(10):
        while metrics.registry.get_sample_value("pantry_gateway_records_under_way"):  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(0.001)
    assert await _status(slow, 4) == 202


@pytest.mark.parametrize("fault", [KafkaConnectionError(), TimeoutError(), OSError()])
async def test_what_kafka_did_not_take_is_never_accepted(fault: Exception) -> None:
    publisher = SlowPublisher()
    publisher.fault = fault
    publisher.told.set()
    assert await _status(Door(publisher, Metrics(), patience_s=10.0)) == 503


async def test_what_kafka_will_never_take_is_the_senders_to_mend() -> None:
    publisher = SlowPublisher()
    publisher.fault = MessageSizeTooLargeError()
    publisher.told.set()
    with pytest.raises(Invalid, match="too large"):
        await Door(publisher, Metrics(), patience_s=10.0).publish([RECORD])
