"""The bisection of a batch: how many records to try at once to find a bad one."""

from dataclasses import dataclass

_ALL = 1 << 20


@dataclass(frozen=True, slots=True)
class Bisection:
    """The state of the search; `left` records, in their order, have no outcome yet.

    The search halves a part that fails until the record at fault is alone. Then parts grow again from one record. So
    among many bad records, each costs a few tries.
    """

    most: int = _ALL
    """How many records to try at once if none is suspected."""
    suspect: int = 0
    """How many of the first records left contain a record at fault."""

    def size(self, left: int) -> int:
        """Return how many of the records left to try next, at least one."""
        return max(1, self.suspect // 2) if self.suspect else min(left, self.most)

    def passed(self, size: int) -> "Bisection":
        """Return the state after the first `size` records passed."""
        suspect = max(0, self.suspect - size)
        return Bisection(self.most if suspect else min(_ALL, self.most * 2), suspect)

    def failed(self, size: int) -> "Bisection":
        """Return the state after the first `size` records, more than one, failed together."""
        return Bisection(max(1, size // 2), size)

    def set_aside(self) -> "Bisection":
        """Return the state after the first record failed alone and got its outcome."""
        return Bisection(1, 0)
