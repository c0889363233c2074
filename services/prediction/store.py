"""Prediction's share of the database: each lead's prediction, what is known of leads, and the registry of models."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from services.prediction import condensing
from services.prediction.features import History
from shared.collections import ACTIVITIES, CAPTURES, LEADS, MODELS, PREDICTIONS, TIMELINE
from shared.domain.registry import PROGRESS, STANDING, model_id
from shared.storage import Change, Document, Storage
from shared.worker import settle

_LEAD_FIELDS = ("source", "status", "score", "company", "contact", "context", "createdAt")
_CAPTURE_FIELDS = ("leadId", "capturedAt", "knownAt", "channel", "filled")
_ACTIVITY_FIELDS = ("leadId", "type", "at", "knownAt", "engagement", "cancelled", "earlier")
_MODELS_MAX = 100
_Condense = Callable[[Iterable[Mapping[str, Any]], Mapping[str, datetime]], list[Mapping[str, Any]]]


async def ask(storage: Storage, lead_ids: Iterable[str], at: datetime) -> None:
    """Let these leads be predicted at this time, if it isn't earlier anyway; whoever has one in hand begins anew."""
    ids = list(dict.fromkeys(lead_ids))
    if not await storage.change(PREDICTIONS, [_asked(one, at) for one in ids]):
        await storage.insert_new(PREDICTIONS, [{"_id": one, "wakeAt": at} for one in ids])


def _asked(lead_id: str, at: datetime) -> Change:
    # Without its claim, what is being made of the row right now is void.
    return Change(lead_id, {}, {"$min": {"wakeAt": at}, "$unset": {"claim": ""}})


async def histories(storage: Storage, as_of: Mapping[str, datetime]) -> dict[str, History]:
    """What is known of those of these leads that exist, by id, condensed for a vector `as_of` the lead's moment."""
    ids = list(as_of)
    leads, captured, done = await asyncio.gather(
        storage.read(LEADS, ids, fields=_LEAD_FIELDS),
        _condensed(storage, CAPTURES, _CAPTURE_FIELDS, condensing.captures, as_of),
        _condensed(storage, ACTIVITIES, _ACTIVITY_FIELDS, condensing.activities, as_of),
    )
    return {one: History(leads[one], captured.get(one, ()), done.get(one, ())) for one in ids if one in leads}


async def _condensed(
    storage: Storage, collection: str, fields: Sequence[str], condense: _Condense, as_of: Mapping[str, datetime]
) -> dict[str, list[Mapping[str, Any]]]:
    """What these leads' rows say, which are read in pages: a lead can have any number of them."""
    kept: list[Mapping[str, Any]] = []
    async for page in storage.pages_in(collection, "leadId", as_of, fields=fields):
        kept = condense([*kept, *page], as_of)
    return _by_lead(kept)


def _by_lead(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["leadId"], []).append(row)
    return found


async def lost_at(storage: Storage, lead_ids: Iterable[str]) -> dict[str, datetime]:
    """When those of these leads that the timeline tells it of were lost, the last time."""
    found: dict[str, datetime] = {}
    async for page in storage.pages_in(TIMELINE, "leadId", lead_ids, fields=("leadId", "at", "details.changed")):
        for row in page:
            changes = (row.get("details") or {}).get("changed") or ()
            if any(one["path"] == "status" and one.get("to") == "lost" for one in changes):
                found[row["leadId"]] = max(row["at"], found.get(row["leadId"], row["at"]))
    return found


async def settle_rows(storage: Storage, rows: Sequence[Document], made: Mapping[str, Document], gone: set[str]) -> None:
    """End the work on these claimed rows: `made` is what to store of each open lead, `gone` are leads that are no more.

    The others are closed: their last prediction stays as it is. A row that was asked for meanwhile stays due.
    """
    await storage.delete(PREDICTIONS, gone)
    ended = {"claim": ""}
    await storage.change(
        PREDICTIONS,
        [
            Change(
                row["_id"],
                {"claim": row["claim"], "wakeAt": row["wakeAt"]},
                {"$set": {**made[row["_id"]], "closed": False}, "$unset": ended}
                if row["_id"] in made
                else {"$set": {"closed": True}, "$unset": {**ended, "wakeAt": "", "model": ""}},
            )
            for row in rows
            if row["_id"] not in gone
        ],
    )


