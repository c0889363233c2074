"""Watches the leads of deferred commands, to judge these as soon as the status changes.

The stored rows decide: each is judged when its patience ends, watched or not. This memory is bounded and ends with the
process. A command that it forgot only waits out its patience.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shared.clock import Clock, pause
from shared.kafka.events import Deferred
from shared.mongo.names import LEADS
from shared.mongo.storage import Storage

LEADS_MAX = 1_000
"""Most leads that a process watches. Others' commands are judged when patience ends."""
_PAUSE_S = 0.1
# Reading the leads may take a tenth of the time at most.
_REST = 9


@dataclass(slots=True)
class StatusWatch:
    """The leads of deferred commands: the status that forbade the first, when the last ends."""

    storage: Storage
    clock: Clock
    patience: timedelta
    _leads: dict[str, tuple[str, datetime]] = field(default_factory=dict)
    _added: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, deferred: Iterable[Deferred]) -> None:
        """Watch the leads of these commands."""
        ends = self.clock() + self.patience
        for one in deferred:
            lead_id = one.received.payload.lead_id
            status, _ = self._leads.get(lead_id, (one.status, ends))
            if lead_id in self._leads or len(self._leads) < LEADS_MAX:
                self._leads[lead_id] = status, ends
        self._added.set()

    async def pop_changed(self) -> set[str]:
        """Return the names of leads whose status changed, and stop watching them."""
        now = self.clock()
        self._leads = {lead_id: (status, ends) for lead_id, (status, ends) in self._leads.items() if ends > now}
        found = await self.storage.read(LEADS, list(self._leads), fields=("status",))
        changed = {lead_id for lead_id, lead in found.items() if self._has_changed(lead_id, lead["status"])}
        for lead_id in changed:
            self._leads.pop(lead_id, None)
        return {f"lead:{lead_id}" for lead_id in changed}

    def _has_changed(self, lead_id: str, status: str) -> bool:
        return lead_id in self._leads and self._leads[lead_id][0] != status

    async def run(self, take: Callable[[set[str]], Awaitable[object]], stopping: asyncio.Event) -> None:
        """Call `take` with the names of leads whose status changed, until `stopping` is set."""
        while not stopping.is_set():
            started = time.monotonic()
            names = await self.pop_changed()
            if names:
                await take(names)
            if self._leads:
                await pause(stopping, max(_PAUSE_S, _REST * (time.monotonic() - started)))
            else:
                await self._wait_for_more(stopping)

    async def _wait_for_more(self, stopping: asyncio.Event) -> None:
        self._added.clear()
        waits = [asyncio.ensure_future(event.wait()) for event in (self._added, stopping)]
        await asyncio.wait(waits, return_when="FIRST_COMPLETED")
        for wait in waits:
            wait.cancel()
