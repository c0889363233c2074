"""The process that fits a model: reads examples as JSON, and writes the result as JSON."""

import json
import sys
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from services.prediction.domain.judging.proposal import Champion, propose
from services.prediction.domain.learning.drift import alarms
from services.prediction.domain.learning.features import KINDS, SCHEMA
from services.prediction.domain.learning.registry import document_of, load_served
from services.prediction.domain.learning.sample import Sample, sample_of


def fit_model(task: Mapping[str, Any]) -> dict[str, Any]:
    """Return the model for the registry (None: none), its status's reasons, and the drift."""
    times = [datetime.fromisoformat(one) for one in task["times"]]
    sample = sample_of(KINDS, task["vectors"], task["labels"], times)
    before = task["champion"] if task["champion"] and task["champion"]["schema"] == SCHEMA else None
    comparable = before is not None and before["served"]["horizonDays"] == task["horizonDays"]
    proposal = propose(sample, _champion(before) if before and comparable else None, task["horizonDays"])
    model = proposal.served and document_of(proposal.served, sample, proposal.status, proposal.why, proposal.metrics)
    return {
        "model": model,
        "status": proposal.status,
        "examples": len(sample.labels),
        "converted": sample.converted,
        "why": list(proposal.why),
        "drift": _drift(before, sample, task["recent"]) if before and comparable else [],
    }


def _champion(document: Mapping[str, Any]) -> Champion:
    return Champion(load_served(document), datetime.fromisoformat(document["window"]["to"]))


def _drift(champion: Mapping[str, Any], sample: Sample, recent: list[dict[str, Any]]) -> list[dict[str, Any]]:
    later = sample.since(datetime.fromisoformat(champion["window"]["to"]))
    return alarms(champion["reference"], champion["served"]["baseRate"], recent, later)


def main() -> None:
    """Read a task from standard input, and write its result."""
    json.dump(fit_model(json.load(sys.stdin)), sys.stdout)


if __name__ == "__main__":
    main()
