"""The job of bringing all scored leads under changed rules: its one row, and what becomes of it. All is pure.

`version` is the rule set that was loaded last, `at` when; `total` leads stood under others when the job began, `done`
of them were scored again. It has an owner (`claim`) until `wakeAt`, and is over once it has `finishedAt`.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

Document = dict[str, Any]

ID = "rules"


def begun(version: str, now: datetime) -> Document:
    """The row when these rules have become the ones that hold."""
    return {"_id": ID, "version": version, "at": now, "wakeAt": now, "done": 0}


def is_free(row: Mapping[str, Any], claim: str, now: datetime) -> bool:
    """Whether the process called `claim` may go on with the job, or take it over."""
    return bool(row.get("claim") == claim or row["wakeAt"] <= now)


def is_new(row: Mapping[str, Any]) -> bool:
    """Whether nobody has counted yet what there is to do: never, or not since it was all done."""
    return "total" not in row or "finishedAt" in row


def gone_on(row: Mapping[str, Any], claim: str, until: datetime, scored: int) -> Document:
    """The row once `claim` has it until then, `scored` leads further on."""
    kept = {name: value for name, value in row.items() if name != "finishedAt"}
    return {**kept, "claim": claim, "wakeAt": until, "done": min(row["done"] + scored, row["total"])}


def finished(row: Mapping[str, Any], now: datetime) -> Document:
    """The row when no lead stands under other rules any more; some may have come under these by events of their own."""
    kept = {name: value for name, value in row.items() if name != "claim"}
    total = row.get("total", 0)
    return {**kept, "wakeAt": now, "total": total, "done": total, "finishedAt": now}


def words(row: Mapping[str, Any] | None) -> str:
    """How far the job is, in a sentence."""
    if row is None:
        return "no rules are in use yet: no scoring worker has run"
    rules = f"rules {row['version']}, in use since {row['at']:%Y-%m-%d %H:%M:%S} UTC"
    if "finishedAt" in row:
        return f"{rules}: every scored lead stands under them"
    if "total" not in row:
        return f"{rules}: no lead has been scored again yet"
    return f"{rules}: {row['done']:,} of {row['total']:,} leads have been scored again"
