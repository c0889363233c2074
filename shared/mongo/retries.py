"""Repeats compare-and-set writes until no other writer interferes."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import structlog

from shared.errors import Transient

_ROUNDS = 50
_FEW_ROUNDS = 8
_rounds: ContextVar[int] = ContextVar("rounds", default=_ROUNDS)


class Contention(Transient):
    """Other writers changed the same documents in every round. The batch may pass later."""

    by_record = True


@contextmanager
def few_rounds(*, when: bool) -> Iterator[None]:
    """If `when`, make `retry_on_conflict` give up after 8 rounds: the caller has other parts."""
    token = _rounds.set(_FEW_ROUNDS if when else _rounds.get())
    try:
        yield
    finally:
        _rounds.reset(token)


async def retry_on_conflict(attempt: Callable[[], Awaitable[bool]]) -> None:
    """Repeat `attempt` (read, decide, write by compare-and-set) until it returns True.

    An attempt that finds its own earlier write must take it as done. Raises `Contention` after too many rounds.
    """
    rounds = _rounds.get()
    for round_ in range(rounds):
        if await attempt():
            return
        structlog.get_logger().debug("write.contended", round=round_)
        await asyncio.sleep(0.002 * round_)
    raise Contention(f"{rounds} rounds of read and write all met another writer")
