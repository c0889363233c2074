"""A worker's breaker in this process: `shared.domain.breaker` says when, this remembers and raises."""

from collections.abc import Sequence

from shared.domain.breaker import Limits, Tally, why_stop


class Tripped(Exception):  # noqa: N818 - the state it tells of
    """Too many records would go to the dead letter: none of this batch does, and the worker stops uncommitted."""


class Breaker:
    """Judges each batch before any of it goes to the dead letter; a batch that is tried again counts once."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits, self._tally = limits or Limits(), Tally()

    def judge(self, dead: Sequence[bool]) -> None:
        """Raise `Tripped` when these records, in their order, are too many that go to the dead letter."""
        why = why_stop(self._tally, dead, self._limits)
        if why:
            raise Tripped(why)

    def note(self, dead: Sequence[bool]) -> None:
        """These have had their outcome."""
        self._tally = self._tally.after(dead)
