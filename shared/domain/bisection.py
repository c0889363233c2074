"""How many records are tried at once, so that one at fault is found among many in few tries. All is pure."""

from dataclasses import dataclass

_ALL = 1 << 20


@dataclass(frozen=True, slots=True)
class Bisection:
    """The state of the search; `left` records, in their order, have no outcome yet.

    A part that fails is halved until the record at fault is alone. After that the parts grow again, from one record
    on: where many are at fault, each of them costs a few tries, not a search through all.
    """

    most: int = _ALL
    """So many are tried at once where nothing is suspected."""
    suspect: int = 0
    """So many of the first that are left are suspected to hold a record at fault."""

    def size(self, left: int) -> int:
        """How many of the records that are left are to be tried next, at least one."""
        return max(1, self.suspect // 2) if self.suspect else min(left, self.most)

    def passed(self, size: int) -> "Bisection":
        """The first `size` records passed."""
        suspect = max(0, self.suspect - size)
        return Bisection(self.most if suspect else min(_ALL, self.most * 2), suspect)

    def failed(self, size: int) -> "Bisection":
        """The first `size` records, more than one, failed together."""
        return Bisection(max(1, size // 2), size)

    def set_aside(self) -> "Bisection":
        """The first record failed alone, and is out of the way."""
        return Bisection(1, 0)
