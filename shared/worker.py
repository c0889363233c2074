"""What a worker is: a name, the topics it reads, and what it does with a batch."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

import structlog

from schemas.topics import CREATED, MERGED, Topic
from shared.broker import Kafka, Publisher
from shared.clock import Clock
from shared.due import Alarm
from shared.events import Outgoing, Received, Result
from shared.metrics import Metrics
from shared.settings import Settings
from shared.storage import Storage

Handler = Callable[[Sequence[Received]], Awaitable[Sequence[Result]]]
Background = Callable[[asyncio.Event], Awaitable[None]]

ARRIVALS = (CREATED, MERGED)
"""What tells that a lead exists, or is known by another name."""

_ROUNDS = 50
_FEW_ROUNDS = 8
_rounds: ContextVar[int] = ContextVar("rounds", default=_ROUNDS)
_NOWHERE = Kafka("")


@dataclass(frozen=True, slots=True)
class Worker:
    """One consumer group, `pantry.NAME`.

    `handle` takes valid events (the same one may come again, late or out of order), writes, and returns what to
    publish. It raises only when the batch shall be tried again. `background` runs beside it until the event it is
    given is set, and so do `alarms`. Events that it finds `Unknown` wait for their lead.
    """

    name: str
    topics: tuple[Topic, ...]
    handle: Handler
    background: tuple[Background, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    waits: bool = False
    """Whether events that name an unknown lead wait for it; `topics` then has `ARRIVALS`, which release them."""
    observes: bool = False
    """Whether it only looks on: a record that is no event of its topic is left to the worker that answers for it."""
    lanes: int = 1
    """How many parts of a large batch are handled at the same time: while the database answers one, another is decided.
    Records of one key stay in one part. Worth it where parts seldom meet at the same document."""
    acknowledged: Callable[[Sequence[Outgoing]], None] = lambda _: None
    """Told what of the worker's events Kafka has."""

    @property
    def group(self) -> str:
        """The consumer group (contract 5)."""
        return f"pantry.{self.name}"

    @property
    def source(self) -> str:
        """The `source` of the events it publishes (contract 1)."""
        return f"/services/{self.name}"


@dataclass(frozen=True, slots=True)
class Runtime:
    """What a worker is built from; the composition root makes it."""

    settings: Settings
    storage: Storage
    publisher: Publisher
    clock: Clock
    leaving: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the process begins to end: answers that would go on for ever end then."""
    kafka: Kafka = _NOWHERE
    """For who reads the log aside from any consumer group."""
    metrics: Metrics = field(default_factory=Metrics)
    """The process's."""


Build = Callable[[Runtime], Worker]


class Contention(Exception):  # noqa: N818 - the state it tells of
    """Others kept changing the same documents; trying the batch again later is right."""


@contextmanager
def few_rounds(*, when: bool) -> Iterator[None]:
    """`settle` gives up sooner in here: the caller tries parts of a batch, and each of them again if need be."""
    token = _rounds.set(_FEW_ROUNDS if when else _rounds.get())
    try:
        yield
    finally:
        _rounds.reset(token)


async def settle(attempt: Callable[[], Awaitable[bool]]) -> None:
    """Repeat `attempt` (read, decide, write by compare-and-set) until no other writer came between.

    An attempt that finds its own earlier write must take it as done: that is what makes repeating safe.
    """
    rounds = _rounds.get()
    for round_ in range(rounds):
        if await attempt():
            return
        structlog.get_logger().debug("write.contended", round=round_)
        await asyncio.sleep(0.002 * round_)
    raise Contention(f"{rounds} rounds of read and write all met another writer")
