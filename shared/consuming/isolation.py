"""Isolation: one record at fault holds up no other.

`Isolation` halves records that fail together until the one at fault is alone. It tries that one a few times more and
gives it up. Then it goes on with the others, in their order.

While a server doesn't answer, it waits and counts no try: no record is given up because a server is away.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import structlog

from shared.clock import pause
from shared.domain.operations.bisection import Bisection
from shared.errors import Stop, Transient
from shared.mongo.retries import Contention, few_rounds
from shared.mongo.storage import Unavailable
from shared.observability.error_places import where

Item = TypeVar("Item")
Result = TypeVar("Result")

_TRIES_TOGETHER = 2
_NO_END = 1 << 30
_PAUSES_ALONE_S = (0.05, 0.15, 0.45)
_FIRST_PAUSE_S = 0.05
# Well below Kafka's max.poll.interval (5 min). Fetching a batch again after that keeps the consumer in its group.
HOLD_S = 60.0
_log = structlog.get_logger()


class Stopping(Stop):
    """The process stops within a batch. What is left stays uncommitted and is delivered again."""


@dataclass(frozen=True, slots=True)
class Failed(Generic[Item]):
    """This item failed alone. `attempts` counts the tries that included it."""

    item: Item
    error: BaseException
    attempts: int


async def _yes() -> bool:
    return True


@dataclass(slots=True)
class _Tries:
    """The failed tries of one part, and how long to pause before the next."""

    alone: bool
    most: int
    cuts: bool = True
    """Whether a smaller part can be tried."""
    failures: int = 0
    _wait_s: float = _FIRST_PAUSE_S
    _deadline: float = field(default_factory=lambda: time.monotonic() + HOLD_S)

    @property
    def is_late(self) -> bool:
        return time.monotonic() > self._deadline

    def count(self, error: BaseException, *, answers: bool) -> bool:
        """Count a failed try if the servers answered; return whether it was the last."""
        blames_server = self.alone and isinstance(error, Transient) and not error.by_record
        self.failures += answers and not blames_server
        # Trying the same part again helps neither a bug nor a conflict, which has been retried often already.
        hopeless = not self.alone and (isinstance(error, Contention) or not isinstance(error, Transient))
        return self.failures >= self.most or (self.failures > 0 and self.cuts and hopeless)

    def pause_s(self, error: BaseException, longest: float) -> float:
        if self.alone and self.failures:
            return _PAUSES_ALONE_S[self.failures - 1] if isinstance(error, Transient) else 0.0
        self._wait_s = min(self._wait_s * 2, longest)
        return self._wait_s


@dataclass(slots=True)
class Isolation:
    """One worker's isolation in this process. It remembers how many records passed at once."""

    worker: str = ""
    servers_answer: Callable[[], Awaitable[bool]] = _yes
    """Asks the servers. A try counts only if this returns True."""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    retry_max_s: float = 5.0
    on_try: Callable[[], None] = lambda: None
    """Called before each try."""
    on_wait: Callable[[], None] = lambda: None
    """Called after a try that does not count because a server is away."""
    most: int = Bisection().most
    """How many records to try at once."""

    def parts(self, items: Sequence[Item]) -> "Iterator[BatchPart[Item]]":
        """Yield parts to try, in the items' order, until each item passed or failed alone.

            for part in isolation.parts(items):
                async with part.trying():
                    await handle(part.items)

        A part that fails comes again, or in halves. So an item may be handled more than once.
        """
        start, failures, search = 0, [0] * len(items), Bisection(self.most)
        while start < len(items):
            size = search.size(len(items) - start)
            part = BatchPart(items[start : start + size], self, search, failures[start])
            while part.next is None:
                yield part
            failures[start : start + size] = [one + part.failures for one in failures[start : start + size]]
            search, start = part.next, start + (size if part.done else 0)

    async def retry(self, attempt: Callable[[], Awaitable[Result]]) -> Result:
        """Repeat `attempt` until it passes. Raises `Stopping`, and its error after `HOLD_S`."""
        tries = _Tries(alone=False, most=_NO_END, cuts=False)
        while True:
            self.on_try()
            try:
                return await attempt()
            except Stop:
                raise
            except Exception as error:
                await self.count(error, 0, tries)
                if tries.is_late:
                    raise
                seconds = tries.pause_s(error, self.retry_max_s)
            await self.wait(seconds)

    async def count(self, error: BaseException, records: int, tries: _Tries) -> bool:
        """Log and count a failed try; return whether it was the last."""
        answers = await self.servers_answer()
        text = f"{type(error).__name__}: {error}" if isinstance(error, Unavailable) else where(error)
        _log.warning("batch.failed" if answers else "batch.retrying", worker=self.worker, records=records, error=text)
        if not answers:
            self.on_wait()
        return tries.count(error, answers=answers)

    async def wait(self, seconds: float) -> None:
        """Pause before the next try. Raises `Stopping`."""
        await pause(self.stopping, seconds)
        if self.stopping.is_set():
            raise Stopping


@dataclass(slots=True)
class BatchPart(Generic[Item]):
    """Items to try together, and what became of them."""

    items: Sequence[Item]
    _isolation: Isolation
    _search: Bisection
    _failures_before: int
    """How often its first item failed in larger parts."""
    next: Bisection | None = None
    """How the search goes on; None while this part is to be tried again."""
    done: bool = False
    """Whether the items have their outcome: they passed, or the only one failed."""
    failed: Failed[Item] | None = None
    """The item that failed alone."""
    _tries: _Tries = field(init=False)
    _pause_s: float | None = None

    def __post_init__(self) -> None:
        alone, cut = len(self.items) == 1, self._search.suspect > 0
        self._tries = _Tries(alone, len(_PAUSES_ALONE_S) + 1 if alone else 1 if cut else _TRIES_TOGETHER)

    @property
    def failures(self) -> int:
        """How many tries failed."""
        return self._tries.failures

    @property
    def is_suspected(self) -> bool:
        """Whether one of the items may be at fault."""
        return self._search.suspect > 0 or self.failures > 0

    @asynccontextmanager
    async def trying(self) -> AsyncIterator[None]:
        """Try the items in the body; keep its error.

        Raises `Stop`, a cancellation of this task, and the error of a part that took longer than `HOLD_S`.
        """
        if self._pause_s is not None:
            await self._isolation.wait(self._pause_s)
        self._isolation.on_try()
        began = time.monotonic()
        try:
            with few_rounds(when=self._search.suspect > 0 and not self._tries.alone):
                yield
        except Stop:
            raise
        except (Exception, asyncio.CancelledError) as error:
            _unless_cancelled(error)
            if await self._isolation.count(error, len(self.items), self._tries):
                self._give_up(error)
            elif self._tries.is_late:
                raise
            else:
                self._pause_s = self._tries.pause_s(error, self._isolation.retry_max_s)
        else:
            self._end(self._search.passed(len(self.items), time.monotonic() - began))

    def _give_up(self, error: BaseException) -> None:
        if self._tries.alone:
            self.failed = Failed(self.items[0], error, self._failures_before + self.failures)
            self._end(self._search.set_aside())
        else:
            self.next = self._search.failed(len(self.items))

    def _end(self, search: Bisection) -> None:
        self.next, self.done = search, True
        self._isolation.most = search.most


def _unless_cancelled(error: BaseException) -> None:
    """Raise a cancellation of this task. A cancellation that a handler leaks is an error."""
    task = asyncio.current_task()
    if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
        raise error
