"""Isolation: one record at fault holds up no other.

Records that fail together are halved until the one at fault is alone. Tried a few times more, it is given up, and the
others go on, in their order. While a server doesn't answer, everything waits and no try counts: a record is never given
up for a server's absence.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import structlog
from aiokafka.errors import (
    CorruptRecordException,
    InvalidTimestampError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    RecordTooLargeError,
    UnsupportedForMessageFormatError,
)

from shared.breaker import Tripped
from shared.clock import pause
from shared.domain.bisection import Bisection
from shared.errors import where
from shared.storage import Unavailable
from shared.worker import Contention, few_rounds

Item = TypeVar("Item")
Result = TypeVar("Result")

_TRIES_TOGETHER = 2
_NO_END = 1 << 30
_PAUSES_ALONE_S = (0.05, 0.15, 0.45)
_FIRST_PAUSE_S = 0.05
# Well below Kafka's max.poll.interval (5 min): a batch that waits longer is fetched anew, which keeps us in the group.
HOLD_S = 60.0
_RECORD_FAULTS = (
    CorruptRecordException,
    InvalidTimestampError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    RecordTooLargeError,
    UnsupportedForMessageFormatError,
)
"""What the broker says of a record. Whatever else it says is its own state: no leader, too few replicas, no right."""
REFUSALS = (*_RECORD_FAULTS, TypeError, ValueError, AssertionError)
"""What publishing a record raises that can't be published as it is; the last three are the client's."""
_log = structlog.get_logger()


class Stopping(Exception):  # noqa: N818 - a state, not a fault
    """The process was asked to stop in the midst of a batch: what is left stays uncommitted and comes again."""


def servers_fault(error: BaseException) -> bool:
    """Whether the error tells of a server's state, which no record is to blame for."""
    if isinstance(error, KafkaError):
        return not isinstance(error, _RECORD_FAULTS)
    return isinstance(error, Unavailable) and not error.by_document


def transient(error: BaseException) -> bool:
    """Whether trying the very same again later can help."""
    if isinstance(error, _RECORD_FAULTS):
        return False
    return isinstance(error, Unavailable | Contention | KafkaError | OSError | TimeoutError)


@dataclass(frozen=True, slots=True)
class Done(Generic[Item, Result]):
    """These items passed together."""

    items: Sequence[Item]
    result: Result


@dataclass(frozen=True, slots=True)
class Failed(Generic[Item]):
    """This item failed alone; `attempts` counts the tries that it was part of."""

    item: Item
    error: BaseException
    attempts: int


_Attempt = Callable[[Sequence[Item]], Awaitable[Result]]
_Told = Done[Item, Result] | Failed[Item]


async def _yes() -> bool:
    return True


@dataclass(slots=True)
class _Tries:
    """The failed tries of one part that count, and how long to pause before the next."""

    alone: bool
    most: int
    cuts: bool = True
    """Whether there is a smaller part to try."""
    failures: int = 0
    _wait_s: float = _FIRST_PAUSE_S
    _deadline: float = field(default_factory=lambda: time.monotonic() + HOLD_S)

    @property
    def is_late(self) -> bool:
        return time.monotonic() > self._deadline

    def count(self, error: BaseException, *, answers: bool) -> bool:
        """Count a failed try, if the servers answered; return whether that was the last."""
        blames_server = self.alone and servers_fault(error)
        self.failures += answers and not blames_server
        # To try the same together again helps neither a conflict, which was tried often by then, nor a bug.
        hopeless = not self.alone and (isinstance(error, Contention) or not transient(error))
        return self.failures >= self.most or (self.failures > 0 and self.cuts and hopeless)

    def pause_s(self, error: BaseException, longest: float) -> float:
        if self.alone and self.failures:
            return _PAUSES_ALONE_S[self.failures - 1] if transient(error) else 0.0
        self._wait_s = min(self._wait_s * 2, longest)
        return self._wait_s


@dataclass(slots=True)
class Isolation:
    """How one worker of this process isolates; it remembers how many records at once passed last."""

    worker: str = ""
    servers_answer: Callable[[], Awaitable[bool]] = _yes
    """Asks the servers themselves. No try counts for which this is false."""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    retry_max_s: float = 5.0
    trying: Callable[[], None] = lambda: None
    """Called before each try."""
    waited: Callable[[], None] = lambda: None
    """Called after a try that a server's absence made void."""
    _most: int = Bisection().most

    async def each(self, items: Sequence[Item], attempt: _Attempt[Item, Result]) -> AsyncIterator[_Told[Item, Result]]:
        """Try `attempt` on all items, in their order and in parts, each of which it may be tried on more than once.

        Raises `Stopping` and `Tripped`, and the last error when a part neither passed nor failed within `HOLD_S`.
        """
        start, tries, search = 0, [0] * len(items), Bisection(self._most)
        told: _Told[Item, Result]
        while start < len(items):
            size = search.size(len(items) - start)
            part = items[start : start + size]
            outcome = await self._insist(part, attempt, cut=search.suspect > 0)
            if isinstance(outcome, Failed):
                tries[start : start + size] = [one + outcome.attempts for one in tries[start : start + size]]
            if isinstance(outcome, Failed) and size > 1:
                search = search.failed(size)
                continue
            if isinstance(outcome, Failed):
                search, told = search.set_aside(), Failed(part[0], outcome.error, tries[start])
            else:
                search, told = search.passed(size), outcome
            start, self._most = start + size, search.most
            yield told

    async def insist(self, attempt: Callable[[], Awaitable[Result]]) -> Result:
        """Try until it passes, where nothing can be set aside. Raises `Stopping`, and the error after `HOLD_S`."""
        tries = _Tries(alone=False, most=_NO_END, cuts=False)
        while True:
            self.trying()
            try:
                return await attempt()
            except (Tripped, Stopping):
                raise
            except Exception as error:
                await self._failed(error, 0, tries)
                if tries.is_late:
                    raise
                seconds = tries.pause_s(error, self.retry_max_s)
            await self._pause(seconds)

    async def _insist(
        self, part: Sequence[Item], attempt: _Attempt[Item, Result], *, cut: bool
    ) -> Done[Item, Result] | Failed[Sequence[Item]]:
        """Try until it passes, or has failed often enough while the servers answered."""
        alone = len(part) == 1
        tries = _Tries(alone, len(_PAUSES_ALONE_S) + 1 if alone else 1 if cut else _TRIES_TOGETHER)
        while True:
            self.trying()
            try:
                with few_rounds(when=cut and not alone):
                    return Done(part, await attempt(part))
            except (Tripped, Stopping):
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
        """Tell of a failed try; return whether it was the last."""
        answers = await self.servers_answer()
        told = f"{type(error).__name__}: {error}" if isinstance(error, Unavailable) else where(error)
        event = "batch.failed" if answers else "batch.waits"
        _log.warning(event, worker=self.worker, records=records, error=told)
        if not answers:
            self.waited()
        return tries.count(error, answers=answers)

    async def _pause(self, seconds: float) -> None:
        await pause(self.stopping, seconds)
        if self.stopping.is_set():
            raise Stopping


def _unless_cancelled(error: BaseException) -> None:
    """Raise a cancellation of the running task; one that an `attempt` let out by mistake is an error like any other."""
    task = asyncio.current_task()
    if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
        raise error
