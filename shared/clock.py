"""Time enters here, and nowhere else, so that a test can travel."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from shared.domain.moments import stored

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """Now, in UTC, as exact as the store keeps it."""
    return stored(datetime.now(UTC))


async def pause(stopping: asyncio.Event, seconds: float) -> None:
    """Wait, but no longer than until told to stop."""
    try:
        await asyncio.wait_for(stopping.wait(), seconds)
    except TimeoutError:
        return


async def unless(told: asyncio.Event, work: Coroutine[Any, Any, Any]) -> None:
    """Do `work`, but leave it where it is once `told` is set. Raises what `work` raises."""
    working, waiting = asyncio.create_task(work), asyncio.create_task(told.wait())
    await asyncio.wait((working, waiting), return_when=asyncio.FIRST_COMPLETED)
    for task in (working, waiting):
        task.cancel()
    with suppress(asyncio.CancelledError):
        await working
