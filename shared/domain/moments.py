"""Moments as MongoDB keeps them."""

from datetime import UTC, datetime


def truncate_to_ms(moment: datetime) -> datetime:
    """Return `moment` in UTC, cut to milliseconds, as MongoDB returns it."""
    utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)
