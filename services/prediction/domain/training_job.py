"""When to predict a lead or train a model again, and the rows of both jobs. Pure."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TypedDict

from services.prediction.domain.learning.features import SCHEMA, History, Vector, last
from shared.domain.model_documents import TOO_FEW, TOO_FEW_WHY
from shared.domain.stored.prediction_documents import DriftPart, FittedModel, ModelDocument, TrainingRow

RETRAIN_AFTER = timedelta(days=1)
RETRAIN_OUTCOMES = 500
"""Train daily, or earlier once this many new outcomes are known since the last training."""
LEASE = timedelta(minutes=30)
"""After this time without news, another process takes over the training."""
_AGES = timedelta(days=1)
_SHARE = 10


class FitTask(TypedDict):
    """What the process that fits a model reads, as JSON: all times are texts there."""

    vectors: Sequence[Vector]
    labels: Sequence[bool]
    times: Sequence[str]
    recent: Sequence[Vector]
    champion: ModelDocument | None
    horizonDays: int


class FitResult(TypedDict):
    """What that process writes, as JSON; `model` None: there is none to store."""

    model: FittedModel | None
    status: str
    examples: int
    converted: int
    why: list[str]
    drift: list[DriftPart]


def result_without_outcomes(task: FitTask) -> FitResult | None:
    """Return the result of a task that has no outcome and no champion to watch; None: another task."""
    if task["labels"] or task["champion"]:
        return None
    return {"model": None, "status": TOO_FEW, "examples": 0, "converted": 0, "why": [TOO_FEW_WHY], "drift": []}


def again_at(history: History, now: datetime) -> datetime:
    """Return when time alone makes a new prediction useful: daily, rarer for older leads."""
    news: list[datetime] = [history.lead["createdAt"], *(last(one, "at") for one in history.activities)]
    return now + max(_AGES, (now - max(news)) / _SHARE)


def is_due(row: TrainingRow, horizon_days: int, now: datetime, matured: int) -> bool:
    """Return whether to train: `row` is the job's, `matured` counts new outcomes."""
    if "claim" in row:
        return row["wakeAt"] <= now
    if not row or (row["horizonDays"], row["schema"]) != (horizon_days, SCHEMA):
        return True
    return row["trainedAt"] + RETRAIN_AFTER <= now or matured >= RETRAIN_OUTCOMES


def take_job(row: TrainingRow, claim: str, now: datetime) -> tuple[Mapping[str, object], TrainingRow]:
    """Return the guard and the change by which a process takes the job."""
    guard = {name: row.get(name) for name in ("claim", "wakeAt", "trainedAt")}
    return guard, {"claim": claim, "wakeAt": now + LEASE}


def maturing_days(since: datetime, now: datetime, horizon: timedelta) -> list[date]:
    """Return the days whose leads' horizon ended after `since`."""
    first, last = (since - horizon).date(), (now - horizon).date()
    return [first + timedelta(days=number + 1) for number in range((last - first).days)]


def job_result(found: FitResult, version: int | None, censored: int, horizon_days: int, now: datetime) -> TrainingRow:
    """Return the job's row after a training: its examples, its result, and the drift found.

    `version` None: there was no model to store.
    """
    return {
        "trainedAt": now,
        "version": version,
        "censored": censored,
        "horizonDays": horizon_days,
        "schema": SCHEMA,
        "status": found["status"],
        "examples": found["examples"],
        "converted": found["converted"],
        "why": found["why"],
        "drift": found["drift"],
    }