async def under_other_models(storage: Storage, model: int, most: int) -> list[Document]:
    """Up to `most` open leads' rows whose prediction is by another model than this one."""
    for others in _others(model):
        found = await storage.find(PREDICTIONS, others, fields=("wakeAt", "claim"), limit=most)
        if found:
            return found
    return []


async def count_under_others(storage: Storage, model: int) -> int:
    """How many there are."""
    return sum([await storage.count(PREDICTIONS, one) for one in _others(model)])


def _others(model: int) -> list[Mapping[str, Any]]:
    # An index serves what is below and what is above; "not equal" would read it all.
    return [{"model": {"$lt": model}}, {"model": {"$gt": model}}]


async def going_on(storage: Storage, model: int, now: datetime) -> None:
    """Note that open leads are being brought under this model, and how many there are, once a job."""
    held = await row(storage, PROGRESS)
    if held.get("model") != model or "finishedAt" in held:
        total = await count_under_others(storage, model)
        await storage.put(MODELS, [{"_id": PROGRESS, "model": model, "total": total, "done": 0, "at": now}])


async def renewed(storage: Storage, model: int, leads: int) -> None:
    """Count so many leads that this model has reached."""
    if leads:
        await storage.change(MODELS, [Change(PROGRESS, {"model": model}, {"$inc": {"done": leads}})])


async def finished(storage: Storage, model: int, now: datetime) -> None:
    """Note that no open lead stands under another model."""
    held = await row(storage, PROGRESS)
    if held.get("model") == model and "finishedAt" not in held:
        done = {"done": held["total"], "finishedAt": now}
        await storage.change(MODELS, [Change(PROGRESS, {"model": model}, {"$set": done})])


async def row(storage: Storage, name: str) -> Document:
    """One of the rows that are no model; empty while there is none."""
    return (await storage.read(MODELS, [name])).get(name, {})


async def swap(storage: Storage, name: str, guard: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Set `new` on a row if `guard` holds for it, or it isn't there yet; False when another process was faster."""
    if not await storage.insert_new(MODELS, [{"_id": name, **new}]):
        return True
    return await storage.change(MODELS, [Change(name, guard, {"$set": dict(new)})])


async def move(storage: Storage, decide: Callable[[Document], Document]) -> Document:
    """Change which models count, as `decide` says of the row as it stands; return the new one. Raises what it raises.

    One row says it all, and its revision guards it: a reader meets the models of before, or those of after.
    """
    new: Document = {}

    async def attempt() -> bool:
        nonlocal new
        standing = await row(storage, STANDING)
        new = {**decide(standing), "revision": standing.get("revision", 0) + 1}
        return await swap(storage, STANDING, {"revision": standing.get("revision")}, new)

    await settle(attempt)
    return new


async def model(storage: Storage, version: int) -> Document | None:
    """A model of the registry; None where there is none of this number."""
    return (await storage.read(MODELS, [model_id(version)])).get(model_id(version))


async def models(storage: Storage, fields: Sequence[str] | None = None) -> list[Document]:
    """All models, the newest first."""
    query = {"_id": {"$gte": "model:", "$lt": "model;"}}
    return await storage.find(MODELS, query, fields=fields, sort=(("_id", -1),))


async def forget_old(storage: Storage) -> None:
    """Delete the oldest models of a long history, but for those that count, did, or run beside."""
    standing = await row(storage, STANDING)
    kept = {standing.get("champion"), standing.get("shadow"), *standing.get("previous", ())}
    old = (await models(storage, fields=("version",)))[_MODELS_MAX:]
    await storage.delete(MODELS, [one["_id"] for one in old if one["version"] not in kept])


async def create_indexes(storage: Storage) -> None:
    """The indexes that find leads whose prediction is not of now."""
    await storage.create_index(PREDICTIONS, [("wakeAt", 1)], sparse=True)
    await storage.create_index(PREDICTIONS, [("model", 1)], sparse=True)
