"""Calibration: a sigmoid that makes log-odds true to what came of examples the model had not seen."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

Array = NDArray[np.float64]
Labels = NDArray[np.bool_]

BINS_MAX, BIN_MIN = 10, 200
"""Calibration is judged in bins of equal mass: at most so many, each of so many examples, or chance would be judged."""


class Refused(Exception):  # noqa: N818 - what becomes of the model
    """The model is of no use, and why."""


@dataclass(frozen=True, slots=True)
class Sigmoid:
    """log-odds → `slope` · log-odds + `shift`."""

    slope: float
    shift: float

    def apply(self, log_odds: Array) -> Array:
        """Calibrated log-odds."""
        return self.slope * log_odds + self.shift


def sigmoid_of(log_odds: Array, labels: Labels) -> Sigmoid:
    """The sigmoid for a model's log-odds of examples that it hadn't seen. Raises `Refused` where it would turn them."""
    fit = LogisticRegression(C=1e4).fit(log_odds.reshape(-1, 1), labels)
    slope, shift = float(fit.coef_[0, 0]), float(fit.intercept_[0])
    if slope <= 0:
        raise Refused(f"calibration found a slope of {slope:.2f}: what it calls likelier is not")
    return Sigmoid(slope, shift)


def probability(log_odds: Array) -> Array:
    """The probabilities that log-odds stand for."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(log_odds, -35, 35))), dtype=float)


@dataclass(frozen=True, slots=True)
class Bin:
    """Examples whose prediction is `up_to` at most: how many, what was predicted on average, and what came true."""

    up_to: float
    count: int
    predicted: float
    observed: float


def bins(predicted: Array, labels: Labels) -> list[Bin]:
    """Predictions in bins of equal mass, from the lowest."""
    order = np.argsort(predicted, kind="stable")
    number = int(np.clip(len(order) // BIN_MIN, 1, BINS_MAX))
    return [
        Bin(float(predicted[part].max()), len(part), float(predicted[part].mean()), float(labels[part].mean()))
        for part in np.array_split(order, number)
    ]


def calibration_error(found: list[Bin]) -> float:
    """The expected calibration error: how far predictions are from what came true, on average over the examples."""
    total = sum(one.count for one in found)
    return sum(one.count * abs(one.predicted - one.observed) for one in found) / total
