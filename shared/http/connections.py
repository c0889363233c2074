"""Bounds a server's connections: their number, and how long each may wait."""

from asyncio import Transport
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

# A connection younger than this may still send its request on a slow network.
_YOUNG_S = 1.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """The bounds of a server's connections."""

    connections: int = 2_000
    head_s: float = 10.0
    """Seconds for a head: from the opening, or from the first byte after an answer."""
    # Longer than load balancers keep idle connections (mostly a minute): so they close first, and no request is lost.
    idle_s: float = 75.0
    """Seconds that an idle connection may wait for its next request."""
    stall_s: float = 30.0
    """Seconds within which the peer must read some of its answer."""


class ConnectionStage(Enum):
    """What a connection waits for."""

    HEAD = "head"
    BODY = "body"
    IDLE = "idle"
    ANSWER = "answer"


class Waiting(Protocol):
    """The protocol of a connection that `Connections` bounds."""

    transport: Transport
    deadline: float | None
    """The loop time at which `expire` is due; None: never."""

    @property
    def unsent(self) -> int:
        """Bytes of answers that the peer has not read."""

    def expire(self, now: float) -> None:
        """Handle the deadline, which has passed."""


class Connections:
    """The connections of one server. It calls `cut` with the reason for each that it ends."""

    def __init__(self, bounds: Bounds, cut: Callable[[str], None]) -> None:
        self.bounds, self.cut = bounds, cut
        self._stages: dict[ConnectionStage, OrderedDict[Waiting, float]] = {
            stage: OrderedDict() for stage in ConnectionStage
        }

    def make_room(self, now: float) -> bool:
        """Return whether a new connection has room. May end an old one for it."""
        if sum(map(len, self._stages.values())) < self.bounds.connections:
            return True
        oldest = self._oldest(now)
        if oldest:
            self.forget(oldest)
            self.cut("evicted")
            oldest.transport.abort()
        return oldest is not None

    def enter(self, connection: Waiting, stage: ConnectionStage, now: float) -> None:
        """Note what a connection waits for now."""
        self.forget(connection)
        self._stages[stage][connection] = now

    def forget(self, connection: Waiting) -> None:
        """Drop a connection that ended."""
        for one in self._stages.values():
            one.pop(connection, None)

    def sweep(self, now: float) -> None:
        """Call `expire` on each connection whose deadline has passed."""
        for connection in [one for stage in self._stages.values() for one in stage]:
            if connection.deadline is not None and connection.deadline <= now:
                connection.expire(now)

    def _oldest(self, now: float) -> Waiting | None:
        """Return the connection to end for a new one; None if the server is answering all."""
        incomplete = [
            next(iter(self._stages[stage].items()))
            for stage in (ConnectionStage.HEAD, ConnectionStage.BODY)
            if self._stages[stage]
        ]
        old = [one for one, since in incomplete if now - since >= _YOUNG_S]
        # A connection with unsent bytes is still being answered.
        idle = (one for one in self._stages[ConnectionStage.IDLE] if not one.unsent)
        return next(iter(old), None) or next(idle, None) or next((one for one, _ in incomplete), None)
