"""Reads of predictions and of the model card: the model, its judgement and its drift."""

from collections.abc import Mapping, Sequence

from services.gateway.leads.queries import Answer
from shared.domain.model_documents import HEURISTIC, PROGRESS, STANDING, TRAINING, model_id
from shared.domain.stored.prediction_documents import JobRow, ModelDocument
from shared.mongo.names import MODEL_JOBS, MODELS, PREDICTIONS
from shared.mongo.storage import Storage

_FIELDS = ("version", "at", "method", "window", "converted", "metrics", "status", "why", "served.evidence")
_NUMBERS = ("served.examples", "served.baseRate", "served.horizonDays")
_METRICS = {"auc": "auc", "brier": "brier", "logLoss": "log_loss", "calibrationError": "calibration_error"}


async def find_prediction(storage: Storage, lead_id: str) -> Answer | None:
    """Return an open lead's prediction; None for other leads and before the first prediction."""
    found = (await storage.read(PREDICTIONS, [lead_id], fields=("at", "closed", "prediction"))).get(lead_id)
    if found is None or found.get("closed", True):
        return None
    return {"leadId": lead_id, "at": found["at"], **found["prediction"]}


async def model_card(storage: Storage) -> Answer:
    """Return the card of the current model, or of the formula without one."""
    rows = await storage.read(MODEL_JOBS, (STANDING, TRAINING, PROGRESS))
    champion = rows.get(STANDING, {}).get("champion")
    id_ = model_id(champion or HEURISTIC)
    model = (await storage.read(MODELS, [id_], fields=(*_FIELDS, *_NUMBERS))).get(id_)
    return {**_of_model(model), **_of_training(rows.get(TRAINING, {})), "progress": _progress(rows.get(PROGRESS))}


def _of_model(model: ModelDocument | None) -> Answer:
    if model is None:
        return {"method": "heuristic", "modelVersion": None, "model": None}
    held = model["served"]
    learned = {
        "trainedAt": model["at"],
        "window": model["window"],
        "examples": held["examples"],
        "converted": model["converted"],
        "baseRate": held["baseRate"],
        "horizonDays": held["horizonDays"],
        "judged": _judged(model["metrics"].get(model["method"])),
        "baseRateJudged": _judged(model["metrics"].get("base rate")),
        "calibration": [
            {
                "upTo": one["up_to"],
                "count": one["count"],
                "predicted": one["predicted"],
                "observed": one["observed"],
            }
            for one in held["evidence"]
        ],
    }
    return {"method": model["method"], "modelVersion": model["version"], "model": learned}


def _judged(metrics: Mapping[str, object] | None) -> Answer | None:
    """Return the holdout's metrics; None for a model promoted without a holdout."""
    if not metrics:
        return None
    return {"examples": metrics["examples"], **{name: metrics[key] for name, key in _METRICS.items()}}


def _of_training(row: JobRow) -> Answer:
    """Return the result of the last training; None before the first."""
    if "trainedAt" not in row:
        return {"training": None, "drift": []}
    fields = ("status", "why", "examples", "converted", "censored")
    return {"training": {"at": row["trainedAt"], **_present(row, fields)}, "drift": row["drift"]}


def _present(row: Mapping[str, object], fields: Sequence[str]) -> Answer:
    return {name: row[name] for name in fields}


def _progress(row: JobRow | None) -> Answer | None:
    """Return how many open leads a new model has reached; None once it has reached all."""
    return {"done": row["done"], "total": row["total"]} if row and "finishedAt" not in row else None
