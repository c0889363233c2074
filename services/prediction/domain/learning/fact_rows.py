"""The rows of `captures` and `activities` as the fields that a vector is made of. Pure."""

from datetime import datetime
from typing import Literal, TypedDict

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
    type: str
    at: datetime
    engagement: str
    cancelled: bool
    earlier: list["FactRow"]
    """The earlier versions of the activity, the newest last."""
    until: datetime
    times: int
