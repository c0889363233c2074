"""Building and running a worker process until a signal stops it."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

from deploy.local import Backend, LocalServers, Servers
from schemas.topics import TOPICS
from services.composition.workers import WORKERS, create_indexes
from shared.kafka.admin import create_topics
from shared.kafka.aiokafka_patches import patch_header_names
from shared.kafka.client import kafka_of
from shared.mongo.connection import mongo_of
from shared.mongo.storage import Storage
from shared.service import BuildFront, ServerConnections, WorkerProcess
from shared.settings import Settings

# The embedded broker looks at each partition for each fetch, also while nothing comes.
_EMBEDDED_PARTITIONS = 3
_TEMPORARY = "temporary"


@contextmanager
def servers(settings: Settings, *, temporary: bool = False) -> Iterator[Servers]:
    """Yield the servers that the settings name; start and stop the others.

    If `temporary`, those start empty in a folder of their own, and nothing of them is kept.
    """
    named = {"kafka_bootstrap": settings.kafka_bootstrap, "mongo_url": settings.mongo_url}
    folder = settings.data_dir / _TEMPORARY if temporary else settings.data_dir
    with LocalServers(settings.backend, folder, **named, temporary=temporary) as local:
        yield local.servers


def connections(settings: Settings, found: Servers) -> ServerConnections:
    """Return a process's connections. The setting for idempotence overrides the broker's.

    Patches aiokafka in this process.
    """
    patch_header_names()
    chosen = found.idempotence if settings.kafka_idempotence is None else settings.kafka_idempotence
    kafka, mongo = kafka_of(settings, found.kafka_bootstrap), mongo_of(settings, found.mongo_url)
    broker, both = found.broker is Backend.EMBEDDED, found.broker is found.database is Backend.EMBEDDED
    return ServerConnections(kafka, mongo, chosen, embedded=both, embedded_broker=broker)


async def prepare(settings: Settings, to: ServerConnections) -> None:
    """Create the topics and indexes that are missing."""
    partitions = settings.topic_partitions or (_EMBEDDED_PARTITIONS if to.embedded_broker else None)
    await create_topics(to.kafka, TOPICS.values(), settings.topic_replication, partitions)
    storage = Storage(to.mongo, settings.mongo_database)
    try:
        await create_indexes(storage)
    finally:
        await storage.close()


@asynccontextmanager
async def run_workers(
    settings: Settings, to: ServerConnections, names: Sequence[str] = tuple(WORKERS), *, front: BuildFront | None = None
) -> AsyncIterator[WorkerProcess]:
    """Run the named workers in this process, with an HTTP `front` if given."""
    async with WorkerProcess(settings, to, [WORKERS[name] for name in names], front=front) as service:
        yield service


@contextmanager
def stop_signals() -> Iterator[asyncio.Event]:
    """Yield an event that SIGINT and SIGTERM set, instead of ending the process."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)
    for one in signals:
        loop.add_signal_handler(one, stopping.set)
    try:
        yield stopping
    finally:
        for one in signals:
            loop.remove_signal_handler(one)
