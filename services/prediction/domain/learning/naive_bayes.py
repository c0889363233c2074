"""Naive Bayes as in Odoo CRM: the baseline of an evaluation, never used to predict. Pure.

Each value of a field has a frequency among won and among lost leads, with 0.1 added. Numbers count by quintile.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from services.prediction.domain.learning.calibration import Array, probability
from services.prediction.domain.learning.features import Value, Vector
from services.prediction.domain.learning.sample import Sample

_ADDED = 0.1
_BINS = 5


@dataclass(frozen=True, slots=True)
class NaiveBayes:
    """Frequencies by feature and value, of converted and of other leads."""

    edges: Mapping[str, Array]
    won: Mapping[str, Counter[str]]
    lost: Mapping[str, Counter[str]]
    total_won: int
    total_lost: int

    def probabilities(self, vectors: Sequence[Vector]) -> Array:
        """Return the probabilities of these vectors."""
        return probability(np.array([self._log_odds(vector) for vector in vectors]))

    def _log_odds(self, vector: Vector) -> float:
        prior = float(np.log(self.total_won / self.total_lost))
        return prior + sum(self.weight(name, vector.get(name)) for name in self.won)

    def weight(self, name: str, value: Value) -> float:
        """Return what a feature with this value adds to the log-odds."""
        if value is None:
            return 0.0
        word = _word(value, self.edges.get(name))
        won, lost = (self.won[name][word] + _ADDED) / self.total_won, (self.lost[name][word] + _ADDED) / self.total_lost
        return float(np.log(won) - np.log(lost))


def _word(value: Value, edges: Array | None) -> str:
    return (
        str(value) if edges is None or isinstance(value, str) else str(int(np.searchsorted(edges, float(value or 0))))
    )


def naive_bayes(sample: Sample) -> NaiveBayes:
    """Return the frequencies of a sample with both outcomes."""
    edges = {name: _edges(sample, name) for name, kind in sample.kinds.items() if kind == "number"}
    won: dict[str, Counter[str]] = {name: Counter() for name in sample.kinds}
    lost: dict[str, Counter[str]] = {name: Counter() for name in sample.kinds}
    for vector, label in zip(sample.vectors, sample.labels, strict=True):
        for name in sample.kinds:
            value = vector.get(name)
            if value is not None:
                (won if label else lost)[name][_word(value, edges.get(name))] += 1
    return NaiveBayes(edges, won, lost, sample.converted, len(sample.labels) - sample.converted)


def _edges(sample: Sample, name: str) -> Array:
    known = [float(value) for vector in sample.vectors if (value := vector.get(name)) is not None]
    return np.quantile(known, np.linspace(0, 1, _BINS + 1)[1:-1]) if known else np.array([])
