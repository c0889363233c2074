"""Pending events (schemas/README.md#order): which events wait, and what releases them."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import structlog

from schemas.topics import CREATED, MERGED
from shared.consuming.isolation import Failed, Isolation
from shared.consuming.processor import RecordProcessor, count_handled, resolve_unknown
from shared.domain.operations.failure_limits import Handled
from shared.domain.stored.command_documents import PendingEventDocument
from shared.kafka.decoding import FailedRecord, decode
from shared.kafka.events import Deferred, Received, Record, Result, Unknown
from shared.leads.documents import known_names, names_in, names_of, read_leads
from shared.leads.erasure_markers import erased
from shared.leads.pending_store import PendingStore, record_of
from shared.leads.status_watch import StatusWatch
from shared.mongo.leases import DuePoller
from shared.mongo.names import PENDING_EVENTS
from shared.mongo.storage import Storage

LEAD_EXISTS = (CREATED, MERGED)
"""The topics that announce a lead, or a new name of one."""

_CROWDED = ", and too many events of its source wait for one"
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of some rows, by their ids, and which records go to the dead letter."""

    ended: set[str]
    deferred: set[str]
    faults: list[FailedRecord]
    handled: list[Handled]


@dataclass(slots=True)
class PendingProcessor:
    """The pending events of one worker. `pepper` is for erasure markers."""

    released_by: ClassVar[frozenset[str]] = frozenset(topic.name for topic in LEAD_EXISTS)

    store: PendingStore
    storage: Storage
    processor: RecordProcessor
    pepper: str
    isolation: Isolation = field(default_factory=Isolation)
    poller: DuePoller = field(init=False)
    """Ends waits, and looks again: a lead may have got another address."""
    watch: StatusWatch = field(init=False)

    def __post_init__(self) -> None:
        clock = self.processor.clock
        self.poller = DuePoller(self.storage, clock, PENDING_EVENTS, self.look, lambda: self.store.query)
        self.watch = StatusWatch(self.storage, clock, self.store.patience)

    async def run(self, stopping: asyncio.Event) -> None:
        """Judge deferred commands again when the status of their lead changes."""
        await self.watch.run(self.reconsider, stopping)

    async def release(self, arrivals: Sequence[Record], received: Sequence[Received]) -> None:
        """Handle the events that waited for these leads, before `received`."""
        if not await self.store.has_any():
            return
        names = {name for one in received for name in names_in(one.payload)}
        named = [name.removeprefix("lead:") for name in names if name.startswith("lead:")]
        names = names.union(*map(names_of, (await read_leads(self.storage, named)).values()))
        for record in arrivals:
            # The event has the lead with its names: it need not be read.
            arrival = decode(record, self.processor.region)
            if isinstance(arrival, Received):
                names |= names_of(arrival.payload.lead.model_dump(by_alias=True) | {"_id": arrival.payload.lead.id})
        await self._take_in(await self.store.waiting_for(names))

    async def split(self, results: Sequence[Result]) -> Sequence[Result]:
        """Store the events that wait for a lead or its status; return the other results.

        Two kinds of events don't wait and get their outcome now: those of an erased lead, and those of a source that
        has too many pending events.
        """
        deferred = [one for one in results if isinstance(one, Deferred)]
        if deferred:
            await self.store.defer(deferred, self.processor.clock())
            self._expect(deferred)
        unknown = [one for one in results if isinstance(one, Unknown)]
        if not unknown:
            return results
        erased_names = await erased(self.storage, {one.name for one in unknown}, self.pepper)
        others, now = [one for one in unknown if one.name not in erased_names], self.processor.clock()
        crowded = await self.store.crowded_keys(others, now)
        ended = await self._give_up([one for one in unknown if one.name in erased_names])
        ended += await self._give_up([one for one in others if one.received.key in crowded], _CROWDED)
        waiting = [one for one in others if one.received.key not in crowded]
        await self.store.defer(waiting, now)
        # A lead may have been created while these events were stored; its announcement is over.
        await self._take_in(await self.store.waiting_for({one.name for one in waiting}))
        return [*(one for one in results if not isinstance(one, Unknown)), *ended]

    async def _give_up(self, unknown: Sequence[Unknown], why: str = "") -> list[Result]:
        """Handle these events as final: they may not wait."""
        if not unknown:
            return []
        final = [replace(one.received, final=True) for one in unknown]
        return resolve_unknown(await self.processor.worker.handle(final), why)

    async def look(self) -> int:
        """Handle due rows whose lead exists, end those whose time is up; return how many were due."""
        now = self.processor.clock()
        rows = await self.store.due(now)
        taken = await self._take_in([row for row in rows if not self.store.is_deferred(row)])
        await self._end([row for row in rows if self.store.is_deferred(row) and row["endsAt"] > now], final=False)
        left = [row for row in rows if row["_id"] not in taken]
        await self._end([row for row in left if row["endsAt"] <= now], final=True)
        await self.store.reschedule([row for row in left if row["endsAt"] > now], now)
        return len(rows)

    async def reconsider(self, names: Collection[str]) -> None:
        """Judge the deferred commands on these leads, whose status changed."""
        await self._end(await self.store.deferred(names), final=False)

    def _expect(self, deferred: Sequence[Deferred]) -> None:
        self.watch.add(deferred)
        self.poller.wake()

    async def _take_in(self, rows: Sequence[PendingEventDocument]) -> set[str]:
        known = await known_names(self.storage, {row["name"] for row in rows})
        return await self._end([row for row in rows if row["name"] in known], final=False)

    async def _end(self, rows: Sequence[PendingEventDocument], *, final: bool) -> set[str]:
        """Handle these rows; return the ids of those that no longer wait as before."""
        ended: set[str] = set()
        for part in self.isolation.parts(rows):
            async with part.trying():
                outcome = await self._handle(part.items, final=final)
            if part.failed:
                outcome = self._failure(part.failed)
            if part.done:
                ended |= await self._finish(outcome, final=final)
        return ended

    def _failure(self, failed: Failed[PendingEventDocument]) -> _Outcome:
        row = failed.item
        fault, counts = self.processor.failure(Failed(record_of(row), failed.error, failed.attempts))
        return _Outcome({row["_id"]}, set(), [fault], counts)

    async def _handle(self, rows: Sequence[PendingEventDocument], *, final: bool) -> _Outcome:
        """Handle these events once, and publish the events that they cause."""
        received, invalid = self.processor.decode([record_of(row) for row in rows], final=final)
        results = await self.processor.worker.handle(received) if received else ()
        deferred = {self.store.id_of(one): one for one in results if isinstance(one, Deferred)}
        # If the lead was erased in between, its events go on waiting.
        still_unknown = {self.store.id_of(one) for one in results if isinstance(one, Unknown) and not final}
        await self._defer([row for row in rows if row["_id"] in deferred], list(deferred.values()))
        refused = await self.processor.publish(resolve_unknown(results) if final else results)
        ended = {row["_id"] for row in rows} - still_unknown - deferred.keys()
        return _Outcome(ended, set(deferred), [*invalid, *refused], count_handled(received))

    async def _finish(self, outcome: _Outcome, *, final: bool) -> set[str]:
        dead_letters = await self.processor.send_to_dead_letter(outcome.faults, outcome.handled)
        await self.store.done(outcome.ended)
        name, records = self.processor.worker.name, len(outcome.ended)
        _log.info("pending.handled", worker=name, records=records, final=final, **dead_letters)
        return outcome.ended | outcome.deferred

    async def _defer(self, rows: Sequence[PendingEventDocument], deferred: Sequence[Deferred]) -> None:
        """Let rows that found their lead wait for its status. Others wait for it already."""
        if deferred:
            newly_deferred = [row for row in rows if not self.store.is_deferred(row)]
            await self.store.reschedule(newly_deferred, self.processor.clock(), deferred=True)
            self._expect(deferred)
