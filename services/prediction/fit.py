"""The process that fits a model: reads the examples as JSON, and writes what becomes of them."""

import json
import sys
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from services.prediction.drift import alarms
from services.prediction.features import KINDS, SCHEMA
from services.prediction.proposal import Champion, propose
from services.prediction.registry import document_of, served
from services.prediction.sample import Sample, sample_of


def fitted(task: Mapping[str, Any]) -> dict[str, Any]:
    """The model to enter into the registry (None: there is none), why it stands as it does, and what has drifted."""
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
    return Champion(served(document), datetime.fromisoformat(document["window"]["to"]))


def _drift(champion: Mapping[str, Any], sample: Sample, recent: list[dict[str, Any]]) -> list[dict[str, Any]]:
    later = sample.since(datetime.fromisoformat(champion["window"]["to"]))
    return alarms(champion["reference"], champion["served"]["baseRate"], recent, later)


def main() -> None:
    """Read a task, write its answer."""
    json.dump(fitted(json.load(sys.stdin)), sys.stdout)


if __name__ == "__main__":
    main()
