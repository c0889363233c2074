"""Propose a model: fit to earlier examples, judge on later ones, refit the best."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from services.prediction.domain.judging.holdout import metrics, no_better, objections
from services.prediction.domain.learning.calibration import (
    Array,
    Labels,
    ModelRejected,
    bins,
    calibration_error,
    probability,
    sigmoid_of,
)
from services.prediction.domain.learning.features import Kind, Vector
from services.prediction.domain.learning.models import Boosting, Fit, Logistic, fit_boosting, fit_logistic
from services.prediction.domain.learning.registry import CHAMPION, REFUSED, SHADOW, ServedModel
from services.prediction.domain.learning.sample import Sample
from shared.domain.model_documents import TOO_FEW, TOO_FEW_WHY
from shared.domain.stored.prediction_documents import MetricsPart

HOLDOUT = 0.25
"""The share of the latest examples that judges models."""
BOOSTING_EXAMPLES, BOOSTING_CONVERTED = 1_000, 120
"""With fewer outcomes, only logistic regression is a candidate."""
_Fitting = Callable[[Sequence[Vector], Labels, Mapping[str, Kind], int], Fit]
_FITTINGS: Mapping[str, _Fitting] = {Logistic.method: fit_logistic, Boosting.method: fit_boosting}


@dataclass(frozen=True, slots=True)
class Champion:
    """The current champion, and the time of the last example it learned from."""

    served: ServedModel
    until: datetime


@dataclass(frozen=True, slots=True)
class Proposal:
    """A model fitted to all examples (None: none could be), its status, why, and all metrics."""

    served: ServedModel | None
    status: str
    why: tuple[str, ...]
    metrics: Mapping[str, MetricsPart]


def split(sample: Sample) -> tuple[Sample, Sample]:
    """Return the examples to learn from, and the later holdout."""
    first = round(len(sample.labels) * (1 - HOLDOUT))
    return sample.part(0, first), sample.part(first)


def propose(sample: Sample, champion: Champion | None, horizon_days: int | None, *, seed: int = 0) -> Proposal:
    """Return the best model for this sample, and its status.

    It becomes champion if it is certainly better than the base rate and the current champion. It becomes shadow if
    only the latter isn't proven. Otherwise it is refused.
    """
    learned, holdout = split(sample)
    if not (sample.enough and learned.judges and holdout.judges):
        return Proposal(None, TOO_FEW, (TOO_FEW_WHY,), {})
    judged, faults = judge_candidates(learned, holdout, seed)
    measured = {name: metrics(one, holdout.labels).document() for name, one in judged.items()}
    name, wrong = best(judged, holdout, seed)
    if name is None:
        return Proposal(None, REFUSED, tuple(faults), measured)
    rival, compared = _against(judged[name], champion, holdout, seed)
    status = REFUSED if wrong else SHADOW if rival else CHAMPION
    try:
        served = fit(sample, name, horizon_days, seed)
    except ModelRejected as refused:
        return Proposal(None, REFUSED, (*faults, str(refused)), measured)
    # The holdout gives the confidence: it is later than what the judged twin learned from.
    served = replace(served, calibration_error=measured[name]["calibration_error"])
    return Proposal(served, status, (*faults, *wrong, *rival), measured | compared)


def judge_candidates(learned: Sample, holdout: Sample, seed: int) -> tuple[dict[str, Array], list[str]]:
    """Return the holdout's probabilities by model and base rate, and the refusals."""
    found, faults = {"base rate": np.full(len(holdout.labels), learned.base_rate)}, []
    for name in _candidates(learned):
        try:
            found[name] = fit(learned, name, None, seed).probabilities(holdout.vectors)
        except ModelRejected as refused:
            faults.append(f"{name}: {refused}")
    return found, faults


def _candidates(sample: Sample) -> list[str]:
    trees = len(sample.labels) >= BOOSTING_EXAMPLES and sample.converted >= BOOSTING_CONVERTED
    return [Logistic.method, *([Boosting.method] if trees else [])]


def best(judged: Mapping[str, Array], holdout: Sample, seed: int) -> tuple[str | None, list[str]]:
    """Return the model to propose (None: none), and why it fails the holdout test.

    Candidates are the models that pass, or all if none passes. Trees win if they are certainly better or alone;
    otherwise the simpler model does.
    """
    base, labels = judged["base rate"], holdout.labels
    wrong = {name: objections(judged[name], labels, base, seed) for name in _FITTINGS if name in judged}
    left = [name for name in wrong if not wrong[name]] or list(wrong)
    if len(left) > 1:
        trees, simpler = judged[Boosting.method], judged[Logistic.method]
        left = [Logistic.method if no_better(trees, labels, "", simpler, seed) else Boosting.method]
    return (left[0], wrong[left[0]]) if left else (None, [])


def _against(
    predicted: Array, champion: Champion | None, holdout: Sample, seed: int
) -> tuple[list[str], dict[str, MetricsPart]]:
    """Return why it isn't certainly better than the champion.

    Both are judged on examples later than all that the champion learned from.
    """
    if champion is None:
        return [], {}
    later = holdout.since(champion.until)
    if not later.judges:
        return ["too few outcomes since the champion was trained to compare both"], {}
    mine, theirs = predicted[-len(later.labels) :], champion.served.probabilities(later.vectors)
    compared = {"champion, on later examples": metrics(theirs, later.labels).document()}
    return no_better(mine, later.labels, "the champion", theirs, seed), compared


def fit(sample: Sample, name: str, horizon_days: int | None, seed: int) -> ServedModel:
    """Fit a calibrated model of this kind to the whole sample; it has no version yet.

    Raises `ModelRejected`, also if on unseen examples it is no better than the base rate. Models are trained daily:
    one noise sample in eighty passes its holdout by chance, hardly any passes both tests.
    """
    made = _FITTINGS[name](sample.vectors, sample.labels, sample.kinds, seed)
    sigmoid = sigmoid_of(made.unseen, sample.labels)
    unseen = probability(sigmoid.apply(made.unseen))
    wrong = no_better(unseen, sample.labels, "the base rate", np.full(len(unseen), sample.base_rate), seed)
    if wrong:
        raise ModelRejected(f"on examples that it had not seen, {wrong[0]}")
    evidence = bins(unseen, sample.labels)
    return ServedModel(
        version=0,
        model=made.model,
        sigmoid=sigmoid,
        evidence=evidence,
        base_rate=sample.base_rate,
        examples=len(sample.labels),
        calibration_error=calibration_error(evidence),
        horizon_days=horizon_days,
    )
