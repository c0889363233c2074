"""The rescoring job: its one row, and the row's changes.

`version` is the current rule set, loaded `at` that time. `total` leads were under others when the job began; `done` of
them are scored again. One process (`claim`) has the lease until `wakeAt`. A finished job has `finishedAt`.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

Document = dict[str, Any]

ID = "rules"


def new_job(version: str, now: datetime) -> Document:
    """Return the row of a new job for the rule set `version`."""
    return {"_id": ID, "version": version, "at": now, "wakeAt": now, "done": 0}


def is_free(row: Mapping[str, Any], claim: str, now: datetime) -> bool:
    """Return whether the process `claim` has the job's lease, or may acquire it."""
    return bool(row.get("claim") == claim or row["wakeAt"] <= now)


def is_new(row: Mapping[str, Any]) -> bool:
    """Return whether the job's leads are not counted yet, or not since it finished."""
    return "total" not in row or "finishedAt" in row


def advance_job(row: Mapping[str, Any], claim: str, until: datetime, scored: int) -> Document:
    """Return the row with a lease of `claim` until then, and `scored` more leads done."""
    kept = {name: value for name, value in row.items() if name != "finishedAt"}
    return {**kept, "claim": claim, "wakeAt": until, "done": min(row["done"] + scored, row["total"])}


def finish_job(row: Mapping[str, Any], now: datetime) -> Document:
    """Return the row of a finished job.

    Events of their own may have rescored some of its leads.
    """
    kept = {name: value for name, value in row.items() if name != "claim"}
    total = row.get("total", 0)
    return {**kept, "wakeAt": now, "total": total, "done": total, "finishedAt": now}


def job_summary(row: Mapping[str, Any] | None) -> str:
    """Return the job's progress in a sentence."""
    if row is None:
        return "no rules are in use yet: no scoring worker has run"
    rules = f"rules {row['version']}, in use since {row['at']:%Y-%m-%d %H:%M:%S} UTC"
    if "finishedAt" in row:
        return f"{rules}: all scored leads follow them"
    if "total" not in row:
        return f"{rules}: no lead has been rescored yet"
    return f"{rules}: {row['done']:,} of {row['total']:,} leads have been rescored"
