"""The registry: what is kept of each model, and the model that this is. All is pure."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sklearn

from services.prediction.calibration import Array, Bin, Sigmoid, probability
from services.prediction.drift import reference_of
from services.prediction.features import SCHEMA, Vector
from services.prediction.models import Model, log_odds, model_of
from services.prediction.sample import Sample

Document = dict[str, Any]

CHAMPION, SHADOW, REFUSED, TOO_FEW = "champion", "shadow", "refused", "too_few"


@dataclass(frozen=True, slots=True)
class Served:
    """A model as it predicts; `evidence`: what came true of training examples by what was predicted of them, unseen.

    `calibration_error` is the holdout's, once it was judged by one.
    """

    version: int
    model: Model
    sigmoid: Sigmoid
    evidence: Sequence[Bin]
    base_rate: float
    examples: int
    calibration_error: float
    horizon_days: int | None

    def probabilities(self, vectors: Sequence[Vector]) -> Array:
        """The calibrated probabilities of these vectors."""
        return probability(self.sigmoid.apply(log_odds(self.model, vectors)))

    def document(self) -> Document:
        """As JSON."""
        return {
            "model": self.model.document(),
            "sigmoid": {"slope": self.sigmoid.slope, "shift": self.sigmoid.shift},
            "evidence": [{name: getattr(one, name) for name in Bin.__slots__} for one in self.evidence],
            "baseRate": self.base_rate,
            "examples": self.examples,
            "calibrationError": self.calibration_error,
            "horizonDays": self.horizon_days,
        }


def served(document: Mapping[str, Any]) -> Served:
    """The model that a registry's document holds."""
    held = document["served"]
    return Served(
        document["version"],
        model_of(held["model"]),
        Sigmoid(**held["sigmoid"]),
        tuple(Bin(**one) for one in held["evidence"]),
        held["baseRate"],
        held["examples"],
        held["calibrationError"],
        held["horizonDays"],
    )


def document_of(model: Served, sample: Sample, status: str, why: Sequence[str], judged: Mapping[str, Any]) -> Document:
    """What is kept of a model: how it was made, from what, and how it was judged (`metrics` by what they are of)."""
    return {
        "status": status,
        "why": list(why),
        "method": model.model.method,
        "dataHash": sample.hash,
        "schema": SCHEMA,
        "features": dict(sample.kinds),
        "reference": reference_of(sample.vectors, sample.kinds),
        "libraries": {"python": platform.python_version(), "numpy": np.__version__, "sklearn": sklearn.__version__},
        "window": sample.window,
        "converted": sample.converted,
        "metrics": dict(judged),
        "served": model.document(),
    }
