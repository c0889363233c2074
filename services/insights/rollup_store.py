"""Counts each lead once, in its current state, despite redelivery, reordering and crashes.

Leads are divided into shards. A shard's document in `insights` first gets its next version with the changes
(`pending`). Then any process applies them completely, and marks the version as `done`. A process applies pending
changes before it decides on new ones. Rows, words and buckets store the version that changed them last, so a repeated
or late write changes nothing.

A lead's words are a document of their own: they rarely change, and each index entry of a document costs a write of it.

A process reads a shard first and its leads later. The event about a lead follows the lead's write, so the last event
finds the final state. A process that read an older state meets a newer version of the shard, and reads again: each
count raises the version, also of a shard that it does not change.

Crash after storing the next version → the shard is pending → the next process to read it applies the changes.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast
from zoneinfo import ZoneInfo

from aiokafka.partitioner import murmur2

from services.insights.domain.rollup_changes import SECTIONS, ShardUpdate, shard_updates
from shared.domain.listing import PERSONAL, PERSONAL_WORDS
from shared.domain.rollups import META, NAMED, bucket_id
from shared.domain.stored.insights_documents import (
    BucketDelta,
    InsightsMeta,
    LeadRow,
    LeadWords,
    PendingChanges,
    RollupBucket,
    ShardDocument,
)
from shared.mongo.names import INSIGHTS, INSIGHTS_META, LEAD_ROWS, LEAD_WORDS, LEADS, ROLLUPS
from shared.mongo.retries import retry_on_conflict
from shared.mongo.storage import Change, Storage, Unavailable, replacement

SHARDS = 12
"""One per partition of a topic, divided alike: processes rarely share a shard."""
_ROW_FIELDS = (*PERSONAL, "counts", "gone")


class OtherZone(Unavailable):
    """The roll-ups count days of another time zone than the setting's."""


@dataclass(frozen=True, slots=True)
class Watermark:
    """The time of the newest event about some leads, and the time of its count."""

    event_at: datetime
    at: datetime


def shard_of(lead_id: str) -> str:
    """Return the shard that counts this lead."""
    return f"shard:{(murmur2(lead_id.encode()) & 0x7FFFFFFF) % SHARDS:02d}"


async def count_leads(
    storage: Storage, lead_ids: Iterable[str], zone: ZoneInfo, news: Watermark | None = None
) -> set[str]:
    """Count these leads in their current state; return those that exist. `news` is the event time to record."""
    of = {lead_id: shard_of(lead_id) for lead_id in lead_ids}
    if not of:
        return set()
    async for round_ in retry_on_conflict():
        shards = await prepare_shards(storage, sorted(set(of.values())), zone)
        leads, rows = await asyncio.gather(storage.read(LEADS, of, fields=SECTIONS), storage.read(LEAD_ROWS, of))
        # After the first round, each version is higher than what any process read before it, by this write or another.
        planned = [step for step in shard_updates(shards, of, leads, rows, zone) if step.changes or not round_]
        # A shard that another process changed is decided again. The others are stored and will be applied.
        if await storage.change(INSIGHTS, [_taken(step, shards[step.shard], news) for step in planned]):
            break
    await apply_shards(storage, [step.document for step in planned if step.changes])
    return set(leads)


def _taken(step: ShardUpdate, as_read: ShardDocument, news: Watermark | None) -> Change:
    newer = news and ("eventAt" not in as_read or as_read["eventAt"] < news.event_at)
    watermark = {"eventAt": news.event_at, "countedAt": news.at} if news and newer else {}
    guard = {"version": as_read["version"], "generation": as_read["generation"]}
    return Change(step.shard, guard, {"$set": {**step.document, **watermark}})


async def prepare_shards(storage: Storage, shards: Sequence[str], zone: ZoneInfo) -> dict[str, ShardDocument]:
    """Return these shards without pending changes. Raises `OtherZone`."""
    found = await storage.read(INSIGHTS, [*shards, META])
    meta = cast("InsightsMeta | None", found.pop(META, None))  # its id says that it is no shard
    if meta is None or len(found) < len(shards):
        await _begin(storage, shards, zone, meta)
        return await prepare_shards(storage, shards, zone)
    if meta["zone"] != zone.key:
        raise OtherZone(f"the roll-ups have days of {meta['zone']}, not of {zone.key}: run pantry insights rebuild")
    await apply_shards(storage, [row for row in found.values() if row["pending"]])
    return found


async def _begin(storage: Storage, shards: Sequence[str], zone: ZoneInfo, meta: InsightsMeta | None) -> None:
    if meta is None:
        await heartbeat(storage, zone)
        return
    await begin_shards(storage, shards, meta["building"])


