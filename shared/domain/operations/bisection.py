"""The bisection of a batch: how many records to try at once to find a bad one."""

from dataclasses import dataclass

_ALL = 1 << 20

FIRST = 64
"""How many records a process tries first: it doesn't know yet how fast its servers are."""

PART_S = 1.0
"""How long a part of a batch should take at most, in seconds."""


@dataclass(frozen=True, slots=True)
class Bisection:
    """The state of the search; `left` records, in their order, have no outcome yet.

    The search halves a part that fails until the record at fault is alone. Then parts grow again from one record. So
    among many bad records, each costs a few tries.

    A part that takes longer than `PART_S` makes the next ones smaller. Then parts grow again too.
    """

    most: int = _ALL
    """How many records to try at once if none is suspected."""
    suspect: int = 0
    """How many of the first records left contain a record at fault."""

    def size(self, left: int) -> int:
        """Return how many of the records left to try next, at least one."""
        return max(1, self.suspect // 2) if self.suspect else min(left, self.most)

    def passed(self, size: int, seconds: float = 0.0) -> "Bisection":
        """Return the state after the first `size` records passed, which took so many `seconds`."""
        suspect = max(0, self.suspect - size)
        if seconds > PART_S:
            return Bisection(max(1, int(size * PART_S / seconds)), suspect)
        return Bisection(self.most if suspect else min(_ALL, self.most * 2), suspect)

    def failed(self, size: int) -> "Bisection":
        """Return the state after the first `size` records, more than one, failed together."""
        return Bisection(max(1, size // 2), size)

    def set_aside(self) -> "Bisection":
        """Return the state after the first record failed alone and got its outcome."""
        return Bisection(1, 0)
