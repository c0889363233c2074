"""Counts invalid records by producer: in a metric, and in the log once a batch."""

from collections import Counter
from collections.abc import Sequence

import structlog

from schemas.reasons import DeadLetterReason
from shared.domain.ids import loggable_id
from shared.observability.metrics import Metrics

SOURCES_MAX = 100
"""Most producers with a metric series of their own: a producer may change its name."""
_LENGTH_MAX = 100
_OTHER, _UNKNOWN = "other", "unknown"
_NOT_INVALID = frozenset({DeadLetterReason.HANDLER_FAILED, DeadLetterReason.LEAD_NOT_FOUND})
_log = structlog.get_logger()


class InvalidRecords:
    """The invalid records of one process."""

    def __init__(self, metrics: Metrics | None = None) -> None:
        self._counter = (metrics or Metrics()).invalid
        self._sources: set[str] = set()

    def count(self, worker: str, faults: Sequence[tuple[str, DeadLetterReason]]) -> None:
        """Count these faults: pairs of a record's `source` (empty: unknown) and its reason."""
        found = Counter((self._label(source), one.value) for source, one in faults if one not in _NOT_INVALID)
        for (source, reason), records in found.items():
            self._counter.labels(worker, source, reason).inc(records)
            _log.warning("records.invalid", worker=worker, source=source, reason=reason, records=records)

    def _label(self, source: str) -> str:
        label = loggable_id(source)[:_LENGTH_MAX] if source else _UNKNOWN
        if label not in self._sources and len(self._sources) >= SOURCES_MAX:
            return _OTHER
        self._sources.add(label)
        return label
