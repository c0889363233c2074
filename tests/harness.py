"""Run workers on real servers, and wait for what they do."""

import asyncio
import inspect
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.protocol.admin import DeleteGroupsRequest
from pydantic import SecretStr

from deploy.local import Backend, LocalServers
from schemas.base import CONTENT_TYPE
from schemas.topics import CAPTURED, TOPICS, Topic
from services import cli
from services.composition.process import connections, prepare, run_workers
from services.composition.workers import WORKERS
from shared.domain.ids import derive
from shared.kafka.events import Record
from shared.kafka.reading import read_all
from shared.mongo.connection import Mongo, mongo_of
from shared.mongo.storage import Storage
from shared.service import ServerConnections, WorkerProcess
from shared.settings import Settings

DEADLINE_S = 300.0
PEPPER = "salt of the tests"
DATABASE = "test"
PANTRY = (sys.executable, "-m", cli.__name__)
"""The command line that starts `pantry` as its own process."""
PYMONGO_DROPS_SOCKETS = r"ignore:unclosed <socket\.socket .*, proto=6, laddr=\S+ \d+\)>:ResourceWarning"
"""PyMongo leaves a socket to the garbage collector if it is closed while it connects."""
_ALL = -1  # of a partition's records, as the protocol has it


class Bench:
    """One test's servers, database and topics."""

    def __init__(self, local: LocalServers, partitions: int | None = CAPTURED.partitions) -> None:
        self.local = local
        self.to: ServerConnections = connections(Settings(), local.servers)
        # The embedded broker admits no member before the session of one that left has ended.
        session_ms = 3_000 if local.servers.broker in (Backend.EMBEDDED, Backend.APACHE) else 6_000
        self.settings = Settings(
            http_port=0,
            mongo_database=DATABASE,
            topic_partitions=partitions,
            session_timeout_ms=session_ms,
            retry_max_s=0.5,
            log_level="error",
            erasure_pepper=SecretStr(PEPPER),
        )
        self.storage = Storage(self.to.mongo, DATABASE)

    @asynccontextmanager
    async def running(self, *names: str, **settings: Any) -> AsyncIterator[None]:
        """Run these workers in this process; all of them if none is named."""
        async with run_workers(self.settings.model_copy(update=settings), self.to, names or tuple(WORKERS)):
            yield

    @property
    def environment(self) -> dict[str, str]:
        """Return the settings as environment variables of another process."""
        return {
            **os.environ,
            "PANTRY_KAFKA_BOOTSTRAP": self.to.kafka.bootstrap,
            "PANTRY_MONGO_URL": self.to.mongo.url,
            "PANTRY_MONGO_DATABASE": DATABASE,
            "PANTRY_HTTP_PORT": "0",
            "PANTRY_SESSION_TIMEOUT_MS": str(self.settings.session_timeout_ms),
            "PANTRY_KAFKA_IDEMPOTENCE": str(self.to.idempotence),
            "PANTRY_LOG_LEVEL": "error",
            "PANTRY_ERASURE_PEPPER": PEPPER,
        }

    def pantry(self, *words: str, log: Path | None = None, **settings: str) -> subprocess.Popen[bytes]:
        """Start the command with these additional settings; `log` receives its output."""
        command = [*PANTRY, *words]
        with log.open("ab") if log else nullcontext() as file:
            return subprocess.Popen(command, env=self.environment | settings, stdout=file, stderr=file)

    def process(self, *names: str) -> subprocess.Popen[bytes]:
        """Start a `pantry worker` process with these workers."""
        return self.pantry("worker", *names)

    async def publish(
        self, values: Iterable[bytes | None], topic: Topic = CAPTURED, keys: Sequence[bytes] = ()
    ) -> None:
        """Publish records; without keys they spread over the partitions."""
        producer = AIOKafkaProducer(**self.to.kafka.options, acks="all", max_request_size=2**21)
        await producer.start()
        try:
            headers = [("content-type", CONTENT_TYPE.encode())]
            pending = [
                await producer.send(topic.name, value, key=keys[number] if keys else b"%d" % number, headers=headers)
                for number, value in enumerate(values)
            ]
            await asyncio.gather(*pending)
        finally:
            await producer.stop()

    async def records(self, *topics: Topic) -> list[Record]:
        """Return all records of these topics."""
        return [record async for record in read_all(self.to.kafka, [topic.name for topic in topics])]

    @asynccontextmanager
    async def reading(
        self, topic: Topic, group: str | None = None, wait_ms: int = 100
    ) -> AsyncIterator[AIOKafkaConsumer]:
        """Open a consumer at the first record of this topic; it commits nothing by itself.

        The embedded broker answers after `wait_ms`, and no sooner.
        """
        consumer = AIOKafkaConsumer(
            topic.name,
            **self.to.kafka.options,
            group_id=group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            fetch_max_wait_ms=wait_ms,
        )
        await consumer.start()
        try:
            yield consumer
        finally:
            await consumer.stop()

    async def count(self, collection: str, query: dict[str, Any] | None = None) -> int:
        return await self.storage.count(collection, query)


