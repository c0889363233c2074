"""Storage of predictions, of the facts behind them, and of the model registry."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from services.prediction.domain.learning import condensing
from services.prediction.domain.learning.fact_rows import FactRow, PastEdit, past_edits
from services.prediction.domain.learning.features import History, version_of
from shared.domain.model_documents import PROGRESS, STANDING, model_id
from shared.domain.stored.lead_document import LeadDocument
from shared.domain.stored.prediction_documents import (
    JobRow,
    ModelDocument,
    PredictedPart,
    PredictionRow,
    StandingRow,
    TrainingRow,
)
from shared.mongo.names import (
    ACTIVITIES,
    CAPTURES,
    EDITS,
    LEADS,
    MODEL_JOBS,
    MODELS,
    PREDICTIONS,
    TIMELINE,
    CollectionName,
)
from shared.mongo.retries import retry_on_conflict
from shared.mongo.storage import Change, Storage

_LEAD_FIELDS = (
    *("source", "status", "score", "company", "contact", "context", "createdAt"),
    *("revision", "scoring.seq", "lastEdit"),
)
_CAPTURE_FIELDS = ("leadId", "capturedAt", "knownAt", "channel", "filled")
_ACTIVITY_FIELDS = ("leadId", "type", "at", "knownAt", "engagement", "cancelled", "earlier")
_MODELS_MAX = 100
_Condense = Callable[[Iterable[FactRow], Mapping[str, datetime]], list[FactRow]]


async def request_predictions(storage: Storage, lead_ids: Iterable[str], at: datetime) -> None:
    """Make these leads due at this time, unless they are due earlier. Voids work on them."""
    ids = list(dict.fromkeys(lead_ids))
    if not await storage.change(PREDICTIONS, [_due(one, at) for one in ids]):
        rows: list[PredictionRow] = [{"_id": one, "wakeAt": at} for one in ids]
        await storage.insert_new(PREDICTIONS, rows)


def _due(lead_id: str, at: datetime) -> Change:
    # Without its claim, the result of work in progress on the row is dropped.
    return Change(lead_id, {}, {"$min": {"wakeAt": at}, "$unset": {"claim": ""}})


async def read_lead_facts(storage: Storage, lead_ids: Iterable[str]) -> dict[str, LeadDocument]:
    """Return those of these leads that exist, with the fields that predictions need."""
    return await storage.read(LEADS, lead_ids, fields=_LEAD_FIELDS)


async def load_histories(
    storage: Storage, leads: Mapping[str, LeadDocument], as_of: Mapping[str, datetime]
) -> dict[str, History]:
    """Return the facts of these leads by id, condensed for a vector `as_of` each one's moment.

    The leads were read before: then their versions promise no change that the facts lack.
    """
    moments = {one: as_of[one] for one in leads}
    captured, done, edited = await asyncio.gather(
        _condensed(storage, CAPTURES, _CAPTURE_FIELDS, condensing.condense_captures, moments),
        _condensed(storage, ACTIVITIES, _ACTIVITY_FIELDS, condensing.condense_activities, moments),
        _past_edits(storage, {one: lead for one, lead in leads.items() if "lastEdit" in lead}, moments),
    )
    return {
        one: History(lead, captured.get(one, ()), done.get(one, ()), edited.get(one, ())) for one, lead in leads.items()
    }


async def _past_edits(
    storage: Storage, leads: Mapping[str, LeadDocument], as_of: Mapping[str, datetime]
) -> dict[str, list[PastEdit]]:
    """Return these leads' condensed edits. The newest one may be on its lead only."""
    kept = condensing.condense_edits(
        (one for id_, lead in leads.items() for one in past_edits(id_, lead["lastEdit"])), as_of
    )
    async for page in storage.pages_in(EDITS, "leadId", leads):
        kept = condensing.condense_edits(
            [*kept, *(one for row in page for one in past_edits(row["leadId"], row))], as_of
        )
    found: dict[str, list[PastEdit]] = {}
    for one in kept:
        found.setdefault(one["leadId"], []).append(one)
    return found


