"""Proposing: models are fitted to the earlier examples, judged by the later ones, and the best is fitted to all."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from services.prediction.calibration import Array, Refused, bins, probability, sigmoid_of
from services.prediction.gate import metrics, no_better, uncalibrated
from services.prediction.models import Boosting, Fit, Logistic, fit_boosting, fit_logistic
from services.prediction.registry import CHAMPION, REFUSED, SHADOW, Served
from services.prediction.sample import Sample

HOLDOUT = 0.25
"""The latest share of the examples, by which models are judged."""
BOOSTING_EXAMPLES, BOOSTING_CONVERTED = 1_000, 120
"""From so many outcomes on, trees may challenge."""
_Fitting = Callable[..., Fit]
_FITTINGS: Mapping[str, _Fitting] = {Logistic.method: fit_logistic, Boosting.method: fit_boosting}


@dataclass(frozen=True, slots=True)
class Champion:
    """The model that counts, and the time of the last example it learned from."""

    served: Served
    until: datetime


@dataclass(frozen=True, slots=True)
class Proposal:
    """A model fitted to all examples (None: nothing could be), what it shall be, why, and how all were judged."""

    served: Served | None
    status: str
    why: tuple[str, ...]
    metrics: Mapping[str, Mapping[str, Any]]


def split(sample: Sample) -> tuple[Sample, Sample]:
    """The examples to learn from, and the later ones to be judged by."""
    first = round(len(sample.labels) * (1 - HOLDOUT))
    return sample.part(0, first), sample.part(first)


def propose(sample: Sample, champion: Champion | None, horizon_days: int | None, *, seed: int = 0) -> Proposal:
    """The best model for this sample, and what it shall be.

    The champion, where it proves itself better than the base rate and than the champion of now; a shadow, where only
    the latter is not proven; refused otherwise.
    """
    learned, holdout = split(sample)
    if not (sample.enough and learned.judges and holdout.judges):
        return Proposal(None, REFUSED, ("too few outcomes to learn from and to be judged by",), {})
    judged, faults = judge(learned, holdout, seed)
    told = {name: metrics(one, holdout.labels).document() for name, one in judged.items()}
    name = best(judged, holdout, seed)
    if name is None:
        return Proposal(None, REFUSED, tuple(faults), told)
    wrong = uncalibrated(judged[name], holdout.labels)
    wrong += no_better(judged[name], holdout.labels, "the base rate", judged["base rate"], seed)
    rival, compared = _against(judged[name], champion, holdout, seed)
    status = REFUSED if wrong else SHADOW if rival else CHAMPION
    try:
        served = fit(sample, name, horizon_days, seed)
    except Refused as refused:
        return Proposal(None, REFUSED, (*faults, str(refused)), told)
    return Proposal(served, status, (*faults, *wrong, *rival), told | compared)


def judge(learned: Sample, holdout: Sample, seed: int) -> tuple[dict[str, Array], list[str]]:
    """The holdout's probabilities by each kind of model, and by the base rate; and what was refused, why."""
    found, faults = {"base rate": np.full(len(holdout.labels), learned.base_rate)}, []
    for name in _candidates(learned):
        try:
            found[name] = fit(learned, name, None, seed).probabilities(holdout.vectors)
        except Refused as refused:
            faults.append(f"{name}: {refused}")
    return found, faults


def _candidates(sample: Sample) -> list[str]:
    trees = len(sample.labels) >= BOOSTING_EXAMPLES and sample.converted >= BOOSTING_CONVERTED
    return [Logistic.method, *([Boosting.method] if trees else [])]


def best(judged: Mapping[str, Array], holdout: Sample, seed: int) -> str | None:
    """Trees where they are certainly better, or alone; the simpler model otherwise."""
    if Logistic.method not in judged:
        return Boosting.method if Boosting.method in judged else None
    trees = judged.get(Boosting.method)
    better = trees is not None and not no_better(trees, holdout.labels, "", judged[Logistic.method], seed)
    return Boosting.method if better else Logistic.method


def _against(
    predicted: Array, champion: Champion | None, holdout: Sample, seed: int
) -> tuple[list[str], dict[str, dict[str, Any]]]:
    """By what it is not certainly better than the champion, on examples later than all the champion learned from."""
    if champion is None:
        return [], {}
    later = holdout.since(champion.until)
    if not later.judges:
        return ["too few outcomes since the champion was trained to compare both"], {}
    mine, theirs = predicted[-len(later.labels) :], champion.served.probabilities(later.vectors)
    compared = {"champion, on later examples": metrics(theirs, later.labels).document()}
    return no_better(mine, later.labels, "the champion", theirs, seed), compared


def fit(sample: Sample, name: str, horizon_days: int | None, seed: int) -> Served:
    """A calibrated model of this kind, fitted to the whole sample; it has no version yet. Raises `Refused`."""
    made = _FITTINGS[name](sample.vectors, sample.labels, sample.kinds, seed)
    sigmoid = sigmoid_of(made.unseen, sample.labels)
    evidence = bins(probability(sigmoid.apply(made.unseen)), sample.labels)
    return Served(
        version=0,
        model=made.model,
        sigmoid=sigmoid,
        evidence=evidence,
        base_rate=sample.base_rate,
        examples=len(sample.labels),
        calibration_error=sum(one.count * abs(one.predicted - one.observed) for one in evidence) / len(sample.labels),
        horizon_days=horizon_days,
    )
