"""Waiting for a lead, or for its status: which events do, what releases them, what ends it (contract 3, Order)."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import structlog

from shared.collections import ORPHANS
from shared.decoding import Undecodable, decode
from shared.domain.breaker import Handled
from shared.due import Alarm
from shared.events import Deferred, Received, Record, Result, Unknown
from shared.isolation import Failed, Isolation
from shared.leads import known_names, names_in, names_of, read_leads
from shared.orphans import Orphans, record_of
from shared.passage import Passage, given_up, handled
from shared.patience import StatusWatch
from shared.storage import Document, Storage
from shared.tombstones import erased

_CROWDED = ", and too many events of its source wait for one"
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Through:
    """What became of some rows, by their ids, and what of them goes to the dead letter."""

    ended: set[str]
    deferred: set[str]
    faults: list[Undecodable]
    handled: list[Handled]


@dataclass(slots=True)
class Waiting:
    """The orphans of one worker, and their ways out; `pepper` is what tombstones are derived with."""

    orphans: Orphans
    storage: Storage
    passage: Passage
    pepper: str
    isolation: Isolation = field(default_factory=Isolation)
    alarm: Alarm = field(init=False)
    """Ends waits, and looks again at those whose lead came to be known by another address."""
    watch: StatusWatch = field(init=False)

    def __post_init__(self) -> None:
        clock = self.passage.clock
        self.alarm = Alarm(self.storage, clock, ORPHANS, self.look, self.orphans.query)
        self.watch = StatusWatch(self.storage, clock, self.orphans.patience)

    async def run(self, stopping: asyncio.Event) -> None:
        """Judge deferred commands again as soon as the status of their lead changes."""
        await self.watch.run(self.reconsider, stopping)

    async def release(self, arrivals: Sequence[Record], received: Sequence[Received]) -> None:
        """Take in what waited for these leads, before anything that came after it is handled."""
        if not await self.orphans.any():
            return
        names = {name for one in received for name in names_in(one.payload)}
        for record in arrivals:
            arrival = decode(record, self.passage.region)
            if isinstance(arrival, Received):
                names |= names_of(arrival.payload.lead.model_dump(by_alias=True) | {"_id": arrival.payload.lead.id})
        leads = await read_leads(self.storage, (name.removeprefix("lead:") for name in names))
        names = names.union(*(names_of(lead) for lead in leads.values()))
        await self._take_in(await self.orphans.waiting_for(names))

    async def part(self, results: Sequence[Result]) -> Sequence[Result]:
        """Let the events wait that found their lead unknown, or its status not right yet; return the other results.

        What names an erased lead doesn't wait, nor what comes from a source of which too many wait: it has its outcome
        now.
        """
        deferred = [one for one in results if isinstance(one, Deferred)]
        if deferred:
            await self.orphans.park(deferred, self.passage.clock())
            self._expect(deferred)
        unknown = [one for one in results if isinstance(one, Unknown)]
        if not unknown:
            return results
        gone = await erased(self.storage, {one.name for one in unknown}, self.pepper)
        others, now = [one for one in unknown if one.name not in gone], self.passage.clock()
        crowded = await self.orphans.without_room(others, now)
        ended = await self._give_up([one for one in unknown if one.name in gone])
        ended += await self._give_up([one for one in others if one.received.key in crowded], _CROWDED)
        waiting = [one for one in others if one.received.key not in crowded]
        await self.orphans.park(waiting, now)
        # A lead that came to be while its events were on their way here has been announced already.
        await self._take_in(await self.orphans.waiting_for({one.name for one in waiting}))
        return [*(one for one in results if not isinstance(one, Unknown)), *ended]

    async def _give_up(self, unknown: Sequence[Unknown], why: str = "") -> list[Result]:
        """What becomes of these events, which don't wait."""
        return given_up(await self.passage.handle([replace(one.received, final=True) for one in unknown]), why)

    async def look(self) -> int:
        """Take in those whose lead is known by now, end the waiting of those whose time is up; return how many."""
        now = self.passage.clock()
        rows = await self.orphans.due(now)
        taken = await self._take_in([row for row in rows if not self.orphans.is_deferred(row)])
        left = [row for row in rows if row["_id"] not in taken]
        await self._end([row for row in left if row["endsAt"] <= now], final=True)
        await self.orphans.later([row for row in left if row["endsAt"] > now], now)
        return len(rows)

    async def reconsider(self, names: Collection[str]) -> None:
        """Judge the deferred commands on these leads, whose status is another now."""
        await self._end(await self.orphans.deferred(names), final=False)

    def _expect(self, deferred: Sequence[Deferred]) -> None:
        self.watch.add(deferred)
        self.alarm.wake()

    async def _take_in(self, rows: Sequence[Document]) -> set[str]:
        known = await known_names(self.storage, {row["name"] for row in rows})
        return await self._end([row for row in rows if row["name"] in known], final=False)

    async def _end(self, rows: Sequence[Document], *, final: bool) -> set[str]:
        """Handle what waited; return the ids of rows that have their outcome, or wait for something else now."""
        ended: set[str] = set()
        async for told in self.isolation.each(rows, partial(self._handle, final=final)):
            if isinstance(told, Failed):
                fault, counts = self.passage.failure(Failed(record_of(told.item), told.error, told.attempts))
                through = _Through({told.item["_id"]}, set(), [fault], counts)
            else:
                through = told.result
            ended |= await self._finish(through, final=final)
        return ended

    async def _handle(self, rows: Sequence[Document], *, final: bool) -> _Through:
        """Handle these events once, and publish what they cause."""
        received, undecodable = self.passage.decode([record_of(row) for row in rows], final=final)
        results = await self.passage.handle(received)
        deferred = {self.orphans.id_of(one): one for one in results if isinstance(one, Deferred)}
        # A lead that was erased in between leaves its events waiting.
        still = {self.orphans.id_of(one) for one in results if isinstance(one, Unknown) and not final}
        await self._defer([row for row in rows if row["_id"] in deferred], list(deferred.values()))
        refused = await self.passage.publish(given_up(results) if final else results)
        ended = {row["_id"] for row in rows} - still - deferred.keys()
        return _Through(ended, set(deferred), [*undecodable, *refused], handled(received))

    async def _finish(self, through: _Through, *, final: bool) -> set[str]:
        buried = await self.passage.bury(through.faults, through.handled)
        await self.orphans.done(through.ended)
        name, records = self.passage.worker.name, len(through.ended)
        _log.info("orphans.through", worker=name, records=records, final=final, **buried)
        return through.ended | through.deferred

    async def _defer(self, rows: Sequence[Document], deferred: Sequence[Deferred]) -> None:
        """Found their lead, and must wait for its status from now on; those that wait for it already go on waiting."""
        if deferred:
            news = [row for row in rows if not self.orphans.is_deferred(row)]
            await self.orphans.later(news, self.passage.clock(), deferred=True)
            self._expect(deferred)
