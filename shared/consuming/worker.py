"""What a worker is: a name, the topics it reads, and what it does with a batch."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from schemas.attributes import Attributes
from schemas.topics import Topic
from shared.clock import Clock
from shared.config import Reloading
from shared.kafka.client import Kafka, Publisher
from shared.kafka.events import Outgoing, Received, Result
from shared.mongo.leases import DuePoller
from shared.mongo.storage import Storage
from shared.observability.metrics import Metrics
from shared.settings import Settings

Handler = Callable[[Sequence[Received]], Awaitable[Sequence[Result]]]
Background = Callable[[asyncio.Event], Awaitable[None]]

_NOWHERE = Kafka("")


@dataclass(frozen=True, slots=True)
class Worker:
    """One consumer group, `pantry.NAME`.

    `handle` takes valid events, writes, and returns what to publish. An event may come again, late or out of order.
    `handle` raises only if the batch is to be tried again. `background` and `pollers` run beside it until the event
    that they get is set.
    """

    name: str
    topics: tuple[Topic, ...]
    handle: Handler
    background: tuple[Background, ...] = ()
    pollers: tuple[DuePoller, ...] = ()
    files: tuple[Reloading[Any], ...] = ()  # each has its own model
    """The configuration files that the worker reloads."""
    attributes: Reloading[Attributes] | None = None
    """The declared attributes, for a worker that keeps their values. It is one of the `files`."""
    parks_unknown_leads: bool = False
    """Whether events of an unknown lead wait for it. Then `topics` includes `LEAD_EXISTS`."""
    ignores_invalid: bool = False
    """Whether another worker sends the invalid records of these topics to the dead letter."""
    lanes: int = 1
    """The concurrent parts of a large batch. Records of one key stay in one part.

    More than one pays where parts seldom write the same document."""
    beat_s: float = 0.0
    """The least time between the starts of two batches, in seconds; a full batch is followed at once.

    It pays where the work on a lead is the same for one event and for many: a burst becomes one batch."""
    on_published: Callable[[Sequence[Outgoing]], None] = lambda _: None
    """Called with the worker's events that Kafka has acknowledged."""

    @property
    def group(self) -> str:
        """The consumer group."""
        return f"pantry.{self.name}"

    @property
    def source(self) -> str:
        """The `source` of the events it publishes."""
        return f"/services/{self.name}"


@dataclass(frozen=True, slots=True)
class Runtime:
    """What a worker is built from. The composition root makes it."""

    settings: Settings
    storage: Storage
    publisher: Publisher
    clock: Clock
    leaving: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the process begins to stop: endless HTTP answers end then."""
    kafka: Kafka = _NOWHERE
    """For reading topics without a consumer group."""
    metrics: Metrics = field(default_factory=Metrics)
    """The metrics of the process."""


Build = Callable[[Runtime], Worker]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What the product knows of a worker before it runs.

    The registry, the rights, the compose files and the pages come from it.
    """

    name: str
    says: str
    """What the worker does, after its name."""
    stage: int
    """The worker's place in the funnel. Lists of workers have this order."""
    topics: tuple[Topic, ...]
    build: Build
    rights: Mapping[str, str]
    """The MongoDB actions that the worker needs, by collection."""
    create_indexes: tuple[Callable[[Storage], Awaitable[None]], ...] = ()
