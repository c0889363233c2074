"""What a lead remembers of its newest captures, so that a row which says otherwise can be put right.

A capture's row is written before its lead. Two processes can decide on one capture at once; only one of them gets to
the lead, but the other may have been the last to write the row. So the decision is in the write that carries it out.
When the lead forgets it, the row gets it for good: `applied` is true then, and nobody writes that row again.
"""

from collections.abc import Mapping
from typing import Any

from services.capture.merging import differences
from shared.domain.causes import Kind, remembered

Document = dict[str, Any]

_DECISION = (
    *("outcome", "ordinal", "knownAt", "matchScore", "matchedOn", "otherMatches", "filled", "reopened"),
    "restated",
)


def decision(row: Mapping[str, Any]) -> Document:
    """What the lead remembers once this row's capture is carried out."""
    return {"key": row["_id"], **{name: row[name] for name in _DECISION if name in row}}


def for_good(decided: Mapping[str, Any]) -> Document:
    """The update that lets a capture's row say what its lead remembered, which is about to forget it."""
    none = {name: "" for name in _DECISION if name not in decided}
    said = {name: decided[name] for name in _DECISION if name in decided}
    return {"$set": {**said, "applied": True}, **({"$unset": none} if none else {})}


def was_applied(row: Mapping[str, Any], lead: Mapping[str, Any]) -> bool:
    """Whether this row's capture was carried out on its lead."""
    if row.get("applied") or row["_id"] in remembered(lead, Kind.CAPTURE):
        return True
    return "applied" not in row and _was_applied_unmarked(row, lead)


def _was_applied_unmarked(row: Mapping[str, Any], lead: Mapping[str, Any]) -> bool:
    """A row of before rows were marked: overtaken if the lead remembers another capture in its place."""
    places = {one["ordinal"] for one in lead.get(Kind.CAPTURE.value, ())}
    return row["ordinal"] <= lead["captureCount"] and row["ordinal"] not in places


def as_remembered(row: Document, data: Mapping[str, Any], lead: Mapping[str, Any]) -> Document:
    """The row of a capture with this payload as its lead remembers it; as it is where the lead no longer does."""
    decided = next((one for one in lead.get(Kind.CAPTURE.value, ()) if one["key"] == row["_id"]), None)
    if decided is None or row.get("applied"):
        return row
    right = {name: value for name, value in row.items() if name not in (*_DECISION, "differed")}
    right |= {name: value for name, value in decided.items() if name != "key"}
    same = row.get("outcome") == right["outcome"]
    differed = row.get("differed") if same else differences(data, dict(lead))[1]
    if differed or right["outcome"] == "merged":
        right["differed"] = differed or []
    return right
