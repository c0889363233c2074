"""Predictions as they are stored, and the model card: what they are made by, how it was judged, what has changed."""

from collections.abc import Mapping
from typing import Any

from shared.collections import MODELS, PREDICTIONS
from shared.domain.registry import HEURISTIC, PROGRESS, STANDING, TRAINING, model_id
from shared.storage import Document, Storage

_FIELDS = ("version", "at", "method", "window", "converted", "metrics", "status", "why", "served.evidence")
_NUMBERS = ("served.examples", "served.baseRate", "served.horizonDays")
_METRICS = {"auc": "auc", "brier": "brier", "logLoss": "log_loss", "calibrationError": "calibration_error"}


async def of_lead(storage: Storage, lead_id: str) -> Document | None:
    """How likely an open lead converts, and why; None for any other, and while nothing is predicted yet."""
    found = (await storage.read(PREDICTIONS, [lead_id], fields=("at", "closed", "prediction"))).get(lead_id, {})
    if found.get("closed", True):
        return None
    return {"leadId": lead_id, "at": found["at"], **found["prediction"]}


async def card(storage: Storage) -> Document:
    """The card of the model that counts, or of the formula while none does."""
    rows = await storage.read(MODELS, (STANDING, TRAINING, PROGRESS))
    champion = rows.get(STANDING, {}).get("champion")
    id_ = model_id(champion or HEURISTIC)
    model = (await storage.read(MODELS, [id_], fields=(*_FIELDS, *_NUMBERS))).get(id_)
    return {**_of_model(model), **_of_training(rows.get(TRAINING, {})), "progress": _progress(rows.get(PROGRESS))}


def _of_model(model: Mapping[str, Any] | None) -> Document:
    if model is None:
        return {"method": "heuristic", "modelVersion": None, "model": None}
    held = model["served"]
    told = {
        "trainedAt": model["at"],
        "window": model["window"],
        "examples": held["examples"],
        "converted": model["converted"],
        "baseRate": held["baseRate"],
        "horizonDays": held["horizonDays"],
        "judged": _judged(model["metrics"].get(model["method"])),
        "baseRateJudged": _judged(model["metrics"].get("base rate")),
        "calibration": [
            {"upTo": one["up_to"], **{name: one[name] for name in ("count", "predicted", "observed")}}
            for one in held["evidence"]
        ],
    }
    return {"method": model["method"], "modelVersion": model["version"], "model": told}


def _judged(metrics: Mapping[str, Any] | None) -> Document | None:
    """Metrics on the later examples; None: it was promoted without."""
    if not metrics:
        return None
    return {"examples": metrics["examples"], **{name: metrics[key] for name, key in _METRICS.items()}}


def _of_training(row: Mapping[str, Any]) -> Document:
    """What the last training came to; None before the first."""
    if "trainedAt" not in row:
        return {"training": None, "drift": []}
    told = ("status", "why", "examples", "converted", "censored")
    return {"training": {"at": row["trainedAt"], **{name: row[name] for name in told}}, "drift": row["drift"]}


def _progress(row: Mapping[str, Any] | None) -> Document | None:
    """How many open leads a new model has reached; None while all stand under one."""
    return {"done": row["done"], "total": row["total"]} if row and "finishedAt" not in row else None
