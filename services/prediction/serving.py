"""Serving: predictions of many leads at once, with reasons that add up and a confidence that has evidence."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from services.prediction.calibration import probability
from services.prediction.features import Vector
from services.prediction.reasons import actions, phrase
from services.prediction.registry import Served

FACTORS = 3
"""The heaviest factors for, and as many against, that are named."""
_HIGH, _MEDIUM = 0.75, 0.5
_SOME_EXAMPLES = 200
_ERROR_OF_NO_USE = 0.2
_Z = 1.96


@dataclass(frozen=True, slots=True)
class Prediction:
    """How likely a lead converts; `document` is what is stored and answered (`views.Prediction` of the gateway)."""

    probability: float
    document: dict[str, Any]


def by_model(served: Served, vectors: Sequence[Vector]) -> list[Prediction]:
    """The model's predictions of these vectors."""
    base, parts = served.model.parts(vectors)
    # The sigmoid stretches all parts alike: what adds up before it adds up behind it.
    parts, intercept = parts * served.sigmoid.slope, served.sigmoid.slope * base + served.sigmoid.shift
    log_odds = intercept + parts.sum(axis=1)
    chances, features = probability(log_odds), served.model.features
    return [
        _prediction(served, vector, dict(zip(features, map(float, row), strict=True)), intercept, float(odds), chance)
        for vector, row, odds, chance in zip(vectors, parts, log_odds, map(float, chances), strict=True)
    ]


def _prediction(  # noqa: PLR0913 - the parts of one answer
    served: Served, vector: Vector, weights: dict[str, float], intercept: float, log_odds: float, chance: float
) -> Prediction:
    named = heaviest(weights)
    interval = _interval(served, chance)
    confidence = _confidence(served, interval)
    return Prediction(
        chance,
        {
            "probability": chance,
            "confidence": confidence,
            "confidenceWords": words(confidence),
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


def heaviest(weights: dict[str, float]) -> list[str]:
    """The features that weigh most for, and most against, the heaviest first."""
    ordered = sorted(weights, key=lambda name: -weights[name])
    chosen = [name for name in ordered[:FACTORS] if weights[name] > 0]
    chosen += [name for name in ordered[-FACTORS:] if weights[name] < 0]
    return sorted(chosen, key=lambda name: -abs(weights[name]))


def factors(weights: dict[str, float], named: Sequence[str], vector: Vector) -> dict[str, Any]:
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


def _interval(served: Served, chance: float) -> tuple[float, float]:
    """Where the share of converted leads among those predicted alike lies, 19 times of 20 (Wilson's interval)."""
    alike = next((one for one in served.evidence if chance <= one.up_to), served.evidence[-1])
    count, z2 = alike.count, _Z**2
    centre = (chance + z2 / (2 * count)) / (1 + z2 / count)
    half = _Z / (1 + z2 / count) * (chance * (1 - chance) / count + z2 / (4 * count**2)) ** 0.5
    return max(0.0, centre - half), min(1.0, centre + half)


def _confidence(served: Served, interval: tuple[float, float]) -> float:
    """0…1: a narrow interval, many examples and a small calibration error; each alone can take it all away."""
    narrow = 1 - (interval[1] - interval[0])
    many = served.examples / (served.examples + _SOME_EXAMPLES)
    true = max(0.0, 1 - served.calibration_error / _ERROR_OF_NO_USE)
    return float(narrow * many * true)


def words(confidence: float) -> str:
    """A confidence as a word."""
    return "high" if confidence >= _HIGH else "medium" if confidence >= _MEDIUM else "low"


@dataclass(frozen=True, slots=True)
class _Term:
    """A term of the formula: the feature it is shown as, its points, and the features it takes for known facts."""

    feature: str
    points: float


_TERMS = (
    _Term("clickedPricing", 0.15),
    _Term("downloadedWhitepaper", 0.08),
    _Term("visitedMultiplePages", 0.06),
    _Term("salesCalls", 0.08),
    _Term("salesMeetings", 0.12),
    _Term("demos", 0.12),
    _Term("proposals", 0.09),
)
_FACTS = ("industry", "size", "revenue", "role")
_SCORE_SHARE, _FACTS_SHARE = 0.25, 0.05
_TRUST = 0.3


def by_heuristic(vectors: Sequence[Vector], scores: Sequence[int | None]) -> list[Prediction]:
    """A formula's values, while too few outcomes are known: score, engagement and contact, each with fixed points.

    It ranks leads by what sales people look at; it is no probability, and its confidence is never more than low.
    """
    return [_by_formula(vector, score) for vector, score in zip(vectors, scores, strict=True)]


def _by_formula(vector: Vector, score: int | None) -> Prediction:
    weights = {term.feature: term.points if vector.get(term.feature) else 0.0 for term in _TERMS}
    known = sum(1 for name in _FACTS if vector.get(name) is not None) / len(_FACTS)
    weights |= {"score": _SCORE_SHARE * (score or 0) / 100, "facts": _FACTS_SHARE * known}
    value, named = sum(weights.values()), [name for name in heaviest(weights) if name in vector]
    told = {**factors(weights, named, vector), "recommendedActions": actions(_missing(vector))}
    confidence = _TRUST * known
    return Prediction(
        value,
        {
            "probability": value,
            "confidence": confidence,
            "confidenceWords": words(confidence),
            "interval": None,
            "method": "heuristic",
            "modelVersion": None,
            "horizonDays": None,
            "baseRate": None,
            "intercept": 0.0,
            "logOdds": value,
            **told,
            "vector": vector,
        },
    )


def _missing(vector: Vector) -> Iterable[tuple[str, float, Any]]:
    """What the formula would like to see, the most points first."""
    return ((term.feature, -term.points, 0.0) for term in _TERMS if not vector.get(term.feature))
