"""Rebuild the roll-ups from the leads, and verify them against the leads.

A rebuild counts into a new generation, which the workers then count into too. It is shown once it is complete. Reads
and changes of leads go on meanwhile. Crash at any point → an unfinished generation → the next rebuild starts again.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import cast
from zoneinfo import ZoneInfo

from services.insights.domain.rollup_changes import SECTIONS, add_counts, rollup_row, words_row
from services.insights.rollup_store import SHARDS, apply_shards, begin_shards, count_leads, heartbeat, shard_of
from shared.domain.rollups import META, bucket_id, flattened
from shared.domain.stored.insights_documents import InsightsMeta, ShardDocument
from shared.domain.stored.lead_document import LeadDocument
from shared.errors import Stop
from shared.mongo.names import INSIGHTS, INSIGHTS_META, LEAD_ROWS, LEAD_WORDS, LEADS, ROLLUPS
from shared.mongo.retries import retry_on_conflict
from shared.mongo.storage import Change, Storage

_PAGE = 1_000
REPORTED_MAX = 20
"""The most differences that are reported in full."""


class Overtaken(Stop):
    """Another process began a rebuild."""


async def rebuild(storage: Storage, zone: ZoneInfo) -> AsyncIterator[int]:
    """Count every lead again, by days in `zone`; yield how many are done. Raises `Overtaken`."""
    generation = await _begin(storage, zone)
    done = 0
    async for ids in _by_shard(storage.scan(LEADS, fields=("_id",), page=_PAGE)):
        await count_leads(storage, ids, zone)
        done += len(ids)
        yield done
    # The older generation only has rows of deleted leads left.
    async for page in storage.scan(LEAD_ROWS, fields=("generation",), page=_PAGE):
        await count_leads(storage, (row["_id"] for row in page if row["generation"] < generation), zone)
    await _show(storage, generation)


async def _by_shard(pages: AsyncIterator[list[LeadDocument]]) -> AsyncIterator[list[str]]:
    """Yield ids in groups of one shard, so that a group changes each bucket once."""
    held: dict[str, list[str]] = {}
    async for page in pages:
        for document in page:
            shard = shard_of(document["_id"])
            held.setdefault(shard, []).append(document["_id"])
            if len(held[shard]) >= _PAGE:
                yield held.pop(shard)
    for ids in held.values():
        yield ids


async def _begin(storage: Storage, zone: ZoneInfo) -> int:
    await heartbeat(storage, zone)
    async for _ in retry_on_conflict():
        meta = (await storage.read(INSIGHTS_META, [META]))[META]
        generation: int = meta["building"] + 1
        begun = {"building": generation, "zone": zone.key}
        if await storage.change(INSIGHTS, [Change(META, {"building": meta["building"]}, {"$set": begun})]):
            break
    await _move_shards(storage, generation)
    return generation


async def _move_shards(storage: Storage, generation: int) -> None:
    """Move all shards to this generation, after applying their pending updates."""
    shards = [f"shard:{number:02d}" for number in range(SHARDS)]
    async for _ in retry_on_conflict():
        await begin_shards(storage, shards, generation)
        found = await storage.read(INSIGHTS, shards)
        await apply_shards(storage, [row for row in found.values() if row["pending"]])
        behind = [row for row in found.values() if row["generation"] < generation]
        if await storage.change(INSIGHTS, [_moved(row, generation) for row in behind]):
            break


def _moved(row: ShardDocument, generation: int) -> Change:
    version = row["version"] + 1
    moved = {"version": version, "done": version, "generation": generation}
    return Change(row["_id"], {"version": row["version"]}, {"$set": moved})


async def _show(storage: Storage, generation: int) -> None:
    shown = Change(META, {"building": generation}, {"$set": {"generation": generation}})
    if not await storage.change(INSIGHTS, [shown]):
        raise Overtaken
    await storage.delete_all(ROLLUPS, {"_id": {"$lt": bucket_id(generation, "")}})


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of `verify`: leads and buckets compared, and the differences found.

    `moving`: the roll-ups changed meanwhile, so a difference may be temporary.
    """

    leads: int
    buckets: int
    differences: tuple[str, ...]
    moving: bool

    @property
    def equal(self) -> bool:
        """Whether the roll-ups match the leads."""
        return not self.differences


