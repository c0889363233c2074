"""Requests for new scores without an outside event, a page at a time.

So live events wait for one page at most.

Requests go through `leads.rescore`: Kafka keeps them, and all scoring has one entry.
Crash before Kafka has the request → the database still shows the outdated score → the next search requests it again.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import structlog

from schemas.outputs import RescoreRequested
from schemas.topics import RESCORE
from services.scoring import store
from services.scoring.domain.decide import RuleSet, rule_set
from shared.config import Reloading
from shared.consuming.worker import Runtime
from shared.domain.ids import derive
from shared.domain.stored.lead_document import LeadDocument
from shared.kafka.events import Cause, Outgoing, emit
from shared.mongo.leases import DuePoller
from shared.mongo.names import LEADS
from shared.observability.error_places import where

PAGE = 200
POLL_S = 0.25
# Some leads aren't scored in time: a worker is down, or has an older rules file. The next page doesn't wait for them.
_PATIENCE = timedelta(seconds=10)
_PATIENCE_MAX = timedelta(seconds=40)
# Half a minute: if the requesting process dies, the score still changes within a minute.
_RETRY_AFTER = timedelta(seconds=30)
_log = structlog.get_logger()


class RescoreRequests:
    """The page of requests that one part of the worker has in progress."""

    def __init__(self, runtime: Runtime, worker: str, reason: str) -> None:
        """`reason` goes into `leads.scored`."""
        self._runtime, self._worker, self._reason = runtime, worker, reason
        self._unscored: dict[str, int] = {}
        self._requested = 0
        self._patience, self._since = _PATIENCE, runtime.clock()

    @property
    def scored(self) -> int:
        """The number of leads of the last page that are scored."""
        return self._requested - len(self._unscored)

    async def request_page(self, leads: Sequence[LeadDocument]) -> None:
        """Publish a request for each of these leads; they need `scoring.seq`."""
        self._since = self._runtime.clock()
        requests = {lead["_id"]: request for lead in leads if (request := self._request(lead))}
        await self._runtime.publisher.publish(self._worker, list(requests.values()))
        self._unscored = {lead["_id"]: lead["scoring"]["seq"] for lead in leads if lead["_id"] in requests}
        self._requested = len(requests)

    async def in_progress(self) -> bool:
        """Return whether to wait for leads of the last page: unscored, with time left."""
        if not self._unscored:
            return False
        self._unscored = await store.find_unscored(self._runtime.storage, self._unscored)
        if self._unscored and self._runtime.clock() < self._since + self._patience:
            return True
        self._patience = _PATIENCE if self.scored else min(self._patience * 2, _PATIENCE_MAX)
        return False

    def _request(self, lead: LeadDocument) -> Outgoing | None:
        """Return the request for a lead.

        None, with a log entry, if its document doesn't allow one.
        """
        try:
            return self._request_of(lead)
        except Exception as error:  # noqa: BLE001 - one lead's document must not stop the other requests
            _log.error("request.failed", worker=self._worker, lead=lead["_id"], error=where(error))
            return None

    def _request_of(self, lead: LeadDocument) -> Outgoing:
        # The id comes from the scoring to replace, so a second request for it has the same id.
        key = derive("rescore", self._reason, lead["_id"], str(lead["scoring"]["seq"]))
        request = RescoreRequested(lead_id=lead["_id"], reason=self._reason)
        cause, source = Cause(key, key, key), f"/services/{self._worker}"
        return emit(RESCORE, request, cause=cause, key=lead["_id"], source=source, at=self._since)


class AgedScores:
    """Requests scores of leads whose score changes by time alone; `poller` runs it.

    Scores by this process's `rules` come first. The others age too: maybe no process with the current rules runs any
    more, so that `Rescoring` requests nothing.
    """

    def __init__(self, runtime: Runtime, worker: str, rules: Reloading[RuleSet]) -> None:
        self._runtime, self._rules = runtime, rules
        self._requests = RescoreRequests(runtime, worker, "activity_aged")
        self.poller = DuePoller(
            runtime.storage,
            runtime.clock,
            LEADS,
            self.request_page,
            lambda: store.scored_by(rule_set(rules.version)),
            field=store.AGES_AT,
        )

    async def request_page(self) -> int:
        """Request a page of due leads; return 0 if none is due.

        While the last page is in progress it requests none.
        """
        if await self._requests.in_progress():
            await asyncio.sleep(POLL_S)
            return PAGE
        now = self._runtime.clock()
        due = await store.find_aged(self._runtime.storage, rule_set(self._rules.version), now, PAGE)
        await self._requests.request_page(await store.postpone_aged(self._runtime.storage, due, now + _RETRY_AFTER))
        return len(due)
