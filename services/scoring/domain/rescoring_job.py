"""The rescoring job: its one row, and the row's changes.

`version` is the current rule set, loaded `at` that time. `total` leads were under others when the job began; `done` of
them are scored again. One process (`claim`) has the lease until `wakeAt`. A finished job has `finishedAt`.
"""

from datetime import datetime

from shared.domain.stored.work_documents import RescoringDocument

ID = "rules"


def new_job(version: str, now: datetime) -> RescoringDocument:
    """Return the row of a new job for the rule set `version`."""
    return {"_id": ID, "version": version, "at": now, "wakeAt": now, "done": 0}


def is_free(row: RescoringDocument, claim: str, now: datetime) -> bool:
    """Return whether the process `claim` has the job's lease, or may acquire it."""
    return bool(row.get("claim") == claim or row["wakeAt"] <= now)


def is_new(row: RescoringDocument) -> bool:
    """Return whether the job's leads are not counted yet, or not since it finished."""
    return "total" not in row or "finishedAt" in row


def advance_job(row: RescoringDocument, claim: str, until: datetime, scored: int) -> RescoringDocument:
    """Return the row with a lease of `claim` until then, and `scored` more leads done."""
    kept = row.copy()
    kept.pop("finishedAt", None)
    return {**kept, "claim": claim, "wakeAt": until, "done": min(row["done"] + scored, row["total"])}


def finish_job(row: RescoringDocument, now: datetime) -> RescoringDocument:
    """Return the row of a finished job.

    Events of their own may have rescored some of its leads.
    """
    kept = row.copy()
    kept.pop("claim", None)
    total = row.get("total", 0)
    return {**kept, "wakeAt": now, "total": total, "done": total, "finishedAt": now}


def job_summary(row: RescoringDocument | None) -> str:
    """Return the job's progress in a sentence."""
    if row is None:
        return "no rules are in use yet: no scoring worker has run"
    rules = f"rules {row['version']}, in use since {row['at']:%Y-%m-%d %H:%M:%S} UTC"
    if "finishedAt" in row:
        return f"{rules}: all scored leads follow them"
    if "total" not in row:
        return f"{rules}: no lead has been rescored yet"
    return f"{rules}: {row['done']:,} of {row['total']:,} leads have been rescored"
