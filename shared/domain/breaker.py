"""When a worker stops rather than go on: so many of its records go to the dead letter that a deploy must be bad.

Its own (a handler that fails on everything), or a producer's (a form that sends what nobody can read). Either way the
topic is safer where it is than drained into the dead letter.
"""

from collections.abc import Sequence
from dataclasses import dataclass

WINDOW = 250
"""The newest records that the share is of; of fewer than these there is none to speak of."""


@dataclass(frozen=True, slots=True)
class Limits:
    """More than `share` (0…1; 1: no limit) of the newest records, or `in_a_row` (0: no limit), stop a worker."""

    share: float = 0.2
    in_a_row: int = 50


@dataclass(frozen=True, slots=True)
class Tally:
    """Whether each of a worker's newest records went to the dead letter, the newest last."""

    newest: tuple[bool, ...] = ()
    in_a_row: int = 0
    """How many of them did without one between that did not, up to the newest."""

    def after(self, dead: Sequence[bool]) -> "Tally":
        """The tally once these records have had their outcome too."""
        row = self.in_a_row
        for one in dead:
            row = row + 1 if one else 0
        return Tally((*self.newest, *dead)[-WINDOW:], row)


def why_stop(tally: Tally, dead: Sequence[bool], limits: Limits) -> str | None:
    """Why the worker must not go on with these records, in their order; None where it may."""
    row, records = tally.in_a_row, (*tally.newest, *dead)
    count = sum(tally.newest)
    for place, one in enumerate(dead, len(tally.newest)):
        row = row + 1 if one else 0
        count += one - (records[place - WINDOW] if place >= WINDOW else 0)
        if 0 < limits.in_a_row <= row:
            return f"{row} records in a row would go to the dead letter"
        if place + 1 >= WINDOW and count > limits.share * WINDOW:
            return f"{count} of {WINDOW} records would go to the dead letter"
    return None