async def _condensed(
    storage: Storage,
    collection: CollectionName[Any],  # `fields` make rows of either collection a `FactRow`
    fields: Sequence[str],
    condense: _Condense,
    as_of: Mapping[str, datetime],
) -> dict[str, list[FactRow]]:
    """Return these leads' condensed rows, read in pages: a lead can have any number of rows."""
    kept: list[FactRow] = []
    async for page in storage.pages_in(collection, "leadId", as_of, fields=fields):
        kept = condense([*kept, *page], as_of)
    return _by_lead(kept)


def _by_lead(rows: Iterable[FactRow]) -> dict[str, list[FactRow]]:
    found: dict[str, list[FactRow]] = {}
    for row in rows:
        found.setdefault(row["leadId"], []).append(row)
    return found


async def lost_at(storage: Storage, lead_ids: Iterable[str]) -> dict[str, datetime]:
    """Return when these leads were lost for the last time, as far as the timeline has it."""
    found: dict[str, datetime] = {}
    async for page in storage.pages_in(TIMELINE, "leadId", lead_ids, fields=("leadId", "at", "details.changed")):
        for row in page:
            changes = row["details"].get("changed") or () if "details" in row else ()
            if any(one["path"] == "status" and one.get("to") == "lost" for one in changes):
                found[row["leadId"]] = max(row["at"], found.get(row["leadId"], row["at"]))
    return found


async def save_predictions(
    storage: Storage, leads: Mapping[str, LeadDocument], made: Mapping[str, PredictedPart]
) -> None:
    """Store what was predicted of leads as they were read, unless a later state has been predicted. Voids claims.

    `made` are open leads' documents. Other leads are closed and keep their last prediction.
    """
    changes = [_saved(one, version_of(lead), made.get(one)) for one, lead in leads.items()]
    if await storage.change(PREDICTIONS, changes):
        return
    rows = [_row(one, version_of(lead), made.get(one)) for one, lead in leads.items()]
    fresh = leads.keys() - await storage.insert_new(PREDICTIONS, rows)
    # An erasure that deleted these rows before they came has deleted the leads before that.
    await storage.delete(PREDICTIONS, fresh - (await storage.read(LEADS, fresh, fields=("_id",))).keys())


def _saved(lead_id: str, version: int, made: PredictedPart | None) -> Change:
    guard = {"version": {"$not": {"$gt": version}}}
    update = _settlement(made)
    return Change(lead_id, guard, {**update, "$set": {**update["$set"], "version": version}})


def _row(lead_id: str, version: int, made: PredictedPart | None) -> PredictionRow:
    if made is None:
        return {"_id": lead_id, "version": version, "closed": True}
    return {
        "_id": lead_id,
        "version": version,
        "model": made["model"],
        "at": made["at"],
        "wakeAt": made["wakeAt"],
        "prediction": made["prediction"],
        "shadow": made["shadow"],
        "closed": False,
    }


def _settlement(made: PredictedPart | None) -> dict[str, dict[str, object]]:
    if made is None:
        return {"$set": {"closed": True}, "$unset": {"claim": "", "wakeAt": "", "model": ""}}
    return {"$set": {**made, "closed": False}, "$unset": {"claim": ""}}


async def settle_rows(
    storage: Storage, rows: Sequence[PredictionRow], made: Mapping[str, PredictedPart], gone: set[str]
) -> None:
    """Finish claimed rows: `made` are open leads' documents, `gone` are deleted leads.

    Other leads are closed and keep their last prediction. A row that was requested again meanwhile stays due.
    """
    await storage.delete(PREDICTIONS, gone)
    left = [row for row in rows if row["_id"] not in gone]
    settled = [(row, _settlement(made.get(row["_id"]))) for row in left]
    as_claimed = [({"claim": row["claim"], "wakeAt": row["wakeAt"]}, row["_id"], update) for row, update in settled]
    await storage.change(PREDICTIONS, [Change(id_, guard, update) for guard, id_, update in as_claimed])


async def under_other_models(storage: Storage, model: int, most: int) -> list[PredictionRow]:
    """Return up to `most` rows of open leads with a prediction by another model."""
    for others in _others(model):
        found = await storage.find(PREDICTIONS, others, fields=("wakeAt", "claim"), limit=most)
        if found:
            return found
    return []


