"""The bound on what a gateway process holds: it needs a broker that never answers, which no real one is on demand."""

import asyncio
from collections.abc import AsyncIterator, Iterator, MutableMapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError
from starlette.types import Message

from services.gateway.auth.authenticator import Authenticator
from services.gateway.auth.domain import key_lifecycle
from services.gateway.auth.domain.principals import ApiKey, HttpProblem, KeyKind, Scope
from services.gateway.auth.domain.signing import Signer
from services.gateway.web import middleware
from services.gateway.web import publisher as door
from services.gateway.web.middleware import ContextMiddleware
from services.gateway.web.publisher import BoundedPublisher
from services.ingest.domain.capture_events import Invalid
from shared.kafka.broker_errors import BrokerUnavailable, RecordRefused
from shared.kafka.client import Publisher
from shared.kafka.events import Outgoing
from shared.mongo.storage import Storage
from shared.observability.metrics import Metrics

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


async def _status(of: BoundedPublisher, records: int = 1) -> int:
    try:
        await of.publish([RECORD] * records)
    except HttpProblem as error:
        return error.status if "Retry-After" in error.headers else 0
    return 202


@pytest.mark.parametrize(("limit", "value"), [("RECORDS_MAX", 4), ("BYTES_MAX", 4_000)])
async def test_what_waits_is_bounded_and_counts_until_it_has_its_outcome(
    monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    monkeypatch.setattr(door, limit, value)
    publisher, metrics = SlowPublisher(), Metrics()
    slow = BoundedPublisher(publisher, metrics, patience_s=0.01)
    for _ in range(2):
        assert await _status(slow, 2) == 503
    assert metrics.registry.get_sample_value("pantry_gateway_records_under_way") == 4
    patient = slow.publish([RECORD])
    with pytest.raises(HttpProblem, match="Too many records are waiting"):
        await patient
    publisher.told.set()
    async with asyncio.timeout(60):
        while metrics.registry.get_sample_value("pantry_gateway_records_under_way"):  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(0.001)
    assert await _status(slow, 4) == 202


@pytest.mark.parametrize("fault", [KafkaConnectionError(), TimeoutError(), OSError()])
async def test_what_kafka_did_not_take_is_never_accepted(fault: Exception) -> None:
    publisher = SlowPublisher()
    publisher.fault = BrokerUnavailable(fault)
    publisher.told.set()
    assert await _status(BoundedPublisher(publisher, Metrics(), patience_s=10.0)) == 503


async def test_what_kafka_will_never_take_is_the_senders_to_mend() -> None:
    publisher = SlowPublisher()
    publisher.fault = RecordRefused("MessageSizeTooLargeError")
    publisher.told.set()
    with pytest.raises(Invalid, match="too large"):
        await BoundedPublisher(publisher, Metrics(), patience_s=10.0).publish([RECORD])


class Sender:
    """One request, its body part by part; `None` is a sender who leaves."""

    def __init__(self, *parts: bytes | None, length: int | None = None) -> None:
        self._parts: Iterator[bytes | None] = iter(parts)
        self.scope: MutableMapping[str, Any] = {"type": "http", "method": "POST", "path": "/", "headers": []}
        if length is not None:
            self.scope["headers"] = [(b"content-length", str(length).encode())]
        self.answered: list[int] = []

    async def receive(self) -> Message:
        part = next(self._parts)
        if part is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": part, "more_body": part != b""}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.answered.append(message["status"])


class Reader:
    """An application that reads the body and answers 202."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG002 - ASGI's shape
        self.bodies.append((await receive())["body"])
        await send({"type": "http.response.start", "status": 202, "headers": []})
        await send({"type": "http.response.body", "body": b""})


@pytest.mark.parametrize(
    ("sender", "statuses", "bodies"),
    [
        (Sender(b"ab", b"cd", b""), [202], [b"abcd"]),
        (Sender(b"", length=11), [413], []),
        (Sender(b"x" * 6, b"x" * 6, b""), [413], []),
        (Sender(b"x" * 11, length=3), [413], []),
        (Sender(b"ab", None), [], []),
    ],
)
async def test_a_body_is_whole_and_of_bounded_size_or_nobody_sees_it(
    sender: Sender, statuses: list[int], bodies: list[bytes]
) -> None:
    reader = Reader()
    await ContextMiddleware(reader, Metrics(), 10)(sender.scope, sender.receive, sender.send)
    assert (sender.answered, reader.bodies) == (statuses, bodies)


async def test_bodies_that_are_being_read_are_bounded_all_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "HELD_MAX", 15)
    around, go_on = ContextMiddleware(Reader(), Metrics(), 10), asyncio.Event()

    class SlowSender(Sender):
        began = False

        async def receive(self) -> Message:
            if self.began:
                await go_on.wait()
            self.began = True
            return await super().receive()

    slow = [SlowSender(b"x" * 8, b"") for _ in range(2)]
    tasks = [asyncio.create_task(around(one.scope, one.receive, one.send)) for one in slow]
    await asyncio.sleep(0)
    assert [one.began for one in slow] == [True, True]
    third = Sender(b"x" * 8, b"")
    await around(third.scope, third.receive, third.send)
    go_on.set()
    await asyncio.gather(*tasks)
    after = Sender(b"x" * 8, b"")
    await around(after.scope, after.receive, after.send)
    assert [slow[0].answered, third.answered, after.answered] == [[202], [503], [202]]


class HangingStorage(Storage):
    """Answers no more once it `hangs`; a read before that finds one key."""

    def __init__(self, key: ApiKey) -> None:
        self._key, self.hangs = key, False

    async def scan(self, *_: Any, **__: Any) -> AsyncIterator[list[Any]]:
        await self._answer()
        yield [{"_id": self._key.name, **self._key.model_dump(by_alias=True, exclude={"name"})}]

    async def change(self, *_: Any) -> bool:
        await self._answer()
        return True

    async def _answer(self) -> None:
        if self.hangs:
            await asyncio.Event().wait()


async def test_a_database_that_hangs_keeps_nobody_out_whom_it_let_in_before() -> None:
    now = [datetime(2026, 5, 1, 12, tzinfo=UTC)]
    storage = HangingStorage(key_lifecycle.new_key("shop", KeyKind.SERVER, "word", now[0]))
    gate = Authenticator(storage, lambda: now[0], Signer("sixteen characters"))
    assert (await gate.admit(Scope.CAPTURE, "kps_shop_word", None, None)).name == "shop"
    storage.hangs = True
    now[0] += timedelta(minutes=2)
    async with asyncio.timeout(120):
        for _ in range(3):
            assert (await gate.admit(Scope.CAPTURE, "kps_shop_word", None, None)).name == "shop"
        with pytest.raises(HttpProblem, match="valid API key"):
            await gate.admit(Scope.CAPTURE, "kps_shop_other", None, None)
