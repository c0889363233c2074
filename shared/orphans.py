"""Orphans: events that name a lead nobody knows yet wait here, in the database, until it exists or their time is up.

Neither memory nor a partition holds them: the partition goes on, and any process of the worker's group takes them in,
in the order they came, as soon as the lead exists (contract 3, Order).
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from shared import due
from shared.collections import ORPHANS
from shared.domain.ids import derive
from shared.events import Record, Unknown
from shared.storage import Change, Document, Storage

_PAGE = 200
# The arrival of a lead releases its orphans at once. This is for leads that come to be known by another address.
_LOOK_AGAIN = timedelta(seconds=10)
_LEASE = timedelta(seconds=60)


class Orphans:
    """What waits for one worker."""

    def __init__(self, storage: Storage, worker: str, ttl: timedelta) -> None:
        self._storage, self._worker, self._ttl = storage, worker, ttl

    @property
    def query(self) -> Document:
        """What picks this worker's rows."""
        return {"worker": self._worker}

    async def any(self) -> bool:
        """Whether anything waits at all: nearly always not, and then nothing else need be asked."""
        return bool(await self._storage.find(ORPHANS, self.query, fields=("_id",), limit=1))

    async def park(self, unknown: Sequence[Unknown], now: datetime) -> None:
        """Let events wait; one that waits already keeps its place."""
        await self._storage.insert_new(ORPHANS, [self._row(one, now) for one in unknown])

    def id_of(self, unknown: Unknown) -> str:
        """The id of the row under which this event waits."""
        return derive("orphan", self._worker, unknown.received.key)

    def _row(self, unknown: Unknown, now: datetime) -> Document:
        record, ends = unknown.received.record, now + self._ttl
        return {
            "_id": self.id_of(unknown),
            "worker": self._worker,
            "name": unknown.name,
            "waitsFor": f"{self._worker}|{unknown.name}",
            "at": now,
            "place": [record.topic, record.partition, record.offset],
            "key": record.key,
            "value": record.value,
            "headers": [list(header) for header in record.headers],
            "endsAt": ends,
            "wakeAt": min(ends, now + _LOOK_AGAIN),
        }

    async def waiting_for(self, names: Iterable[str]) -> list[Document]:
        """The rows that wait for leads of these names, in the order they came."""
        keys = sorted({f"{self._worker}|{name}" for name in names})
        return in_order(await self._storage.find_in(ORPHANS, "waitsFor", keys))

    async def due(self, now: datetime) -> list[Document]:
        """Rows whose time is up or that are to be looked at again; they are ours for a minute."""
        return in_order(await due.claim(self._storage, ORPHANS, now, _LEASE, _PAGE, self.query))

    async def later(self, rows: Sequence[Document], now: datetime) -> None:
        """Look at these rows again."""
        changes = [Change(row["_id"], {}, {"$set": {"wakeAt": min(row["endsAt"], now + _LOOK_AGAIN)}}) for row in rows]
        await self._storage.change(ORPHANS, changes)

    async def done(self, ids: Iterable[str]) -> None:
        """These have had their outcome."""
        await self._storage.delete(ORPHANS, ids)


def in_order(rows: Iterable[Document]) -> list[Document]:
    """By arrival; within one arrival by their place in the log."""
    return sorted(rows, key=lambda row: (row["at"], *row["place"]))


def record_of(row: Document) -> Record:
    """The record as it came."""
    topic, partition, offset = row["place"]
    headers = tuple((name, bytes(value)) for name, value in row["headers"])
    return Record(topic, partition, offset, row["key"], row["value"], headers)


async def create_indexes(storage: Storage) -> None:
    """The indexes that waiting needs."""
    await storage.create_index(ORPHANS, [("worker", 1), ("wakeAt", 1)])
    await storage.create_index(ORPHANS, [("waitsFor", 1)])
    await storage.create_index(ORPHANS, [("name", 1)])