@asynccontextmanager
async def bench(local: LocalServers, partitions: int | None = CAPTURED.partitions) -> AsyncIterator[Bench]:
    """Prepare the servers, topics and indexes of one test.

    Topics have as many partitions as in production, on the embedded broker too. None: as many as `up` gives them.
    """
    one = Bench(local, partitions)
    await prepare(one.settings, one.to)
    try:
        # Apache Kafka refuses records for a second or two after it confirms the topics.
        await one.records(*TOPICS.values())
        yield one
    finally:
        await one.storage.close()


async def wipe(local: LocalServers) -> None:
    """Delete the product's consumer groups, its topics, and the test database."""
    async with _without_groups(local) as admin:
        there = [name for name in await admin.list_topics() if name in TOPICS]
        await admin.delete_topics(there)
        await until(lambda: _no_topics(admin), "the topics deleted")
    await _drop(local)


async def empty(local: LocalServers) -> None:
    """Delete what `wipe` deletes, but only the records of topics.

    Apache Kafka takes a second to create 23 topics.
    """
    async with _without_groups(local) as admin:
        there = TOPICS.keys() & set(await admin.list_topics())
        partitions = [TopicPartition(name, number) for name in there for number in range(TOPICS[name].partitions)]
        await admin.delete_records(dict.fromkeys(partitions, RecordsToDelete(_ALL)))
    await _drop(local)


@asynccontextmanager
async def _without_groups(local: LocalServers) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**connections(Settings(), local.servers).kafka.options)
    await admin.start()
    try:
        # A killed process stays a member of its group until its session ends; until then the group can't be deleted.
        await until(lambda: _no_groups(admin), "the groups deleted")
        yield admin
    finally:
        await admin.close()


async def _no_groups(admin: AIOKafkaAdminClient) -> bool:
    there = [name for name, *_ in await admin.list_consumer_groups() if name.startswith("pantry.")]
    for name in there:
        coordinator = await admin.find_coordinator(name)
        await admin._send_request(DeleteGroupsRequest([name]), coordinator)  # the client offers no method for it
    return not there


async def _no_topics(admin: AIOKafkaAdminClient) -> bool:
    return TOPICS.keys().isdisjoint(await admin.list_topics())


def mongo_at(url: str) -> Mongo:
    """Return the database at `url`, with the driver that the environment chooses."""
    return mongo_of(Settings(), url)


async def _drop(local: LocalServers) -> None:
    storage = Storage(connections(Settings(), local.servers).mongo, DATABASE)
    await storage.drop()
    await storage.close()


async def until(
    holds: Callable[[], Awaitable[bool]], what: str, deadline_s: float = DEADLINE_S, *, every_s: float = 0.1
) -> None:
    """Wait until `holds`; fail after a deadline far beyond any healthy run.

    A condition that takes long to look at is looked at less often: else it takes the servers' time from the work.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(deadline_s):
            began = loop.time()
            while not await holds():
                await asyncio.sleep(max(every_s, loop.time() - began))
                began = loop.time()
    except TimeoutError:
        raise AssertionError(f"never came: {what}") from None


async def until_ready(service: WorkerProcess) -> None:
    """Wait until the process is ready: on a busy machine a server may answer a probe too late."""

    async def ready() -> bool:
        return await service.unready() == {}

    await until(ready, "a process that is ready")


def stop(process: subprocess.Popen[bytes]) -> int:
    """Send SIGTERM and return the exit status."""
    process.send_signal(signal.SIGTERM)
    return process.wait(DEADLINE_S)


def capture_key(source: str, event_id: str) -> str:
    """Return the id of a capture's row."""
    return derive("cause", source, event_id)


async def told(on: Bench, topic: Topic) -> list[dict[str, Any]]:
    """Return the events of a topic, each once, in no order."""
    events = [json.loads(record.value or b"") for record in await on.records(topic)]
    return list({one["id"]: one["data"] for one in events}.values())


async def until_told(on: Bench, topic: Topic, count: int) -> list[dict[str, Any]]:
    """Wait for at least `count` events on a topic, and return all of them."""

    async def there() -> bool:
        return len(await told(on, topic)) >= count

    await until(there, f"{count} events on {topic.name}")
    return await told(on, topic)


def lead_id(event_id: str) -> str:
    """Return the id that the lead of this capture will have."""
    return derive("lead", capture_key("/tests", event_id))


class Killed(Exception):
    """The process is dead."""


class Mortal:
    """A database connection that dies at a chosen call."""

    def __init__(self, storage: Storage, at: int) -> None:
        self._storage, self.left = storage, at

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._storage, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            self._live()
            return await method(*args, **kwargs)

        async def pages(*args: Any, **kwargs: Any) -> Any:
            self._live()
            async for page in method(*args, **kwargs):
                yield page
                self._live()

        return pages if inspect.isasyncgenfunction(method) else call

    def _live(self) -> None:
        self.left -= 1
        if self.left <= 0:
            raise Killed
