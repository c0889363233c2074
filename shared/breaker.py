"""A worker's breaker in this process: `shared.domain.breaker` says when, this remembers and raises."""

from collections.abc import Sequence

from shared.domain.breaker import Handled, Limits, Tally, why_stop


class Tripped(Exception):  # noqa: N818 - the state it tells of
    """The handler fails on too many: none of this batch goes to the dead letter, and the worker stops uncommitted."""


class Breaker:
    """Judges each batch before any of it goes to the dead letter; a batch that is tried again counts once."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits, self._tally = limits or Limits(), Tally()

    def judge(self, handled: Sequence[Handled], since: int = 0) -> None:
        """Raise `Tripped` when the handler failed on too many of these records, in their order.

        The first `since` of them were judged before: only those behind them are looked at.
        """
        why = why_stop(self._tally.after(handled[:since]), handled[since:], self._limits)
        if why:
            raise Tripped(why)

    def note(self, handled: Sequence[Handled]) -> None:
        """These have had their outcome."""
        self._tally = self._tally.after(handled)
