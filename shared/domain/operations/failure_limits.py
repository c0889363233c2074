"""Decides when the circuit breaker opens: so many failures mean a bad deploy.

Records are safer in their topic than in the dead letter. Records of one producer, or of one lead, never open the
breaker. Failures count by producer; if a worker knows one producer at most, they count by lead. Invalid records never
get to a handler, and don't count.
"""

from collections.abc import Sequence
from dataclasses import dataclass

WINDOW = 250
"""The number of newest records of which the share is taken; fewer have no share."""
SOURCES_MAX = 100
"""Most producers that a tally remembers beside the window."""
_SOURCES_MIN, _LEADS_MIN = 2, 10
"""Fewer failing sources, or leads, are at fault themselves."""


@dataclass(frozen=True, slots=True)
class FailureLimits:
    """The limits that stop a worker: failing `share` (1: none), `in_a_row` (0: none)."""

    share: float = 0.2
    in_a_row: int = 50


@dataclass(frozen=True, slots=True)
class Handled:
    """A record that the handler got: its producer, its lead, and whether the handler failed.

    `source` is the producer of an input; empty for an event of a worker.
    """

    source: str
    lead: str
    failed: bool = False


@dataclass(frozen=True, slots=True)
class FailureTally:
    """The outcomes of a worker's newest records, the newest last."""

    newest: tuple[Handled, ...] = ()
    in_a_row: int = 0
    """How many of the newest failed in a row."""
    sources: tuple[str, ...] = ()
    """The producers of inputs, the newest last. One producer's backlog can fill the window."""

    def after(self, handled: Sequence[Handled]) -> "FailureTally":
        """Return the tally with these records."""
        row = self.in_a_row
        for one in handled:
            row = row + 1 if one.failed else 0
        newest = dict.fromkeys(one.source for one in reversed(handled) if one.source)
        older = [one for one in self.sources if one not in newest]
        return FailureTally((*self.newest, *handled)[-WINDOW:], row, (*older, *reversed(newest))[-SOURCES_MAX:])


def why_stop(tally: FailureTally, handled: Sequence[Handled], limits: FailureLimits) -> str | None:
    """Return why these records, in their order, stop the worker; None if they don't."""
    row, records = tally.in_a_row, (*tally.newest, *handled)
    by_source = len({*tally.sources, *(one.source for one in records if one.source)}) > 1
    count = sum(one.failed for one in tally.newest)
    for place, one in enumerate(handled, len(tally.newest)):
        row = row + 1 if one.failed else 0
        count += one.failed - (records[place - WINDOW].failed if place >= WINDOW else 0)
        window = slice(max(0, place + 1 - WINDOW), place + 1)
        if one.failed and 0 < limits.in_a_row <= row and _is_of_many(records[window], row, by_source):
            return f"the handler failed on {row} records in a row, of different producers or leads"
        if (
            place + 1 >= WINDOW
            and count > limits.share * WINDOW
            and _is_common(records[window], limits.share, by_source)
        ):
            return f"the handler failed on {count} of {WINDOW} records, of different producers or leads"
    return None


def _is_of_many(window: Sequence[Handled], row: int, by_source: bool) -> bool:  # noqa: FBT001 - one of its parts
    """Return whether the newest `row` records, all failed, have enough producers or leads."""
    failed = window[-row:]
    for inputs in (True, False):
        units = {_unit(one, by_source=inputs and by_source) for one in failed if bool(one.source) is inputs}
        if len(units) >= _least(by_source=inputs and by_source):
            return True
    return False


def _is_common(window: Sequence[Handled], share: float, by_source: bool) -> bool:  # noqa: FBT001 - one of its parts
    """Return whether too many producers or leads fail on too many of their records.

    Both shares are `share`. Inputs and events of workers count apart: there are few producers and many leads.
    """
    for inputs in (True, False):
        part = [one for one in window if bool(one.source) is inputs]
        failures: dict[str, list[bool]] = {}
        for one in part:
            failures.setdefault(_unit(one, by_source=inputs and by_source), []).append(one.failed)
        failing = [ones for ones in failures.values() if sum(ones) > share * len(ones)]
        of_many = len(failing) >= _least(by_source=inputs and by_source) and len(failing) > share * len(failures)
        if of_many and sum(map(sum, failing)) > share * len(part):
            return True
    return False


def _unit(one: Handled, *, by_source: bool) -> str:
    return one.source if by_source else one.lead


def _least(*, by_source: bool) -> int:
    return _SOURCES_MIN if by_source else _LEADS_MIN
