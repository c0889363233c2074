"""The clock and waiting. All code gets the time from a `Clock`, which tests replace."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import UTC, datetime

from shared.domain.moments import truncate_to_ms

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """Return now in UTC, cut to milliseconds as MongoDB keeps it."""
    return truncate_to_ms(datetime.now(UTC))


async def pause(stopping: asyncio.Event, seconds: float) -> None:
    """Wait for `seconds`, or until `stopping` is set."""
    try:
        await asyncio.wait_for(stopping.wait(), seconds)
    except TimeoutError:
        return


async def run_until(stopping: asyncio.Event, work: Coroutine[object, object, object]) -> None:
    """Run `work`; cancel it when `stopping` is set. Raises what `work` raises."""
    working, waiting = asyncio.create_task(work), asyncio.create_task(stopping.wait())
    await asyncio.wait((working, waiting), return_when=asyncio.FIRST_COMPLETED)
    for task in (working, waiting):
        task.cancel()
    with suppress(asyncio.CancelledError):
        await working
