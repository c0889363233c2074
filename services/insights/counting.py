"""Counting: each lead once, in its current state, whatever is redelivered, reordered or killed.

Leads are divided into shards. A shard's row in `insights` says what its next version changes (`pending`) before
anything is changed; whoever comes by first, be it another process, carries it out to its end, and says that it is
`done`: who went by anything earlier would keep figures of a change that is under way. Rows and buckets know the version
that they were last changed by, so that whatever comes late or twice finds itself done.

A shard is read first and its leads later. Who stored a lead tells of it afterwards, so the last news of a lead finds it
as it stays; and who read it before that meets a newer version of its shard, and reads again.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from aiokafka.partitioner import murmur2

from services.insights.domain import SECTIONS, Step, steps
from shared.collections import INSIGHTS, LEADS, ROLLUPS, ROWS
from shared.domain.listing import PERSONAL
from shared.domain.rollups import META, NAMED, bucket_id
from shared.storage import Change, Document, Storage, Unavailable
from shared.worker import settle

SHARDS = 12
"""As many as a topic has partitions, and divided alike: what one process reads, no other counts."""
_ROW_FIELDS = (*PERSONAL, "counts", "gone", "v", "generation")


class OtherZone(Unavailable):
    """The roll-ups were built with days of another time zone than the setting's."""


@dataclass(frozen=True, slots=True)
class News:
    """When the newest event that tells of some leads happened, and when it is counted."""

    event_at: datetime
    at: datetime


def shard_of(lead_id: str) -> str:
    """The shard that counts this lead."""
    return f"shard:{(murmur2(lead_id.encode()) & 0x7FFFFFFF) % SHARDS:02d}"


async def count(storage: Storage, lead_ids: Iterable[str], zone: ZoneInfo, news: News | None = None) -> None:
    """Let these leads count as they are now; `news` is what asks for it."""
    of = {lead_id: shard_of(lead_id) for lead_id in lead_ids}
    if of:
        await settle(lambda: _attempt(storage, of, zone, news))


async def _attempt(storage: Storage, of: Mapping[str, str], zone: ZoneInfo, news: News | None) -> bool:
    shards = await prepared(storage, sorted(set(of.values())), zone)
    leads, rows = await asyncio.gather(
        storage.read(LEADS, of, fields=SECTIONS), storage.read(ROWS, of, fields=_ROW_FIELDS)
    )
    planned = steps(shards, of, leads, rows, zone)
    # What another process was faster at is decided again; the rest stands, and is carried out by whoever comes by.
    if not await storage.change(INSIGHTS, [_taken(step, shards[step.shard], news) for step in planned]):
        return False
    await carry_out(storage, [step.document for step in planned])
    return True


def _taken(step: Step, as_read: Document, news: News | None) -> Change:
    newer = news and ("eventAt" not in as_read or as_read["eventAt"] < news.event_at)
    told = {"eventAt": news.event_at, "countedAt": news.at} if news and newer else {}
    guard = {"version": as_read["version"], "generation": as_read["generation"]}
    return Change(step.shard, guard, {"$set": {**step.document, **told}})


async def prepared(storage: Storage, shards: Sequence[str], zone: ZoneInfo) -> dict[str, Document]:
    """These shards, with nothing left to carry out. Raises `OtherZone`."""
    found = await storage.read(INSIGHTS, [*shards, META])
    if len(found) <= len(shards):
        await _begin(storage, shards, zone, found.get(META))
        return await prepared(storage, shards, zone)
    meta = found.pop(META)
    if meta["zone"] != zone.key:
        raise OtherZone(f"the roll-ups have days of {meta['zone']}, not of {zone.key}: run pantry insights rebuild")
    await carry_out(storage, [row for row in found.values() if row["pending"]])
    return found


async def _begin(storage: Storage, shards: Sequence[str], zone: ZoneInfo, meta: Document | None) -> None:
    if meta is None:
        await beat(storage, zone)
        return
    await begin_shards(storage, shards, meta["building"])


