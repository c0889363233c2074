"""Models: log-odds of conversion, a base plus each feature's part; stored as JSON. Pure.

*Logistic*: regularised logistic regression on spline numerics. *Boosting*: gradient-boosted trees. Each split on a
lead's path moves the expected log-odds; the sum of the moves belongs to the features of the splits.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import ClassVar, Literal, ParamSpec, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from threadpoolctl import threadpool_limits

from services.prediction.domain.learning.calibration import Array, Labels, probability
from services.prediction.domain.learning.encoding import Encoder, Matrix, encoder_of, fit_encoder
from services.prediction.domain.learning.features import Kind, Vector
from shared.domain.stored.prediction_documents import BoostingPart, LogisticPart, TreePart

Integers = NDArray[np.int64]
_P = ParamSpec("_P")

FOLDS = 5
_STRENGTHS = (0.01, 0.03, 0.1, 0.3, 1.0)
"""Inverse regularisation strengths to choose from by cross-validation."""
_ITERATIONS_MAX = 2_000


class LeadModel(Protocol):
    """A model whose log-odds are a sum of parts."""

    @property
    def method(self) -> str:
        """The kind of model."""

    @property
    def features(self) -> tuple[str, ...]:
        """The features of the model, in the order of the parts."""

    def parts(self, vectors: Sequence[Vector]) -> tuple[float, Matrix]:
        """Return the base (all features average), and what each feature (column) adds per vector."""

    def document(self) -> LogisticPart | BoostingPart:
        """Return the model as JSON."""


def log_odds(model: LeadModel, vectors: Sequence[Vector]) -> Array:
    """Return the model's log-odds of these vectors."""
    base, parts = model.parts(vectors)
    return np.asarray(base + parts.sum(axis=1), dtype=float)


@dataclass(frozen=True, slots=True)
class Logistic:
    """Coefficients by the encoder's columns; `means` are the columns' averages in training."""

    encoder: Encoder
    intercept: float
    coefficients: tuple[float, ...]
    means: tuple[float, ...]

    method: ClassVar[Literal["logistic"]] = "logistic"

    @property
    def features(self) -> tuple[str, ...]:
        """The features of the model."""
        return tuple(column.name for column in self.encoder.columns)

    def parts(self, vectors: Sequence[Vector]) -> tuple[float, Matrix]:
        """See `LeadModel`."""
        coefficients, means = np.array(self.coefficients), np.array(self.means)
        added = (self.encoder.matrix(vectors) - means) * coefficients
        return self.intercept + float(means @ coefficients), _by_feature(self.encoder, added)

    def document(self) -> LogisticPart:
        """See `LeadModel`."""
        return {
            "method": self.method,
            "encoder": self.encoder.document(),
            "intercept": self.intercept,
            "coefficients": list(self.coefficients),
            "means": list(self.means),
        }


def _by_feature(encoder: Encoder, added: Matrix) -> Matrix:
    features = np.array(encoder.features)
    parts = [added[:, features == column.name].sum(axis=1) for column in encoder.columns]
    return np.column_stack(parts) if parts else np.zeros((len(added), 0))


@dataclass(frozen=True, slots=True)
class Tree:
    """A tree's nodes, root first: split feature, threshold and expected log-odds of each node."""

    feature: Integers
    threshold: Array
    missing_left: Labels
    left: Integers
    right: Integers
    leaf: Labels
    value: Array

    def paths(self, matrix: Matrix) -> Iterator[tuple[Integers, Integers, Array]]:
        """Yield each level of the way down: rows, the columns that split them, the change."""
        rows = np.arange(len(matrix))
        at = np.zeros(len(matrix), dtype=np.int64)
        while (rows := rows[~self.leaf[at[rows]]]).size:
            here = at[rows]
            numbers = matrix[rows, self.feature[here]]
            goes_left = np.where(np.isnan(numbers), self.missing_left[here], numbers <= self.threshold[here])
            at[rows] = np.where(goes_left, self.left[here], self.right[here])
            yield rows, self.feature[here], self.value[at[rows]] - self.value[here]

    def document(self) -> TreePart:
        """Return the tree as JSON."""
        return {
            "feature": self.feature.tolist(),
            "threshold": self.threshold.tolist(),
            "missing_left": self.missing_left.tolist(),
            "left": self.left.tolist(),
            "right": self.right.tolist(),
            "leaf": self.leaf.tolist(),
            "value": self.value.tolist(),
        }


def _tree_of(document: TreePart) -> Tree:
    return Tree(
        np.array(document["feature"], dtype=np.int64),
        np.array(document["threshold"], dtype=float),
        np.array(document["missing_left"], dtype=bool),
        np.array(document["left"], dtype=np.int64),
        np.array(document["right"], dtype=np.int64),
        np.array(document["leaf"], dtype=bool),
        np.array(document["value"], dtype=float),
    )


