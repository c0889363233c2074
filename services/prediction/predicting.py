"""Predicts open leads in batches: after new events, with age, and after a new model."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from services.prediction import store
from services.prediction.domain.learning.features import SCHEMA, History, Vector, vector, version_of
from services.prediction.domain.serving.explanation import LeadPrediction
from services.prediction.domain.serving.heuristic import by_heuristic
from services.prediction.domain.training_job import again_at
from shared.consuming.worker import Runtime
from shared.domain.model_documents import HEURISTIC, STANDING
from shared.domain.statuses import OPEN
from shared.domain.stored.lead_document import LeadDocument
from shared.domain.stored.prediction_documents import ModelDocument, PredictedPart, PredictionPart, ShadowPart
from shared.errors import Transient
from shared.mongo.leases import acquire_lease
from shared.mongo.names import PREDICTIONS
from shared.mongo.storage import Change
from shared.observability.error_places import where

if TYPE_CHECKING:
    from services.prediction.domain.learning.registry import ServedModel

BATCH = 500
# Rows under another model are searched rarely, and many become due at once.
_FOUND_MAX = 2_000
_LOOK_S = 20.0
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Models:
    """The models in use. Without a champion the formula predicts; the shadow's predictions have no effect."""

    champion: "ServedModel | None"
    shadow: "ServedModel | None"

    @property
    def number(self) -> int:
        return self.champion.version if self.champion else HEURISTIC


class Predictor:
    """Predicts leads by the current model: the due ones, and those that events tell of."""

    def __init__(self, runtime: Runtime) -> None:
        self._storage, self._clock = runtime.storage, runtime.clock
        self._lease = timedelta(seconds=runtime.settings.lease_s)
        self._models: dict[int, ServedModel | None] = {}
        self._looked: tuple[float, int] = (-_LOOK_S, HEURISTIC)

    async def take(self) -> int:
        """Predict a batch of due leads; return how many rows it handled."""
        models, now = await self._standing_models(), self._clock()
        rows = await acquire_lease(self._storage, PREDICTIONS, now, self._lease, BATCH)
        if not rows:
            return await self._recall(models.number, now)
        leads = await store.read_lead_facts(self._storage, (row["_id"] for row in rows))
        made = await self._predict_open(leads, models, now)
        await store.settle_rows(self._storage, rows, made, {row["_id"] for row in rows} - leads.keys())
        renewed = sum(1 for row in rows if row.get("model", models.number) != models.number)
        await store.count_renewed(self._storage, models.number, renewed)
        _log.info("leads.predicted", worker="prediction", leads=len(made), closed=len(rows) - len(made))
        return len(rows)

    async def predict(self, lead_ids: set[str]) -> None:
        """Predict these leads as they are now; erased ones lose their predictions.

        If the models can't be loaded, this requests predictions of the poller.

        Crash before the predictions are stored → the events come again → predicted again.
        """
        now = self._clock()
        leads = await store.read_lead_facts(self._storage, lead_ids)
        await self._storage.delete(PREDICTIONS, lead_ids - leads.keys())
        try:
            models = await self._standing_models()
        except Transient:
            raise
        except Exception as error:  # noqa: BLE001 - a broken model must not send events to the dead letter
            _log.error("predictions.failed", worker="prediction", leads=len(leads), error=where(error))
            await store.request_predictions(self._storage, leads, now)
            return
        await store.save_predictions(self._storage, leads, await self._predict_open(leads, models, now))

    async def _predict_open(
        self, leads: Mapping[str, LeadDocument], models: "_Models", now: datetime
    ) -> dict[str, PredictedPart]:
        """Return the documents of the open ones. Nothing more is read of the others."""
        open_ = {lead_id: lead for lead_id, lead in leads.items() if lead["status"] in OPEN}
        if not open_:
            return {}
        return await _predict_each(
            await store.load_histories(self._storage, open_, dict.fromkeys(open_, now)), models, now
        )

    async def _standing_models(self) -> "_Models":
        standing = await store.read_row(self._storage, STANDING)
        return _Models(await self._model(standing.get("champion")), await self._model(standing.get("shadow")))

    async def _model(self, version: int | None) -> "ServedModel | None":
        """Return a model of the registry, cached. None: it uses other features."""
        if not version:
            return None
        if version not in self._models:
            self._models[version] = await asyncio.to_thread(_load, await store.find_model(self._storage, version))
        return self._models[version]

    async def _recall(self, model: int, now: datetime) -> int:
        """Make rows under another model due. Search rarely while there are none."""
        loop = asyncio.get_running_loop()
        if loop.time() - self._looked[0] < _LOOK_S and self._looked[1] == model:
            return 0
        found = await store.under_other_models(self._storage, model, _FOUND_MAX)
        await (store.start_progress if found else store.finish_progress)(self._storage, model, now)
        if not found:
            self._looked = (loop.time(), model)
        # Leave rows that another process has claimed: making them due would void its work.
        free = [row for row in found if "claim" not in row]
        due = {"$set": {"wakeAt": now}}
        changes = [Change(row["_id"], {"wakeAt": row["wakeAt"], "claim": None}, due) for row in free]
        await self._storage.change(PREDICTIONS, changes)
        return len(free)