async def begin_shards(storage: Storage, shards: Sequence[str], generation: int) -> None:
    """Store those of these shards that aren't there yet: nothing is counted of them."""
    fresh = {"version": 0, "done": 0, "generation": generation, "pending": None}
    await storage.insert_new(INSIGHTS, [{"_id": shard, **fresh} for shard in shards])


async def beat(storage: Storage, zone: ZoneInfo, now: datetime | None = None) -> None:
    """Tell that a worker is alive; the first ever settles the zone of the days."""
    await storage.insert_new(INSIGHTS, [{"_id": META, "generation": 1, "building": 1, "zone": zone.key}])
    if now:
        await storage.change(INSIGHTS, [Change(META, {}, {"$set": {"aliveAt": now}})])


async def carry_out(storage: Storage, shards: Sequence[Document]) -> None:
    """Do what these versions of their shards say, however much of it is done already."""
    if not shards:
        return
    await asyncio.gather(_store_rows(storage, shards), _change_buckets(storage, shards))
    done = [(row["_id"], row["version"]) for row in shards]
    await storage.change(
        INSIGHTS, [Change(id_, {"version": v}, {"$set": {"pending": None, "done": v}}) for id_, v in done]
    )


async def _store_rows(storage: Storage, shards: Sequence[Document]) -> None:
    new = {row["_id"]: row for shard in shards for row in shard["pending"]["new"]}
    rows = {row["_id"]: row for shard in shards for row in shard["pending"]["rows"]}
    there = await storage.insert_new(ROWS, list(new.values()))
    await storage.change(ROWS, [_replacing(row) for row in (*rows.values(), *(new[one] for one in sorted(there)))])


def _replacing(row: Document) -> Change:
    gone = {name: "" for name in _ROW_FIELDS if name not in row}
    update = {"$set": {name: value for name, value in row.items() if name != "_id"}}
    return Change(row["_id"], {"v": {"$lt": row["v"]}}, update | ({"$unset": gone} if gone else {}))


async def _change_buckets(storage: Storage, shards: Sequence[Document]) -> None:
    changes = [_added(shard, delta) for shard in shards for delta in shard["pending"]["deltas"]]
    empty = [{"_id": bucket, "by": {}, "is": {}} for bucket in sorted({change.id for change in changes})]
    await storage.insert_new(ROLLUPS, empty)
    await storage.change(ROLLUPS, changes)
    await _forget_names(storage, shards)


async def _forget_names(storage: Storage, shards: Sequence[Document]) -> None:
    """Drop the names that nothing counts under any more: an industry is in a person's own words.

    Only zeros go, so that whatever is added meanwhile stays. Crash before this → the shard is pending → done again.
    """
    names = {
        (bucket_id(shard["generation"], delta["bucket"]), path)
        for shard in shards
        for delta in shard["pending"]["deltas"]
        for path, amount in delta["add"].items()
        if amount < 0 and path.startswith(NAMED)
    }
    zeros = [Change(bucket, {f"is.{path}": 0}, {"$unset": {f"is.{path}": ""}}) for bucket, path in sorted(names)]
    await storage.change(ROLLUPS, zeros)


def _added(shard: Document, delta: Mapping[str, Any]) -> Change:
    by = f"by.{shard['_id'].partition(':')[2]}"
    amounts = {f"is.{path}": amount for path, amount in delta["add"].items()}
    not_yet = {by: {"$not": {"$gte": shard["version"]}}}
    bucket = bucket_id(shard["generation"], delta["bucket"])
    return Change(bucket, not_yet, {"$inc": amounts, "$set": {by: shard["version"]}})


async def create_indexes(storage: Storage) -> None:
    """The list's ranges, and each lead's timeline."""
    await storage.create_index(ROWS, [("terms", 1), ("key", -1)])
    await storage.create_index(ROWS, [("prefixes", 1), ("key", -1)])
