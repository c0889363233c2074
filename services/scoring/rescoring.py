"""Rescoring: after a change of rules one process requests new scores, page by page."""

import asyncio
import uuid
from datetime import timedelta

import structlog

from services.scoring import store
from services.scoring.domain import rescoring_job
from services.scoring.domain.decide import RuleSet, rule_set
from services.scoring.rescore_requests import PAGE, POLL_S, RescoreRequests
from shared.clock import pause
from shared.config import Reloading
from shared.consuming.worker import Runtime
from shared.domain.stored.lead_document import LeadDocument
from shared.domain.stored.work_documents import RescoringDocument

_CHECK_S = 2.0
# Once all leads have the current rules, only a process with an older file can change that.
_IDLE_S = 20.0
# One search finds several pages: leads that can't be scored don't come up at once again, and searches are rare.
_LEADS_MAX = 2_000
_log = structlog.get_logger()


class Rescoring:
    """Publishes this process's rule set, and requests leads under others.

    It does so while its own rule set is current.

    The current rule set is the one that any process loaded last.
    """

    def __init__(self, runtime: Runtime, worker: str, rules: Reloading[RuleSet]) -> None:
        self._runtime, self._rules = runtime, rules
        self._requests = RescoreRequests(runtime, worker, "rules_changed")
        self._claim = uuid.uuid4().hex
        self._loaded: str | None = None
        self._outdated_by: str | None = None
        self._found: list[LeadDocument] = []

    async def run(self, stopping: asyncio.Event) -> None:
        """Run until `stopping` is set."""
        while not stopping.is_set():
            seconds = await self.step()
            while seconds > 0 and not stopping.is_set() and self._loaded == rule_set(self._rules.version):
                await pause(stopping, min(seconds, _CHECK_S))
                seconds -= _CHECK_S

    async def step(self) -> float:
        """Do the next part of the job; return the seconds until the next call."""
        row = await self._row()
        if row is None or not self._is_ours(row):
            return _CHECK_S
        if await self._requests.in_progress():
            return POLL_S
        self._found = self._found or await store.find_under_other_rules(
            self._runtime.storage, row["version"], _LEADS_MAX
        )
        if not self._found:
            await self._finish(row)
            return _IDLE_S
        if await self._go_on(row):
            page, self._found = self._found[:PAGE], self._found[PAGE:]
            await self._requests.request_page(page)
        return POLL_S

    async def _row(self) -> RescoringDocument | None:
        """Return the job's row; first make newly loaded rules the current ones."""
        version = rule_set(self._rules.version)
        if self._loaded != version:
            await store.make_current(self._runtime.storage, version, self._runtime.clock())
            self._loaded, self._outdated_by, self._found = version, None, []
        row = await store.read_job(self._runtime.storage)
        if row is None:
            self._loaded = None
        return row

    def _is_ours(self, row: RescoringDocument) -> bool:
        if row["version"] == self._loaded and rescoring_job.is_free(row, self._claim, self._runtime.clock()):
            return True
        self._found = []
        if row["version"] not in {self._loaded, self._outdated_by}:
            self._outdated_by = row["version"]
            _log.warning("rules.outdated", own=self._loaded, current=row["version"])
        return False

    async def _go_on(self, row: RescoringDocument) -> bool:
        """Acquire the job's lease for a page; return False if another process was first."""
        storage, lease = self._runtime.storage, timedelta(seconds=self._runtime.settings.lease_s)
        scored = 0 if rescoring_job.is_new(row) else self._requests.scored
        counted = await store.count_outdated(storage, row)
        new = rescoring_job.advance_job(counted, self._claim, self._runtime.clock() + lease, scored)
        if not await store.replace_job(storage, row, new):
            return False
        _log.info("rescoring.progress", version=new["version"], done=new["done"], total=new["total"])
        return True

    async def _finish(self, row: RescoringDocument) -> None:
        if "finishedAt" in row:
            return
        done = rescoring_job.finish_job(row, self._runtime.clock())
        if await store.replace_job(self._runtime.storage, row, done):
            _log.info("rescoring.done", version=done["version"], total=done["total"])
