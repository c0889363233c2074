"""What the routes of predictions answer, as the OpenAPI page tells it."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from schemas.base import Model, Moment


class Factor(Model):
    """What makes a lead likelier to convert, or less: by its `weight` in log-odds, or in points of the formula."""

    name: str
    weight: float
    feature: str
    value: float | str | None


class Prediction(Model):
    """How likely an open lead converts within `horizon_days` of `at`.

    `intercept`, the factors' weights and `other_factors` add up to `log_odds`, whose probability this is. By `method`
    `heuristic` all are points of a formula, for want of outcomes to learn from: no probability, nothing calibrated.
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


class Judged(Model):
    """How probabilities compared with what became of later leads."""

    examples: int
    auc: float | None
    brier: float
    log_loss: float
    calibration_error: float


class CalibrationBin(Model):
    """Leads predicted up to this probability: how many, what was predicted on average, and what share converted."""

    up_to: float
    count: int
    predicted: float
    observed: float


class Learned(Model):
    """A model: what it learned from, how it was judged (None: promoted by hand, unjudged), how true its words came."""

    trained_at: Moment
    window: Mapping[str, Moment] | None
    examples: int
    converted: int
    base_rate: float
    horizon_days: int | None
    judged: Judged | None
    base_rate_judged: Judged | None
    calibration: tuple[CalibrationBin, ...]


class Training(Model):
    """The last training: what there was to learn from, how many outcomes are to come, what came of it, and why."""

    at: Moment
    status: Literal["champion", "shadow", "refused", "too_few"]
    why: tuple[str, ...]
    examples: int
    converted: int
    censored: int


class DriftAlarm(Model):
    """A feature, or the base rate, that is no longer what the model learned from."""

    what: str
    measure: Literal["psi", "ratio"]
    value: float
    limit: float


class Progress(Model):
    """How many open leads a new model has reached."""

    done: int
    total: int


class ModelCard(Model):
    """What predictions are made by; `model` None: by the formula, for want of outcomes to learn from."""

    method: Literal["heuristic", "logistic", "boosting"]
    model_version: int | None
    model: Learned | None
    training: Training | None
    drift: tuple[DriftAlarm, ...]
    progress: Progress | None
