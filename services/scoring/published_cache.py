"""The published cache: the score changes that this process has published lately."""

from collections import OrderedDict
from collections.abc import Collection, Iterable

from schemas.topics import SCORED
from shared.kafka.events import Outgoing

LEADS_MAX = 10_000
"""Most leads in the cache; a change that leaves it may be published again, under the same id."""


class PublishedCache:
    """The causes of score changes that Kafka has acknowledged to this process, by lead."""

    def __init__(self) -> None:
        self._causes: OrderedDict[str, set[str]] = OrderedDict()

    def of(self, lead_id: str) -> Collection[str]:
        """Return the keys of the causes whose change of this lead's score is published."""
        return self._causes.get(lead_id, ())

    def record(self, published: Iterable[Outgoing]) -> None:
        """Remember these events, which Kafka has acknowledged."""
        for one in published:
            if one.topic == SCORED.name and one.key and one.cause:
                lead_id = one.key.decode()
                self._causes.setdefault(lead_id, set()).add(one.cause)
                self._causes.move_to_end(lead_id)
        while len(self._causes) > LEADS_MAX:
            self._causes.popitem(last=False)
