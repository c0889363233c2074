"""One item at fault holds up no other, and no item is given up for a server's absence."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import pytest
from aiokafka.errors import KafkaConnectionError

from shared.consuming import isolation
from shared.consuming.circuit_breaker import CircuitOpen
from shared.consuming.isolation import Failed, Isolation, Stopping
from shared.kafka.broker_errors import BrokerUnavailable, RecordRefused
from shared.mongo import retries
from shared.mongo.retries import Contention, few_rounds, retry_on_conflict
from shared.mongo.storage import Unavailable

Handler = Callable[[Sequence[int]], Awaitable[int]]
KINDS = (
    OSError("no such file"),
    FileNotFoundError("template.html"),
    TimeoutError(),
    Contention("for ever"),
    Unavailable("BulkWriteError code=1", by_record=True),
    RecordRefused("MessageSizeTooLargeError"),
    RecursionError(),
    MemoryError(),
    KeyError("email"),
    StopAsyncIteration(),
    asyncio.CancelledError(),
)


@dataclass
class FakeHandler:
    """Fails on every part that holds one of `bad`, and remembers what it was given and what passed."""

    bad: dict[int, BaseException]
    parts: list[list[int]] = field(default_factory=list)
    passed: list[int] = field(default_factory=list)

    async def __call__(self, part: Sequence[int]) -> int:
        self.parts.append(list(part))
        for one in part:
            if one in self.bad:
                raise self.bad[one]
        self.passed += part
        return len(part)


@dataclass
class FakeServers:
    """Answers as it is told, in turn; the last answer stays."""

    answers: list[bool]
    asked: int = 0

    async def __call__(self) -> bool:
        self.asked += 1
        return self.answers[min(self.asked, len(self.answers)) - 1]


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "_PAUSES_ALONE_S", (0.0, 0.0, 0.0))
    monkeypatch.setattr(isolation, "_FIRST_PAUSE_S", 0.0)


async def _through(count: int, handler: Handler, one: Isolation | None = None) -> list[Failed[int]]:
    failed = []
    for part in (one or Isolation()).parts(range(count)):
        async with part.trying():
            await handler(part.items)
        if part.failed:
            failed.append(part.failed)
    return failed


@pytest.mark.parametrize("error", KINDS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("place", [0, 41, 99])
async def test_whatever_one_item_raises_its_neighbours_pass_in_their_order(error: BaseException, place: int) -> None:
    handler = FakeHandler({place: error})
    (failed,) = await _through(100, handler)
    assert (failed.item, failed.error) == (place, error)
    assert handler.passed == [one for one in range(100) if one != place]
    assert failed.attempts == sum(place in part for part in handler.parts)
    assert handler.parts.count([place]) == 4, "it was tried alone, and more than once"


async def test_many_at_fault_are_all_set_aside_and_the_next_batch_is_whole_again() -> None:
    bad: dict[int, BaseException] = {one: ValueError() for one in range(0, 60, 7)}
    handler, one = FakeHandler(bad), Isolation()
    assert [failed.item for failed in await _through(60, handler, one)] == list(bad)
    assert handler.passed == [item for item in range(60) if item not in bad]
    good = FakeHandler({})
    assert await _through(500, good, one) == await _through(500, good, one) == []
    assert good.parts[-1] == list(range(500))


async def test_an_item_that_passes_alone_is_not_set_aside() -> None:
    """Two that fail together only, as two captures of one person may."""

    class Pair(FakeHandler):
        async def __call__(self, part: Sequence[int]) -> int:
            if {3, 8} <= set(part):
                raise Contention("these two")
            return await super().__call__(part)

    handler = Pair({})
    assert await _through(20, handler) == []
    assert handler.passed == list(range(20))


async def test_while_a_server_is_away_no_try_counts() -> None:
    servers, handler = FakeServers([*[False] * 300, True]), FakeHandler({})
    times = 0

    async def away(part: Sequence[int]) -> int:
        nonlocal times
        times += 1
        if times <= 300:
            raise OSError("connection refused")
        return await handler(part)

    waited: list[int] = []
    one = Isolation(servers_answer=servers, retry_max_s=0.0, on_wait=lambda: waited.append(1))
    assert await _through(50, away, one) == []
    assert handler.parts == [list(range(50))], "nothing was cut"
    assert len(waited) == 300


@pytest.mark.parametrize("error", [BrokerUnavailable(KafkaConnectionError()), Unavailable("AutoReconnect code=None")])
async def test_what_tells_of_a_servers_state_blames_no_item_though_the_servers_answer_again(
    error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolation, "HOLD_S", 0.1)
    with pytest.raises(type(error)):
        await _through(8, FakeHandler({0: error}), Isolation(retry_max_s=0.0))


async def test_a_worker_that_is_told_to_stop_or_whose_breaker_trips_sets_nothing_aside() -> None:
    with pytest.raises(CircuitOpen):
        await _through(8, FakeHandler({5: CircuitOpen("too many")}))
    one = Isolation()
    one.stopping.set()
    with pytest.raises(Stopping):
        await _through(8, FakeHandler({5: ValueError()}), one)


async def test_a_cancellation_from_outside_ends_it() -> None:
    async def hangs(_: Sequence[int]) -> int:
        await asyncio.Event().wait()
        return 0

    task = asyncio.ensure_future(_through(8, hangs))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_parts_of_a_batch_are_tried_for_few_rounds_of_conflict_and_an_item_alone_for_all() -> None:
    allowed: list[tuple[int, int]] = []

    async def conflicts(part: Sequence[int]) -> int:
        if 7 in part:
            allowed.append((len(part), retries._rounds.get()))
            raise Contention("for ever")
        return len(part)

    (failed,) = await _through(16, conflicts)
    assert failed.item == 7
    assert allowed[0] == (16, 50)
    assert {rounds for size, rounds in allowed[1:] if size > 1} == {8}
    assert [rounds for size, rounds in allowed if size == 1] == [50] * 4


async def _lose_rounds() -> list[int]:
    return [round_ async for round_ in retry_on_conflict()]


@pytest.mark.parametrize("rounds", [8, 50])
async def test_rounds_of_conflict_end(rounds: int) -> None:
    with few_rounds(when=rounds == 8), pytest.raises(Contention, match=f"^{rounds} rounds"):
        await _lose_rounds()


async def test_rounds_of_conflict_pause_longer_each_time_and_not_after_the_write(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    async for round_ in retry_on_conflict():
        if round_ == 3:
            break
    assert pauses == [0.0, 0.002, 0.004]


async def test_rounds_that_an_error_ends_leave_no_task_that_closes_them() -> None:
    async def fails() -> None:
        async for _ in retry_on_conflict():
            raise KeyError

    with pytest.raises(KeyError):
        await fails()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


def _rounds() -> int:
    return retries._rounds.get()


async def test_a_loop_that_ends_early_keeps_what_it_learned_and_leaves_nothing_to_close() -> None:
    one, handler = Isolation(), FakeHandler({0: ValueError()})
    for part in one.parts(range(16)):
        async with part.trying():
            await handler(part.items)
        if part.done:
            break
    assert (part.failed and part.failed.item, one.most) == (0, 1)
    assert next(one.parts(range(16))).items == range(1), "the next batch begins with one item"
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert _rounds() == 50


async def test_an_error_behind_the_tried_body_is_the_callers_own() -> None:
    tried = FakeHandler({})

    async def publishes() -> None:
        for part in Isolation().parts(range(4)):
            async with part.trying():
                await tried(part.items)
            raise KeyError

    with pytest.raises(KeyError):
        await publishes()
    assert tried.parts == [[0, 1, 2, 3]], "it was not tried again"


async def test_an_error_of_the_check_of_the_servers_ends_the_loop_with_the_first_error_as_its_context() -> None:
    async def breaks() -> bool:
        raise LookupError

    with pytest.raises(LookupError) as caught:
        await _through(4, FakeHandler({0: ValueError()}), Isolation(servers_answer=breaks))
    assert isinstance(caught.value.__context__, ValueError)
    assert _rounds() == 50


@pytest.mark.parametrize("error", [KeyError(), CircuitOpen("too many"), asyncio.CancelledError()])
async def test_the_rounds_of_conflict_are_few_only_while_a_part_is_tried(error: BaseException) -> None:
    seen: list[int] = []

    async def fails(part: Sequence[int]) -> int:
        if len(part) < 8:
            seen.append(_rounds())
            raise error
        raise ValueError

    one = Isolation()
    try:
        for part in one.parts(range(8)):
            assert _rounds() == 50
            async with part.trying():
                await fails(part.items)
            assert _rounds() == 50
    except CircuitOpen:
        pass
    assert seen[0] == 8
    assert _rounds() == 50


async def test_a_cancellation_while_the_servers_are_asked_ends_it() -> None:
    asked = asyncio.Event()

    async def hangs() -> bool:
        asked.set()
        await asyncio.Event().wait()
        return True

    task = asyncio.ensure_future(_through(8, FakeHandler({0: ValueError()}), Isolation(servers_answer=hangs)))
    await asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_process_may_stop_between_two_tries() -> None:
    one, handler = Isolation(), FakeHandler({5: Unavailable("AutoReconnect code=None")})
    part = next(one.parts(range(8)))
    async with part.trying():
        await handler(part.items)
    one.stopping.set()
    with pytest.raises(Stopping):
        await part.trying().__aenter__()
    assert not part.done
    assert len(handler.parts) == 1
