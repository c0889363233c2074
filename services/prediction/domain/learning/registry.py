"""The model registry: the document of a model, and the model of a document. Pure."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import sklearn

from services.prediction.domain.learning.calibration import Array, Bin, Sigmoid, probability
from services.prediction.domain.learning.drift import reference_of
from services.prediction.domain.learning.features import SCHEMA, Vector
from services.prediction.domain.learning.models import LeadModel, load_model, log_odds
from services.prediction.domain.learning.sample import Sample
from shared.domain.stored.prediction_documents import FittedModel, MetricsPart, ModelDocument, ServedPart

CHAMPION, SHADOW, REFUSED = "champion", "shadow", "refused"


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model that predicts; `evidence`: outcomes of unseen examples by predicted bin.

    `calibration_error` is the holdout's, once a holdout judged the model.
    """

    version: int
    model: LeadModel
    sigmoid: Sigmoid
    evidence: Sequence[Bin]
    base_rate: float
    examples: int
    calibration_error: float
    horizon_days: int | None

    def probabilities(self, vectors: Sequence[Vector]) -> Array:
        """Return the calibrated probabilities of these vectors."""
        return probability(self.sigmoid.apply(log_odds(self.model, vectors)))

    def document(self) -> ServedPart:
        """Return the model as JSON."""
        return {
            "model": self.model.document(),
            "sigmoid": {"slope": self.sigmoid.slope, "shift": self.sigmoid.shift},
            "evidence": [one.document() for one in self.evidence],
            "baseRate": self.base_rate,
            "examples": self.examples,
            "calibrationError": self.calibration_error,
            "horizonDays": self.horizon_days,
        }


def load_served(document: ModelDocument) -> ServedModel:
    """Return the model of a registry document."""
    held = document["served"]
    return ServedModel(
        document["version"],
        load_model(held["model"]),
        Sigmoid(**held["sigmoid"]),
        tuple(Bin(**one) for one in held["evidence"]),
        held["baseRate"],
        held["examples"],
        held["calibrationError"],
        held["horizonDays"],
    )


def document_of(
    model: ServedModel, sample: Sample, status: str, why: Sequence[str], judged: Mapping[str, MetricsPart]
) -> FittedModel:
    """Return the registry document: how the model was made, from what, and its metrics."""
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
