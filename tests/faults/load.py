"""The outside world under faults: disguised people, sales, and delivery errors.

It does what the demo's world does, with clients that survive any broker. Every fifth record is delivered again later on
another partition, in an order that the seed shuffles. A ledger lists all records for the oracle.
"""

import asyncio
import heapq
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from aiokafka import ConsumerRecord

from schemas.topics import (
    CONVERTED,
    CREATED,
    DEADLETTER,
    DISQUALIFIED,
    ERASE,
    ERASED,
    MERGED,
    QUALIFIED,
    REJECTED,
    RESCORE,
    SCORED,
    TOPICS,
    UPDATED,
)
from services.demo.generator import FedRecord, Scenario, generate
from services.demo.sales import closing_events, conversion_commands, early_engagements, follow_up_events, stray_events
from shared.clock import system_clock
from tests.faults.scenarios import erasure, line, moved
from tests.faults.transport import Letter, Sender, Watcher, event_in

_OUTCOMES = (CREATED, MERGED, RESCORE, UPDATED, QUALIFIED, DISQUALIFIED, CONVERTED, REJECTED, ERASED)
_SAYING = frozenset(topic.name for topic in _OUTCOMES)
_WATCHED = (*(topic.name for topic in _OUTCOMES), SCORED.name, DEADLETTER.name)
_SLICE, _TICK_S = 200, 0.1
# Counted in records, so that the seed decides the order and not the machine's speed.
_SOON, _SOMETIME, _LATE = 20, 200, 400


