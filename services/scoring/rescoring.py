"""Changed rules reach every scored lead in the background: one process at a time asks, a page at a time."""

import asyncio
import uuid
from datetime import timedelta

import structlog

from services.scoring import job, store
from services.scoring.asking import LOOK_S, PAGE, Requests
from services.scoring.domain import RuleSet, rule_set
from shared.clock import pause
from shared.config import Reloading
from shared.storage import Document
from shared.worker import Runtime

_UNFINISHED_S = 2.0
# Only a process with an older file can bring leads under other rules once all stand under these.
_FINISHED_S = 20.0
# Found at once and asked for in pages: what can't be scored now is passed by, and the index is asked seldom.
_FOUND_MAX = 2_000
_log = structlog.get_logger()


class Rescoring:
    """Says which rules this process has loaded, and asks for the leads under others while its own are those that hold.

    What holds is what was loaded last, by whichever process.
    """

    def __init__(self, runtime: Runtime, worker: str, rules: Reloading[RuleSet]) -> None:
        self._runtime, self._rules = runtime, rules
        self._requests = Requests(runtime, worker, "rules_changed")
        self._claim = uuid.uuid4().hex
        self._loaded: str | None = None
        self._outdated_by: str | None = None
        self._found: list[Document] = []

    async def run(self, stopping: asyncio.Event) -> None:
        """Go on until told to stop."""
        while not stopping.is_set():
            seconds = await self.step()
            while seconds > 0 and not stopping.is_set() and self._loaded == rule_set(self._rules.version):
                await pause(stopping, min(seconds, _UNFINISHED_S))
                seconds -= _UNFINISHED_S

    async def step(self) -> float:
        """Do the next that is to be done; return the seconds until there may be more."""
        row = await self._row()
        if row is None or not self._is_ours(row):
            return _UNFINISHED_S
        if await self._requests.under_way():
            return LOOK_S
        self._found = self._found or await store.under_other_rules(self._runtime.storage, row["version"], _FOUND_MAX)
        if not self._found:
            await self._finish(row)
            return _FINISHED_S
        if await self._go_on(row):
            page, self._found = self._found[:PAGE], self._found[PAGE:]
            await self._requests.ask(page)
        return LOOK_S

    async def _row(self) -> Document | None:
        """The job's row, once the rules that this process has loaded have been made the ones that hold."""
        version = rule_set(self._rules.version)
        if self._loaded != version:
            await store.make_current(self._runtime.storage, version, self._runtime.clock())
            self._loaded, self._outdated_by, self._found = version, None, []
        row = await store.job_row(self._runtime.storage)
        if row is None:
            self._loaded = None
        return row

    def _is_ours(self, row: Document) -> bool:
        if row["version"] == self._loaded and job.is_free(row, self._claim, self._runtime.clock()):
            return True
        self._found = []
        if row["version"] not in {self._loaded, self._outdated_by}:
            self._outdated_by = row["version"]
            _log.warning("rules.outdated", own=self._loaded, current=row["version"])
        return False

    async def _go_on(self, row: Document) -> bool:
        """Take the job for a page; False when another process was faster."""
        storage, lease = self._runtime.storage, timedelta(seconds=self._runtime.settings.lease_s)
        scored = 0 if job.is_new(row) else self._requests.scored
        counted = await store.counted(storage, row)
        new = job.gone_on(counted, self._claim, self._runtime.clock() + lease, scored)
        if not await store.replace(storage, row, new):
            return False
        _log.info("rescoring.progress", version=new["version"], done=new["done"], total=new["total"])
        return True

    async def _finish(self, row: Document) -> None:
        if "finishedAt" in row:
            return
        done = job.finished(row, self._runtime.clock())
        if await store.replace(self._runtime.storage, row, done):
            _log.info("rescoring.done", version=done["version"], total=done["total"])
