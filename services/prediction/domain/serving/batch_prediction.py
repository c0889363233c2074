"""Predict many leads at once, with reasons that add up, and a confidence. Pure."""

from collections.abc import Sequence

import numpy as np

from services.prediction.domain.learning.calibration import probability
from services.prediction.domain.learning.features import Vector
from services.prediction.domain.learning.registry import ServedModel
from services.prediction.domain.serving.explanation import LeadPrediction, confidence_word, exact, factors, heaviest

_SOME_EXAMPLES = 200
_ERROR_OF_NO_USE = 0.2
_Z = 1.96


def by_model(served: ServedModel, vectors: Sequence[Vector]) -> list[LeadPrediction]:
    """Return the model's predictions of these vectors."""
    base, parts = served.model.parts(vectors)
    # The sigmoid scales all parts alike, so parts that add up before it add up after it.
    parts, intercept = parts * served.sigmoid.slope, exact(served.sigmoid.slope * base + served.sigmoid.shift)
    weighted = [dict(zip(served.model.features, map(exact, row), strict=True)) for row in parts.tolist()]
    log_odds = [intercept + sum(weights.values()) for weights in weighted]
    chances = probability(np.array(log_odds)).tolist()
    return [
        _prediction(served, vector, weights, intercept, odds, chance)
        for vector, weights, odds, chance in zip(vectors, weighted, log_odds, chances, strict=True)
    ]


def _prediction(  # noqa: PLR0913 - the parts of one answer
    served: ServedModel, vector: Vector, weights: dict[str, float], intercept: float, log_odds: float, chance: float
) -> LeadPrediction:
    named = heaviest(weights)
    interval = _interval(served, chance)
    confidence = _confidence(served, interval)
    return LeadPrediction(
        chance,
        {
            "probability": chance,
            "confidence": confidence,
            "confidenceWords": confidence_word(confidence),
            "interval": list(interval),
            "method": served.model.method,
            "modelVersion": served.version,
            "horizonDays": served.horizon_days,
            "baseRate": served.base_rate,
            "intercept": intercept,
            "logOdds": log_odds,
            **factors(weights, named, vector),
            "vector": vector,
        },
    )


def _interval(served: ServedModel, chance: float) -> tuple[float, float]:
    """Return the 95 % interval (Wilson) of the converted share among similar predictions."""
    alike = next((one for one in served.evidence if chance <= one.up_to), served.evidence[-1])
    count, z2 = alike.count, _Z**2
    centre = (chance + z2 / (2 * count)) / (1 + z2 / count)
    half = _Z / (1 + z2 / count) * (chance * (1 - chance) / count + z2 / (4 * count**2)) ** 0.5
    return max(0.0, centre - half), min(1.0, centre + half)


def _confidence(served: ServedModel, interval: tuple[float, float]) -> float:
    """Return the confidence, 0…1: a narrow interval, many examples, a small calibration error.

    Each factor alone can bring it to 0.
    """
    narrow = 1 - (interval[1] - interval[0])
    many = served.examples / (served.examples + _SOME_EXAMPLES)
    true = max(0.0, 1 - served.calibration_error / _ERROR_OF_NO_USE)
    return float(narrow * many * true)
