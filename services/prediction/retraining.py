"""Trains a model daily, or once enough outcomes are known, in one process of all."""

import asyncio
import uuid
from datetime import datetime, timedelta

from services.prediction import store
from services.prediction.domain.training_job import is_due, maturing_days, take_job
from services.prediction.training import train
from shared.clock import pause, run_until
from shared.consuming.worker import Runtime
from shared.domain.model_documents import TRAINING
from shared.domain.rollups import META, bucket_id, day_bucket, total
from shared.domain.stored.prediction_documents import TrainingRow
from shared.mongo.names import INSIGHTS_META, ROLLUPS

_LOOK_S = 30.0


class Retraining:
    """Trains when it is due."""

    def __init__(self, runtime: Runtime) -> None:
        self._storage, self._clock, self._metrics = runtime.storage, runtime.clock, runtime.metrics
        self._days = runtime.settings.prediction_horizon_days
        self._claim = uuid.uuid4().hex

    async def run(self, stopping: asyncio.Event) -> None:
        """Run until `stopping` is set, which also cancels a training."""
        while not stopping.is_set():
            await run_until(stopping, self.step())
            await pause(stopping, _LOOK_S)

    async def step(self) -> None:
        """Train if it is due and no other process trains."""
        row: TrainingRow = await store.read_row(self._storage, TRAINING)
        now = self._clock()
        if is_due(row, self._days, now, await self._matured(row, now)):
            guard, taking = take_job(row, self._claim, now)
            if await store.swap_row(self._storage, TRAINING, guard, taking):
                row = await train(self._storage, self._days, now)
        self._metrics.drift.set(len(row.get("drift") or ()))

    async def _matured(self, row: TrainingRow, now: datetime) -> int:
        """Return how many outcomes became known since the last training, by the roll-ups' days."""
        if "trainedAt" not in row:
            return 0
        days = maturing_days(row["trainedAt"], now, timedelta(days=self._days))
        meta = (await self._storage.read(INSIGHTS_META, [META], fields=("generation",))).get(META)
        ids = [bucket_id(meta["generation"] if meta else 0, day_bucket(day)) for day in days]
        buckets = await self._storage.read(ROLLUPS, ids, fields=("is.n",))
        return total(row["is"] for row in buckets.values())["n"]
