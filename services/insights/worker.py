"""The insights worker: keeps each lead's timeline, counts each lead's current state, and notes dead letters."""

import asyncio
from collections.abc import Sequence
from zoneinfo import ZoneInfo

from schemas import topics
from services.insights import outcome_store, rollup_store, timeline_store
from services.insights.rollup_store import Watermark, count_leads, heartbeat
from services.insights.timeline_store import drop_expired, forget_erased, place_events
from shared.clock import pause
from shared.consuming.worker import Manifest, Runtime, Worker
from shared.domain.moments import truncate_to_ms
from shared.kafka.events import Received, Result
from shared.mongo import names as c

NAME = "insights"
TOPICS = tuple(topic for topic in topics.TOPICS.values() if NAME in topic.consumers)
_COUNTED = frozenset(
    topic.name
    for topic in (
        *(topics.CREATED, topics.MERGED, topics.SCORED, topics.UPDATED, topics.ASSIGNED),
        *(topics.QUALIFIED, topics.DISQUALIFIED, topics.CONVERTED, topics.ERASED),
    )
)
"""The topics whose events can change what a lead counts as."""
_HEARTBEAT_S = 5.0
# Events of a lead come in bursts: the lead is read and counted once for a burst.
_BEAT_S = 1.0


def build(runtime: Runtime) -> Worker:
    """Return the worker."""
    storage, zone = runtime.storage, ZoneInfo(runtime.settings.timezone)

    async def handle(received: Sequence[Received]) -> Sequence[Result]:
        dead = [one for one in received if one.record.topic == topics.DEADLETTER.name]
        await outcome_store.save_dead_letters(storage, dead)
        received = [one for one in received if one.record.topic != topics.DEADLETTER.name]
        changing = [one for one in received if one.record.topic in _COUNTED]
        newest = max((one.event.time for one in changing), default=None)
        news = Watermark(truncate_to_ms(newest), runtime.clock()) if newest else None
        leads = filter(None, (one.lead_id for one in changing))
        placed = await place_events(storage, received, runtime.clock())
        # The count reads its leads after the events are placed: what it finds was not erased before.
        counted = await count_leads(storage, leads, zone, news)
        await forget_erased(storage, placed - counted, runtime.clock())
        return ()

    async def live(stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            await heartbeat(storage, zone, runtime.clock())
            await drop_expired(storage, runtime.clock())
            await pause(stopping, _HEARTBEAT_S)

    return Worker(NAME, TOPICS, handle, (live,), ignores_invalid=True, beat_s=_BEAT_S)


MANIFEST = Manifest(
    name=NAME,
    says="counts leads, keeps timelines, notes dead letters",
    stage=90,
    topics=TOPICS,
    build=build,
    rights={
        **dict.fromkeys((c.LEADS, c.CAPTURES, c.ACTIVITIES, c.COMMANDS, c.IDENTITIES), "find"),
        **dict.fromkeys((c.INSIGHTS, c.ROLLUPS, c.LEAD_ROWS, c.LEAD_WORDS), "find insert update"),
        c.OUTCOMES: "insert update",
        **dict.fromkeys((c.TIMELINE, c.TIMELINE_PENDING), "find insert remove"),
    },
    create_indexes=(rollup_store.create_indexes, timeline_store.create_indexes, outcome_store.create_indexes),
)
