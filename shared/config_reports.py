"""Reports refused configuration files: on the probe, as a metric, and to the gateway.

A process that refuses a changed file keeps the last good one. The gateway shows refused files, and may be another
process: so this process stores a row per refused file. The row expires soon after the process ends.
"""

import asyncio
import secrets
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog

from shared.clock import Clock, pause
from shared.config import Reloading
from shared.domain.stored.configuration_documents import RefusedFileDocument
from shared.mongo.names import CONFIGURATION
from shared.mongo.storage import Storage, Unavailable
from shared.observability.error_places import where
from shared.observability.metrics import Metrics

FAULTS_MAX = 20
"""Most faults of a file that a row lists."""

_FAULT_MAX = 300  # most characters of a fault
_LOOK_S = 1.0
_RENEW = timedelta(seconds=30)
_KEPT = timedelta(minutes=2)
_log = structlog.get_logger()


class ConfigReports:
    """The configuration files of a process, each with the name of the worker that uses it."""

    def __init__(
        self,
        files: Sequence[tuple[str, Reloading[Any]]],  # each has its own model
        storage: Storage,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._files, self._storage, self._clock = files, storage, clock
        self._process = secrets.token_hex(8)
        self._since: dict[str, datetime] = {}
        self._stored: dict[str, RefusedFileDocument] = {}
        for name in {file.name for _, file in files}:
            metrics.refused.labels(name).set_function(partial(self._gauge, name))

    @property
    def refused(self) -> dict[str, str]:
        """The first fault of each refused file, by the file's name."""
        return {file.name: _short(file.refused[0]) for _, file in self._files if file.refused}

    def _gauge(self, name: str) -> float:
        return float(name in self.refused)

    async def run(self, stopping: asyncio.Event) -> None:
        """Keep the rows up to date until `stopping` is set; then delete them."""
        while self._files and not stopping.is_set():
            try:
                await self._report(self._clock())
            except Unavailable as error:
                _log.warning("config.unreported", error=where(error))
                await pause(stopping, _RENEW.total_seconds())
            await pause(stopping, _LOOK_S)
        with suppress(Unavailable):
            await self._storage.delete(CONFIGURATION, self._stored)

    async def _report(self, now: datetime) -> None:
        """Crash at any point → the rows are left → they expire, and a new process reports again."""
        rows = {self._id(worker, file): (worker, file) for worker, file in self._files if file.refused}
        self._since = {id_: self._since.get(id_, now) for id_ in rows}
        await self._storage.delete(CONFIGURATION, self._stored.keys() - rows.keys())
        self._stored = {id_: row for id_, row in self._stored.items() if id_ in rows}
        for id_, (worker, file) in rows.items():
            row = self._row(worker, file, now)
            if self._is_due(row, now):
                await self._storage.put(CONFIGURATION, [row])
                self._stored[id_] = row

    def _is_due(self, row: RefusedFileDocument, now: datetime) -> bool:
        stored = self._stored.get(row["_id"])
        return stored is None or stored["faults"] != row["faults"] or stored["expiresAt"] - _KEPT + _RENEW <= now

    def _row(self, worker: str, file: Reloading[Any], now: datetime) -> RefusedFileDocument:  # of any model
        id_, faults = self._id(worker, file), [_short(fault) for fault in file.refused[:FAULTS_MAX]]
        return {
            "_id": id_,
            "worker": worker,
            "since": self._since[id_],
            "file": file.name,
            "version": file.version,
            "faults": faults,
            "more": len(file.refused) - len(faults),
            "expiresAt": now + _KEPT,
        }

    def _id(self, worker: str, file: Reloading[Any]) -> str:  # of any model
        return f"{self._process}:{worker}:{file.name}"


def _short(fault: str) -> str:
    return fault if len(fault) <= _FAULT_MAX else f"{fault[: _FAULT_MAX - 1]}…"
