"""Models: log-odds of converting, as a base and what each feature adds to it. Both kinds are stored as JSON.

*Logistic*: regularised logistic regression on spline numerics. *Boosting*: gradient-boosted trees, whose splits each
move the expected log-odds; what a lead's path through a tree adds up to belongs to the features it was split by.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from threadpoolctl import threadpool_limits

from services.prediction.calibration import Array, Labels, probability
from services.prediction.encoding import Encoder, Matrix, encoder_of, fitted
from services.prediction.features import Kind, Vector

Integers = NDArray[np.int64]

FOLDS = 5
_STRENGTHS = (0.01, 0.03, 0.1, 0.3, 1.0)
"""Inverse regularisation: which of them is best, the examples tell."""
_ITERATIONS_MAX = 2_000


class Model(Protocol):
    """Log-odds by parts."""

    @property
    def method(self) -> str:
        """What kind it is."""

    @property
    def features(self) -> tuple[str, ...]:
        """The features it looks at, in the order of the parts."""

    def parts(self, vectors: Sequence[Vector]) -> tuple[float, Matrix]:
        """The log-odds of a lead of which all is average, and what each feature (column) of each vector (row) adds."""

    def document(self) -> dict[str, Any]:
        """As JSON."""


def log_odds(model: Model, vectors: Sequence[Vector]) -> Array:
    """The model's log-odds of these vectors."""
    base, parts = model.parts(vectors)
    return np.asarray(base + parts.sum(axis=1), dtype=float)


@dataclass(frozen=True, slots=True)
class Logistic:
    """Coefficients by the encoder's columns; `means` are the columns' averages over the training examples."""

    encoder: Encoder
    intercept: float
    coefficients: tuple[float, ...]
    means: tuple[float, ...]

    method = "logistic"

    @property
    def features(self) -> tuple[str, ...]:
        """The features it looks at."""
        return tuple(column.name for column in self.encoder.columns)

    def parts(self, vectors: Sequence[Vector]) -> tuple[float, Matrix]:
        """See `Model`."""
        coefficients, means = np.array(self.coefficients), np.array(self.means)
        added = (self.encoder.matrix(vectors) - means) * coefficients
        return self.intercept + float(means @ coefficients), _by_feature(self.encoder, added)

    def document(self) -> dict[str, Any]:
        """See `Model`."""
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
    """A tree's nodes, the root first: where a number below `threshold` goes, and the expected log-odds at each node."""

    feature: Integers
    threshold: Array
    missing_left: Labels
    left: Integers
    right: Integers
    leaf: Labels
    value: Array

    def paths(self, matrix: Matrix) -> Iterator[tuple[Integers, Integers, Array]]:
        """What each row meets on its way down: rows, the columns that they are split by, and what that adds."""
        rows = np.arange(len(matrix))
        at = np.zeros(len(matrix), dtype=np.int64)
        while (rows := rows[~self.leaf[at[rows]]]).size:
            here = at[rows]
            numbers = matrix[rows, self.feature[here]]
            goes_left = np.where(np.isnan(numbers), self.missing_left[here], numbers <= self.threshold[here])
            at[rows] = np.where(goes_left, self.left[here], self.right[here])
            yield rows, self.feature[here], self.value[at[rows]] - self.value[here]

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {name: getattr(self, name).tolist() for name in self.__slots__}


def _tree_of(document: Mapping[str, Any]) -> Tree:
    kinds = {"threshold": float, "value": float, "missing_left": bool, "leaf": bool}
    return Tree(**{name: np.array(document[name], dtype=kinds.get(name, np.int64)) for name in Tree.__slots__})


@dataclass(frozen=True, slots=True)
class Boosting:
    """Trees whose leaves add up, on top of `baseline`."""

    encoder: Encoder
    baseline: float
    trees: tuple[Tree, ...]

    method = "boosting"

    @property
    def features(self) -> tuple[str, ...]:
        """The features it looks at."""
        return tuple(column.name for column in self.encoder.columns)

    def parts(self, vectors: Sequence[Vector]) -> tuple[float, Matrix]:
        """See `Model`."""
        matrix = self.encoder.matrix(vectors)
        added = np.zeros_like(matrix)
        for tree in self.trees:
            for rows, columns, moved in tree.paths(matrix):
                added[rows, columns] += moved
        return self.baseline + sum(float(tree.value[0]) for tree in self.trees), _by_feature(self.encoder, added)

    def document(self) -> dict[str, Any]:
        """See `Model`."""
        trees = [tree.document() for tree in self.trees]
        return {"method": self.method, "encoder": self.encoder.document(), "baseline": self.baseline, "trees": trees}


def model_of(document: Mapping[str, Any]) -> Model:
    """The model that was stored as this."""
    encoder = encoder_of(document["encoder"])
    if document["method"] == Boosting.method:
        return Boosting(encoder, document["baseline"], tuple(map(_tree_of, document["trees"])))
    return Logistic(encoder, document["intercept"], tuple(document["coefficients"]), tuple(document["means"]))


@dataclass(frozen=True, slots=True)
class Fit:
    """A model, and the log-odds that models like it gave to each training example without having seen it."""

    model: Model
    unseen: Array


def _one_thread(fitting: Callable[..., Fit]) -> Callable[..., Fit]:
    # These matrices are small: two threads that wait for each other took fifty times as long on two busy cores.
    @wraps(fitting)
    def fitted_by_one(*args: Any) -> Fit:
        with threadpool_limits(1):
            return fitting(*args)

    return fitted_by_one


@_one_thread
def fit_logistic(vectors: Sequence[Vector], labels: Labels, kinds: Mapping[str, Kind], seed: int) -> Fit:
    """Logistic regression, as strongly regularised as does best on unseen examples."""
    encoder = fitted(vectors, kinds, splines=True)
    matrix = encoder.matrix(vectors)
    tried = [(_unseen(_logistic(strength), matrix, labels, seed), strength) for strength in _STRENGTHS]
    unseen, strength = min(tried, key=lambda one: log_loss(labels, probability(one[0])))
    fit = _logistic(strength).fit(matrix, labels)
    coefficients, means = tuple(map(float, fit.coef_[0])), tuple(map(float, matrix.mean(axis=0)))
    return Fit(Logistic(encoder, float(fit.intercept_[0]), coefficients, means), unseen)


def _logistic(strength: float) -> LogisticRegression:
    return LogisticRegression(C=strength, max_iter=_ITERATIONS_MAX)


def _unseen(estimator: Any, matrix: Matrix, labels: Labels, seed: int) -> Array:
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    return np.asarray(cross_val_predict(estimator, matrix, labels, cv=folds, method="decision_function"), dtype=float)


@_one_thread
def fit_boosting(vectors: Sequence[Vector], labels: Labels, kinds: Mapping[str, Kind], seed: int) -> Fit:
    """Gradient boosting of shallow trees."""
    encoder = fitted(vectors, kinds, splines=False)
    matrix = encoder.matrix(vectors)
    unseen = _unseen(_boosting(seed), matrix, labels, seed)
    fit = _boosting(seed).fit(matrix, labels)
    # scikit-learn offers no other way to its trees; a test compares ours with its own predictions.
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


def _tree(nodes: Any) -> Tree:
    left, right = nodes["left"].astype(np.int64), nodes["right"].astype(np.int64)
    leaf = nodes["is_leaf"].astype(bool)
    value = nodes["value"].astype(float)
    # Only leaves carry what they add; a node stands for the average below it. Children come after their parent.
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
