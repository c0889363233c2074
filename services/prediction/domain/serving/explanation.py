"""Explain a prediction of any method: the strongest factors in words, and actions. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.prediction.domain.learning.features import Vector
from services.prediction.domain.serving.feature_words import phrase, recommend_actions
from shared.domain.stored.prediction_documents import PredictionFactors, PredictionPart, WeightedFactor

FACTORS = 3
"""The most factors named for, and the most named against."""
_HIGH, _MEDIUM = 0.75, 0.5


@dataclass(frozen=True, slots=True)
class LeadPrediction:
    """How likely a lead converts; `document` is stored, and the gateway's answer."""

    probability: float
    document: PredictionPart


def exact(number: float) -> float:
    """Return the nearest multiple of 2⁻⁴⁰. Sums of thousands of these have no rounding error."""
    return round(number * 2**40) / 2**40


def heaviest(weights: Mapping[str, float]) -> list[str]:
    """Return the features with the largest weights for and against, the largest first."""
    ordered = sorted(weights, key=lambda name: -weights[name])
    chosen = [name for name in ordered[:FACTORS] if weights[name] > 0]
    chosen += [name for name in ordered[-FACTORS:] if weights[name] < 0]
    return sorted(chosen, key=lambda name: -abs(weights[name]))


def factors(weights: Mapping[str, float], named: Sequence[str], vector: Vector) -> PredictionFactors:
    """Return the named factors in words, the sum of all others, and recommended actions."""
    described: list[WeightedFactor] = [
        {"name": phrase(one, vector.get(one)), "weight": weights[one], "feature": one, "value": vector.get(one)}
        for one in named
    ]
    return {
        "factors": described,
        "otherFactors": sum(weight for name, weight in weights.items() if name not in named),
        "recommendedActions": recommend_actions((one, weights[one], vector.get(one)) for one in named),
    }


def confidence_word(confidence: float) -> str:
    """Return a confidence as a word."""
    return "high" if confidence >= _HIGH else "medium" if confidence >= _MEDIUM else "low"