class Feeder:
    """Feed `people` from `seed` through Kafka alone, as an async context.

    Another seed makes other people. The ledger gets a JSON line for each acknowledged record: `topic`, `key` and
    `value` in base64, `expected` (the dead letter's reason, or null) and `person` (`SEED/NUMBER`, or null). Only if
    this process was killed may a topic contain a record without a line. A topic may contain a record more often than
    the ledger, since a record without a timely acknowledgement is sent again.
    """

    def __init__(
        self,
        kafka_bootstrap: str,
        seed: int,
        people: int,
        ledger: Path,
        *,
        pace: float | None = None,
        again: float = 0.2,
        with_strays: bool = True,
        options: dict[str, Any] | None = None,
    ) -> None:
        """`pace` is in records a second (None: no limit), and may change at any time.

        `again` is the share of records that is delivered a second time. Strays name leads that never exist; their
        outcome comes only after the setting `PANTRY_ORPHAN_TTL`. `options` are aiokafka's, for a broker that
        authenticates.
        """
        self.pace = pace
        self.scenario: Scenario = generate(people, seed, system_clock())
        self.fed, self.seen = Counter[str](), Counter[str]()
        self.leads: dict[str, int] = {}
        self._again, self._with_strays, self._ledger = again, with_strays, ledger
        self._rng = random.Random(f"{seed}/order")
        self._sender = Sender(kafka_bootstrap, **(options or {}))
        self._watcher = Watcher(kafka_bootstrap, _WATCHED, **(options or {}))
        self._captures = [*self.scenario.captures, *moved(self.scenario)]
        self._rng.shuffle(self._captures)
        self._person_of = {fed.event_id: fed.person for fed in self._captures if fed.event_id}
        self._queue: list[tuple[int, int, FedRecord, int | None]] = []
        self._count = self._now = 0
        self._open: dict[str, FedRecord] = {}
        self._closed: set[str] = set()
        self._bad: set[bytes] = set()
        self._buried: set[bytes] = set()
        self._scored: set[str] = set()
        self._erased: set[int] = set()
        self._told: set[str] = set()
        self._news = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        await self._watcher.begin()
        for number, fed in enumerate((*early_engagements(self.scenario), *self._captures)):
            self._put(fed, number, _SOMETIME)
        for fed in stray_events(self.scenario) if self._with_strays else ():
            self._put(fed, 0, _SOMETIME)
        self._tasks = [asyncio.create_task(self._feed()), asyncio.create_task(self._watch())]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._sender.close()

    async def settled(self, deadline_s: float = 120.0) -> None:
        """Wait until everything has its outcome. Raises `AssertionError` with what has none."""
        try:
            async with asyncio.timeout(deadline_s):
                while not self.done:
                    await self._woken()
        except TimeoutError:
            raise AssertionError(f"after {deadline_s:.0f} s {self.missing}") from None

    async def quiet(self, seconds: float, *, unless_done: bool = False) -> bool:
        """Wait until nothing new was fed or published for a while; return whether all is settled.

        For runs with planted bugs, which may never settle, and for redeliveries after a kill. `unless_done` returns at
        once when all is settled.
        """
        try:
            while not (unless_done and self.done):
                async with asyncio.timeout(seconds):
                    await self._woken()
        except TimeoutError:
            return self.done
        return True

    @property
    def done(self) -> bool:
        """Return whether everything has its outcome; raise what feeding or watching failed with."""
        for task in self._tasks:
            if task.done():
                task.result()
        return not self._queue and not self._missing()

    @property
    def missing(self) -> str:
        """Return what is still missing, in words."""
        kinds, some = Counter(fed.topic for fed in self._open.values()), list(self._open)[:5]
        return f"{len(self._queue)} to be fed; missing {dict(self._missing())}; records {dict(kinds)}, such as {some}"

    def _missing(self) -> Counter[str]:
        living = [lead for lead, person in self.leads.items() if person not in self._erased]
        people = len(self.scenario.people) - len(set(self.leads.values()))
        unscored = sum(lead not in self._scored for lead in living)
        left = {"records": len(self._open), "dead letters": len(self._bad - self._buried)}
        return +Counter({**left, "leads": people, "first scores": unscored})

    async def _woken(self) -> None:
        self._news.clear()
        await self._news.wait()

    def _put(self, fed: FedRecord, after: int, spread: int, partition: int | None = None) -> None:
        due = after + self._rng.randint(0, spread)
        heapq.heappush(self._queue, (due, self._count, fed, partition))
        self._count += 1

    async def _feed(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            began, pace = loop.time(), self.pace
            size = _SLICE if pace is None else max(1, round(pace * _TICK_S))
            await self._send([heapq.heappop(self._queue) for _ in range(min(size, len(self._queue)))])
            tick = 0.0 if pace is None else size / pace
            # With nothing to feed, the next output may bring new work.
            await asyncio.sleep(max(0.0 if self._queue else 0.02, began + tick - loop.time()))

    async def _send(self, due: Sequence[tuple[int, int, FedRecord, int | None]]) -> None:
        fed = [one for _, _, one, _ in due]
        for one in fed:
            if one.expect is not None:
                self._bad.add(one.value)
            elif one.event_id and one.event_id not in self._closed and not self._is_gone(one):
                self._open[one.event_id] = one
        await self._sender.deliver([Letter(one.topic, one.key, one.value, partition) for *_, one, partition in due])
        self._note(fed)
        for now, _, one, partition in due:
            self._now = max(self._now, now)
            if partition is None and self._rng.random() < self._again:
                self._put(one, now, _LATE, self._rng.randrange(TOPICS[one.topic].partitions))
        self.fed.update(one.topic for one in fed)
        if fed:
            self._news.set()

    def _note(self, fed: Sequence[FedRecord]) -> None:
        with self._ledger.open("a") as ledger:
            ledger.writelines(line(one, self.scenario.seed) for one in fed)

    async def _watch(self) -> None:
        async for records in self._watcher.records():
            for record in records:
                self._see(record)

    def _see(self, record: ConsumerRecord[Any, Any]) -> None:
        told = event_in(record.value)
        if record.topic == SCORED.name:
            self._scored.add(told["subject"])  # The topics are read in no order, so this event may precede its lead.
        if record.topic == DEADLETTER.name:
            self._buried.add(record.value or b"")
            self._close(told.get("id"))
        elif told["id"] not in self._told and self._is_ours(told):
            self._told.add(told["id"])
            self._hear(record.topic, told)
        else:
            return
        self.seen[record.topic] += 1
        self._news.set()

    def _is_ours(self, told: dict[str, Any]) -> bool:
        return told.get("subject") in self.leads or told.get("causationid") in self._open

    def _hear(self, topic: str, told: dict[str, Any]) -> None:
        if topic in _SAYING:
            self._close(told.get("causationid"))
        self._react(topic, told)

    def _close(self, event_id: str | None) -> None:
        if event_id in self._open:
            del self._open[event_id]
            self._closed.add(event_id)

    def _react(self, topic: str, told: dict[str, Any]) -> None:
        """Return how the outside world reacts to this event."""
        lead = told["subject"]
        person = self._person_of.get(told["causationid"])
        if topic in (CREATED.name, MERGED.name) and person is not None and lead not in self.leads:
            self.leads[lead] = person
            for fed in follow_up_events(self.scenario, person, lead):
                self._put(fed, self._now, _SOON)
            for fed in (*closing_events(self.scenario, person, lead), *erasure(self.scenario, person, lead)):
                self._put(fed, self._now, _LATE)
        elif topic == QUALIFIED.name:
            for fed in conversion_commands(self.scenario, self.leads[lead], lead):
                self._put(fed, self._now, _SOMETIME)
        elif topic == ERASED.name:
            self._erased.add(self.leads[lead])
            # Events of an erased person may end without an output.
            self._open = {key: fed for key, fed in self._open.items() if not self._is_gone(fed)}

    def _is_gone(self, fed: FedRecord) -> bool:
        return fed.topic != ERASE.name and fed.person in self._erased
