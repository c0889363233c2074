"""Evaluating: the pipeline on any table of leads, judged by its later part, beside the base rate and naive Bayes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sklearn.metrics import roc_auc_score

from services.prediction.calibration import Bin, bins
from services.prediction.gate import Metrics, metrics
from services.prediction.naive_bayes import NaiveBayes, naive_bayes
from services.prediction.proposal import best, judge, split
from services.prediction.sample import CONVERTED_MIN, Sample

LEAKING = 0.95
"""An AUC that no single honest column gives: what it says was decided with the outcome."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How each kind of model did on the later part; the `best` of ours, its calibration, whether it would be promoted.

    `best` None: nothing could be fitted. `why` tells what was refused, of all kinds.
    """

    learned: Sample
    holdout: Sample
    by_model: Mapping[str, Metrics]
    best: str | None
    promoted: bool
    calibration: tuple[Bin, ...]
    why: tuple[str, ...]
    leaks: Mapping[str, float]
    """Columns that alone tell the outcome better than can be, each with its AUC."""

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "learnedFrom": len(self.learned.labels),
            "judgedBy": len(self.holdout.labels),
            "metrics": {name: one.document() for name, one in self.by_model.items()},
            "best": self.best,
            "calibration": [{name: getattr(one, name) for name in Bin.__slots__} for one in self.calibration],
            "promoted": self.promoted,
            "why": list(self.why),
            "leaks": dict(self.leaks),
        }


class TooFew(Exception):  # noqa: N818 - what there is
    """There are too few outcomes to learn from, and how many there are."""


def evaluate(sample: Sample, seed: int = 0) -> Evaluation:
    """Fit to the earlier three quarters, judge by the rest. Raises `TooFew`."""
    learned, holdout = split(sample)
    if not (sample.enough and learned.judges and holdout.judges):
        others = len(sample.labels) - sample.converted
        raise TooFew(
            f"{sample.converted} converted and {others} not: {CONVERTED_MIN} of each are needed, and 10 of each in "
            "the earlier three quarters and in the rest"
        )
    judged, faults = judge(learned, holdout, seed)
    name, wrong = best(judged, holdout, seed)
    bayes = naive_bayes(learned)
    told = {**judged, "naive Bayes": bayes.probabilities(holdout.vectors)}
    return Evaluation(
        learned,
        holdout,
        {one: metrics(predicted, holdout.labels) for one, predicted in told.items()},
        name,
        name is not None and not wrong,
        () if name is None else tuple(bins(judged[name], holdout.labels)),
        (*faults, *wrong),
        _leaks(bayes, holdout),
    )


def _leaks(bayes: NaiveBayes, holdout: Sample) -> dict[str, float]:
    alone = {name: [bayes.weight(name, one.get(name)) for one in holdout.vectors] for name in holdout.kinds}
    found = {name: float(roc_auc_score(holdout.labels, weights)) for name, weights in alone.items()}
    return {name: round(auc, 3) for name, auc in found.items() if auc > LEAKING}
