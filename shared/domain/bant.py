"""The BANT score (schemas/README.md#qualification): what gives points."""

from dataclasses import dataclass

from schemas.commands import Bant
from schemas.lead import Urgency


@dataclass(frozen=True, slots=True)
class Criterion:
    """A field of BANT that gives points: by any value that is true, or by one of `values`."""

    part: str
    field: str
    points: int = 25
    values: tuple[str, ...] = ()


CRITERIA = (
    Criterion("budget", "confirmed"),
    Criterion("authority", "isDecisionMaker"),
    Criterion("need", "painPoints"),
    Criterion("timeline", "urgency", values=(Urgency.IMMEDIATE.value, Urgency.WITHIN_MONTH.value)),
)
QUALIFIED_FROM = 75


def bant_score(bant: Bant) -> int:
    """Return 0…100: 25 each for budget, decision maker, pain point, and need within a month.

    The budget must be confirmed.
    """
    stated = bant.model_dump(mode="json", by_alias=True, exclude_none=True)
    values = ((one, stated.get(one.part, {}).get(one.field)) for one in CRITERIA)
    return sum(one.points for one, value in values if (value in one.values if one.values else value))
