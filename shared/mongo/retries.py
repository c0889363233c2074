"""Repeats compare-and-set writes until no other writer interferes."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

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


def retry_on_conflict() -> AsyncIterator[int]:
    """Return rounds to read, decide and write by compare-and-set; break once all is written.

        async for _ in retry_on_conflict():
            found = await read()
            if await write(decide(found)):
                break

    A round that finds an earlier round's write must take it as done. Raises `Contention` after too many rounds.
    """
    return _Rounds(_rounds.get())


@dataclass(slots=True)
class _Rounds:
    """An iterator, not a generator: one that the caller leaves early has nothing to close."""

    most: int
    begun: int = 0

    def __aiter__(self) -> "_Rounds":
        return self

    async def __anext__(self) -> int:
        round_ = self.begun
        if round_:
            structlog.get_logger().debug("write.contended", round=round_ - 1)
            await asyncio.sleep(0.002 * (round_ - 1))
        if round_ == self.most:
            raise Contention(f"{self.most} rounds of read and write all met another writer")
        self.begun += 1
        return round_
