"""What this process has told of scores, as far as it remembers."""

from collections import OrderedDict
from collections.abc import Collection, Iterable

from schemas.topics import SCORED
from shared.events import Outgoing

LEADS_MAX = 10_000
"""Leads whose changes are remembered; what is forgotten may be told once more, under its own id."""


class Told:
    """The changes of scores that Kafka has acknowledged to this process, by lead."""

    def __init__(self) -> None:
        self._causes: OrderedDict[str, set[str]] = OrderedDict()

    def of(self, lead_id: str) -> Collection[str]:
        """The keys of the causes whose change of this lead's score was told."""
        return self._causes.get(lead_id, ())

    def note(self, published: Iterable[Outgoing]) -> None:
        """These events are acknowledged."""
        for one in published:
            if one.topic == SCORED.name and one.key and one.cause:
                lead_id = one.key.decode()
                self._causes.setdefault(lead_id, set()).add(one.cause)
                self._causes.move_to_end(lead_id)
        while len(self._causes) > LEADS_MAX:
            self._causes.popitem(last=False)