async def begin_shards(storage: Storage, shards: Sequence[str], generation: int) -> None:
    """Create the missing ones of these shards, with no leads counted."""
    fresh: list[ShardDocument] = [
        {"_id": shard, "version": 0, "done": 0, "generation": generation, "pending": None} for shard in shards
    ]
    await storage.insert_new(INSIGHTS, fresh)


async def heartbeat(storage: Storage, zone: ZoneInfo, now: datetime | None = None) -> None:
    """Record that a worker is alive. The first heartbeat ever fixes the zone of the days."""
    first: InsightsMeta = {"_id": META, "generation": 1, "building": 1, "zone": zone.key}
    await storage.insert_new(INSIGHTS_META, [first])
    if now:
        await storage.change(INSIGHTS, [Change(META, {}, {"$set": {"aliveAt": now}})])


async def apply_shards(storage: Storage, shards: Sequence[ShardDocument]) -> None:
    """Apply these versions of their shards. Parts that are already applied don't change again."""
    if not shards:
        return
    await asyncio.gather(_store_rows(storage, shards), _store_words(storage, shards), _change_buckets(storage, shards))
    done = [(row["_id"], row["version"]) for row in shards]
    await storage.change(
        INSIGHTS, [Change(id_, {"version": v}, {"$set": {"pending": None, "done": v}}) for id_, v in done]
    )


def _changes(shard: ShardDocument) -> PendingChanges:
    return shard["pending"] or {"new": [], "rows": [], "words": [], "deltas": []}


async def _store_rows(storage: Storage, shards: Sequence[ShardDocument]) -> None:
    new = {row["_id"]: row for shard in shards for row in _changes(shard)["new"]}
    rows = {row["_id"]: row for shard in shards for row in _changes(shard)["rows"]}
    there = await storage.insert_new(LEAD_ROWS, list(new.values()))
    changed = (*rows.values(), *(new[one] for one in sorted(there)))
    await storage.change(LEAD_ROWS, [_replacing(row, _ROW_FIELDS) for row in changed])


async def _store_words(storage: Storage, shards: Sequence[ShardDocument]) -> None:
    words = {row["_id"]: row for shard in shards for row in _changes(shard).get("words", ())}
    there = await storage.insert_new(LEAD_WORDS, list(words.values()))
    await storage.change(LEAD_WORDS, [_replacing(words[one], PERSONAL_WORDS) for one in sorted(there)])


def _replacing(row: LeadRow | LeadWords, fields: Iterable[str]) -> Change:
    return Change(row["_id"], {"v": {"$lt": row["v"]}}, replacement(row, set(fields) - row.keys()))


async def _change_buckets(storage: Storage, shards: Sequence[ShardDocument]) -> None:
    changes = [_added(shard, delta) for shard in shards for delta in _changes(shard)["deltas"]]
    buckets = sorted({change.id for change in changes})
    empty: list[RollupBucket] = [{"_id": bucket, "by": {}, "is": {}} for bucket in buckets]
    await storage.insert_new(ROLLUPS, empty)
    await storage.change(ROLLUPS, changes)
    await _forget_names(storage, shards)


async def _forget_names(storage: Storage, shards: Sequence[ShardDocument]) -> None:
    """Drop names with a count of zero: an industry is free text from a person.

    The write only removes zeros, so a concurrent addition stays. Crash before this → the shard is pending → applied
    again.
    """
    names = {
        (bucket_id(shard["generation"], delta["bucket"]), path)
        for shard in shards
        for delta in _changes(shard)["deltas"]
        for path, amount in delta["add"].items()
        if amount < 0 and path.startswith(NAMED)
    }
    zeros = [Change(bucket, {f"is.{path}": 0}, {"$unset": {f"is.{path}": ""}}) for bucket, path in sorted(names)]
    await storage.change(ROLLUPS, zeros)


def _added(shard: ShardDocument, delta: BucketDelta) -> Change:
    by = f"by.{shard['_id'].partition(':')[2]}"
    amounts = {f"is.{path}": amount for path, amount in delta["add"].items()}
    not_yet = {by: {"$not": {"$gte": shard["version"]}}}
    bucket = bucket_id(shard["generation"], delta["bucket"])
    return Change(bucket, not_yet, {"$inc": amounts, "$set": {by: shard["version"]}})


async def create_indexes(storage: Storage) -> None:
    """Create the indexes of the list and of each lead's timeline."""
    await storage.create_index(LEAD_ROWS, [("terms", 1), ("key", -1)])
    await storage.create_index(LEAD_WORDS, [("prefixes", 1), ("key", -1)])
