"""Moments as the store keeps them."""

from datetime import UTC, datetime


def stored(moment: datetime) -> datetime:
    """`moment` in UTC, cut to milliseconds: what MongoDB gives back of it."""
    utc = moment.astimezone(UTC)
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)
