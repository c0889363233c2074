"""The formula that ranks leads until a model is promoted. Not a probability. Pure."""

from collections.abc import Sequence

from services.prediction.domain.learning.features import Value, Vector
from services.prediction.domain.serving.explanation import LeadPrediction, confidence_word, exact, factors, heaviest
from services.prediction.domain.serving.feature_words import recommend_actions

_POINTS = {
    "clickedPricing": 0.15,
    "salesMeetings": 0.12,
    "demos": 0.12,
    "proposals": 0.09,
    "downloadedWhitepaper": 0.08,
    "salesCalls": 0.08,
    "visitedMultiplePages": 0.06,
}
"""Points of single facts. Score and known facts make up the rest to 1."""
_SCORE, _FACTS = 0.25, 0.05
_COMPANY = ("industry", "size", "revenue", "role")
_TRUST = 0.3
"""Confidence with every fact known: never more than low."""


def by_heuristic(vectors: Sequence[Vector], scores: Sequence[int | None]) -> list[LeadPrediction]:
    """Return values 0…1 by score, engagement and contact, the facts that sales look at."""
    return [_by_formula(vector, score or 0) for vector, score in zip(vectors, scores, strict=True)]


def _by_formula(vector: Vector, score: int) -> LeadPrediction:
    known = sum(1 for name in _COMPANY if vector.get(name) is not None) / len(_COMPANY)
    weights = {name: points if vector.get(name) else 0.0 for name, points in _POINTS.items()}
    weights |= {"score": _SCORE * score / 100, "facts": _FACTS * known}
    weights = {name: exact(points) for name, points in weights.items()}
    shown: dict[str, Value] = {**vector, "score": float(score), "facts": known}
    value, confidence = sum(weights.values()), _TRUST * known
    wanted = ((name, -points, 0.0) for name, points in _POINTS.items() if not vector.get(name))
    return LeadPrediction(
        value,
        {
            "probability": value,
            "confidence": confidence,
            "confidenceWords": confidence_word(confidence),
            "interval": None,
            "method": "heuristic",
            "modelVersion": None,
            "horizonDays": None,
            "baseRate": None,
            "intercept": 0.0,
            "logOdds": value,
            **factors(weights, heaviest(weights), shown),
            "recommendedActions": recommend_actions(wanted),
            "vector": vector,
        },
    )
