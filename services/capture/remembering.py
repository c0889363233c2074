"""What a lead remembers of its newest captures, so that a row which says otherwise can be put right.

A capture's row is written before its lead. Two processes can decide on one capture at once; only one of them gets to
the lead, but the other may have been the last to write the row. So the decision is in the write that carries it out.
"""

from collections.abc import Mapping
from typing import Any

from services.capture.merging import differences

Document = dict[str, Any]

DECIDED_MAX = 32
"""Captures that a lead remembers."""

_DECISION = ("outcome", "ordinal", "knownAt", "matchScore", "matchedOn", "otherMatches", "filled", "reopened")


def remembering(row: Mapping[str, Any], lead: Mapping[str, Any]) -> list[Document]:
    """What the lead remembers once this row's capture is carried out."""
    decided = {"key": row["_id"], **{name: row[name] for name in _DECISION if name in row}}
    return [*lead.get("decided", ()), decided][-DECIDED_MAX:]


def as_remembered(row: Document, data: Mapping[str, Any], lead: Mapping[str, Any]) -> Document:
    """The row of a capture with this payload as its lead remembers it; as it is where the lead no longer does."""
    decided = next((one for one in lead.get("decided", ()) if one["key"] == row["_id"]), None)
    if decided is None:
        return row
    right = {name: value for name, value in row.items() if name not in (*_DECISION, "differed")}
    right |= {name: value for name, value in decided.items() if name != "key"}
    if right["outcome"] == "merged":
        right["differed"] = row["differed"] if "differed" in row else differences(data, dict(lead))[1]
    return right