@dataclass(frozen=True, slots=True)
class Boosting:
    """Trees whose leaves add up, on top of `baseline`."""

    encoder: Encoder
    baseline: float
    trees: tuple[Tree, ...]

    method: ClassVar[Literal["boosting"]] = "boosting"

    @property
    def features(self) -> tuple[str, ...]:
        """The features of the model."""
        return tuple(column.name for column in self.encoder.columns)

    def parts(self, vectors: Sequence[Vector]) -> tuple[float, Matrix]:
        """See `LeadModel`."""
        matrix = self.encoder.matrix(vectors)
        added = np.zeros_like(matrix)
        for tree in self.trees:
            for rows, columns, moved in tree.paths(matrix):
                added[rows, columns] += moved
        return self.baseline + sum(float(tree.value[0]) for tree in self.trees), _by_feature(self.encoder, added)

    def document(self) -> BoostingPart:
        """See `LeadModel`."""
        trees = [tree.document() for tree in self.trees]
        return {"method": self.method, "encoder": self.encoder.document(), "baseline": self.baseline, "trees": trees}


def load_model(document: LogisticPart | BoostingPart) -> LeadModel:
    """Return the model of a stored document."""
    encoder = encoder_of(document["encoder"])
    if document["method"] == "boosting":
        return Boosting(encoder, document["baseline"], tuple(map(_tree_of, document["trees"])))
    return Logistic(encoder, document["intercept"], tuple(document["coefficients"]), tuple(document["means"]))


@dataclass(frozen=True, slots=True)
class Fit:
    """A model, and the log-odds of each training example by models that had not seen it."""

    model: LeadModel
    unseen: Array


def _one_thread(fitting: Callable[_P, Fit]) -> Callable[_P, Fit]:
    # On two busy cores, two threads waiting for each other took fifty times as long.
    @wraps(fitting)
    def fitted_by_one(*args: _P.args, **kwargs: _P.kwargs) -> Fit:
        with threadpool_limits(1):
            return fitting(*args, **kwargs)

    return fitted_by_one


@_one_thread
def fit_logistic(vectors: Sequence[Vector], labels: Labels, kinds: Mapping[str, Kind], seed: int) -> Fit:
    """Fit logistic regression with the regularisation that does best on unseen examples."""
    encoder = fit_encoder(vectors, kinds, splines=True)
    matrix = encoder.matrix(vectors)
    tried = [(_unseen(_logistic(strength), matrix, labels, seed), strength) for strength in _STRENGTHS]
    unseen, strength = min(tried, key=lambda one: log_loss(labels, probability(one[0])))
    fit = _logistic(strength).fit(matrix, labels)
    coefficients, means = tuple(map(float, fit.coef_[0])), tuple(map(float, matrix.mean(axis=0)))
    return Fit(Logistic(encoder, float(fit.intercept_[0]), coefficients, means), unseen)


def _logistic(strength: float) -> LogisticRegression:
    return LogisticRegression(C=strength, max_iter=_ITERATIONS_MAX)


def _unseen(
    estimator: LogisticRegression | HistGradientBoostingClassifier, matrix: Matrix, labels: Labels, seed: int
) -> Array:
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    return np.asarray(cross_val_predict(estimator, matrix, labels, cv=folds, method="decision_function"), dtype=float)


@_one_thread
def fit_boosting(vectors: Sequence[Vector], labels: Labels, kinds: Mapping[str, Kind], seed: int) -> Fit:
    """Fit gradient boosting of shallow trees."""
    encoder = fit_encoder(vectors, kinds, splines=False)
    matrix = encoder.matrix(vectors)
    unseen = _unseen(_boosting(seed), matrix, labels, seed)
    fit = _boosting(seed).fit(matrix, labels)
    # scikit-learn has no public access to its trees. A test compares ours with its predictions.
    trees = tuple(_tree(stage[0].nodes) for stage in fit._predictors)  # noqa: SLF001
    return Fit(Boosting(encoder, float(fit._baseline_prediction.ravel()[0]), trees), unseen)  # noqa: SLF001


def _boosting(seed: int) -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(
        learning_rate=0.05,
        max_iter=300,
        max_leaf_nodes=8,
        min_samples_leaf=20,
        l2_regularization=1.0,
        early_stopping=True,
        random_state=seed,
    )


def _tree(nodes: NDArray[np.void]) -> Tree:
    left, right = nodes["left"].astype(np.int64), nodes["right"].astype(np.int64)
    leaf = nodes["is_leaf"].astype(bool)
    value = nodes["value"].astype(float)
    # Leaves have values. A node's value is the average below it. Children follow their parent.
    for node in np.flatnonzero(~leaf)[::-1]:
        sides = [left[node], right[node]]
        value[node] = np.average(value[sides], weights=nodes["count"][sides])
    return Tree(
        nodes["feature_idx"].astype(np.int64),
        nodes["num_threshold"].astype(float),
        nodes["missing_go_to_left"].astype(bool),
        left,
        right,
        leaf,
        value,
    )
