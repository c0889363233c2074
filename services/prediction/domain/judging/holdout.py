"""The holdout test: what a model must prove on later examples before it predicts. Pure."""

from dataclasses import asdict, dataclass
from typing import cast

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from services.prediction.domain.learning.calibration import Array, Labels, bins, calibration_error
from shared.domain.stored.prediction_documents import MetricsPart

ECE_MAX = 0.05
_ROUNDS, _AT_ONCE = 1_000, 50
_LOWER = 0.05
"""The share of resampled holdouts that may show no gain."""
_TOP = 0.1


@dataclass(frozen=True, slots=True)
class HoldoutMetrics:
    """How probabilities compare with outcomes.

    `auc`, `pr_auc` and `lift` (of the top decile) are None if all outcomes are the same.
    """

    examples: int
    converted: int
    log_loss: float
    brier: float
    calibration_error: float
    auc: float | None
    pr_auc: float | None
    lift: float | None

    def document(self) -> MetricsPart:
        """Return the metrics as JSON."""
        # The fields are those of `MetricsPart`; `asdict` loses their types.
        rounded = {name: round(value, 5) if isinstance(value, float) else value for name, value in asdict(self).items()}
        return cast("MetricsPart", rounded)


def metrics(predicted: Array, labels: Labels) -> HoldoutMetrics:
    """Return the metrics of these probabilities."""
    converted = int(labels.sum())
    both = 0 < converted < len(labels)
    return HoldoutMetrics(
        len(labels),
        converted,
        float(log_losses(predicted, labels).mean()),
        float(briers(predicted, labels).mean()),
        calibration_error(bins(predicted, labels)),
        float(roc_auc_score(labels, predicted)) if both else None,
        float(average_precision_score(labels, predicted)) if both else None,
        _lift(predicted, labels) if both else None,
    )


def _lift(predicted: Array, labels: Labels) -> float:
    if np.ptp(predicted) == 0:
        return 1.0
    top = np.argsort(-predicted, kind="stable")[: max(1, round(len(labels) * _TOP))]
    return float(labels[top].mean() / labels.mean())


def log_losses(predicted: Array, labels: Labels) -> Array:
    """Return each example's log loss."""
    of_truth = np.where(labels, predicted, 1 - predicted)
    return np.asarray(-np.log(np.clip(of_truth, 1e-15, 1)), dtype=float)


def briers(predicted: Array, labels: Labels) -> Array:
    """Return each example's squared error."""
    return np.asarray((predicted - labels) ** 2, dtype=float)


def lower_bound(gains: Array, seed: int) -> float:
    """Return a lower bound of the average gain, by paired bootstrap over the examples."""
    chance = np.random.default_rng(seed)
    size = len(gains)
    averages = [gains[chance.integers(0, size, (_AT_ONCE, size))].mean(axis=1) for _ in range(_ROUNDS // _AT_ONCE)]
    return float(np.quantile(np.concatenate(averages), _LOWER))


def uncalibrated(predicted: Array, labels: Labels) -> list[str]:
    """Return why these probabilities aren't calibrated, in words; empty if they are."""
    error = calibration_error(bins(predicted, labels))
    return [f"calibration error {error:.3f} is over {ECE_MAX}"] if error > ECE_MAX else []


def objections(predicted: Array, labels: Labels, base: Array, seed: int) -> list[str]:
    """Return why these probabilities fail: not calibrated, or no better than the base rate."""
    return uncalibrated(predicted, labels) + no_better(predicted, labels, "the base rate", base, seed)


def no_better(predicted: Array, labels: Labels, name: str, other: Array, seed: int) -> list[str]:
    """Return the measures by which these probabilities aren't certainly better than `other`."""
    found = []
    for measure, losses in (("log loss", log_losses), ("Brier score", briers)):
        gain = lower_bound(losses(other, labels) - losses(predicted, labels), seed)
        if gain <= 0:
            found.append(f"{measure} is not certainly better than that of {name} (lower bound {gain:+.4f})")
    return found
