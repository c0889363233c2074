"""The rows of `captures`, `activities` and `edits` as the fields that a vector is made of. Pure."""

from collections.abc import Iterator
from datetime import datetime
from typing import Literal, TypedDict

from shared.domain.stored.lead_document import EditPart
from shared.domain.stored.sales_documents import EditRow

FactTime = Literal["capturedAt", "at"]
"""The field with the time of a row: of a capture, or of an activity."""


class FactRow(TypedDict, total=False):
    """A row of either collection. A condensed row stands for `times` rows up to `until`."""

    leadId: str
    capturedAt: datetime
    """Missing in the row of an erased lead."""
    knownAt: datetime
    channel: str
    filled: list[str]
    fills: list[tuple[str, datetime]]
    """Of a condensed row: each filled path, and when it was."""
    type: str
    at: datetime
    engagement: str
    cancelled: bool
    earlier: list["FactRow"]
    """The earlier versions of the activity, the newest last."""
    until: datetime
    times: int


class PastEdit(TypedDict):
    """One field's change by an edit; `number` orders the edits of a lead."""

    leadId: str
    path: str
    at: datetime
    number: int
    before: object
    after: object


def past_edits(lead_id: str, edit: EditPart | EditRow) -> Iterator[PastEdit]:
    """Yield the changes of an edit, as the lead or a row of `edits` has it."""
    for one in edit["changes"]:
        yield {
            "leadId": lead_id,
            "path": one["path"],
            "at": edit["at"],
            "number": edit["number"],
            "before": one["from"],
            "after": one["to"],
        }
