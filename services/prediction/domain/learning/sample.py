"""Samples: vectors with outcomes, in order of time, to learn from or judge by. Pure."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from services.prediction.domain.learning.calibration import Labels
from services.prediction.domain.learning.features import Kind, Vector
from shared.domain.stored.prediction_documents import ExamplesWindow

CONVERTED_MIN = 40
"""Fewest converted and fewest other leads to learn from. Below that the formula predicts."""
JUDGED_MIN = 10
"""Fewest of both outcomes to judge by."""


@dataclass(frozen=True, slots=True)
class Sample:
    """`vectors` of these `kinds`, their `labels` (converted in time), and `times`.

    `times` None: unknown; the examples are in order.
    """

    kinds: Mapping[str, Kind]
    vectors: Sequence[Vector]
    labels: Labels
    times: Sequence[datetime] | None

    @property
    def converted(self) -> int:
        """How many converted."""
        return int(self.labels.sum())

    @property
    def base_rate(self) -> float:
        """The share that converted, 0…1."""
        return self.converted / len(self.labels) if len(self.labels) else 0.0

    @property
    def enough(self) -> bool:
        """Whether both outcomes suffice to learn from."""
        return self._fewer >= CONVERTED_MIN

    @property
    def judges(self) -> bool:
        """Whether both outcomes suffice to judge by."""
        return self._fewer >= JUDGED_MIN

    @property
    def _fewer(self) -> int:
        return min(self.converted, len(self.labels) - self.converted)

    @property
    def window(self) -> ExamplesWindow | None:
        """The times of the first and the last example."""
        return {"from": self.times[0].isoformat(), "to": self.times[-1].isoformat()} if self.times else None

    @property
    def hash(self) -> str:
        """A hash that identifies these examples."""
        text = json.dumps([sorted(self.kinds.items()), list(self.vectors), self.labels.tolist()], default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def part(self, first: int, last: int | None = None) -> "Sample":
        """Return the examples from `first` to before `last`."""
        times = self.times[first:last] if self.times is not None else None
        return Sample(self.kinds, self.vectors[first:last], self.labels[first:last], times)

    def since(self, moment: datetime) -> "Sample":
        """Return the examples after this moment."""
        later = sum(1 for at in self.times or () if at > moment)
        return self.part(len(self.labels) - later)


def sample_of(
    kinds: Mapping[str, Kind], vectors: Sequence[Vector], labels: Sequence[bool], times: Sequence[datetime] | None
) -> Sample:
    """Return the sample of these examples; `times` None: they are in order."""
    if times is None:
        return Sample(kinds, vectors, np.array(labels, dtype=bool), None)
    order = sorted(range(len(times)), key=times.__getitem__)
    labels_ = np.array([labels[one] for one in order], dtype=bool)
    return Sample(kinds, [vectors[one] for one in order], labels_, [times[one] for one in order])
