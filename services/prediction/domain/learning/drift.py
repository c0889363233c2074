"""Drift: whether leads or their outcomes differ from what a model learned from. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from services.prediction.domain.learning.encoding import MISSING, OTHER
from services.prediction.domain.learning.features import Kind, Value, Vector
from services.prediction.domain.learning.sample import Sample
from shared.domain.stored.prediction_documents import DriftPart, ReferencePart

PSI_MAX = 0.25
"""The population stability index from which a feature has drifted, as in credit scoring."""
RATE_RATIO = (0.67, 1.5)
"""Bounds of the later base rate, as a multiple of the base rate in training."""
RECENT_MIN, OUTCOMES_MIN = 200, 50
"""With fewer leads, or outcomes, chance alone would raise alarms."""
_DEVIATIONS = 3.0
"""Chance rarely moves a rate this many deviations. With few conversions the ratio jumps."""
_BINS = 10
_SMALLEST = 1e-3
_FREQUENT = 0.02
"""Rarer values of a category count together: campaign names change often."""


def reference_of(vectors: Sequence[Vector], kinds: Mapping[str, Kind]) -> dict[str, ReferencePart]:
    """Return the distribution of each feature: bins by upper edge, and each bin's share."""
    return {name: _reference([one.get(name) for one in vectors], kind) for name, kind in kinds.items()}


def _reference(values: Sequence[Value], kind: Kind) -> ReferencePart:
    if kind == "number":
        edges = _edges(values)
        return {"edges": edges, "shares": _pairs(_shares([_bin(value, edges) for value in values]))}
    shares = _shares([_word(value) for value in values])
    kept = {level: share for level, share in shares.items() if share >= _FREQUENT}
    return {"shares": _pairs(kept | {OTHER: sum(shares.values()) - sum(kept.values())})}


def _pairs(shares: Mapping[str, float]) -> list[tuple[str, float]]:
    # As a document's field names, typed values with dots would be paths.
    return [(name, share) for name, share in sorted(shares.items())]


def _edges(values: Sequence[Value]) -> list[float]:
    known = [float(value) for value in values if value is not None]
    if not known:
        return []
    return [float(one) for one in np.unique(np.quantile(known, np.linspace(0, 1, _BINS + 1)[1:-1]))]


def _shares(bins: Sequence[str]) -> dict[str, float]:
    return {name: count / len(bins) for name, count in Counter(bins).items()}


def _bin(value: Value, edges: Sequence[float]) -> str:
    return MISSING if value is None else str(int(np.searchsorted(edges, float(value))))


def _word(value: Value) -> str:
    return MISSING if value is None else str(value)


def psi(reference: ReferencePart, values: Sequence[Value]) -> float:
    """Return the population stability index of these values against the reference; 0: equal."""
    before = dict(reference["shares"])
    if "edges" in reference:
        now = _shares([_bin(value, reference["edges"]) for value in values])
    else:
        words = map(_word, values)
        now = _shares([word if word in before else OTHER for word in words])
    pairs = [(max(before.get(one, 0.0), _SMALLEST), max(now.get(one, 0.0), _SMALLEST)) for one in before | now]
    return float(sum((new - old) * np.log(new / old) for old, new in pairs))


def alarms(
    reference: Mapping[str, ReferencePart], base_rate: float, recent: Sequence[Vector], later: Sample
) -> list[DriftPart]:
    """Return drifted features of `recent` leads, and a drifted rate of `later` examples."""
    found: list[DriftPart] = []
    for name, of in reference.items() if len(recent) >= RECENT_MIN else ():
        value = psi(of, [one.get(name) for one in recent])
        if value > PSI_MAX:
            found.append({"what": name, "measure": "psi", "value": round(value, 3), "limit": PSI_MAX})
    if len(later.labels) >= OUTCOMES_MIN and base_rate:
        ratio = later.base_rate / base_rate
        by_chance = _DEVIATIONS * (base_rate * (1 - base_rate) / len(later.labels)) ** 0.5
        if not RATE_RATIO[0] <= ratio <= RATE_RATIO[1] and abs(later.base_rate - base_rate) > by_chance:
            limit = RATE_RATIO[ratio > 1]
            found.append({"what": "base rate", "measure": "ratio", "value": round(ratio, 3), "limit": limit})
    return found
