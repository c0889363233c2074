"""Labels: when a lead is an example, and whether it converted from then on. Pure.

A lead is one example at any age: examples are independent, and each age at which open leads are predicted has its
share. The lead's id alone decides the age. If the age were chosen among those at which the lead was open, quick
converters would be taken early more often than others. Early leads would then seem to convert more often.

The outcome is known at the end of the horizon from that moment. Until then the lead is censored, also a converted one:
otherwise quick conversions would be overrepresented.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

AGES = (0, 0, 0, 1, 3, 7, 14, 30)
"""Ages in days at which a lead may be an example: often 0, where most decisions fall."""


@dataclass(frozen=True, slots=True)
class Life:
    """When a lead was stored, `closed_at` (converted or lost; None: open), and converted."""

    lead_id: str
    created_at: datetime
    closed_at: datetime | None
    converted_at: datetime | None


def landmark(life: Life) -> datetime | None:
    """Return the moment at which the lead is an example; None if it was closed by then."""
    number = int.from_bytes(hashlib.sha256(life.lead_id.encode()).digest()[:4])
    at = life.created_at + timedelta(days=AGES[number % len(AGES)])
    return at if life.closed_at is None or at < life.closed_at else None


def is_outcome_known(at: datetime, horizon: timedelta, now: datetime) -> bool:
    """Return whether the outcome from this moment is known; otherwise it is censored."""
    return at + horizon <= now


def converted_in_time(life: Life, as_of: datetime, horizon: timedelta) -> bool:
    """Return whether the lead converted within the horizon after `as_of`."""
    return life.converted_at is not None and as_of < life.converted_at <= as_of + horizon
