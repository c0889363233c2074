"""Isolation: one record at fault holds up no other.

`Isolation` halves records that fail together until the one at fault is alone. It tries that one a few times more and
gives it up. Then it goes on with the others, in their order.

While a server doesn't answer, it waits and counts no try: no record is given up because a server is away.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
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
class Passed(Generic[Item, Result]):
    """These items passed together, with this result."""

    items: Sequence[Item]
    result: Result


@dataclass(frozen=True, slots=True)
class Failed(Generic[Item]):
    """This item failed alone. `attempts` counts the tries that included it."""

    item: Item
    error: BaseException
    attempts: int


_Attempt = Callable[[Sequence[Item]], Awaitable[Result]]
_Outcome = Passed[Item, Result] | Failed[Item]


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
    _most: int = Bisection().most

    async def each(
        self, items: Sequence[Item], attempt: _Attempt[Item, Result]
    ) -> AsyncIterator[_Outcome[Item, Result]]:
        """Try `attempt` on all items, in order and in parts. It may get an item more than once.

        Raises `Stopping` and `CircuitOpen`, and the last error when a part neither passed nor failed within `HOLD_S`.
        """
        start, tries, search = 0, [0] * len(items), Bisection(self._most)
        outcome: _Outcome[Item, Result]
        while start < len(items):
            size = search.size(len(items) - start)
            part = items[start : start + size]
            result = await self._try_part(part, attempt, cut=search.suspect > 0)
            if isinstance(result, Failed):
                tries[start : start + size] = [one + result.attempts for one in tries[start : start + size]]
            if isinstance(result, Failed) and size > 1:
                search = search.failed(size)
                continue
            if isinstance(result, Failed):
                search, outcome = search.set_aside(), Failed(part[0], result.error, tries[start])
            else:
                search, outcome = search.passed(size), result
            start, self._most = start + size, search.most
            yield outcome

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
                await self._failed(error, 0, tries)
                if tries.is_late:
                    raise
                seconds = tries.pause_s(error, self.retry_max_s)
            await self._pause(seconds)

    async def _try_part(
        self, part: Sequence[Item], attempt: _Attempt[Item, Result], *, cut: bool
    ) -> Passed[Item, Result] | Failed[Sequence[Item]]:
        """Repeat `attempt` on this part until it passes, or has failed too often."""
        alone = len(part) == 1
        tries = _Tries(alone, len(_PAUSES_ALONE_S) + 1 if alone else 1 if cut else _TRIES_TOGETHER)
        while True:
            self.on_try()
            try:
                with few_rounds(when=cut and not alone):
                    return Passed(part, await attempt(part))
            except Stop:
                raise
            except (Exception, asyncio.CancelledError) as error:
                _unless_cancelled(error)
                if await self._failed(error, len(part), tries):
                    return Failed(part, error, tries.failures)
                if tries.is_late:
                    raise
                seconds = tries.pause_s(error, self.retry_max_s)
            await self._pause(seconds)

    async def _failed(self, error: BaseException, records: int, tries: _Tries) -> bool:
        """Log a failed try; return whether it was the last."""
        answers = await self.servers_answer()
        text = f"{type(error).__name__}: {error}" if isinstance(error, Unavailable) else where(error)
        _log.warning("batch.failed" if answers else "batch.retrying", worker=self.worker, records=records, error=text)
        if not answers:
            self.on_wait()
        return tries.count(error, answers=answers)

    async def _pause(self, seconds: float) -> None:
        await pause(self.stopping, seconds)
        if self.stopping.is_set():
            raise Stopping


def _unless_cancelled(error: BaseException) -> None:
    """Raise a cancellation of this task. A cancellation that an `attempt` leaks is an error."""
    task = asyncio.current_task()
    if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
        raise error
