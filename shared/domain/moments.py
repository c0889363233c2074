"""Moments as MongoDB keeps them."""

from datetime import UTC, datetime


def truncate_to_ms(moment: datetime) -> datetime:
    """Return `moment` in UTC, cut to milliseconds, as MongoDB returns it."""
    utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)


def learned_at(at: datetime, now: datetime, *, historical: bool) -> datetime:
    """Return since when the product counts as knowing an event of time `at`: `now`, or for history its own time."""
    return min(at, now) if historical else now
