"""Telling: what a prediction says, whatever it was made by: the heaviest factors in words, and what is worth doing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.prediction.features import Vector
from services.prediction.reasons import actions, phrase

FACTORS = 3
"""The heaviest factors for, and as many against, that are named."""
_HIGH, _MEDIUM = 0.75, 0.5


@dataclass(frozen=True, slots=True)
class Prediction:
    """How likely a lead converts; `document` is what is stored and answered (`views.Prediction` of the gateway)."""

    probability: float
    document: dict[str, Any]


def exact(number: float) -> float:
    """The nearest multiple of 2⁻⁴⁰: sums of such numbers, up to some thousands, have no error, in whatever order."""
    return round(number * 2**40) / 2**40


def heaviest(weights: Mapping[str, float]) -> list[str]:
    """The features that weigh most for, and most against, the heaviest first."""
    ordered = sorted(weights, key=lambda name: -weights[name])
    chosen = [name for name in ordered[:FACTORS] if weights[name] > 0]
    chosen += [name for name in ordered[-FACTORS:] if weights[name] < 0]
    return sorted(chosen, key=lambda name: -abs(weights[name]))


def factors(weights: Mapping[str, float], named: Sequence[str], vector: Vector) -> dict[str, Any]:
    """The named factors in words, what all the others add up to, and what is worth doing."""
    told = [
        {"name": phrase(one, vector.get(one)), "weight": weights[one], "feature": one, "value": vector.get(one)}
        for one in named
    ]
    return {
        "factors": told,
        "otherFactors": sum(weight for name, weight in weights.items() if name not in named),
        "recommendedActions": actions((one, weights[one], vector.get(one)) for one in named),
    }


def words(confidence: float) -> str:
    """A confidence as a word."""
    return "high" if confidence >= _HIGH else "medium" if confidence >= _MEDIUM else "low"