async def _predict_each(known: Mapping[str, History], models: _Models, now: datetime) -> dict[str, PredictedPart]:
    """Return the documents to store. A lead that can't be predicted keeps its prediction."""
    try:
        return await _predict(known, models, now)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with one lead, the others are predicted
        _log.error("predictions.failed", worker="prediction", leads=len(known), error=where(error))
    made: dict[str, PredictedPart] = {}
    for lead_id, history in known.items():
        try:
            made |= await _predict({lead_id: history}, models, now)
        except Exception as error:  # noqa: BLE001 - likewise
            _log.error("prediction.failed", worker="prediction", lead=lead_id, error=where(error))
    return made


async def _predict(known: Mapping[str, History], models: _Models, now: datetime) -> dict[str, PredictedPart]:
    """Return the documents to store for these leads."""
    vectors = [vector(one, now) for one in known.values()]
    scores = [one.lead.get("score") for one in known.values()]
    predictions, beside = await asyncio.to_thread(_predict_vectors, models.champion, models.shadow, vectors, scores)
    return {
        lead_id: {
            "version": version_of(history.lead),
            "model": models.number,
            "at": now,
            "wakeAt": again_at(history, now),
            "prediction": prediction,
            "shadow": other,
        }
        for (lead_id, history), prediction, other in zip(known.items(), predictions, beside, strict=True)
    }


# numpy and scikit-learn take seconds to import: do it in a thread, and only with a model.


def _load(document: ModelDocument | None) -> "ServedModel | None":
    from services.prediction.domain.learning.registry import load_served  # noqa: PLC0415

    return load_served(document) if document and document["schema"] == SCHEMA else None


def _predict_vectors(
    champion: "ServedModel | None",
    shadow: "ServedModel | None",
    vectors: Sequence[Vector],
    scores: Sequence[int | None],
) -> tuple[list[PredictionPart], Sequence[ShadowPart | None]]:
    """Return each vector's prediction, and the shadow's prediction beside it."""
    made = _by_model(champion, vectors) if champion else by_heuristic(vectors, scores)
    if shadow is None:
        return [one.document for one in made], [None] * len(made)
    others = map(float, shadow.probabilities(vectors))
    return [one.document for one in made], [{"model": shadow.version, "probability": one} for one in others]


def _by_model(champion: "ServedModel", vectors: Sequence[Vector]) -> Sequence[LeadPrediction]:
    from services.prediction.domain.serving.batch_prediction import by_model  # noqa: PLC0415

    return by_model(champion, vectors)
