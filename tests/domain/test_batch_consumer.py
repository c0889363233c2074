"""What the consumer does with a batch: it commits what has its outcome, and rewinds the rest."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka import TopicPartition
from faststream.kafka.annotations import KafkaMessage

from schemas.topics import CAPTURED
from shared.clock import system_clock
from shared.consuming import consumer, isolation
from shared.consuming.circuit_breaker import CircuitBreaker, CircuitOpen
from shared.consuming.consumer import BatchConsumer
from shared.consuming.isolation import Isolation, Stopping
from shared.consuming.processor import RecordProcessor
from shared.consuming.worker import Worker
from shared.domain.operations.failure_limits import FailureLimits
from shared.kafka.client import Publisher
from shared.kafka.events import Outgoing, Received
from shared.observability.metrics import Metrics
from tests.builders import data, event
from tests.harness import until

_BATCH_MAX, _LONG_S = 8, 3_600.0
_METRICS = Metrics()
_PARTITION = TopicPartition(CAPTURED.name, 0)
Step = Callable[[int], Awaitable[None]]
"""What the handler does with the event of this offset."""


@dataclass
class FakeKafka:
    """The consumer's offsets and the publisher's records."""

    committed: list[int] = field(default_factory=list)
    rewound: list[int] = field(default_factory=list)
    published: list[Outgoing] = field(default_factory=list)
    in_order: list[str] = field(default_factory=list)

    def assignment(self) -> set[TopicPartition]:
        return {_PARTITION}

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        self.in_order.append("commit")
        self.committed.append(offsets[_PARTITION])

    def seek(self, _: TopicPartition, offset: int) -> None:
        self.rewound.append(offset)

    async def publish(self, _: str, records: Sequence[Outgoing]) -> None:
        if records:
            self.in_order.append("publish")
        self.published += records


class Rig:
    """A consumer whose handler takes each event through `step`, in `lanes`."""

    def __init__(self, step: Step, *, lanes: int = 1, limits: FailureLimits | None = None, beat_s: float = 0.0) -> None:
        self.kafka, self.tripped = FakeKafka(), list[CircuitOpen]()
        self.handled: list[list[int]] = []

        async def handle(received: Sequence[Received]) -> Sequence[Outgoing]:
            offsets = [one.record.offset for one in received]
            self.handled.append(offsets)
            for offset in offsets:
                await step(offset)
            return ()

        processor = RecordProcessor(
            Worker("capture", (CAPTURED,), handle, lanes=lanes, beat_s=beat_s),
            cast("Publisher", self.kafka),
            system_clock,
            "US",
            CircuitBreaker(limits or FailureLimits(1, 0)),
        )
        self.isolation = Isolation(retry_max_s=0.0)
        self.consumer = BatchConsumer(
            processor, _METRICS, None, self.isolation, on_tripped=self.tripped.append, batch_max=_BATCH_MAX
        )

    async def take(self, count: int) -> None:
        """Let the consumer process a batch of so many records."""
        batch = tuple(
            SimpleNamespace(
                topic=CAPTURED.name,
                partition=0,
                offset=offset,
                key=str(offset).encode(),
                value=event(data(), event_id=f"event-{offset}", source=f"/forms/{offset}"),
                headers=(),
            )
            for offset in range(count)
        )
        message: Any = SimpleNamespace(raw_message=batch, consumer=self.kafka)
        await self.consumer.process(cast("KafkaMessage", message))


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "_PAUSES_ALONE_S", (0.0, 0.0, 0.0))
    monkeypatch.setattr(isolation, "_FIRST_PAUSE_S", 0.0)


def _failing(at: int, error: BaseException) -> Step:
    async def step(offset: int) -> None:
        if offset == at:
            raise error

    return step


async def test_a_record_at_fault_goes_to_the_dead_letter_before_the_commit() -> None:
    rig = Rig(_failing(3, KeyError("email")))
    await rig.take(8)
    assert (rig.kafka.committed, rig.kafka.rewound) == ([8], [])
    assert [(one.headers["x-reason"], one.headers["x-offset"]) for one in rig.kafka.published] == [
        ("handler_failed", "3")
    ]
    assert rig.kafka.in_order == ["publish", "commit"]


async def test_a_breaker_that_opens_commits_nothing_and_sends_nothing() -> None:
    async def step(_: int) -> None:
        raise KeyError

    rig = Rig(step, limits=FailureLimits(1, 3))
    await rig.take(8)
    assert len(rig.tripped) == 1
    assert (rig.kafka.committed, rig.kafka.rewound, rig.kafka.published) == ([], [0], [])


async def test_a_process_that_stops_commits_nothing_of_the_batch() -> None:
    rig = Rig(_failing(6, Stopping()))
    await rig.take(8)
    assert (rig.kafka.committed, rig.kafka.rewound, rig.tripped) == ([], [0], [])


async def test_after_a_batch_with_all_there_was_a_worker_with_a_beat_rests_until_it_stops() -> None:
    rig = Rig(_nothing, beat_s=_LONG_S)
    taking = asyncio.create_task(rig.take(_BATCH_MAX - 1))

    async def committed() -> bool:
        return bool(rig.kafka.committed)

    await until(committed, "the commit")
    assert not taking.done()
    rig.isolation.stopping.set()
    await taking
    assert rig.kafka.rewound == []


async def test_after_a_full_batch_a_worker_with_a_beat_goes_on_at_once() -> None:
    rig = Rig(_nothing, beat_s=_LONG_S)
    await rig.take(_BATCH_MAX)
    assert rig.kafka.committed == [_BATCH_MAX]


async def _nothing(_: int) -> None:
    return None


async def test_a_cancelled_handler_commits_nothing() -> None:
    reached = asyncio.Event()

    async def step(_: int) -> None:
        reached.set()
        await asyncio.Event().wait()

    rig = Rig(step)
    task = asyncio.ensure_future(rig.take(8))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (rig.kafka.committed, rig.kafka.published) == ([], [])


async def test_a_batch_that_takes_long_is_committed_up_to_its_last_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumer, "HOLD_S", 0.0)
    rig = Rig(_failing(7, KeyError("email")))
    await rig.take(8)
    assert rig.handled == [list(range(8)), list(range(4))]
    assert (rig.kafka.committed, rig.kafka.rewound) == ([4], [4])


async def test_a_slow_batch_without_a_fault_is_committed_up_to_its_last_outcome_and_goes_on_from_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(consumer, "BATCH_S", 0.0)
    rig = Rig(_failing(-1, KeyError()))
    rig.isolation.most = 3
    await rig.take(8)
    assert rig.handled == [[0, 1, 2]]
    assert (rig.kafka.committed, rig.kafka.rewound) == ([3], [3])


async def test_the_search_for_a_fault_is_not_cut_after_the_time_of_a_slow_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(consumer, "BATCH_S", 0.0)
    rig = Rig(_failing(0, KeyError("email")))
    await rig.take(8)
    assert (rig.kafka.committed, rig.kafka.rewound) == ([8], [])


async def test_an_error_behind_the_first_outcomes_rewinds_only_what_has_none() -> None:
    rig = Rig(_failing(7, KeyError("email")))
    await rig.take(8)
    rig.isolation.servers_answer = _breaks
    rig.isolation.most = 4
    await rig.take(8)
    assert (rig.kafka.committed, rig.kafka.rewound) == ([8, 4], [4])


async def _breaks() -> bool:
    raise LookupError


async def test_a_worker_that_has_stopped_takes_no_batch() -> None:
    rig = Rig(_failing(-1, KeyError()))
    rig.consumer.has_stopped = lambda: True
    await rig.take(8)
    assert (rig.handled, rig.kafka.committed, rig.kafka.rewound) == ([], [], [])


async def test_a_lone_lane_runs_in_the_consumers_task_and_two_lanes_side_by_side() -> None:
    tasks: set[asyncio.Task[Any] | None] = set()

    async def step(_: int) -> None:
        tasks.add(asyncio.current_task())

    await Rig(step, lanes=2).take(8)
    assert tasks == {asyncio.current_task()}
    await Rig(step, lanes=2).take(200)
    assert len(tasks) == 3


async def test_every_lane_ends_before_the_batch_is_tried_again() -> None:
    running, most, failures = 0, 0, iter([True])

    async def step(_: int) -> None:
        nonlocal running, most
        if next(failures, False):
            raise KeyError
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1

    rig = Rig(step, lanes=2)
    await rig.take(200)
    assert most == 2, "a lane of the first try still ran"
    assert rig.kafka.committed == [200]
