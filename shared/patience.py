"""Whose status deferred commands wait for, as far as this process remembers: so they are judged as soon as it changes.

The rows in the database hold the truth, and each is judged at the end of its patience whatever is remembered here. So
what this forgets (it is bounded, and dies with the process) costs a command its patience, and nothing else.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shared.clock import Clock, pause
from shared.collections import LEADS
from shared.events import Deferred
from shared.storage import Storage

LEADS_MAX = 1_000
"""Leads that a process looks at. A flood of forbidden commands beyond them is judged at the end of its patience."""
_PAUSE_S = 0.1
# Looking at leads may take a tenth of the time, however many they are.
_REST = 9


@dataclass(slots=True)
class StatusWatch:
    """The leads of deferred commands, each with the status that forbade the first, and when the last gives up."""

    storage: Storage
    clock: Clock
    patience: timedelta
    _leads: dict[str, tuple[str, datetime]] = field(default_factory=dict)
    _added: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, deferred: Iterable[Deferred]) -> None:
        """Look at the leads of these commands from now on."""
        ends = self.clock() + self.patience
        for one in deferred:
            lead_id = one.received.payload.lead_id
            status, _ = self._leads.get(lead_id, (one.status, ends))
            if lead_id in self._leads or len(self._leads) < LEADS_MAX:
                self._leads[lead_id] = status, ends
        self._added.set()

    async def changed(self) -> set[str]:
        """The names of leads whose status is another now; they are looked at no more."""
        now = self.clock()
        self._leads = {lead_id: (status, ends) for lead_id, (status, ends) in self._leads.items() if ends > now}
        found = await self.storage.read(LEADS, list(self._leads), fields=("status",))
        changed = {lead_id for lead_id, lead in found.items() if self._is_news(lead_id, lead["status"])}
        for lead_id in changed:
            self._leads.pop(lead_id, None)
        return {f"lead:{lead_id}" for lead_id in changed}

    def _is_news(self, lead_id: str, status: str) -> bool:
        return lead_id in self._leads and self._leads[lead_id][0] != status

    async def run(self, take: Callable[[set[str]], Awaitable[object]], stopping: asyncio.Event) -> None:
        """Give `take` the names of leads whose status changed, while there are any to look at."""
        while not stopping.is_set():
            began = time.monotonic()
            names = await self.changed()
            if names:
                await take(names)
            if self._leads:
                await pause(stopping, max(_PAUSE_S, _REST * (time.monotonic() - began)))
            else:
                await self._more(stopping)

    async def _more(self, stopping: asyncio.Event) -> None:
        self._added.clear()
        waits = [asyncio.ensure_future(event.wait()) for event in (self._added, stopping)]
        await asyncio.wait(waits, return_when="FIRST_COMPLETED")
        for wait in waits:
            wait.cancel()
