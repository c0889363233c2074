"""Time enters here, and nowhere else, so that a test can travel."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

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
