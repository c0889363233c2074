"""Training: collect outcomes, fit a model in its own process, update the registry.

Crash at any point → at most a stored model that was never promoted → the next training starts again.
"""

import asyncio
import json
import sys
from datetime import datetime, timedelta

import structlog

from services.prediction import store
from services.prediction.collecting import Collected, collect
from services.prediction.domain.judging.promotion import promote, run_as_shadow
from services.prediction.domain.training_job import FitResult, FitTask, job_result, result_without_outcomes
from shared.domain.model_documents import HEURISTIC, STANDING, TRAINING, model_id
from shared.domain.stored.prediction_documents import FittedModel, ModelDocument, TrainingRow
from shared.errors import Permanent
from shared.mongo.names import MODEL_JOBS, MODELS
from shared.mongo.retries import retry_on_conflict
from shared.mongo.storage import Storage

_log = structlog.get_logger()


class FitFailed(Permanent):
    """The process that fits a model failed; its error output is the message."""


async def train(storage: Storage, horizon_days: int, now: datetime) -> TrainingRow:
    """Train on all that is known at `now`, and promote a better model. Return the job's row.

    Raises `FitFailed`, and `Unavailable` while the database is away.
    """
    collected = await collect(storage, timedelta(days=horizon_days), now)
    standing = await store.read_row(storage, STANDING)
    champion = await store.find_model(storage, standing.get("champion") or HEURISTIC)
    task = _task(collected, champion, horizon_days)
    # A new installation has no outcome yet: it needs no process to learn nothing.
    found = result_without_outcomes(task) or await _run_fit(task)
    model, version = found["model"], None
    if model:
        version = await _enter(storage, model, now)
        await _move(storage, version, model["status"])
    await store.forget_old(storage)
    row = job_result(found, version, collected.censored, horizon_days, now)
    await storage.put(MODEL_JOBS, [store.job_row(TRAINING, row)])
    _log.info("model.trained", **{name: row[name] for name in ("version", "status", "examples", "converted")})
    for alarm in row["drift"]:
        _log.warning("prediction.drift", **alarm)
    return row


def _task(collected: Collected, champion: ModelDocument | None, horizon_days: int) -> FitTask:
    return {
        "vectors": collected.vectors,
        "labels": [one.converted for one in collected.moments],
        "times": [one.at.isoformat() for one in collected.moments],
        "recent": collected.recent,
        "champion": champion,
        "horizonDays": horizon_days,
    }


async def _run_fit(task: FitTask) -> FitResult:
    """Run `fit` in a process of its own, which ends with this one.

    It takes minutes of both cores, and must not delay predictions.
    """
    pipe = asyncio.subprocess.PIPE
    words = (sys.executable, "-m", "services.prediction.fit")
    process = await asyncio.create_subprocess_exec(*words, stdin=pipe, stdout=pipe, stderr=pipe)
    try:
        output, wrong = await process.communicate(await asyncio.to_thread(_encode_task, task))
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise FitFailed(wrong.decode(errors="replace").strip().splitlines()[-1] if wrong else str(process.returncode))
    found: FitResult = json.loads(output)
    return found


def _encode_task(task: FitTask) -> bytes:
    # In a thread: a hundred thousand vectors take seconds, which would block the event loop.
    return json.dumps(task, default=str).encode()


async def _enter(storage: Storage, model: FittedModel, now: datetime) -> int:
    """Store a model under the next free version. Return the version."""
    async for _ in retry_on_conflict():
        newest = await store.list_models(storage, fields=("version",))
        version: int = max((one["version"] for one in newest), default=0) + 1
        entry: ModelDocument = {**model, "_id": model_id(version), "version": version, "at": now}
        if not await storage.insert_new(MODELS, [entry]):
            break
    return version


async def _move(storage: Storage, version: int, status: str) -> None:
    """Make a new model champion or shadow, as it was judged."""
    moves = {"champion": promote, "shadow": run_as_shadow}
    if status in moves:
        await store.change_models(storage, lambda standing: moves[status](standing, version))
