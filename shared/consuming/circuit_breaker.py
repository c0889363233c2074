"""A worker's circuit breaker in this process. `failure_limits` decides when it opens."""

from collections.abc import Sequence

from shared.domain.operations.failure_limits import FailureLimits, FailureTally, Handled, why_stop
from shared.errors import Stop


class CircuitOpen(Stop):
    """The worker stops. It commits nothing of this batch and sends no dead letter.

    The handler failed on too many records; a subclass names another reason of this process.
    """

    by = "stopped by its breaker"
    then = (
        "Nothing of this batch is committed, and none of it went to the dead letter. Correct the deploy and start"
        " again; PANTRY_BREAKER_SHARE=1 PANTRY_BREAKER_IN_A_ROW=0 sends them there."
    )
    """What the operator does next."""


class CircuitBreaker:
    """Checks each batch before any of it goes to the dead letter. A retried batch counts once."""

    def __init__(self, limits: FailureLimits | None = None) -> None:
        self._limits, self._tally = limits or FailureLimits(), FailureTally()

    def check(self, handled: Sequence[Handled], since: int = 0) -> None:
        """Raise `CircuitOpen` if the handler failed on too many of these records, in their order.

        The first `since` of them were checked before: this checks only those behind them.
        """
        why = why_stop(self._tally.after(handled[:since]), handled[since:], self._limits)
        if why:
            raise CircuitOpen(why)

    def record(self, handled: Sequence[Handled]) -> None:
        """Count these records, which have their outcome now."""
        self._tally = self._tally.after(handled)
