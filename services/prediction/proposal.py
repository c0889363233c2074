"""Proposing: models are fitted to the earlier examples, judged by the later ones, and the best is fitted to all."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np

from services.prediction.calibration import Array, Refused, bins, calibration_error, probability, sigmoid_of
from services.prediction.gate import metrics, no_better, objections
from services.prediction.models import Boosting, Fit, Logistic, fit_boosting, fit_logistic
from services.prediction.registry import CHAMPION, REFUSED, SHADOW, TOO_FEW, Served
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
        return Proposal(None, TOO_FEW, ("too few outcomes to learn from and to be judged by",), {})
    judged, faults = judge(learned, holdout, seed)
    told = {name: metrics(one, holdout.labels).document() for name, one in judged.items()}
    name, wrong = best(judged, holdout, seed)
    if name is None:
        return Proposal(None, REFUSED, tuple(faults), told)
    rival, compared = _against(judged[name], champion, holdout, seed)
    status = REFUSED if wrong else SHADOW if rival else CHAMPION
    try:
        served = fit(sample, name, horizon_days, seed)
    except Refused as refused:
        return Proposal(None, REFUSED, (*faults, str(refused)), told)
    # How far to trust it, the holdout tells: it is later than what its twin had learned from.
    served = replace(served, calibration_error=told[name]["calibration_error"])
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


def best(judged: Mapping[str, Array], holdout: Sample, seed: int) -> tuple[str | None, list[str]]:
    """The model to propose (None: there is none), and why it doesn't pass the gate.

    Of those that pass, or of all where none does: trees where they are certainly better, or alone; else the simpler.
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
    """A calibrated model of this kind, fitted to the whole sample; it has no version yet.

    Raises `Refused`, also where those of the examples that it hadn't seen are foretold no better than by the base rate:
    models are trained daily, and one sample of noise in eighty is lucky with its holdout; hardly any is with both.
    """
    made = _FITTINGS[name](sample.vectors, sample.labels, sample.kinds, seed)
    sigmoid = sigmoid_of(made.unseen, sample.labels)
    unseen = probability(sigmoid.apply(made.unseen))
    wrong = no_better(unseen, sample.labels, "the base rate", np.full(len(unseen), sample.base_rate), seed)
    if wrong:
        raise Refused(f"on examples that it had not seen, {wrong[0]}")
    evidence = bins(unseen, sample.labels)
    return Served(
        version=0,
        model=made.model,
        sigmoid=sigmoid,
        evidence=evidence,
        base_rate=sample.base_rate,
        examples=len(sample.labels),
        calibration_error=calibration_error(evidence),
        horizon_days=horizon_days,
    )
