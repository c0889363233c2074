"""Rows with a time of their own, which says when a row wants attention next, whichever process gives it: `wakeAt`.

A row is taken under a lease: `wakeAt` moves to the lease's end, guarded by what it was. Who took it and died is
followed by another once the lease ends.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from shared.clock import Clock
from shared.storage import Change, Document, Storage

# Rows that another process stored and then, being killed, never woke anybody for; also what a moved clock costs.
_LONGEST_SLEEP_S = 5.0


async def find(
    storage: Storage, collection: str, now: datetime, most: int, query: Mapping[str, Any] | None = None
) -> list[Document]:
    """Up to `most` rows that want attention now, the longest waiting first; `query` narrows by an index's fields."""
    wanted = {**(query or {}), "wakeAt": {"$lte": now}}
    return await storage.find(collection, wanted, sort=(("wakeAt", 1),), limit=most)


async def claim(  # noqa: PLR0913 - what, when, for how long
    storage: Storage,
    collection: str,
    now: datetime,
    lease: timedelta,
    most: int,
    query: Mapping[str, Any] | None = None,
) -> list[Document]:
    """Take up to `most` due rows until the lease ends; those that another process was faster at are left out."""
    rows = await find(storage, collection, now, most, query)
    hold = {"claim": uuid.uuid4().hex, "wakeAt": now + lease}
    if await storage.change(
        collection, [Change(row["_id"], {"wakeAt": row["wakeAt"]}, {"$set": hold}) for row in rows]
    ):
        return [{**row, **hold} for row in rows]
    held = await storage.read(collection, (row["_id"] for row in rows))
    return [row for row in held.values() if row.get("claim") == hold["claim"]]


class Alarm:
    """Calls `take` while it says that there was something, then sleeps until the next row of `collection` is due.

    `field` holds the rows' time, and `query` narrows to some of them; an index must serve both.
    """

    def __init__(  # noqa: PLR0913 - where the time stands, and what to do then
        self,
        storage: Storage,
        clock: Clock,
        collection: str,
        take: Callable[[], Awaitable[int]],
        query: Mapping[str, Any] | None = None,
        field: str = "wakeAt",
    ) -> None:
        self._storage, self._clock, self._collection, self._field = storage, clock, collection, field
        self.take, self._query = take, query or {}
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Look now: something may be due sooner than known."""
        self._woken.set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Take what is due, sleep, and so on until told to stop."""
        while not stopping.is_set():
            self._woken.clear()
            if not await self.take():
                await self._sleep(stopping)

    async def _sleep(self, stopping: asyncio.Event) -> None:
        now = self._clock()
        soon = {**self._query, self._field: {"$lte": now + timedelta(seconds=_LONGEST_SLEEP_S)}}
        due = await self._storage.earliest(self._collection, self._field, soon)
        seconds = (due - now).total_seconds() if due else _LONGEST_SLEEP_S
        waits = [asyncio.ensure_future(event.wait()) for event in (self._woken, stopping)]
        await asyncio.wait(waits, timeout=max(seconds, 0.001), return_when="FIRST_COMPLETED")
        for wait in waits:
            wait.cancel()