async def count_under_others(storage: Storage, model: int) -> int:
    """Return how many open leads have a prediction by another model."""
    return sum([await storage.count(PREDICTIONS, one) for one in _others(model)])


def _others(model: int) -> list[Mapping[str, object]]:
    # An index serves the ranges below and above; "not equal" would read all rows.
    return [{"model": {"$lt": model}}, {"model": {"$gt": model}}]


async def start_progress(storage: Storage, model: int, now: datetime) -> None:
    """Record that leads change to this model, and how many. Does nothing if recorded."""
    held = await read_row(storage, PROGRESS)
    if held.get("model") != model or "finishedAt" in held:
        total = await count_under_others(storage, model)
        begun: JobRow = {"_id": PROGRESS, "model": model, "total": total, "done": 0, "at": now}
        await storage.put(MODEL_JOBS, [begun])


async def count_renewed(storage: Storage, model: int, leads: int) -> None:
    """Add to the number of leads that this model has reached."""
    if leads:
        await storage.change(MODELS, [Change(PROGRESS, {"model": model}, {"$inc": {"done": leads}})])


async def finish_progress(storage: Storage, model: int, now: datetime) -> None:
    """Record that no open lead has a prediction by another model."""
    held = await read_row(storage, PROGRESS)
    if held and "finishedAt" not in held:
        # A model that replaced this one meanwhile may have reached all leads before its own progress was recorded.
        done = {"model": model, "done": held["total"], "finishedAt": now}
        await storage.change(MODELS, [Change(PROGRESS, {"model": held["model"]}, {"$set": done})])


async def read_row(storage: Storage, name: str) -> JobRow:
    """Return one of the rows that are no model; empty if missing."""
    return (await storage.read(MODEL_JOBS, [name])).get(name, {})


async def swap_row(storage: Storage, name: str, guard: Mapping[str, object], new: StandingRow | TrainingRow) -> bool:
    """Set `new` on a row if `guard` matches or the row is missing. Return False on a conflict."""
    if not await storage.insert_new(MODEL_JOBS, [job_row(name, new)]):
        return True
    return await storage.change(MODELS, [Change(name, guard, {"$set": dict(new)})])


def job_row(name: str, row: StandingRow | TrainingRow) -> JobRow:
    """Return the document of a row that is no model."""
    return cast("JobRow", {"_id": name, **row})  # without the fields of the others, which it need not have


async def change_models(storage: Storage, decide: Callable[[StandingRow], StandingRow]) -> StandingRow:
    """Change which models predict, as `decide` says of the current row. Return the new row.

    Raises what `decide` raises. One row names all models, and its revision guards it: a reader sees the models before
    the change or after it.
    """
    async for _ in retry_on_conflict():
        standing = await read_row(storage, STANDING)
        new: StandingRow = {**decide(standing), "revision": standing.get("revision", 0) + 1}
        if await swap_row(storage, STANDING, {"revision": standing.get("revision")}, new):
            break
    return new


async def find_model(storage: Storage, version: int) -> ModelDocument | None:
    """Return a model of the registry; None if there is no such version."""
    return (await storage.read(MODELS, [model_id(version)])).get(model_id(version))


async def list_models(storage: Storage, fields: Sequence[str] | None = None) -> list[ModelDocument]:
    """Return all models, the newest first."""
    query = {"_id": {"$gte": "model:", "$lt": "model;"}}
    return await storage.find(MODELS, query, fields=fields, sort=(("_id", -1),))


async def forget_old(storage: Storage) -> None:
    """Delete the oldest models, except champion, former champions and shadow."""
    standing = await read_row(storage, STANDING)
    kept = {standing.get("champion"), standing.get("shadow"), *standing.get("previous", ())}
    old = (await list_models(storage, fields=("version",)))[_MODELS_MAX:]
    await storage.delete(MODELS, [one["_id"] for one in old if one["version"] not in kept])


async def create_indexes(storage: Storage) -> None:
    """Create the indexes that find leads with an outdated prediction."""
    await storage.create_index(PREDICTIONS, [("wakeAt", 1)], sparse=True)
    await storage.create_index(PREDICTIONS, [("model", 1)], sparse=True)
