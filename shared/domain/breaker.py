"""When a worker stops rather than go on: its handler fails so often, for so many, that a deploy must be bad.

The topic is safer where it is than drained into the dead letter. One producer's records, or one lead's, stop nobody: a
failure counts by its producer, or by its lead where the worker knows one producer at most. Records that are no valid
event never get to a handler, and don't count.
"""

from collections.abc import Sequence
from dataclasses import dataclass

WINDOW = 250
"""The newest records that the share is of; of fewer than these there is none to speak of."""
SOURCES_MAX = 100
"""The newest producers that are remembered beside the window."""
_SOURCES_MIN, _LEADS_MIN = 2, 10
"""Failures of fewer sources, or leads, say more about these than about the handler."""


@dataclass(frozen=True, slots=True)
class Limits:
    """More than `share` (0…1; 1: no limit) of the newest records, or `in_a_row` (0: no limit), stop a worker."""

    share: float = 0.2
    in_a_row: int = 50


@dataclass(frozen=True, slots=True)
class Handled:
    """A record that its handler got: whose it was, and whether the handler failed on it.

    `source` is the producer of an input, and empty for an event of our own.
    """

    source: str
    lead: str
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of a worker's newest records, the newest last."""

    newest: tuple[Handled, ...] = ()
    in_a_row: int = 0
    """How many of them failed without one between that did not, up to the newest."""
    sources: tuple[str, ...] = ()
    """The producers of inputs, the newest last: the backlog of one can fill the whole window."""

    def after(self, handled: Sequence[Handled]) -> "Tally":
        """The tally once these records have had their outcome too."""
        row = self.in_a_row
        for one in handled:
            row = row + 1 if one.failed else 0
        newest = dict.fromkeys(one.source for one in reversed(handled) if one.source)
        older = [one for one in self.sources if one not in newest]
        return Tally((*self.newest, *handled)[-WINDOW:], row, (*older, *reversed(newest))[-SOURCES_MAX:])


def why_stop(tally: Tally, handled: Sequence[Handled], limits: Limits) -> str | None:
    """Why the worker must not go on with these records, in their order; None where it may."""
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
    """Whether the newest `row` records of the window, all of which failed, are of different producers or leads."""
    failed = window[-row:]
    for inputs in (True, False):
        units = {_unit(one, by_source=inputs and by_source) for one in failed if bool(one.source) is inputs}
        if len(units) >= _least(by_source=inputs and by_source):
            return True
    return False


def _is_common(window: Sequence[Handled], share: float, by_source: bool) -> bool:  # noqa: FBT001 - one of its parts
    """Whether more than this share of the producers or leads in the window failed with more than this share of theirs.

    Inputs and our own events are looked at apart: there are few producers and many leads.
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
