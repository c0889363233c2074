"""Calibration: a sigmoid that fits log-odds to outcomes of unseen examples. Pure."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from shared.domain.stored.prediction_documents import BinPart
from shared.errors import Permanent

Array = NDArray[np.float64]
Labels = NDArray[np.bool_]

BINS_MAX, BIN_MIN = 10, 200
"""At most so many bins of equal mass, each with at least so many examples against chance."""


class ModelRejected(Permanent):
    """The model is of no use; the message says why."""


@dataclass(frozen=True, slots=True)
class Sigmoid:
    """log-odds → `slope` · log-odds + `shift`."""

    slope: float
    shift: float

    def apply(self, log_odds: Array) -> Array:
        """Return calibrated log-odds."""
        return self.slope * log_odds + self.shift


def sigmoid_of(log_odds: Array, labels: Labels) -> Sigmoid:
    """Return the sigmoid for a model's log-odds of unseen examples.

    Raises `ModelRejected` if the sigmoid would reverse their order.
    """
    fit = LogisticRegression(C=1e4).fit(log_odds.reshape(-1, 1), labels)
    slope, shift = float(fit.coef_[0, 0]), float(fit.intercept_[0])
    if slope <= 0:
        raise ModelRejected(f"calibration found a slope of {slope:.2f}: what it calls likelier is not")
    return Sigmoid(slope, shift)


def probability(log_odds: Array) -> Array:
    """Return the probabilities of log-odds."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(log_odds, -35, 35))), dtype=float)


@dataclass(frozen=True, slots=True)
class Bin:
    """Examples predicted up to `up_to`: count, average prediction, converted share."""

    up_to: float
    count: int
    predicted: float
    observed: float

    def document(self) -> BinPart:
        """Return the bin as JSON."""
        return {"up_to": self.up_to, "count": self.count, "predicted": self.predicted, "observed": self.observed}


def bins(predicted: Array, labels: Labels) -> list[Bin]:
    """Return predictions in bins of equal mass, from the lowest."""
    order = np.argsort(predicted, kind="stable")
    number = int(np.clip(len(order) // BIN_MIN, 1, BINS_MAX))
    return [
        Bin(float(predicted[part].max()), len(part), float(predicted[part].mean()), float(labels[part].mean()))
        for part in np.array_split(order, number)
    ]


def calibration_error(found: list[Bin]) -> float:
    """Return the expected calibration error, weighted by the examples per bin."""
    total = sum(one.count for one in found)
    return sum(one.count * abs(one.predicted - one.observed) for one in found) / total
