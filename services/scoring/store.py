"""Scoring's reads and writes: leads with an outdated score, and rescoring's progress."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime

from services.scoring.domain import rescoring_job
from shared.domain.stored.lead_document import LeadDocument
from shared.domain.stored.work_documents import RescoringDocument
from shared.mongo.names import LEADS, RESCORING
from shared.mongo.retries import retry_on_conflict
from shared.mongo.storage import Change, Storage, Unavailable, replacement

AGES_AT = "scoring.agesAt"
_RULE_SET = "scoring.ruleSet"
_SEQ = "scoring.seq"


def scored_by(version: str) -> dict[str, str]:
    """Return the query of the leads with a score of the rule set `version`. An index serves it with `AGES_AT`."""
    return {_RULE_SET: version}


async def find_aged(storage: Storage, version: str, now: datetime, most: int) -> list[LeadDocument]:
    """Return up to `most` leads whose score has changed with time by now, the earliest first.

    All have scores of one rule set: of `version`, or of another one if none of these is due.
    """
    async for rules in _rule_sets(storage, version):
        due = {**scored_by(rules), AGES_AT: {"$lte": now}}
        found = await storage.find(LEADS, due, fields=(AGES_AT, _SEQ), sort=((AGES_AT, 1),), limit=most)
        if found:
            return found
    return []


async def _rule_sets(storage: Storage, version: str) -> AsyncIterator[str]:
    """Yield `version`, then each other rule set of scored leads, by one look into the index."""
    yield version
    for operator, order in (("$lt", -1), ("$gt", 1)):
        query, sort = {_RULE_SET: {operator: version}}, ((_RULE_SET, order),)
        while found := await storage.find(LEADS, query, fields=(_RULE_SET,), sort=sort, limit=1):
            query = {_RULE_SET: {operator: found[0]["scoring"]["ruleSet"]}}
            yield found[0]["scoring"]["ruleSet"]


async def postpone_aged(storage: Storage, leads: Sequence[LeadDocument], until: datetime) -> list[LeadDocument]:
    """Postpone aged leads until `until`; return those that were postponed.

    No other process requests them meanwhile.
    """
    changes = [Change(one["_id"], {AGES_AT: one["scoring"]["agesAt"]}, {"$set": {AGES_AT: until}}) for one in leads]
    if await storage.change(LEADS, changes):
        return list(leads)
    # If another process postpones a lead until the same moment, both send one request under one id.
    found = await storage.read(LEADS, (one["_id"] for one in leads), fields=(AGES_AT,))
    held = {lead_id for lead_id, lead in found.items() if (lead.get("scoring") or {}).get("agesAt") == until}
    return [one for one in leads if one["_id"] in held]


async def find_under_other_rules(storage: Storage, version: str, most: int) -> list[LeadDocument]:
    """Return up to `most` scored leads under another rule set than `version`."""
    for others in _others(version):
        found = await storage.find(LEADS, others, fields=(_SEQ,), limit=most)
        if found:
            return found
    return []


def _others(version: str) -> list[Mapping[str, object]]:
    # An index serves "less" and "greater"; "not equal" would read the whole index.
    return [{_RULE_SET: {"$lt": version}}, {_RULE_SET: {"$gt": version}}]


async def find_unscored(storage: Storage, asked: Mapping[str, int]) -> dict[str, int]:
    """Return those of these leads (id → `scoring.seq`) that have the same scoring still."""
    found = await storage.read(LEADS, asked, fields=(_SEQ,))
    return {lead_id: seq for lead_id, seq in asked.items() if lead_id in found and _seq(found[lead_id]) == seq}


def _seq(lead: LeadDocument) -> int | None:
    return (lead.get("scoring") or {}).get("seq")


async def read_job(storage: Storage) -> RescoringDocument | None:
    """Return the job's row; None before a worker loaded the first rules."""
    return (await storage.read(RESCORING, [rescoring_job.ID])).get(rescoring_job.ID)


async def make_current(storage: Storage, version: str, now: datetime) -> None:
    """Make `version` the current rule set from `now` on, unless it is already."""
    new = rescoring_job.new_job(version, now)
    async for _ in retry_on_conflict():
        row = await read_job(storage)
        if row is None and not await storage.insert_new(RESCORING, [new]):
            break
        if row is not None and (row["version"] == version or await replace_job(storage, row, new)):
            break


async def count_outdated(storage: Storage, row: RescoringDocument) -> RescoringDocument:
    """Return the row with the number of leads to rescore; this counts them once per job."""
    if not rescoring_job.is_new(row):
        return row
    return {**row, "total": sum([await storage.count(LEADS, one) for one in _others(row["version"])]), "done": 0}


async def replace_job(storage: Storage, row: RescoringDocument, new: RescoringDocument) -> bool:
    """Replace the job's row as it was read; return False if another process was first."""
    update = replacement(new, row.keys() - new.keys())
    as_read = {"version": row["version"], "claim": row.get("claim"), "wakeAt": row["wakeAt"]}
    return await storage.change(RESCORING, [Change(rescoring_job.ID, as_read, update)])


async def create_indexes(storage: Storage) -> None:
    """Create the index that finds leads with an outdated score. Each write of a lead pays for each of its indexes."""
    await storage.create_index(LEADS, [(_RULE_SET, 1), (AGES_AT, 1)], sparse=True)
    # An earlier release had one for each.
    for field in (AGES_AT, _RULE_SET):
        try:
            await storage.drop_index(LEADS, [(field, 1)])
        except Unavailable as error:
            # The rights of an earlier release don't include it. An index that stays only makes writes slower.
            if not error.forbidden:
                raise
