"""Rate limits that gateway processes share: each takes blocks of a minute's requests from the database.

A block is a twentieth of the limit, so a request seldom costs a round trip; what a process took and didn't use is lost
for that minute. Without the database a process counts by itself: captures matter more than an exact limit.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field

import structlog

from services.gateway import store
from services.gateway.access import Refused
from shared.clock import Clock
from shared.storage import Storage, Unavailable

_BLOCKS = 20
_REMEMBERED = 10_000
PATIENCE_S = 0.5
"""How long a request waits for the database. It can do without, and what it is let in for is Kafka."""
_log = structlog.get_logger()


@dataclass(slots=True)
class _Share:
    minute: int = -1
    left: int = 0
    exhausted: bool = False
    taking: asyncio.Lock = field(default_factory=asyncio.Lock)


class Limits:
    """What this process may still let through."""

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage, self._clock = storage, clock
        self._shares: OrderedDict[str, _Share] = OrderedDict()

    async def spend(self, who: str, per_minute: int) -> None:
        """Count one request of `who`. Raises `Refused` (429) when it is one too many."""
        now = self._clock().timestamp()
        minute = int(now // 60)
        share = self._share(who)
        if not (share.minute == minute and (share.left or share.exhausted)):
            async with share.taking:
                # Whoever waited here finds what the one before it took.
                if not (share.minute == minute and (share.left or share.exhausted)):
                    await self._take(share, who, minute, per_minute)
        if share.exhausted and not share.left:
            seconds = 60 - int(now % 60)
            raise Refused(429, "Too many requests: please slow down.", {"Retry-After": str(seconds)})
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
            taken = await asyncio.wait_for(store.take(self._storage, who, minute, per_minute, block), PATIENCE_S)
        except (Unavailable, TimeoutError):
            _log.warning("limits.alone")
            # For the whole minute: a database that is away isn't asked again at each request.
            taken = per_minute
        share.minute, share.left, share.exhausted = minute, taken, taken < block
