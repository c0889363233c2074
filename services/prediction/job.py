"""When a lead is predicted anew, when a model is trained anew, and what the rows of both say. All is pure."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from services.prediction.features import SCHEMA, History, last

Document = dict[str, Any]

RETRAIN_AFTER = timedelta(days=1)
RETRAIN_OUTCOMES = 500
"""A model is trained anew each day, or once so many outcomes are known that the last one couldn't learn from."""
LEASE = timedelta(minutes=30)
"""Who trains and says nothing for so long has been killed: another process begins anew."""
_AGES = timedelta(days=1)
_SHARE = 10


def again_at(history: History, now: datetime) -> datetime:
    """When time alone will have changed what is known of a lead: each day, and slower the older its last news is."""
    news: list[datetime] = [history.lead["createdAt"], *(last(one, "at") for one in history.activities)]
    return now + max(_AGES, (now - max(news)) / _SHARE)


def is_due(row: Mapping[str, Any], horizon_days: int, now: datetime, matured: int) -> bool:
    """Whether it is time to train: `row` is the job's, `matured` how many outcomes are known since it trained last."""
    if "claim" in row:
        return bool(row["wakeAt"] <= now)
    if not row or (row["horizonDays"], row["schema"]) != (horizon_days, SCHEMA):
        return True
    return bool(row["trainedAt"] + RETRAIN_AFTER <= now) or matured >= RETRAIN_OUTCOMES


def taken(row: Mapping[str, Any], claim: str, now: datetime) -> tuple[Document, Document]:
    """The guard and the change by which a process takes the job."""
    guard = {name: row.get(name) for name in ("claim", "wakeAt", "trainedAt")}
    return guard, {"claim": claim, "wakeAt": now + LEASE}


def maturing(since: datetime, now: datetime, horizon: timedelta) -> list[date]:
    """The days whose leads' outcomes came to be known after `since`: their horizon ended."""
    first, last = (since - horizon).date(), (now - horizon).date()
    return [first + timedelta(days=number + 1) for number in range((last - first).days)]


def trained(found: Mapping[str, Any], version: int | None, censored: int, horizon_days: int, now: datetime) -> Document:
    """The job's row once it is done: what was learned from, what came of it, and whether the world has changed.

    `version` None: there was no model to enter.
    """
    told = {name: found[name] for name in ("status", "examples", "converted", "why", "drift")}
    how = {"horizonDays": horizon_days, "schema": SCHEMA}
    return {"trainedAt": now, "version": version, "censored": censored, **how, **told}
