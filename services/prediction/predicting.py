"""Predicting: open leads in micro-batches, each once something new is known of it, it has aged, or the model is new."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from services.prediction import store
from services.prediction.features import SCHEMA, History, Vector, vector
from services.prediction.heuristic import by_heuristic
from services.prediction.job import again_at
from services.prediction.telling import Prediction
from shared.collections import PREDICTIONS
from shared.domain.registry import HEURISTIC, STANDING
from shared.domain.statuses import OPEN
from shared.due import claim
from shared.errors import where
from shared.storage import Change, Document
from shared.worker import Runtime

if TYPE_CHECKING:
    from services.prediction.registry import Served

BATCH = 500
# Found at once and made due together: what stands under another model is looked for seldom.
_FOUND_MAX = 2_000
_LOOK_S = 20.0
_log = structlog.get_logger()


class Predicting:
    """Predicts what is due, by the model that counts at the time."""

    def __init__(self, runtime: Runtime) -> None:
        self._storage, self._clock = runtime.storage, runtime.clock
        self._lease = timedelta(seconds=runtime.settings.lease_s)
        self._models: dict[int, Served | None] = {}
        self._looked: tuple[float, int] = (-_LOOK_S, HEURISTIC)

    async def take(self) -> int:
        """Predict a batch of what is due; return how many leads there were to see to."""
        standing, now = await store.row(self._storage, STANDING), self._clock()
        champion = await self._model(standing.get("champion"))
        number = champion.version if champion else HEURISTIC
        rows = await claim(self._storage, PREDICTIONS, now, self._lease, BATCH)
        if not rows:
            return await self._recall(number, now)
        known = await store.histories(self._storage, {row["_id"]: now for row in rows})
        open_ = {lead_id: one for lead_id, one in known.items() if one.lead["status"] in OPEN}
        made = await _made_of_each(open_, champion, await self._model(standing.get("shadow")), now) if open_ else {}
        await store.settle_rows(self._storage, rows, made, {row["_id"] for row in rows} - known.keys())
        await store.renewed(self._storage, number, sum(1 for row in rows if row.get("model", number) != number))
        _log.info("leads.predicted", worker="prediction", leads=len(made), closed=len(rows) - len(made))
        return len(rows)

    async def _model(self, version: int | None) -> "Served | None":
        """A model of the registry, kept once read: its document never changes. None: it knows other features."""
        if not version:
            return None
        if version not in self._models:
            self._models[version] = await asyncio.to_thread(_served, await store.model(self._storage, version))
        return self._models[version]

    async def _recall(self, model: int, now: datetime) -> int:
        """Make due what stands under another model than this one; look seldom while nothing does."""
        loop = asyncio.get_running_loop()
        if loop.time() - self._looked[0] < _LOOK_S and self._looked[1] == model:
            return 0
        found = await store.under_other_models(self._storage, model, _FOUND_MAX)
        await (store.going_on if found else store.finished)(self._storage, model, now)
        if not found:
            self._looked = (loop.time(), model)
        # What another process has in hand is left to it: each would make void what the other is at.
        free = [row for row in found if "claim" not in row]
        due = {"$set": {"wakeAt": now}}
        changes = [Change(row["_id"], {"wakeAt": row["wakeAt"], "claim": None}, due) for row in free]
        await self._storage.change(PREDICTIONS, changes)
        return len(free)


async def _made_of_each(
    known: Mapping[str, History], champion: "Served | None", shadow: "Served | None", now: datetime
) -> dict[str, Document]:
    """What to store of each of these leads, but for those that can't be predicted: they keep what they have."""
    try:
        return await _made(known, champion, shadow, now)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with one lead, the others are predicted
        _log.error("predictions.failed", worker="prediction", leads=len(known), error=where(error))
    made: dict[str, Document] = {}
    for lead_id, history in known.items():
        try:
            made |= await _made({lead_id: history}, champion, shadow, now)
        except Exception as error:  # noqa: BLE001 - likewise
            _log.error("prediction.failed", worker="prediction", lead=lead_id, error=where(error))
    return made


async def _made(
    known: Mapping[str, History], champion: "Served | None", shadow: "Served | None", now: datetime
) -> dict[str, Document]:
    """What to store of each of these leads."""
    vectors = [vector(one, now) for one in known.values()]
    scores = [one.lead.get("score") for one in known.values()]
    predictions, beside = await asyncio.to_thread(_predicted, champion, shadow, vectors, scores)
    made = {"model": champion.version if champion else HEURISTIC, "at": now}
    return {
        lead_id: {**made, "wakeAt": again_at(history, now), "prediction": prediction, "shadow": other}
        for (lead_id, history), prediction, other in zip(known.items(), predictions, beside, strict=True)
    }


# numpy and scikit-learn take seconds to come: in a thread, and only where there is a model.


def _served(document: Document | None) -> "Served | None":
    from services.prediction.registry import served  # noqa: PLC0415

    return served(document) if document and document["schema"] == SCHEMA else None


def _predicted(
    champion: "Served | None", shadow: "Served | None", vectors: Sequence[Vector], scores: Sequence[int | None]
) -> tuple[list[Document], list[Document | None]]:
    """Each vector's prediction, and beside it what the shadow says."""
    made = _by_model(champion, vectors) if champion else by_heuristic(vectors, scores)
    if shadow is None:
        return [one.document for one in made], [None] * len(made)
    others = map(float, shadow.probabilities(vectors))
    return [one.document for one in made], [{"model": shadow.version, "probability": one} for one in others]


def _by_model(champion: "Served", vectors: Sequence[Vector]) -> Sequence[Prediction]:
    from services.prediction.serving import by_model  # noqa: PLC0415

    return by_model(champion, vectors)
