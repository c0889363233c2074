"""The insights worker: every event goes into the timeline of its lead, and every lead counts as it is now."""

import asyncio
from collections.abc import Sequence
from zoneinfo import ZoneInfo

from schemas import topics
from services.insights.counting import News, beat, count
from services.insights.placing import clear, place
from shared.clock import pause
from shared.domain.moments import stored
from shared.events import Received, Result
from shared.worker import Runtime, Worker

NAME = "insights"
TOPICS = tuple(topic for topic in topics.TOPICS.values() if NAME in topic.consumers)
_COUNTED = frozenset(
    topic.name
    for topic in (
        *(topics.CREATED, topics.MERGED, topics.SCORED, topics.UPDATED, topics.ASSIGNED),
        *(topics.QUALIFIED, topics.DISQUALIFIED, topics.CONVERTED, topics.ERASED),
    )
)
"""The events after which a lead may count otherwise."""
_HEARTBEAT_S = 5.0


def build(runtime: Runtime) -> Worker:
    """The worker, ready to run."""
    storage, zone = runtime.storage, ZoneInfo(runtime.settings.timezone)

    async def handle(received: Sequence[Received]) -> Sequence[Result]:
        changing = [one for one in received if one.record.topic in _COUNTED]
        newest = max((one.event.time for one in changing), default=None)
        news = News(stored(newest), runtime.clock()) if newest else None
        leads = filter(None, (one.lead_id for one in changing))
        await asyncio.gather(place(storage, received, runtime.clock()), count(storage, leads, zone, news))
        return ()

    async def live(stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            await beat(storage, zone, runtime.clock())
            await clear(storage, runtime.clock())
            await pause(stopping, _HEARTBEAT_S)

    return Worker(NAME, TOPICS, handle, (live,), observes=True)
