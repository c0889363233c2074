"""The process that fits a model: reads examples as JSON, and writes the result as JSON."""

import json
import sys
from collections.abc import Sequence
from datetime import datetime

from services.prediction.domain.judging.proposal import Champion, propose
from services.prediction.domain.learning.drift import alarms
from services.prediction.domain.learning.features import KINDS, SCHEMA, Vector
from services.prediction.domain.learning.registry import document_of, load_served
from services.prediction.domain.learning.sample import Sample, sample_of
from services.prediction.domain.training_job import FitResult, FitTask
from shared.domain.stored.prediction_documents import DriftPart, ModelDocument


def fit_model(task: FitTask) -> FitResult:
    """Return the model for the registry (None: none), its status's reasons, and the drift."""
    times = [datetime.fromisoformat(one) for one in task["times"]]
    sample = sample_of(KINDS, task["vectors"], task["labels"], times)
    before = task["champion"] if task["champion"] and task["champion"]["schema"] == SCHEMA else None
    comparable = before is not None and before["served"]["horizonDays"] == task["horizonDays"]
    proposal = propose(sample, _champion(before) if before and comparable else None, task["horizonDays"])
    served = proposal.served
    return {
        "model": document_of(served, sample, proposal.status, proposal.why, proposal.metrics) if served else None,
        "status": proposal.status,
        "examples": len(sample.labels),
        "converted": sample.converted,
        "why": list(proposal.why),
        "drift": _drift(before, sample, task["recent"]) if before and comparable else [],
    }


def _champion(document: ModelDocument) -> Champion:
    return Champion(load_served(document), _until(document))


def _drift(champion: ModelDocument, sample: Sample, recent: Sequence[Vector]) -> list[DriftPart]:
    later = sample.since(_until(champion))
    return alarms(champion["reference"], champion["served"]["baseRate"], recent, later)


def _until(document: ModelDocument) -> datetime:
    """Return the time of the last example that a model learned from."""
    window = document["window"]
    if window is None:
        raise ValueError("a model of the registry has the times of its examples")
    return datetime.fromisoformat(window["to"])


def main() -> None:
    """Read a task from standard input, and write its result."""
    json.dump(fit_model(json.load(sys.stdin)), sys.stdout)


if __name__ == "__main__":
    main()
