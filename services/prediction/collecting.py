"""Collecting what a model learns from: each lead once, as it stood at one moment of its life (`labels`)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from services.prediction import store
from services.prediction.features import Vector, vector
from services.prediction.labels import Life, is_known, label, landmark
from shared.collections import LEADS, PREDICTIONS
from shared.domain.statuses import OPEN
from shared.storage import Document, Storage

EXAMPLES_MAX = 100_000
"""The newest examples are kept: older ones tell less of now, and training must fit into a process."""
RECENT_MAX = 2_000
"""Leads of now that drift is looked for in."""
# Any of the ages at which leads become examples lies behind these leads.
_RECENT = (timedelta(days=60), timedelta(days=30))
_PAGE, _CHUNK = 1_000, 500
_FIELDS = ("status", "createdAt", "convertedAt", "updatedAt")


@dataclass(frozen=True, slots=True, order=True)
class Moment:
    """When a lead is an example, and whether it converted in time from then on."""

    at: datetime
    lead_id: str
    converted: bool


@dataclass(slots=True)
class Collected:
    """Examples in the order of their time; how many leads are `censored`, their horizon being yet to come.

    `recent` are vectors of leads of these weeks, taken at the same ages as the examples'.
    """

    moments: list[Moment] = field(default_factory=list)
    vectors: list[Vector] = field(default_factory=list)
    recent: list[Vector] = field(default_factory=list)
    censored: int = 0


async def collect(storage: Storage, horizon: timedelta, now: datetime) -> Collected:
    """Read all leads' lives, then what was known of the newest examples; ask for open leads without a prediction."""
    found, recent = Collected(), list[Moment]()
    async for page in storage.scan(LEADS, fields=_FIELDS, page=_PAGE):
        for life in await _lives(storage, page):
            at = landmark(life)
            if at is None:
                continue
            moment = Moment(at, life.lead_id, label(life, at, horizon))
            if is_known(at, horizon, now):
                found.moments.append(moment)
            else:
                found.censored += 1
            recent += [moment] if at <= now and now - _RECENT[0] <= life.created_at <= now - _RECENT[1] else []
        found.moments, recent = _newest(found.moments, EXAMPLES_MAX), _newest(recent, RECENT_MAX)
        await _ask_for_missing(storage, page, now)
    known = await _vectors(storage, sorted(found.moments)[-EXAMPLES_MAX:])
    found.moments, found.vectors = list(known), list(known.values())
    found.recent = list((await _vectors(storage, sorted(recent)[-RECENT_MAX:])).values())
    return found


async def _lives(storage: Storage, page: Sequence[Document]) -> list[Life]:
    lost = await store.lost_at(storage, (lead["_id"] for lead in page if lead["status"] == "lost"))
    return [_life(lead, lost) for lead in page]


def _life(lead: Mapping[str, Any], lost: Mapping[str, datetime]) -> Life:
    converted = lead.get("convertedAt")
    # Where no timeline tells of it, a lost lead was last changed when it was lost, or later.
    closed = lost.get(lead["_id"], lead["updatedAt"]) if lead["status"] == "lost" else converted
    return Life(lead["_id"], lead["createdAt"], closed, converted)


def _newest(moments: list[Moment], most: int) -> list[Moment]:
    # Sorted seldom: only once there are twice as many.
    return sorted(moments)[-most:] if len(moments) > 2 * most else moments


async def _ask_for_missing(storage: Storage, page: Sequence[Document], now: datetime) -> None:
    open_ = [lead["_id"] for lead in page if lead["status"] in OPEN]
    there = await storage.read(PREDICTIONS, open_, fields=("_id",))
    await store.ask(storage, (one for one in open_ if one not in there), now)


async def _vectors(storage: Storage, moments: Sequence[Moment]) -> dict[Moment, Vector]:
    """What was known at these moments, in their order; a lead that was erased meanwhile is no example."""
    found: dict[Moment, Vector] = {}
    for start in range(0, len(moments), _CHUNK):
        some = moments[start : start + _CHUNK]
        known = await store.histories(storage, {one.lead_id: one.at for one in some})
        found |= {one: vector(known[one.lead_id], one.at) for one in some if one.lead_id in known}
    return found
