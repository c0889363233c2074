"""Collects training examples: each lead once, at one moment of its life (`labels`)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from services.prediction import store
from services.prediction.domain.learning.features import Vector, vector
from services.prediction.domain.learning.labels import Life, converted_in_time, is_outcome_known, landmark
from shared.domain.statuses import OPEN
from shared.domain.stored.lead_document import LeadDocument
from shared.mongo.names import LEADS, PREDICTIONS
from shared.mongo.storage import Storage

EXAMPLES_MAX = 100_000
"""The most examples, the newest ones: older ones say less, and memory is limited."""
RECENT_MAX = 2_000
"""The most current leads for the drift check."""
# These leads are older than all ages at which leads become examples.
_RECENT = (timedelta(days=60), timedelta(days=30))
_PAGE, _CHUNK = 1_000, 500
_FIELDS = ("status", "createdAt", "convertedAt", "updatedAt")


@dataclass(frozen=True, slots=True, order=True)
class Moment:
    """When a lead is an example, and whether it converted within the horizon."""

    at: datetime
    lead_id: str
    converted: bool


@dataclass(slots=True)
class Collected:
    """Examples in order of time; `censored` leads have an unfinished horizon.

    `recent` are vectors of current leads, taken at the same ages as the examples.
    """

    moments: list[Moment] = field(default_factory=list)
    vectors: list[Vector] = field(default_factory=list)
    recent: list[Vector] = field(default_factory=list)
    censored: int = 0


async def collect(storage: Storage, horizon: timedelta, now: datetime) -> Collected:
    """Collect the newest examples. Requests predictions for open leads that have none."""
    found, recent = Collected(), list[Moment]()
    async for page in storage.scan(LEADS, fields=_FIELDS, page=_PAGE):
        for life in await _lives(storage, page):
            at = landmark(life)
            if at is None:
                continue
            moment = Moment(at, life.lead_id, converted_in_time(life, at, horizon))
            if is_outcome_known(at, horizon, now):
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


async def _lives(storage: Storage, page: Sequence[LeadDocument]) -> list[Life]:
    lost = await store.lost_at(storage, (lead["_id"] for lead in page if lead["status"] == "lost"))
    return [_life(lead, lost) for lead in page]


def _life(lead: LeadDocument, lost: Mapping[str, datetime]) -> Life:
    converted = lead.get("convertedAt")
    # Without a timeline event, a lost lead counts as closed at its last change, at the latest.
    closed = lost.get(lead["_id"], lead["updatedAt"]) if lead["status"] == "lost" else converted
    return Life(lead["_id"], lead["createdAt"], closed, converted)


def _newest(moments: list[Moment], most: int) -> list[Moment]:
    # Sort rarely: only at twice the size.
    return sorted(moments)[-most:] if len(moments) > 2 * most else moments


async def _ask_for_missing(storage: Storage, page: Sequence[LeadDocument], now: datetime) -> None:
    open_ = [lead["_id"] for lead in page if lead["status"] in OPEN]
    there = await storage.read(PREDICTIONS, open_, fields=("_id",))
    await store.request_predictions(storage, (one for one in open_ if one not in there), now)


async def _vectors(storage: Storage, moments: Sequence[Moment]) -> dict[Moment, Vector]:
    """Return the vectors at these moments, in order. A lead erased meanwhile is no example."""
    found: dict[Moment, Vector] = {}
    for start in range(0, len(moments), _CHUNK):
        some = moments[start : start + _CHUNK]
        leads = await store.read_lead_facts(storage, (one.lead_id for one in some))
        known = await store.load_histories(storage, leads, {one.lead_id: one.at for one in some})
        found |= {one: vector(known[one.lead_id], one.at) for one in some if one.lead_id in known}
    return found
