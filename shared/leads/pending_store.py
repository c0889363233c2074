"""The stored pending events: each waits for its lead (schemas/README.md#order).

They wait in the database, so their partition goes on. When the lead exists, any process of the worker's group handles
them in the order in which they came. Deferred commands wait here too, for their lead's status. A new lead doesn't
release them, and later events don't wait for them.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from shared.domain.ids import derive
from shared.domain.stored.command_documents import PendingEventDocument, PendingWait
from shared.kafka.events import Deferred, Record, Unknown
from shared.mongo import leases
from shared.mongo.names import PENDING_EVENTS
from shared.mongo.storage import Change, Storage

_PAGE = 200
# A new lead releases its pending events at once. This finds leads that got another address.
_LOOK_AGAIN = timedelta(seconds=10)
# Crash while a lease runs → the row is leased → another process takes it after this time.
_LEASE = timedelta(seconds=10)
_STATUS = "status"
_COUNT_AGAIN = timedelta(seconds=10)
_CROWDED_AGAIN = timedelta(seconds=1)
# Most sources whose counts a process remembers.
_SOURCES_MAX = 1_000


class PendingStore:
    """The pending events of one worker."""

    def __init__(
        self,
        storage: Storage,
        worker: str,
        ttl: timedelta,
        patience: timedelta = timedelta(0),
        most: int = 10_000,
    ) -> None:
        """About `most` events of one source may wait for a lead."""
        self._storage, self._worker, self._ttl, self.patience = storage, worker, ttl, patience
        self._most = most
        self._counts: dict[str, tuple[datetime, int]] = {}

    @property
    def query(self) -> dict[str, str]:
        """The query of this worker's rows."""
        return {"worker": self._worker}

    async def has_any(self) -> bool:
        """Return whether any event is pending; mostly none is, which saves further reads."""
        return bool(await self._storage.find(PENDING_EVENTS, self.query, fields=("_id",), limit=1))

    async def defer(self, events: Sequence[Unknown | Deferred], now: datetime) -> None:
        """Store pending events. One that is stored already keeps its place."""
        await self._storage.insert_new(PENDING_EVENTS, [self._row(one, now) for one in events])

    async def crowded_keys(self, unknown: Sequence[Unknown], now: datetime) -> set[str]:
        """Return the keys of events whose source has too many pending ones; count the others in.

        A process counts a source's rows again after 10 s at most. Meanwhile, others may exceed the bound.
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
        # A redelivered event that is pending already goes on waiting.
        stored = await self._storage.read(PENDING_EVENTS, [self.id_of(one) for one in crowded], fields=("_id",))
        return {one.received.key for one in crowded if self.id_of(one) not in stored}

    async def _count(self, source: str, now: datetime) -> int:
        """Return how many events of this source are pending, up to 10 s old."""
        at, count = self._counts.get(source, (now, -1))
        again = _COUNT_AGAIN if count < self._most else _CROWDED_AGAIN
        if count < 0 or now - at > again:
            if len(self._counts) >= _SOURCES_MAX:
                self._counts.clear()
            rows = {"worker": self._worker, "source": source}
            at, count = now, await self._storage.count_up_to(PENDING_EVENTS, rows, self._most)
            self._counts[source] = at, count
        return count

    def id_of(self, event: Unknown | Deferred) -> str:
        """Return the id of this event's row."""
        return pending_id(self._worker, event.received.key)

    def _row(self, event: Unknown | Deferred, now: datetime) -> PendingEventDocument:
        record = event.received.record
        return {
            "_id": self.id_of(event),
            "worker": self._worker,
            "name": event.name,
            "at": now,
            "place": (record.topic, record.partition, record.offset),
            "key": record.key,
            "value": record.value,
            "headers": list(record.headers),
            **self._wait(event, now),
        }

    def _wait(self, event: Unknown | Deferred, now: datetime) -> PendingWait:
        historical = event.received.is_historical
        if isinstance(event, Deferred):
            return self._for_status(event.name, now, historical=historical)
        ends = now + self._ttl
        return {
            "waitsFor": f"{self._worker}|{event.name}",
            "source": event.received.event.source,
            "historical": historical,
            "endsAt": ends,
            "wakeAt": min(ends, now + _LOOK_AGAIN),
        }

    def _for_status(self, name: str, now: datetime, *, historical: bool) -> PendingWait:
        # All of a lead's history comes at once: one command may have to wait for thousands of others.
        ends = now + (self._ttl if historical else self.patience)
        return {
            "waitsFor": f"{self._worker}|{_STATUS}|{name}",
            "historical": historical,
            "endsAt": ends,
            "wakeAt": now + self.patience,
        }

    async def waiting_for(self, names: Iterable[str]) -> list[PendingEventDocument]:
        """Return the rows that wait for leads of these names, in the order in which they came."""
        return await self._waiting(f"{self._worker}|{name}" for name in names)

    async def deferred(self, names: Iterable[str]) -> list[PendingEventDocument]:
        """Return the rows that wait for a status of these leads, in the order in which they came."""
        return await self._waiting(f"{self._worker}|{_STATUS}|{name}" for name in names)

    async def _waiting(self, keys: Iterable[str]) -> list[PendingEventDocument]:
        return in_order(await self._storage.find_in(PENDING_EVENTS, "waitsFor", sorted(set(keys))))

    def is_deferred(self, row: PendingEventDocument) -> bool:
        """Return whether this row waits for the status of a known lead."""
        return str(row["waitsFor"]).startswith(f"{self._worker}|{_STATUS}|")

    async def due(self, now: datetime) -> list[PendingEventDocument]:
        """Lease the due rows: those whose time is up, or that are to be looked at again."""
        return in_order(await leases.acquire_lease(self._storage, PENDING_EVENTS, now, _LEASE, _PAGE, self.query))

    async def reschedule(self, rows: Sequence[PendingEventDocument], now: datetime, *, deferred: bool = False) -> None:
        """Look at these rows again later. `deferred`: they wait for their lead's status now."""
        changes = [Change(row["_id"], {}, {"$set": self._next(row, now, deferred=deferred)}) for row in rows]
        await self._storage.change(PENDING_EVENTS, changes)

    def _next(self, row: PendingEventDocument, now: datetime, *, deferred: bool) -> Mapping[str, object]:
        if deferred:
            return self._for_status(row["name"], now, historical=row.get("historical", False))
        return {"wakeAt": min(row["endsAt"], now + _LOOK_AGAIN)}

    async def done(self, ids: Iterable[str]) -> None:
        """Delete these rows, which have their outcome."""
        await self._storage.delete(PENDING_EVENTS, ids)


def pending_id(worker: str, key: str) -> str:
    """Return the id of the row of this worker's pending event with this key."""
    return derive("orphan", worker, key)


def in_order(rows: Iterable[PendingEventDocument]) -> list[PendingEventDocument]:
    """Sort rows by the time they came, then by partition and offset."""
    return sorted(rows, key=lambda row: (row["at"], *row["place"]))


def record_of(row: PendingEventDocument) -> Record:
    """Return the record of this row, byte for byte."""
    topic, partition, offset = row["place"]
    headers = tuple((name, bytes(value)) for name, value in row["headers"])
    return Record(topic, partition, offset, row["key"], row["value"], headers)


async def create_indexes(storage: Storage) -> None:
    """Create the indexes of pending events."""
    await storage.create_index(PENDING_EVENTS, [("worker", 1), ("wakeAt", 1)])
    await storage.create_index(PENDING_EVENTS, [("waitsFor", 1)])
    await storage.create_index(PENDING_EVENTS, [("name", 1)])
    await storage.create_index(PENDING_EVENTS, [("worker", 1), ("source", 1)])
