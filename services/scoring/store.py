"""Scoring's share of the database: leads whose score is not of now, and how far they are being brought up to it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from services.scoring import job
from shared.collections import LEADS, RESCORING
from shared.storage import Change, Document, Storage
from shared.worker import settle

AGES_AT = "scoring.agesAt"
_RULE_SET = "scoring.ruleSet"
_SEQ = "scoring.seq"


async def aged(storage: Storage, now: datetime, most: int) -> list[Document]:
    """Up to `most` leads whose score time has changed by now, the longest waiting first."""
    return await storage.find(LEADS, {AGES_AT: {"$lte": now}}, fields=(AGES_AT, _SEQ), sort=((AGES_AT, 1),), limit=most)


async def hold(storage: Storage, leads: Sequence[Document], until: datetime) -> list[Document]:
    """Take aged leads, so that no other process asks for them before then; return those that are ours."""
    changes = [Change(one["_id"], {AGES_AT: one["scoring"]["agesAt"]}, {"$set": {AGES_AT: until}}) for one in leads]
    if await storage.change(LEADS, changes):
        return list(leads)
    # Another process that takes some until the very same moment asks as we do, under the same ids.
    found = await storage.read(LEADS, (one["_id"] for one in leads), fields=(AGES_AT,))
    held = {lead_id for lead_id, lead in found.items() if (lead.get("scoring") or {}).get("agesAt") == until}
    return [one for one in leads if one["_id"] in held]


async def under_other_rules(storage: Storage, version: str, most: int) -> list[Document]:
    """Up to `most` scored leads that stand under another rule set than `version`."""
    for others in _others(version):
        found = await storage.find(LEADS, others, fields=(_SEQ,), limit=most)
        if found:
            return found
    return []


def _others(version: str) -> list[Mapping[str, Any]]:
    # An index serves what is below and what is above; "not equal" would read it all.
    return [{_RULE_SET: {"$lt": version}}, {_RULE_SET: {"$gt": version}}]


async def unscored(storage: Storage, asked: Mapping[str, int]) -> dict[str, int]:
    """Those of these leads (id → number of their last scoring) that nobody has scored since."""
    found = await storage.read(LEADS, asked, fields=(_SEQ,))
    return {lead_id: seq for lead_id, seq in asked.items() if lead_id in found and _seq(found[lead_id]) == seq}


def _seq(lead: Document) -> int | None:
    return (lead.get("scoring") or {}).get("seq")


async def job_row(storage: Storage) -> Document | None:
    """The job's row; None before the first rules were loaded."""
    return (await storage.read(RESCORING, [job.ID])).get(job.ID)


async def make_current(storage: Storage, version: str, now: datetime) -> None:
    """Let `version` be the rules that hold, from now on if they don't yet."""

    async def attempt() -> bool:
        row, new = await job_row(storage), job.begun(version, now)
        if row is None:
            return not await storage.insert_new(RESCORING, [new])
        return row["version"] == version or await replace(storage, row, new)

    await settle(attempt)


async def counted(storage: Storage, row: Document) -> Document:
    """The row with the number of leads there are to do, which is counted once a job."""
    if not job.is_new(row):
        return row
    return {**row, "total": sum([await storage.count(LEADS, one) for one in _others(row["version"])]), "done": 0}


async def replace(storage: Storage, row: Document, new: Document) -> bool:
    """Put `new` in place of the job's row as it was read; False when another process was faster."""
    gone = {name: "" for name in row if name not in new}
    update = {"$set": {name: value for name, value in new.items() if name != "_id"}}
    as_read = {"version": row["version"], "claim": row.get("claim"), "wakeAt": row["wakeAt"]}
    return await storage.change(RESCORING, [Change(job.ID, as_read, update | ({"$unset": gone} if gone else {}))])


async def create_indexes(storage: Storage) -> None:
    """The indexes that find leads whose score is not of now."""
    await storage.create_index(LEADS, [(AGES_AT, 1)], sparse=True)
    await storage.create_index(LEADS, [(_RULE_SET, 1)], sparse=True)
