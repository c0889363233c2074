"""The models of the prediction routes' answers, for the OpenAPI page."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from schemas.base import Model, Moment


class Factor(Model):
    """What raises or lowers a prediction: `weight` in log-odds, or in points of the formula."""

    name: str
    weight: float
    feature: str
    value: float | str | None


class Prediction(Model):
    """How likely an open lead converts within `horizon_days` of `at`.

    `intercept`, the factors' weights and `other_factors` add up to `log_odds`, which give the probability. With
    `method` `heuristic` there were too few outcomes to learn from: all are points of a formula, not a calibrated
    probability.
    """

    lead_id: str
    probability: float = Field(ge=0, le=1)
    confidence: float = Field(ge=0, le=1)
    confidence_words: Literal["low", "medium", "high"]
    interval: tuple[float, float] | None
    method: Literal["heuristic", "logistic", "boosting"]
    model_version: int | None
    horizon_days: int | None
    base_rate: float | None
    at: Moment
    factors: tuple[Factor, ...]
    intercept: float
    other_factors: float
    log_odds: float
    recommended_actions: tuple[str, ...]
    vector: Mapping[str, float | str | None]


class ModelMetrics(Model):
    """How probabilities compared with the outcomes of later leads."""

    examples: int
    auc: float | None
    brier: float
    log_loss: float
    calibration_error: float


class CalibrationBin(Model):
    """Leads predicted up to this probability: count, average prediction, converted share."""

    up_to: float
    count: int
    predicted: float
    observed: float


class Learned(Model):
    """A model: what it learned from, its judgement (None: promoted by hand), its calibration."""

    trained_at: Moment
    window: Mapping[str, Moment] | None
    examples: int
    converted: int
    base_rate: float
    horizon_days: int | None
    judged: ModelMetrics | None
    base_rate_judged: ModelMetrics | None
    calibration: tuple[CalibrationBin, ...]


class Training(Model):
    """The last training: its examples, the outcomes still open, its result, and why."""

    at: Moment
    status: Literal["champion", "shadow", "refused", "too_few"]
    why: tuple[str, ...]
    examples: int
    converted: int
    censored: int


class DriftAlarm(Model):
    """A feature, or the base rate, that differs from what the model learned from."""

    what: str
    measure: Literal["psi", "ratio"]
    value: float
    limit: float


class Progress(Model):
    """How many open leads a new model has reached."""

    done: int
    total: int


class ModelCard(Model):
    """What makes the predictions; `model` None: the formula, for lack of outcomes."""

    method: Literal["heuristic", "logistic", "boosting"]
    model_version: int | None
    model: Learned | None
    training: Training | None
    drift: tuple[DriftAlarm, ...]
    progress: Progress | None
