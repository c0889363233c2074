"""The decision log: a lead remembers its newest captures, to correct a wrong row.

A capture's row is written before its lead. Two processes can decide on one capture at once. Only one of them changes
the lead, but the other may write the row last. So the lead keeps the decision in the write that applies it. When the
decision leaves the log, the row takes it over: `applied` is true then, and no process writes that row again.
"""

from collections.abc import Mapping
from typing import Any

from services.capture.domain.merge import differences
from shared.domain.causes import CauseKind, remembered

Document = dict[str, Any]

_DECISION = (
    *("outcome", "ordinal", "knownAt", "matchScore", "matchedOn", "otherMatches", "filled", "reopened"),
    "restated",
)


def decision_of(row: Mapping[str, Any]) -> Document:
    """Return the entry of the decision log for this capture's row."""
    return {"key": row["_id"], **{name: row[name] for name in _DECISION if name in row}}


def final_update(decided: Mapping[str, Any]) -> Document:
    """Return the update that moves a decision from the lead's log to the capture's row."""
    none = {name: "" for name in _DECISION if name not in decided}
    said = {name: decided[name] for name in _DECISION if name in decided}
    return {"$set": {**said, "applied": True}, **({"$unset": none} if none else {})}


def was_applied(row: Mapping[str, Any], lead: Mapping[str, Any]) -> bool:
    """Return whether the lead has this row's capture."""
    if row.get("applied") or row["_id"] in remembered(lead, CauseKind.CAPTURE):
        return True
    return "applied" not in row and _was_applied_unmarked(row, lead)


def _was_applied_unmarked(row: Mapping[str, Any], lead: Mapping[str, Any]) -> bool:
    """Return the same for a row of a release before `applied`, by its ordinal on the lead."""
    places = {one["ordinal"] for one in lead.get(CauseKind.CAPTURE.value, ())}
    return row["ordinal"] <= lead["captureCount"] and row["ordinal"] not in places


def correct_row(row: Document, data: Mapping[str, Any], lead: Mapping[str, Any]) -> Document:
    """Return the row with the decision that its lead remembers; unchanged if there is none.

    `data` is the capture's payload.
    """
    decided = next((one for one in lead.get(CauseKind.CAPTURE.value, ()) if one["key"] == row["_id"]), None)
    if decided is None or row.get("applied"):
        return row
    right = {name: value for name, value in row.items() if name not in (*_DECISION, "differed")}
    right |= {name: value for name, value in decided.items() if name != "key"}
    same = row.get("outcome") == right["outcome"]
    differed = row.get("differed") if same else differences(data, dict(lead))[1]
    if differed or right["outcome"] == "merged":
        right["differed"] = differed or []
    return right
