"""Time enters here, and nowhere else, so that a test can travel."""

from collections.abc import Callable
from datetime import UTC, datetime

from shared.domain.moments import stored

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """Now, in UTC, as exact as the store keeps it."""
    return stored(datetime.now(UTC))
