"""The decision log: a lead remembers its newest captures, to correct a wrong row.

A capture's row is written before its lead. Two processes can decide on one capture at once. Only one of them changes
the lead, but the other may write the row last. So the lead keeps the decision in the write that applies it. When the
decision leaves the log, the row takes it over: `applied` is true then, and no process writes that row again.
"""

from collections.abc import Mapping
from typing import cast

from services.capture.domain.filling import differences
from services.capture.domain.view import CapturedData
from shared.domain.causes import CauseKind, remember, remembered
from shared.domain.stored.identity_documents import CaptureRow
from shared.domain.stored.lead_document import CaptureDecision, LeadDocument

_DECISION = (
    *("outcome", "ordinal", "knownAt", "matchScore", "matchedOn", "otherMatches", "filled", "reopened"),
    "restated",
)


def record_decision(lead: LeadDocument, row: CaptureRow) -> LeadDocument:
    """Return the lead with this capture's decision in its log."""
    return {**lead, "decided": [*lead.get("decided", ()), _decision_of(row)]}


def trim_decisions(
    changes: Mapping[str, Mapping[str, object]], leads: Mapping[str, LeadDocument], bases: Mapping[str, int]
) -> tuple[dict[str, dict[str, object]], list[CaptureDecision]]:
    """Limit the decision log in each lead's changes; return also the decisions that leave it.

    `leads` have these changes; `bases` are their revisions before. The plan writes the decisions that leave to their
    captures' rows.
    """
    trimmed, forgotten = {}, list[CaptureDecision]()
    for lead_id, change in changes.items():
        fresh, decided = leads[lead_id]["revision"] - bases[lead_id], leads[lead_id]["decided"]
        memory = remember(decided[:-fresh], decided[-fresh:])
        trimmed[lead_id] = {**change, "decided": memory.held}
        forgotten += memory.forgotten
    return trimmed, forgotten


def _decision_of(row: CaptureRow) -> CaptureDecision:
    """Return the entry of the decision log for this capture's row."""
    fields: Mapping[str, object] = row
    said = {name: fields[name] for name in _DECISION if name in fields}
    # A selection of fields by name loses the type.
    return cast("CaptureDecision", {"key": row["_id"], **said})


def final_update(decided: CaptureDecision) -> dict[str, dict[str, object]]:
    """Return the update that moves a decision from the lead's log to the capture's row."""
    fields: Mapping[str, object] = decided
    none: dict[str, object] = {name: "" for name in _DECISION if name not in fields}
    said = {name: fields[name] for name in _DECISION if name in fields}
    return {"$set": {**said, "applied": True}, **({"$unset": none} if none else {})}


def was_applied(row: CaptureRow, lead: LeadDocument) -> bool:
    """Return whether the lead has this row's capture."""
    if row.get("applied") or row["_id"] in remembered(lead, CauseKind.CAPTURE):
        return True
    return "applied" not in row and _was_applied_unmarked(row, lead)


def _was_applied_unmarked(row: CaptureRow, lead: LeadDocument) -> bool:
    """Return the same for a row of a release before `applied`, by its ordinal on the lead."""
    places = {one["ordinal"] for one in lead.get("decided", ())}
    return row["ordinal"] <= lead["captureCount"] and row["ordinal"] not in places


def correct_row(row: CaptureRow, data: CapturedData, lead: LeadDocument) -> CaptureRow:
    """Return the row with the decision that its lead remembers; unchanged if there is none.

    `data` is the capture's payload.
    """
    decided = next((one for one in lead.get("decided", ()) if one["key"] == row["_id"]), None)
    if decided is None or row.get("applied"):
        return row
    kept = {name: value for name, value in row.items() if name not in (*_DECISION, "differed")}
    said = {name: value for name, value in decided.items() if name != "key"}
    same = row.get("outcome") == decided["outcome"]
    differed = row.get("differed") if same else differences(data, lead)[1]
    further = {"differed": differed or []} if differed or decided["outcome"] == "merged" else {}
    # As above.
    return cast("CaptureRow", {**kept, **said, **further})
