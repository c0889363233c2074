"""No payload crashes the intake: each malformed one ends in the dead letter, once, for a reason that fits it.

`--full` takes the loads of the published figures: 1,000,000 payloads to the decoder, and as many to running workers;
those on Apache Kafka (`--backend apache`), for what the embedded broker holds makes it slow.
"""

import asyncio
import json
import random
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.util import calc_crc32c
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deploy.local import LocalServers
from schemas.base import ENVELOPE_LIMIT
from schemas.reasons import DeadLetterReason as Reason
from schemas.topics import CAPTURED, DEADLETTER, Topic
from shared.kafka.decoding import FailedRecord, decode
from shared.kafka.events import Received, Record
from shared.kafka.reading import read_all
from tests.builders import data, event
from tests.faults.malformed import CANARY, INPUTS, Malformed, malformed, mutated, valid
from tests.harness import Bench, bench, stop, until

_DECODED = frozenset(Reason) - {Reason.LEAD_NOT_FOUND, Reason.HANDLER_FAILED}
_WORKERS = ("capture", "engagement", "qualification", "tasks", "conversion", "erasure", "insights")
_NO_BREAKER = {"PANTRY_BREAKER_SHARE": "1", "PANTRY_BREAKER_IN_A_ROW": "0"}
_CRC = 17
"""Where a batch of records has its checksum, which is of all that follows it."""
_ROUND, _GOOD = 10_000, 200
Place = tuple[str, int, int]


def _record(topic: Topic, value: bytes | None) -> Record:
    return Record(topic.name, 0, 0, None, value)


@pytest.mark.timeout(1_200)
def test_every_malformed_payload_has_a_reason_that_fits_what_is_wrong_with_it_and_quotes_nobody(
    full: bool,  # noqa: FBT001 - a fixture
    figure: Callable[[str], None],
) -> None:
    count, began = 1_000_000 if full else 20_000, time.monotonic()
    reasons: Counter[str] = Counter()
    for one in malformed(count, seed=7):
        outcome = decode(_record(one.topic, one.value), "US")
        assert isinstance(outcome, FailedRecord), (one.kind, one.value)
        assert outcome.reason in one.reasons, (one.kind, one.value, outcome.reason)
        assert CANARY not in outcome.detail, (one.kind, outcome.detail)
        reasons[outcome.reason.value] += 1
    assert reasons.total() == count
    assert set(reasons) == {reason.value for reason in _DECODED}
    figure(f"{count:,} malformed payloads in {time.monotonic() - began:.0f} s: {dict(reasons.most_common())}")


def test_of_events_with_random_bytes_changed_those_that_are_no_json_are_called_so_and_none_raises(
    full: bool,  # noqa: FBT001 - a fixture
    figure: Callable[[str], None],
) -> None:
    rng, outcomes = random.Random(11), Counter[str]()
    for _ in range(200_000 if full else 10_000):
        topic = rng.choice(INPUTS)
        value = mutated(json.dumps(valid(topic, rng)).encode(), rng)
        outcome = decode(_record(topic, value), "US")
        reason = outcome.reason if isinstance(outcome, FailedRecord) else None
        assert reason is None or reason in _DECODED
        # The standard library's parser takes all that is JSON, and a little more.
        assert _is_json(value) or reason is Reason.NOT_JSON, value
        outcomes[reason.value if reason else "still valid"] += 1
    figure(f"{outcomes.total():,} events with changed bytes: {dict(outcomes.most_common())}")


def _is_json(value: bytes) -> bool:
    try:
        json.loads(value)
    except ValueError:
        return False
    return True


_leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.datetimes().map(str)
_anything = st.recursive(
    _leaves, lambda parts: st.lists(parts, max_size=4) | st.dictionaries(st.text(max_size=8), parts, max_size=4)
)


@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(INPUTS), st.data())
def test_any_json_anywhere_in_an_event_is_decoded_or_refused_and_never_raises(
    topic: Topic, draw: st.DataObject
) -> None:
    body = valid(topic, random.Random(draw.draw(st.integers(0, 99))))
    places: list[tuple[dict[str, Any], str]] = [(body, name) for name in body]
    places += [(body["data"], name) for name in body["data"]]
    places += [(part, name) for part in body["data"].values() if isinstance(part, dict) for name in part]
    for holder, name in draw.draw(st.lists(st.sampled_from(places), min_size=1, max_size=3)):
        holder[name] = draw.draw(_anything)
    value = json.dumps(body).encode()
    outcome = decode(_record(topic, value), "US")
    assert isinstance(outcome, Received) or outcome.reason in _DECODED


@dataclass(frozen=True, slots=True)
class _Sent:
    """A record as it went out: what, with which key and headers, and the reasons it may end with."""

    topic: Topic
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    reasons: frozenset[Reason]


def _dressed(one: Malformed, rng: random.Random) -> _Sent:
    """With a key and headers that no reader expects."""
    keys = (None, b"", b"\xff\xfe", b"k" * 3_000, CANARY.encode(), rng.randbytes(8))
    headers: list[list[tuple[str, bytes | None]]] = [
        [],
        [("content-type", b"text/plain")],
        [("content-type", b"\xff\xfe\x00")],
        [("", b""), ("", b"twice"), ("no value", None)],
        [("x-reason", b"forged"), ("x-offset", b"-1"), ("x-topic", b"elsewhere")],
        [(f"h{number}", rng.randbytes(20)) for number in range(100)],
        [("traceparent", b"00-" + b"z" * 5_000)],
    ]
    return _Sent(one.topic, rng.choice(keys), one.value, rng.choice(headers), one.reasons)


