"""Evaluate the models on any table of leads, beside the base rate and naive Bayes. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from sklearn.metrics import roc_auc_score

from services.prediction.domain.judging.holdout import HoldoutMetrics, metrics
from services.prediction.domain.judging.proposal import best, judge_candidates, split
from services.prediction.domain.learning.calibration import Bin, bins
from services.prediction.domain.learning.naive_bayes import NaiveBayes, naive_bayes
from services.prediction.domain.learning.sample import CONVERTED_MIN, Sample
from shared.errors import Permanent

LEAKING = 0.95
"""An AUC above this from one column means that the column was decided with the outcome."""


@dataclass(frozen=True, slots=True)
class ModelEvaluation:
    """How each kind of model did on the later examples, the `best` one, and its calibration.

    `best` None: no model could be fitted. `why` lists all refusals.
    """

    learned: Sample
    holdout: Sample
    by_model: Mapping[str, HoldoutMetrics]
    best: str | None
    promoted: bool
    calibration: tuple[Bin, ...]
    why: tuple[str, ...]
    leaks: Mapping[str, float]
    """Columns that alone predict the outcome better than plausible, with their AUC."""

    def document(self) -> dict[str, object]:
        """Return the evaluation as JSON."""
        return {
            "learnedFrom": len(self.learned.labels),
            "judgedBy": len(self.holdout.labels),
            "metrics": {name: one.document() for name, one in self.by_model.items()},
            "best": self.best,
            "calibration": [one.document() for one in self.calibration],
            "promoted": self.promoted,
            "why": list(self.why),
            "leaks": dict(self.leaks),
        }


class TooFew(Permanent):
    """Too few outcomes to learn from; the message has their number."""


def evaluate_models(sample: Sample, seed: int = 0) -> ModelEvaluation:
    """Fit to the earlier three quarters and judge on the rest. Raises `TooFew`."""
    learned, holdout = split(sample)
    if not (sample.enough and learned.judges and holdout.judges):
        others = len(sample.labels) - sample.converted
        raise TooFew(
            f"{sample.converted} converted and {others} not: {CONVERTED_MIN} of each are needed, and 10 of each in "
            "the earlier three quarters and in the rest"
        )
    judged, faults = judge_candidates(learned, holdout, seed)
    name, wrong = best(judged, holdout, seed)
    bayes = naive_bayes(learned)
    probabilities = {**judged, "naive Bayes": bayes.probabilities(holdout.vectors)}
    return ModelEvaluation(
        learned,
        holdout,
        {one: metrics(predicted, holdout.labels) for one, predicted in probabilities.items()},
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
