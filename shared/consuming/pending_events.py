"""The protocol by which a consumer keeps events aside; the composition root plugs it in."""

from collections.abc import Sequence
from typing import ClassVar, Protocol

from shared.kafka.events import Received, Record, Result


class PendingEvents(Protocol):
    """The events of one worker that wait until the lead they name exists."""

    released_by: ClassVar[frozenset[str]]
    """The topics whose records only release pending events."""

    async def release(self, arrivals: Sequence[Record], received: Sequence[Received]) -> None:
        """Handle the pending events that `arrivals` release, before `received`."""

    async def split(self, results: Sequence[Result]) -> Sequence[Result]:
        """Store the events that have to wait; return the other results."""
