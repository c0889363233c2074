"""Retraining: a model is trained anew each day, or once enough outcomes are known, by one process of all."""

import asyncio
import uuid
from datetime import datetime, timedelta

from services.prediction import store
from services.prediction.job import is_due, maturing, taken
from services.prediction.training import train
from shared.clock import pause, unless
from shared.collections import INSIGHTS, ROLLUPS
from shared.domain.registry import TRAINING
from shared.domain.rollups import META, bucket_id, day_bucket
from shared.storage import Document
from shared.worker import Runtime

_LOOK_S = 30.0


class Retraining:
    """Trains when it is due."""

    def __init__(self, runtime: Runtime) -> None:
        self._storage, self._clock, self._metrics = runtime.storage, runtime.clock, runtime.metrics
        self._days = runtime.settings.prediction_horizon_days
        self._claim = uuid.uuid4().hex

    async def run(self, stopping: asyncio.Event) -> None:
        """Go on until told to stop; a training under way is left then."""
        while not stopping.is_set():
            await unless(stopping, self.step())
            await pause(stopping, _LOOK_S)

    async def step(self) -> None:
        """Train if it is due and no other process does."""
        row, now = await store.row(self._storage, TRAINING), self._clock()
        if is_due(row, self._days, now, await self._matured(row, now)):
            guard, taking = taken(row, self._claim, now)
            if await store.swap(self._storage, TRAINING, guard, taking):
                row = await train(self._storage, self._days, now)
        self._metrics.drift.set(len(row.get("drift") or ()))

    async def _matured(self, row: Document, now: datetime) -> int:
        """How many leads' outcomes came to be known since the last training, as the roll-ups count leads by day."""
        if "trainedAt" not in row:
            return 0
        days = maturing(row["trainedAt"], now, timedelta(days=self._days))
        meta = (await self._storage.read(INSIGHTS, [META], fields=("generation",))).get(META, {})
        ids = [bucket_id(meta.get("generation", 0), day_bucket(day)) for day in days]
        buckets = await self._storage.read(ROLLUPS, ids, fields=("is.n",))
        return sum(row["is"].get("n", 0) for row in buckets.values())
