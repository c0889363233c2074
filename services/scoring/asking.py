"""Asking for new scores where no event from outside does, a page at a time: live events never have more before them.

Requests go by `leads.rescore`, so that Kafka keeps them and the scoring of a lead has one way in. Whatever asks finds
what it asks for in the database, and finds it again if the request was lost.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import structlog

from schemas.outputs import RescoreRequested
from schemas.topics import RESCORE
from services.scoring import store
from shared.collections import LEADS
from shared.domain.ids import derive
from shared.due import Alarm
from shared.errors import where
from shared.events import Cause, Outgoing, emit
from shared.storage import Document
from shared.worker import Runtime

PAGE = 200
LOOK_S = 0.25
# What isn't scored by then (a worker that is away, or has an older rules file) doesn't keep back what can be.
_PATIENCE = timedelta(seconds=10)
_MOST_PATIENCE = timedelta(seconds=40)
# Half a minute, so that a score follows within the whole one though the process that asked for it died.
_HELD = timedelta(seconds=30)
_log = structlog.get_logger()


class Requests:
    """The requests that one asker has under way."""

    def __init__(self, runtime: Runtime, worker: str, reason: str) -> None:
        """`reason` is what `leads.scored` will tell."""
        self._runtime, self._worker, self._reason = runtime, worker, reason
        self._waiting: dict[str, int] = {}
        self._asked = 0
        self._patience, self._since = _PATIENCE, runtime.clock()

    @property
    def scored(self) -> int:
        """How many of those asked for last were scored."""
        return self._asked - len(self._waiting)

    async def ask(self, leads: Sequence[Document]) -> None:
        """Ask for a score of each of these leads, of which the number of their last scoring is known."""
        self._since = self._runtime.clock()
        requests = {lead["_id"]: request for lead in leads if (request := self._request(lead))}
        await self._runtime.publisher.publish(self._worker, list(requests.values()))
        self._waiting = {lead["_id"]: lead["scoring"]["seq"] for lead in leads if lead["_id"] in requests}
        self._asked = len(requests)

    async def under_way(self) -> bool:
        """Whether some of those asked for last are still to be scored, and have not had time enough."""
        if not self._waiting:
            return False
        self._waiting = await store.unscored(self._runtime.storage, self._waiting)
        if self._waiting and self._runtime.clock() < self._since + self._patience:
            return True
        self._patience = _PATIENCE if self.scored else min(self._patience * 2, _MOST_PATIENCE)
        return False

    def _request(self, lead: Document) -> Outgoing | None:
        """The request; None for a lead that none can be made of, which holds up no other."""
        try:
            return self._request_of(lead)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one lead, the others are asked for
            _log.error("request.failed", worker=self._worker, lead=lead["_id"], error=where(error))
            return None

    def _request_of(self, lead: Document) -> Outgoing:
        # The same state of a lead, asked for twice, is one request: its id says which scoring it wants to replace.
        key = derive("rescore", self._reason, lead["_id"], str(lead["scoring"]["seq"]))
        request = RescoreRequested(lead_id=lead["_id"], reason=self._reason)
        cause, source = Cause(key, key, key), f"/services/{self._worker}"
        return emit(RESCORE, request, cause=cause, key=lead["_id"], source=source, at=self._since)


class Ageing:
    """Asks for leads whose score time alone has changed; `alarm` runs it."""

    def __init__(self, runtime: Runtime, worker: str) -> None:
        self._runtime = runtime
        self._requests = Requests(runtime, worker, "activity_aged")
        self.alarm = Alarm(runtime.storage, runtime.clock, LEADS, self.ask, field=store.AGES_AT)

    async def ask(self) -> int:
        """Ask for a page of what is due, unless the last one is still under way; 0 when nothing is."""
        if await self._requests.under_way():
            await asyncio.sleep(LOOK_S)
            return PAGE
        now = self._runtime.clock()
        due = await store.aged(self._runtime.storage, now, PAGE)
        await self._requests.ask(await store.hold(self._runtime.storage, due, now + _HELD))
        return len(due)
