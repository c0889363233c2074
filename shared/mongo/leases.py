"""Rows that are due at their `wakeAt`, and the leases under which one process takes them.

A process takes a row by moving `wakeAt` to the end of its lease, guarded by the old value.

Crash after the lease → the row is leased → another process takes it when the lease ends.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import cast

from shared.clock import Clock
from shared.mongo.names import AnyCollection, CollectionName, D
from shared.mongo.storage import Change, Storage

# A poller sleeps no longer: another process may store a row and crash before it wakes this one.
_LONGEST_SLEEP_S = 5.0


async def find(
    storage: Storage,
    collection: CollectionName[D],
    now: datetime,
    most: int,
    query: Mapping[str, object] | None = None,
) -> list[D]:
    """Return up to `most` due rows, oldest first. An index must serve `query` and `wakeAt`."""
    wanted = {**(query or {}), "wakeAt": {"$lte": now}}
    return await storage.find(collection, wanted, sort=(("wakeAt", 1),), limit=most)


async def acquire_lease(  # noqa: PLR0913 - what, when, for how long
    storage: Storage,
    collection: CollectionName[D],
    now: datetime,
    lease: timedelta,
    most: int,
    query: Mapping[str, object] | None = None,
) -> list[D]:
    """Lease up to `most` due rows; return those that no other process took first."""
    rows = await find(storage, collection, now, most, query)
    lease_fields = {"claim": uuid.uuid4().hex, "wakeAt": now + lease}
    if await storage.change(
        collection, [Change(str(row["_id"]), {"wakeAt": row["wakeAt"]}, {"$set": lease_fields}) for row in rows]
    ):
        # A row that waits has both fields by its type; a copy of it loses that type.
        return [cast("D", {**row, **lease_fields}) for row in rows]
    stored = await storage.read(collection, (str(row["_id"]) for row in rows))
    return [row for row in stored.values() if row.get("claim") == lease_fields["claim"]]


class DuePoller:
    """Calls `take` until it returns 0, then sleeps until the next row of `collection` is due.

    `field` is the rows' time; `query` returns what selects some rows now. An index must serve both.
    """

    def __init__(  # noqa: PLR0913 - which rows, and what to do with them
        self,
        storage: Storage,
        clock: Clock,
        collection: AnyCollection,
        take: Callable[[], Awaitable[int]],
        query: Callable[[], Mapping[str, object]] = dict,
        field: str = "wakeAt",
    ) -> None:
        self._storage, self._clock, self._collection, self._field = storage, clock, collection, field
        self.take, self._query = take, query
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Call `take` now: a row may be due earlier than this poller knows."""
        self._woken.set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Poll until `stopping` is set."""
        while not stopping.is_set():
            self._woken.clear()
            if not await self.take():
                await self._sleep(stopping)

    async def _sleep(self, stopping: asyncio.Event) -> None:
        now = self._clock()
        soon = {**self._query(), self._field: {"$lte": now + timedelta(seconds=_LONGEST_SLEEP_S)}}
        due = await self._storage.earliest(self._collection, self._field, soon)
        seconds = (due - now).total_seconds() if due else _LONGEST_SLEEP_S
        waits = [asyncio.ensure_future(event.wait()) for event in (self._woken, stopping)]
        await asyncio.wait(waits, timeout=max(seconds, 0.001), return_when="FIRST_COMPLETED")
        for wait in waits:
            wait.cancel()
