"""Rate limits of all gateway processes together, taken in blocks from the database.

A block is a twentieth of the limit per minute, so few requests need a round trip. A process loses the unused rest of a
block at the end of the minute. Without the database a process counts alone: accepting captures matters more than an
exact limit.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field

import structlog

from services.gateway.auth import key_store
from services.gateway.auth.domain.principals import HttpProblem
from shared.clock import Clock
from shared.mongo.storage import Storage, Unavailable

_BLOCKS = 20
_REMEMBERED = 10_000
PATIENCE_S = 0.5
"""Seconds that a request waits for the database. Counting and publishing work without it."""
_log = structlog.get_logger()


@dataclass(slots=True)
class _Share:
    minute: int = -1
    left: int = 0
    exhausted: bool = False
    taking: asyncio.Lock = field(default_factory=asyncio.Lock)


class RateLimits:
    """The requests that this process may still accept."""

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage, self._clock = storage, clock
        self._shares: OrderedDict[str, _Share] = OrderedDict()

    async def spend(self, who: str, per_minute: int) -> None:
        """Count one request of `who`. Raises `HttpProblem` (429) above the limit."""
        now = self._clock().timestamp()
        minute = int(now // 60)
        share = self._share(who)
        if not (share.minute == minute and (share.left or share.exhausted)):
            async with share.taking:
                # The task that had the lock before may have taken a block.
                if not (share.minute == minute and (share.left or share.exhausted)):
                    await self._take(share, who, minute, per_minute)
        if share.exhausted and not share.left:
            seconds = 60 - int(now % 60)
            raise HttpProblem(429, "Too many requests: please slow down.", {"Retry-After": str(seconds)})
        share.left -= 1

    def _share(self, who: str) -> _Share:
        share = self._shares.setdefault(who, _Share())
        self._shares.move_to_end(who)
        if len(self._shares) > _REMEMBERED:
            self._shares.popitem(last=False)
        return share

    async def _take(self, share: _Share, who: str, minute: int, per_minute: int) -> None:
        block = max(1, per_minute // _BLOCKS)
        try:
            taken = await asyncio.wait_for(
                key_store.take_requests(self._storage, who, minute, per_minute, block), PATIENCE_S
            )
        except (Unavailable, TimeoutError):
            _log.warning("rate_limits.local_only")
            # For the whole minute, so that not every request waits for a database that is away.
            taken = per_minute
        share.minute, share.left, share.exhausted = minute, taken, taken < block