async def _publish(on: Bench, sent: Sequence[_Sent]) -> dict[Place, _Sent]:
    """Publish these; where each of them is."""
    options = on.to.kafka.options
    producer = AIOKafkaProducer(**options, acks="all", max_request_size=4 * ENVELOPE_LIMIT, linger_ms=5)
    await producer.start()
    try:
        places = await asyncio.gather(*[await _send(producer, one) for one in sent])
    finally:
        await producer.stop()
    return {(place.topic, place.partition, place.offset): one for place, one in zip(places, sent, strict=True)}


async def _send(producer: AIOKafkaProducer, one: _Sent) -> Any:
    if one.key is not None or one.value is not None:
        return await producer.send(one.topic.name, one.value, key=one.key, headers=one.headers)
    # This client sends nothing at all only by a batch of its own; others do it without ado.
    batch = producer.create_batch()
    batch.append(key=None, value=None, timestamp=None)
    return await producer.send_batch(batch, one.topic.name, partition=0)


def _headers(letter: ConsumerRecord[Any, Any]) -> dict[str, str]:
    return {name: value.decode() for name, value in letter.headers if name.startswith("x-")}


def _place(letter: ConsumerRecord[Any, Any]) -> Place:
    told = _headers(letter)
    return told["x-topic"], int(told["x-partition"]), int(told["x-offset"])


@dataclass(slots=True)
class _Burials:
    """Sends malformed records in rounds among good ones, and reads what the dead letter says of them as it comes."""

    on: Bench
    letters: AIOKafkaConsumer
    good: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    async def see(self, sent: Sequence[_Sent]) -> None:
        """One round: it is over when each malformed record has one letter that fits it, and each good one its row."""
        places = await _publish(self.on, sent)
        waiting = {place: one for place, one in places.items() if one.reasons}
        self.good += len(places) - len(waiting)

        async def through() -> bool:
            for records in (await self.letters.getmany(timeout_ms=500)).values():
                for letter in records:
                    # A second letter of the same record finds nobody waiting.
                    self._fits(letter, waiting.pop(_place(letter)))
            return not waiting and await self.on.count("captures") == self.good

        await until(through, f"a letter for each of {len(sent)} records", 600.0)

    def _fits(self, letter: ConsumerRecord[Any, Any], one: _Sent) -> None:
        # A client that sends records without a key and without a value doesn't exist here: that value becomes empty.
        value = b"" if one.key is None and one.value is None else one.value
        assert (letter.key, letter.value) == (one.key, value)
        reason = _headers(letter)["x-reason"]
        assert reason in one.reasons, (one, reason)
        self.reasons[reason] += 1


def _mixed(count: int, rng: random.Random) -> Iterator[list[_Sent]]:
    """So many malformed records in rounds, with good ones among them."""
    bad = malformed(count, seed=5)
    while some := [_dressed(one, rng) for one in islice(bad, _ROUND)]:
        good = [event(data(email=f"good{rng.getrandbits(64)}@example.com")) for _ in range(_GOOD)]
        fine = [_Sent(CAPTURED, b"%d" % number, value, [], frozenset()) for number, value in enumerate(good)]
        yield rng.sample([*some, *fine], len(some) + len(fine))


@pytest.mark.timeout(7_200)
async def test_running_workers_bury_each_malformed_record_once_byte_for_byte_and_go_on(
    local: LocalServers,
    tmp_path: Path,
    full: bool,  # noqa: FBT001 - a fixture
    figure: Callable[[str], None],
) -> None:
    count, began, log = 1_000_000 if full else 2_000, time.monotonic(), tmp_path / "log"
    async with bench(local) as on, on.reading(DEADLETTER) as letters:
        worker, burials = on.pantry("worker", *_WORKERS, log=log, **_NO_BREAKER), _Burials(on, letters)
        try:
            for some in _mixed(count, random.Random(3)):
                await burials.see(some)
                assert worker.poll() is None
            assert stop(worker) == 0
        finally:
            worker.kill()
        assert len([1 async for _ in read_all(on.to.kafka, [DEADLETTER.name])]) == burials.reasons.total() == count
    assert CANARY not in log.read_text()
    figure(
        f"{count:,} malformed records, {burials.good:,} good ones: a dead letter each, byte for byte, "
        f"{time.monotonic() - began:.0f} s: {dict(burials.reasons.most_common())}"
    )


async def test_a_record_whose_header_names_are_no_text_holds_up_nobody(
    local: LocalServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kafka takes any bytes for a name; this client sends text only, so that they are put into what it sends."""
    build: Any = BatchBuilder._build

    def unreadable(self: BatchBuilder) -> bytearray:
        batch = bytearray(bytes(build(self)).replace(b"unreadable", b"\xff\xfe" * 5))
        struct.pack_into(">I", batch, _CRC, calc_crc32c(bytes(batch[_CRC + 4 :])))
        self._buffer = batch
        return batch

    monkeypatch.setattr(BatchBuilder, "_build", unreadable)
    headers: list[tuple[str, bytes | None]] = [("unreadable", b"1"), ("plain", b"2")]
    values = [event(data(email=f"n{number}@example.com")) for number in range(3)]
    values.insert(1, b"no event")
    async with bench(local) as on, on.running("capture"):
        await _publish(on, [_Sent(CAPTURED, b"one partition", value, headers, frozenset()) for value in values])

        async def through() -> bool:
            return await on.count("captures") == 3 and len(await on.records(DEADLETTER)) == 1

        await until(through, "three captures, and a dead letter")
        (letter,) = await on.records(DEADLETTER)
        assert letter.value == b"no event"
        assert ("plain", b"2") in letter.headers
        assert len(await on.records(CAPTURED)) == 4
