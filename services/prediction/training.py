"""Training: what leads became is collected, a model is fitted to it in a process of its own, and the registry follows.

Killed anywhere, it is begun anew: a model that was entered and not promoted yet stays one that never counted.
"""

import asyncio
import json
import sys
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog

from services.prediction import store
from services.prediction.collecting import Collected, collect
from services.prediction.job import trained
from services.prediction.standing import promoted, shadowed
from shared.collections import MODELS
from shared.domain.registry import HEURISTIC, STANDING, TRAINING, model_id
from shared.storage import Document, Storage
from shared.worker import settle

_log = structlog.get_logger()


class FitFailed(Exception):  # noqa: N818 - what happened
    """The process that fits a model ended without one; its words are the message."""


async def train(storage: Storage, horizon_days: int, now: datetime) -> Document:
    """Train on all that is known by `now`, and promote what is better; return what the job's row says of it.

    Raises `FitFailed`, and `Unavailable` while the database is.
    """
    collected = await collect(storage, timedelta(days=horizon_days), now)
    standing = await store.row(storage, STANDING)
    champion = await store.model(storage, standing.get("champion") or HEURISTIC)
    found = await _fitted(_task(collected, champion, horizon_days))
    version = await _enter(storage, found["model"], now) if found["model"] else None
    if version:
        await _move(storage, version, found["model"]["status"])
    await store.forget_old(storage)
    row = trained(found, version, collected.censored, horizon_days, now)
    await storage.put(MODELS, [{"_id": TRAINING, **row}])
    _log.info("model.trained", **{name: row[name] for name in ("version", "status", "examples", "converted")})
    for alarm in row["drift"]:
        _log.warning("prediction.drift", **alarm)
    return row


def _task(collected: Collected, champion: Document | None, horizon_days: int) -> Mapping[str, Any]:
    return {
        "vectors": collected.vectors,
        "labels": [one.converted for one in collected.moments],
        "times": [one.at.isoformat() for one in collected.moments],
        "recent": collected.recent,
        "champion": champion,
        "horizonDays": horizon_days,
    }


async def _fitted(task: Mapping[str, Any]) -> Document:
    """What `fit` makes of it: minutes of both cores, which must not hold up who predicts; it dies with who asked."""
    pipe = asyncio.subprocess.PIPE
    words = (sys.executable, "-m", "services.prediction.fit")
    process = await asyncio.create_subprocess_exec(*words, stdin=pipe, stdout=pipe, stderr=pipe)
    try:
        told, wrong = await process.communicate(await asyncio.to_thread(_told, task))
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise FitFailed(wrong.decode(errors="replace").strip().splitlines()[-1] if wrong else str(process.returncode))
    found: Document = json.loads(told)
    return found


def _told(task: Mapping[str, Any]) -> bytes:
    # In a thread: a hundred thousand vectors take seconds, in which nobody else would get a word in.
    return json.dumps(task, default=str).encode()


async def _enter(storage: Storage, model: Document, now: datetime) -> int:
    """Put a model into the registry under the next free number, which is returned."""
    version = 0

    async def attempt() -> bool:
        nonlocal version
        newest = await store.models(storage, fields=("version",))
        version = max((one["version"] for one in newest), default=0) + 1
        return not await storage.insert_new(
            MODELS, [{**model, "_id": model_id(version), "version": version, "at": now}]
        )

    await settle(attempt)
    return version


async def _move(storage: Storage, version: int, status: str) -> None:
    """Let a new model count, or run beside the one that does, as it was judged."""
    moves = {"champion": promoted, "shadow": shadowed}
    if status in moves:
        await store.move(storage, lambda standing: moves[status](standing, version))
