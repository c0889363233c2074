"""Load the past of leads: first their captures, then what became of each of them.

The commands on a lead need its id, which its capture's row tells. So this waits until the capture worker has stored the
leads.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence

from services.ingest.domain.capture_events import event_of
from services.ingest.domain.history.past_outcomes import PastEvent
from shared.clock import Clock
from shared.domain.ids import derive
from shared.errors import Transient
from shared.kafka.events import Outgoing
from shared.kafka.reading import Publish
from shared.mongo.names import CAPTURES, LEADS
from shared.mongo.storage import Storage

_GROUP = 500
_LOOK_S = 0.5
_PATIENCE_S = 120.0


class NoLeads(Transient):
    """Captures are published, and no worker makes leads of them."""


async def find_leads(storage: Storage, keys: Iterable[str], clock: Clock) -> AsyncIterator[Mapping[str, str]]:
    """Yield the ids of the leads of these captures by the captures' keys, in parts, once they are stored.

    A capture of an erased person has none. Raises `NoLeads` after two minutes without a new one.
    """
    left, since = deque(dict.fromkeys(keys)), clock()
    while left:
        some = [left.popleft() for _ in range(min(len(left), _GROUP))]
        rows = await storage.read(CAPTURES, some, fields=("leadId", "erased"))
        there = await storage.read(LEADS, {row["leadId"] for row in rows.values()}, fields=("_id",))
        found = {key: row["leadId"] for key, row in rows.items() if row["leadId"] in there}
        done = found.keys() | {key for key, row in rows.items() if row.get("erased")}
        # One that never comes must not keep the others.
        left.extend(key for key in some if key not in done)
        if done:
            since = clock()
            yield found
        elif (clock() - since).total_seconds() > _PATIENCE_S:
            raise NoLeads(f"{len(left)} of the imported leads are not stored: does the worker capture run?")
        else:
            await asyncio.sleep(_LOOK_S)


def cause_key(source: str, event_id: str) -> str:
    """Return the key of a capture or a command, by its event's `source` and `id`."""
    return derive("cause", source, event_id)


def past_id(event: PastEvent) -> str:
    """Return the id of an event of the past, which derives from all of it."""
    return derive("history", event.name, event.at.isoformat(), event.payload.wire_json().decode())


def past_record(event: PastEvent, source: str, region: str) -> Outgoing:
    """Return the record of an event of the past."""
    return event_of(event.topic, event.payload, id_=past_id(event), source=source, at=event.at, region=region)


async def publish_groups(publish: Publish, records: Sequence[Outgoing], advance: Callable[[int], None]) -> None:
    """Publish records in groups, each acknowledged before the next. `advance` gets the number done."""
    for start in range(0, len(records), _GROUP):
        group = records[start : start + _GROUP]
        await publish(group)
        advance(len(group))
