"""The reads behind the analytics. A window's buckets are read again only after a change."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from services.gateway.analytics.domain import measures
from services.gateway.analytics.domain.figures import ConversionFigures, FreshnessFigures, LeadFigures
from services.gateway.analytics.domain.measures import Answers, Head, Span
from shared.clock import Clock
from shared.domain import rollups
from shared.domain.rollups import META, SHARD_IDS, Window, bucket_id
from shared.domain.stored.insights_documents import BucketNumbers
from shared.mongo.names import INSIGHTS, INSIGHTS_META, ROLLUPS
from shared.mongo.storage import Storage

_AWAY = timedelta(seconds=30)
"""A worker without a heartbeat for this long is away."""
_BEHIND = timedelta(seconds=30)
"""Events counted this long after they happened are late."""
_LOOKS_APART_S = 0.2


@dataclass(frozen=True, slots=True)
class RollupState:
    """How far counting has come: the shown generation, and a version that every change raises."""

    generation: int
    building: int
    zone: ZoneInfo
    version: tuple[tuple[str, int], ...]
    event_at: datetime | None
    counted_at: datetime | None
    alive_at: datetime | None

    @property
    def mark(self) -> tuple[object, ...]:
        """Return a value that differs once the figures or the list may differ."""
        return self.generation, self.version

    def freshness(self, now: datetime) -> FreshnessFigures:
        """Return the roll-up's state at `now`: `live`, `behind`, `away` or `rebuilding`."""
        if self.alive_at is None or now - self.alive_at > _AWAY:
            return {"state": "away", "since": self.alive_at}
        if self.building != self.generation:
            return {"state": "rebuilding"}
        if self.event_at is None or self.counted_at is None:
            return {"state": "live"}
        delay = max(timedelta(0), self.counted_at - self.event_at)
        return {"state": "behind" if delay > _BEHIND else "live", "delaySeconds": round(delay.total_seconds(), 2)}


class Figures:
    """Reads and caches the counts for one process."""

    def __init__(self, storage: Storage, clock: Clock, timezone: str, *, looks_apart_s: float = _LOOKS_APART_S) -> None:
        """`looks_apart_s`: for this many seconds a state that was read counts as current."""
        self._storage, self._clock, self._zone = storage, clock, ZoneInfo(timezone)
        self._looks_apart_s = looks_apart_s
        self._reading = asyncio.Lock()
        self._state: tuple[float, RollupState] | None = None
        self._spans: dict[str, tuple[tuple[object, ...], Span]] = {}

    async def state(self) -> RollupState:
        """Return how far counting has come, at most a moment ago."""
        loop = asyncio.get_running_loop()
        async with self._reading:
            if self._state is None or loop.time() - self._state[0] > self._looks_apart_s:
                self._state = (loop.time(), await self._read_state())
            return self._state[1]

    async def _read_state(self) -> RollupState:
        meta, shards = await asyncio.gather(
            self._storage.read(INSIGHTS_META, [META]),
            self._storage.find(
                INSIGHTS,
                {"_id": {"$gte": SHARD_IDS[0], "$lt": SHARD_IDS[1]}},
                fields=("done", "eventAt", "countedAt"),
            ),
        )
        row = meta.get(META)
        newest = max((one for one in shards if "eventAt" in one), key=lambda one: one["eventAt"], default=None)
        return RollupState(
            row["generation"] if row else 1,
            row["building"] if row else 1,
            ZoneInfo(row["zone"]) if row else self._zone,
            tuple(sorted((one["_id"], one["done"]) for one in shards)),
            newest["eventAt"] if newest else None,
            newest.get("countedAt") if newest else None,
            row.get("aliveAt") if row else None,
        )

    async def leads(self, timeframe: str) -> LeadFigures:
        """Return `/v1/analytics/leads`."""
        state, now = await self.state(), self._clock()
        today = now.astimezone(state.zone)
        span = await self._span(timeframe, state, today.date())
        return measures.leads(span, self._head(timeframe, state, now), measures.elapsed_of(today.date(), today))

    async def conversions(self, timeframe: str) -> ConversionFigures:
        """Return `/v1/analytics/conversions`."""
        state, now = await self.state(), self._clock()
        span = await self._span(timeframe, state, now.astimezone(state.zone).date())
        return measures.conversions(span, self._head(timeframe, state, now))

    async def compared(self, timeframe: str) -> tuple[Answers, Answers]:
        """Return the answers about a window and about the window before, all of one state."""
        state, now = await self.state(), self._clock()
        today = now.astimezone(state.zone)
        span, head = await self._span(timeframe, state, today.date()), self._head(timeframe, state, now)
        elapsed = measures.elapsed_of(today.date(), today)
        return (
            Answers(measures.leads(span, head, elapsed), measures.conversions(span, head)),
            Answers(measures.leads(span.earlier, head, 1.0), measures.conversions(span.earlier, head)),
        )

    def _head(self, timeframe: str, state: RollupState, now: datetime) -> Head:
        return Head(timeframe, state.zone.key, state.event_at, state.freshness(now))

    async def _span(self, timeframe: str, state: RollupState, today: date) -> Span:
        as_of = (state.generation, state.version, today)
        held = self._spans.get(timeframe)
        if held is None or held[0] != as_of:
            held = self._spans[timeframe] = (as_of, await self._read_span(timeframe, state.generation, today))
        return held[1]

    async def _read_span(self, timeframe: str, generation: int, today: date) -> Span:
        window = rollups.window(timeframe, today)
        parts = list(window.weeks) if timeframe == "quarter" else [Window(day, day) for day in window.days]
        wanted = [bucket for part in parts for bucket in part.buckets]
        buckets = await self._buckets(generation, [*wanted, *window.before.buckets])
        series = [(part, _counted(buckets, part.buckets)) for part in parts]
        return Span(
            window,
            sum((counted for _, counted in series), Counter()),
            series,
            _counted(buckets, window.before.buckets),
        )

    async def _buckets(self, generation: int, names: Sequence[str]) -> dict[str, BucketNumbers]:
        ids = {bucket_id(generation, name): name for name in names}
        found = await self._storage.read(ROLLUPS, ids, fields=("is",))
        return {ids[id_]: row["is"] for id_, row in found.items()}


def _counted(buckets: Mapping[str, BucketNumbers], names: Sequence[str]) -> Counter[str]:
    return rollups.total(buckets[name] for name in names if name in buckets)
