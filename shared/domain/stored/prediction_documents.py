"""The documents of prediction: each lead's prediction, the models, and the rows that are no model.

The prediction worker writes them, and `pantry model` too. The gateway reads them.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, NotRequired, TypedDict

FeatureValue = float | str | None
"""A feature of a lead: a number, or a word. None: not known."""


class WeightedFactor(TypedDict):
    """What raises or lowers a prediction: `weight` in log-odds, or in points of the formula."""

    name: str
    weight: float
    feature: str
    value: FeatureValue


class PredictionFactors(TypedDict):
    """The named factors, the sum of all others, and what to do about them."""

    factors: list[WeightedFactor]
    otherFactors: float
    recommendedActions: list[str]


class PredictionPart(PredictionFactors):
    """How likely a lead converts, and why: the gateway's answer."""

    probability: float
    confidence: float
    confidenceWords: str
    interval: list[float] | None
    method: str
    modelVersion: int | None
    horizonDays: int | None
    baseRate: float | None
    intercept: float
    logOdds: float
    vector: Mapping[str, FeatureValue]


class ShadowPart(TypedDict):
    """What the shadow model predicts beside the champion, without effect."""

    model: int
    probability: float


class PredictedPart(TypedDict):
    """What a prediction writes into a lead's row. `version` counts the lead's changes that it knows of."""

    version: int
    model: int
    at: datetime
    wakeAt: datetime
    prediction: PredictionPart
    shadow: ShadowPart | None


class PredictionRow(TypedDict):
    """A row of `predictions`: a lead's prediction, and when it is due again.

    A closed lead keeps its last prediction, and has no `wakeAt` and no `model`.
    """

    _id: str
    wakeAt: NotRequired[datetime]
    claim: NotRequired[str]
    """The process that predicts this lead now."""
    version: NotRequired[int]
    model: NotRequired[int]
    at: NotRequired[datetime]
    prediction: NotRequired[PredictionPart]
    shadow: NotRequired[ShadowPart | None]
    closed: NotRequired[bool]


class ColumnPart(TypedDict):
    """A column of an encoder: a spline has `knots`, a category has `levels`."""

    name: str
    knots: NotRequired[list[float]]
    levels: NotRequired[list[str]]


class TreePart(TypedDict):
    """A tree: each field is a list with a value for each node, the root first."""

    feature: list[int]
    threshold: list[float]
    missing_left: list[bool]
    left: list[int]
    right: list[int]
    leaf: list[bool]
    value: list[float]


class LogisticPart(TypedDict):
    """A logistic regression."""

    method: Literal["logistic"]
    encoder: list[ColumnPart]
    intercept: float
    coefficients: list[float]
    means: list[float]


class BoostingPart(TypedDict):
    """Gradient-boosted trees."""

    method: Literal["boosting"]
    encoder: list[ColumnPart]
    baseline: float
    trees: list[TreePart]


class SigmoidPart(TypedDict):
    """The calibration: log-odds → `slope` · log-odds + `shift`."""

    slope: float
    shift: float


class BinPart(TypedDict):
    """Examples predicted up to `up_to`: count, average prediction, converted share."""

    up_to: float
    count: int
    predicted: float
    observed: float


class ServedPart(TypedDict):
    """What predicts: the model, its calibration, and the evidence of unseen examples."""

    model: LogisticPart | BoostingPart
    sigmoid: SigmoidPart
    evidence: list[BinPart]
    baseRate: float
    examples: int
    calibrationError: float
    horizonDays: int | None


class ReferencePart(TypedDict):
    """A feature's distribution in training: pairs of a bin or value and its share.

    A number has bins, with their upper `edges`.
    """

    edges: NotRequired[list[float]]
    shares: list[tuple[str, float]]
    """JSON makes a list of each pair."""


class MetricsPart(TypedDict):
    """How probabilities compare with outcomes; None where all outcomes are the same."""

    examples: int
    converted: int
    log_loss: float
    brier: float
    calibration_error: float
    auc: float | None
    pr_auc: float | None
    lift: float | None


# `from` is a word of Python, so a class can't have it as a field.
ExamplesWindow = TypedDict("ExamplesWindow", {"from": str, "to": str})
"""The times of the first and the last example, as ISO texts."""


class FittedModel(TypedDict):
    """A model as it was fitted, before the registry gives it a version."""

    status: str
    why: list[str]
    method: str
    dataHash: str
    schema: str
    features: dict[str, str]
    reference: dict[str, ReferencePart]
    libraries: dict[str, str]
    window: ExamplesWindow | None
    converted: int
    metrics: dict[str, MetricsPart]
    served: ServedPart


class ModelDocument(FittedModel):
    """A model of the registry, in `models`."""

    _id: str
    version: int
    at: datetime


class DriftPart(TypedDict):
    """A feature, or the base rate, that differs from what the model learned from."""

    what: str
    measure: str
    value: float
    limit: float


class StandingRow(TypedDict, total=False):
    """The row `standing`: which models predict. Missing fields: the formula predicts."""

    _id: str
    champion: int | None
    previous: list[int]
    """The earlier champions, the last one last."""
    shadow: int | None
    revision: int


class TrainingRow(TypedDict, total=False):
    """The row `training`: the result of the last training, and the process that trains now."""

    _id: str
    claim: str
    wakeAt: datetime
    trainedAt: datetime
    version: int | None
    censored: int
    horizonDays: int
    schema: str
    status: str
    examples: int
    converted: int
    why: list[str]
    drift: list[DriftPart]


class ProgressRow(TypedDict, total=False):
    """The row `progress`: how many open leads a new model has reached."""

    _id: str
    model: int
    total: int
    done: int
    at: datetime
    finishedAt: datetime


class JobRow(StandingRow, TrainingRow, ProgressRow, total=False):
    """A row of `models` that is no model. Its id says which of the three it is."""
