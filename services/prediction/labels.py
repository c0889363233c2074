"""Labels: at which moment of its life a lead is an example, and whether it converted in time from then on.

A lead is one example, however old it grows: examples are independent, and each age at which open leads are predicted
has its share. Its outcome is known once the horizon from that moment is over; until then the lead is censored, a
converted one too, or the quick ones would stand for all.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

AGES = (0, 1, 3, 7, 14, 30)
"""Days of a lead's life at which it may become an example."""
_KNOWN = timedelta(minutes=1)
"""A new lead is predicted a moment after it was captured."""


@dataclass(frozen=True, slots=True)
class Life:
    """When a lead was stored, when it was `closed_at` (converted or lost; None: it is open), and when it converted."""

    lead_id: str
    created_at: datetime
    closed_at: datetime | None
    converted_at: datetime | None


def landmark(life: Life, horizon: timedelta, now: datetime) -> datetime | None:
    """The moment at which the lead is an example: one at which it was open, by its id; None: its outcome is to come."""
    number = int.from_bytes(hashlib.sha256(life.lead_id.encode()).digest()[:4])
    moments = [life.created_at + _KNOWN + timedelta(days=age) for age in AGES]
    open_ = [at for at in moments if life.closed_at is None or at < life.closed_at]
    chosen = open_[number % len(open_)] if open_ else None
    return chosen if chosen and chosen + horizon <= now else None


def label(life: Life, as_of: datetime, horizon: timedelta) -> bool:
    """Whether the lead converted within the horizon from then on."""
    return life.converted_at is not None and as_of < life.converted_at <= as_of + horizon
