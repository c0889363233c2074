"""Encoding: vectors as a matrix, by columns fitted to the training examples only. Pure.

A number becomes a spline of its logarithm, so that its effect may bend; for trees it stays as it is. A category
becomes a column for each frequent value. A missing value is a value of its own.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import SplineTransformer

from services.prediction.domain.learning.features import Kind, Value, Vector
from shared.domain.stored.prediction_documents import ColumnPart

Matrix = NDArray[np.float64]

MISSING, OTHER = "(none)", "(other)"
_FREQUENT = 10
"""Fewest examples of a category's value for a column of its own."""
_LEVELS_MAX = 30
_QUANTILES = (0.0, 0.35, 0.65, 1.0)
_DEGREE = 3


@dataclass(frozen=True, slots=True)
class Number:
    """A number as a spline over `knots` (of its signed logarithm), and whether it is missing."""

    name: str
    knots: tuple[float, ...]
    _spline: SplineTransformer = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        knots = np.array(self.knots).reshape(-1, 1)
        spline = SplineTransformer(knots=knots, degree=_DEGREE, extrapolation="constant", include_bias=False)
        object.__setattr__(self, "_spline", spline.fit(knots))

    def encoded(self, values: Sequence[Value]) -> Matrix:
        """Return the columns of these values."""
        numbers = _numbers(values)
        missing = np.isnan(numbers)
        basis = self._spline.transform(_logarithm(np.where(missing, 0.0, numbers)).reshape(-1, 1))
        basis[missing] = 0.0
        return np.column_stack([basis, missing.astype(float)])

    def document(self) -> ColumnPart:
        """Return the column as JSON."""
        return {"name": self.name, "knots": list(self.knots)}


@dataclass(frozen=True, slots=True)
class Plain:
    """A number as it is; missing is NaN, which trees can handle."""

    name: str

    def encoded(self, values: Sequence[Value]) -> Matrix:
        """Return the column of these values."""
        return _numbers(values).reshape(-1, 1)

    def document(self) -> ColumnPart:
        """Return the column as JSON."""
        return {"name": self.name}


@dataclass(frozen=True, slots=True)
class Category:
    """A category as a column per value in `levels`. `OTHER` values have no column."""

    name: str
    levels: tuple[str, ...]

    def encoded(self, values: Sequence[Value]) -> Matrix:
        """Return the columns of these values."""
        words = np.array([MISSING if value is None else str(value) for value in values], dtype=object)
        return np.column_stack([(words == level).astype(float) for level in self.levels])

    def document(self) -> ColumnPart:
        """Return the column as JSON."""
        return {"name": self.name, "levels": list(self.levels)}


Column = Number | Plain | Category


def _numbers(values: Sequence[Value]) -> Matrix:
    return np.array([np.nan if value is None else float(value) for value in values], dtype=float)


def _logarithm(numbers: Matrix) -> Matrix:
    return np.asarray(np.sign(numbers) * np.log1p(np.abs(numbers)), dtype=float)


@dataclass(frozen=True, slots=True)
class Encoder:
    """Columns in order. A feature with one value in all examples has none."""

    columns: tuple[Column, ...]

    def matrix(self, vectors: Sequence[Vector]) -> Matrix:
        """Return the matrix with a row for each vector."""
        parts = [column.encoded([vector.get(column.name) for vector in vectors]) for column in self.columns]
        return np.column_stack(parts) if parts else np.zeros((len(vectors), 0))

    @property
    def features(self) -> tuple[str, ...]:
        """Return the feature of each column of the matrix."""
        return tuple(column.name for column in self.columns for _ in range(column.encoded([None]).shape[1]))

    def document(self) -> list[ColumnPart]:
        """Return the encoder as JSON."""
        return [column.document() for column in self.columns]


def encoder_of(document: Sequence[ColumnPart]) -> Encoder:
    """Return the encoder of a stored document."""
    return Encoder(tuple(map(_column_of, document)))


def _column_of(one: ColumnPart) -> Column:
    if "knots" in one:
        return Number(one["name"], tuple(one["knots"]))
    return Category(one["name"], tuple(one["levels"])) if "levels" in one else Plain(one["name"])


def fit_encoder(vectors: Sequence[Vector], kinds: Mapping[str, Kind], *, splines: bool) -> Encoder:
    """Fit columns to these vectors; numbers as `splines`, or as they are."""
    found = []
    for name, kind in kinds.items():
        values = [vector.get(name) for vector in vectors]
        column = _category(name, values) if kind == "category" else _number(name, values, splines=splines)
        found += [column] if column else []
    return Encoder(tuple(found))


def _category(name: str, values: Sequence[Value]) -> Category | None:
    counts = Counter(MISSING if value is None else str(value) for value in values)
    levels = [level for level, count in counts.most_common(_LEVELS_MAX) if count >= _FREQUENT]
    return Category(name, tuple(sorted(levels))) if len(counts) > 1 and levels else None


def _number(name: str, values: Sequence[Value], *, splines: bool) -> Column | None:
    numbers = _numbers(values)
    known = _logarithm(numbers[~np.isnan(numbers)])
    if not known.size or (np.ptp(known) == 0 and known.size == numbers.size):
        return None
    if not splines:
        return Plain(name)
    # If all known values are equal, only being known carries information.
    knots = np.unique(np.quantile(known, _QUANTILES)) if np.ptp(known) else (known[0], known[0] + 1)
    return Number(name, tuple(map(float, knots)))
