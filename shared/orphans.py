"""Orphans: events that name a lead nobody knows yet wait here, in the database, until it exists or their time is up.

Neither memory nor a partition holds them: the partition goes on, and any process of the worker's group takes them in,
in the order they came, as soon as the lead exists (contract 3, Order). Commands that only their lead's status forbids
wait here too, for a moment: no lead's arrival releases them, and what comes after them doesn't wait for them.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from shared import due
from shared.collections import ORPHANS
from shared.domain.ids import derive
from shared.events import Deferred, Record, Unknown
from shared.storage import Change, Document, Storage

_PAGE = 200
# The arrival of a lead releases its orphans at once. This is for leads that come to be known by another address.
_LOOK_AGAIN = timedelta(seconds=10)
# So long a row that a killed process held is nobody's. Two that hold one at a time do the same, once.
_LEASE = timedelta(seconds=10)
_STATUS = "status"
_COUNT_AGAIN = timedelta(seconds=10)
_CROWDED_AGAIN = timedelta(seconds=1)
# Sources whose counts a process remembers.
_SOURCES_MAX = 1_000


class Orphans:
    """What waits for one worker."""

    def __init__(
        self,
        storage: Storage,
        worker: str,
        ttl: timedelta,
        patience: timedelta = timedelta(0),
        most: int = 10_000,
    ) -> None:
        """At most about `most` events of one source wait for a lead."""
        self._storage, self._worker, self._ttl, self.patience = storage, worker, ttl, patience
        self._most = most
        self._counts: dict[str, tuple[datetime, int]] = {}

    @property
    def query(self) -> Document:
        """What picks this worker's rows."""
        return {"worker": self._worker}

    async def any(self) -> bool:
        """Whether anything waits at all: nearly always not, and then nothing else need be asked."""
        return bool(await self._storage.find(ORPHANS, self.query, fields=("_id",), limit=1))

    async def park(self, events: Sequence[Unknown | Deferred], now: datetime) -> None:
        """Let events wait; one that waits already keeps its place."""
        await self._storage.insert_new(ORPHANS, [self._row(one, now) for one in events])

    async def without_room(self, unknown: Sequence[Unknown], now: datetime) -> set[str]:
        """The keys of those events that must not wait, for too many of their source do; the others are counted in.

        A process counts a source's rows anew after a while: what comes meanwhile to others may exceed the bound.
        """
        by_source: dict[str, list[Unknown]] = {}
        for one in unknown:
            by_source.setdefault(one.received.event.source, []).append(one)
        crowded: list[Unknown] = []
        for source, ones in by_source.items():
            room = max(0, self._most - await self._count(source, now))
            crowded += ones[room:]
            at, count = self._counts[source]
            self._counts[source] = at, count + len(ones[:room])
        # One that waits already, and was delivered again, goes on waiting.
        there = await self._storage.read(ORPHANS, [self.id_of(one) for one in crowded], fields=("_id",))
        return {one.received.key for one in crowded if self.id_of(one) not in there}

    async def _count(self, source: str, now: datetime) -> int:
        """How many events of this source wait for a lead, as of now or of a moment ago."""
        at, count = self._counts.get(source, (now, -1))
        again = _COUNT_AGAIN if count < self._most else _CROWDED_AGAIN
        if count < 0 or now - at > again:
            if len(self._counts) >= _SOURCES_MAX:
                self._counts.clear()
            rows = {"worker": self._worker, "source": source}
            at, count = now, await self._storage.count_up_to(ORPHANS, rows, self._most)
            self._counts[source] = at, count
        return count

    def id_of(self, event: Unknown | Deferred) -> str:
        """The id of the row under which this event waits."""
        return derive("orphan", self._worker, event.received.key)

    def _row(self, event: Unknown | Deferred, now: datetime) -> Document:
        record = event.received.record
        return {
            "_id": self.id_of(event),
            "worker": self._worker,
            "name": event.name,
            "at": now,
            "place": [record.topic, record.partition, record.offset],
            "key": record.key,
            "value": record.value,
            "headers": [list(header) for header in record.headers],
            **(self._for_status(event.name, now) if isinstance(event, Deferred) else self._for_lead(event, now)),
        }

    def _for_lead(self, event: Unknown, now: datetime) -> Document:
        ends = now + self._ttl
        return {
            "waitsFor": f"{self._worker}|{event.name}",
            "source": event.received.event.source,
            "endsAt": ends,
            "wakeAt": min(ends, now + _LOOK_AGAIN),
        }

    def _for_status(self, name: str, now: datetime) -> Document:
        ends = now + self.patience
        return {"waitsFor": f"{self._worker}|{_STATUS}|{name}", "endsAt": ends, "wakeAt": ends}

    async def waiting_for(self, names: Iterable[str]) -> list[Document]:
        """The rows that wait for leads of these names, in the order they came."""
        return await self._waiting(f"{self._worker}|{name}" for name in names)

    async def deferred(self, names: Iterable[str]) -> list[Document]:
        """The rows that wait for another status of leads of these names, in the order they came."""
        return await self._waiting(f"{self._worker}|{_STATUS}|{name}" for name in names)

    async def _waiting(self, keys: Iterable[str]) -> list[Document]:
        return in_order(await self._storage.find_in(ORPHANS, "waitsFor", sorted(set(keys))))

    def is_deferred(self, row: Document) -> bool:
        """Whether this row waits for a status, its lead being known."""
        return str(row["waitsFor"]).startswith(f"{self._worker}|{_STATUS}|")

    async def due(self, now: datetime) -> list[Document]:
        """Rows whose time is up or that are to be looked at again; they are ours for a moment."""
        return in_order(await due.claim(self._storage, ORPHANS, now, _LEASE, _PAGE, self.query))

    async def later(self, rows: Sequence[Document], now: datetime, *, deferred: bool = False) -> None:
        """Look at these rows again; `deferred` ones found their lead, and wait for its status now."""
        changes = [Change(row["_id"], {}, {"$set": self._next(row, now, deferred=deferred)}) for row in rows]
        await self._storage.change(ORPHANS, changes)

    def _next(self, row: Document, now: datetime, *, deferred: bool) -> Document:
        if deferred:
            return self._for_status(row["name"], now)
        return {"wakeAt": row["endsAt"] if self.is_deferred(row) else min(row["endsAt"], now + _LOOK_AGAIN)}

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
    await storage.create_index(ORPHANS, [("worker", 1), ("source", 1)])