async def verify(storage: Storage) -> Verdict:
    """Compare the roll-ups with the leads. Raises `LookupError` before the first count."""
    before = await _versions(storage)
    meta = cast("InsightsMeta | None", before.get(META))  # its id says that it is no shard
    if meta is None:
        raise LookupError("nothing has been counted yet")
    zone, generation = ZoneInfo(meta["zone"]), meta["generation"]
    wanted: dict[str, Counter[str]] = {}
    differences: list[str] = []
    leads = 0
    async for page in storage.scan(LEADS, fields=SECTIONS, page=_PAGE):
        leads += len(page)
        add_counts(page, zone, wanted)
        differences += await _rows_that_differ(storage, page, zone, generation)
    async for row in _without_lead(storage):
        differences.append(f"{row}: its lead is no more")
    stored = await _buckets(storage, generation)
    differences += _buckets_that_differ(wanted, stored)
    return Verdict(leads, len(wanted), tuple(differences), await _versions(storage) != before)


async def _versions(storage: Storage) -> dict[str, ShardDocument]:
    shards = [f"shard:{number:02d}" for number in range(SHARDS)]
    return await storage.read(INSIGHTS, [*shards, META], fields=("version", "done", "generation", "zone"))


async def _rows_that_differ(storage: Storage, leads: list[LeadDocument], zone: ZoneInfo, generation: int) -> list[str]:
    ids = [lead["_id"] for lead in leads]
    rows, words = await asyncio.gather(storage.read(LEAD_ROWS, ids), storage.read(LEAD_WORDS, ids))
    return [
        f"{what} {lead['_id']} ({shard_of(lead['_id'])}): differs from its lead"
        for lead in leads
        for what, stored, wanted in (
            ("row", rows.get(lead["_id"]), {**rollup_row(lead, zone), "generation": generation}),
            ("words", words.get(lead["_id"]), words_row(lead)),
        )
        if stored is None or {name: value for name, value in stored.items() if name not in ("_id", "v")} != wanted
    ]


async def _without_lead(storage: Storage) -> AsyncIterator[str]:
    async for page in storage.scan(LEAD_ROWS, fields=("gone",), page=_PAGE):
        for row in await _deleted(storage, (row["_id"] for row in page if not row.get("gone"))):
            yield f"row {row}"
    async for names in storage.scan(LEAD_WORDS, fields=("key",), page=_PAGE):
        for row in await _deleted(storage, (row["_id"] for row in names if "key" in row)):
            yield f"words {row}"


async def _deleted(storage: Storage, lead_ids: Iterable[str]) -> list[str]:
    wanted = list(lead_ids)
    leads = await storage.read(LEADS, wanted, fields=("_id",))
    return [lead_id for lead_id in wanted if lead_id not in leads]


async def _buckets(storage: Storage, generation: int) -> dict[str, Counter[str]]:
    query = {"_id": {"$gte": bucket_id(generation, ""), "$lt": bucket_id(generation + 1, "")}}
    prefix = len(bucket_id(generation, ""))
    found = await storage.find(ROLLUPS, query, fields=("is",))
    return {row["_id"][prefix:]: Counter(dict(flattened(row["is"]))) for row in found}


def _buckets_that_differ(wanted: Mapping[str, Counter[str]], stored: Mapping[str, Counter[str]]) -> list[str]:
    found = []
    for bucket in sorted(wanted.keys() | stored.keys()):
        must, is_ = wanted.get(bucket, Counter()), stored.get(bucket, Counter())
        found += [
            f"bucket {bucket}: {path} is {is_[path]}, must be {must[path]}"
            for path in sorted(must.keys() | is_.keys())
            if must[path] != is_[path]
        ]
    return found


async def verify_until_stable(storage: Storage, tries: int, pause_s: float) -> Verdict:
    """Verify again while a difference may come from events in progress."""
    verdict = await verify(storage)
    while verdict.differences and verdict.moving and tries > 1:
        tries -= 1
        await asyncio.sleep(pause_s)
        verdict = await verify(storage)
    return verdict
