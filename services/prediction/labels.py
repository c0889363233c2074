"""Labels: at which moment of its life a lead is an example, and whether it converted in time from then on.

A lead is one example, however old it grows: examples are independent, and each age at which open leads are predicted
has its share. The age is settled by the lead's id alone. Were it chosen among those at which the lead was open, quick
converters would be taken early more often than others, and early leads would seem to convert more often than they do.

Its outcome is known once the horizon from that moment is over; until then the lead is censored, a converted one too, or
the quick ones would stand for all.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

AGES = (0, 0, 0, 1, 3, 7, 14, 30)
"""Days of a lead's life at which it may be an example: often at its beginning, where most decisions fall."""


@dataclass(frozen=True, slots=True)
class Life:
    """When a lead was stored, when it was `closed_at` (converted or lost; None: it is open), and when it converted."""

    lead_id: str
    created_at: datetime
    closed_at: datetime | None
    converted_at: datetime | None


def landmark(life: Life) -> datetime | None:
    """The moment at which the lead is an example; None where it was closed by then: it is none."""
    number = int.from_bytes(hashlib.sha256(life.lead_id.encode()).digest()[:4])
    at = life.created_at + timedelta(days=AGES[number % len(AGES)])
    return at if life.closed_at is None or at < life.closed_at else None


def is_known(at: datetime, horizon: timedelta, now: datetime) -> bool:
    """Whether the outcome from this moment on is known; it is censored else."""
    return at + horizon <= now


def label(life: Life, as_of: datetime, horizon: timedelta) -> bool:
    """Whether the lead converted within the horizon from then on."""
    return life.converted_at is not None and as_of < life.converted_at <= as_of + horizon
