"""Running workers until told to stop."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

from deploy.local import LocalServers, Servers
from schemas.topics import TOPICS
from services.catalogue import WORKERS, create_indexes
from shared.broker import kafka_of
from shared.log import create_topics
from shared.mongo import mongo_of
from shared.service import Connections, Front, Service
from shared.settings import Settings
from shared.storage import Storage


@contextmanager
def servers(settings: Settings) -> Iterator[Servers]:
    """The servers that the settings name; whatever they don't name is started here, and stopped in the end."""
    with LocalServers(
        settings.backend, settings.data_dir, kafka_bootstrap=settings.kafka_bootstrap, mongo_url=settings.mongo_url
    ) as local:
        yield local.servers


def connections(settings: Settings, found: Servers) -> Connections:
    """What a process connects to; the setting for idempotence wins over what is known of the broker."""
    chosen = found.idempotence if settings.kafka_idempotence is None else settings.kafka_idempotence
    return Connections(kafka_of(settings, found.kafka_bootstrap), mongo_of(settings, found.mongo_url), chosen)


async def prepare(settings: Settings, to: Connections) -> None:
    """Create the topics and indexes that are missing."""
    await create_topics(to.kafka, TOPICS.values(), settings.topic_replication)
    storage = Storage(to.mongo, settings.mongo_database)
    try:
        await create_indexes(storage)
    finally:
        storage.close()


@asynccontextmanager
async def running(
    settings: Settings, to: Connections, names: Sequence[str] = tuple(WORKERS), *, front: Front | None = None
) -> AsyncIterator[Service]:
    """The named workers in this process, and a `front` for HTTP if there shall be one."""
    async with Service(settings, to, [WORKERS[name] for name in names], front=front) as service:
        yield service


@contextmanager
def stop_signals() -> Iterator[asyncio.Event]:
    """An event that SIGINT and SIGTERM set, instead of ending the process."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)
    for one in signals:
        loop.add_signal_handler(one, told.set)
    try:
        yield told
    finally:
        for one in signals:
            loop.remove_signal_handler(one)
