"""Workers on real servers, and waiting for what they do."""

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

from deploy.local import Backend, LocalServers
from schemas.base import CONTENT_TYPE
from schemas.topics import CAPTURED, TOPICS, Topic
from services.catalogue import WORKERS
from services.running import connections, prepare, running
from shared.domain.ids import derive
from shared.events import Record
from shared.log import read_all
from shared.service import Connections
from shared.settings import Settings
from shared.storage import Storage

DEADLINE_S = 150.0
_ALL = -1  # of a partition's records, as the protocol has it


class Bench:
    """One test's servers, database and topics."""

    def __init__(self, local: LocalServers) -> None:
        self.local = local
        self.to: Connections = connections(Settings(), local.servers)
        # The embedded broker lets nobody in before the session of whoever left is over.
        session_ms = 3_000 if local.servers.broker in (Backend.EMBEDDED, Backend.APACHE) else 6_000
        self.settings = Settings(
            http_port=0, mongo_database="test", session_timeout_ms=session_ms, retry_max_s=0.5, log_level="error"
        )
        self.storage = Storage(self.to.mongo, "test")

    @asynccontextmanager
    async def running(self, *names: str, **settings: Any) -> AsyncIterator[None]:
        """These workers (all, when none is named) in this process."""
        async with running(self.settings.model_copy(update=settings), self.to, names or tuple(WORKERS)):
            yield

    @property
    def environment(self) -> dict[str, str]:
        """The settings, as a process of the product's own reads them."""
        return {
            **os.environ,
            "PANTRY_KAFKA_BOOTSTRAP": self.to.kafka.bootstrap,
            "PANTRY_MONGO_URL": self.to.mongo.url,
            "PANTRY_MONGO_DATABASE": "test",
            "PANTRY_HTTP_PORT": "0",
            "PANTRY_SESSION_TIMEOUT_MS": str(self.settings.session_timeout_ms),
            "PANTRY_KAFKA_IDEMPOTENCE": str(self.to.idempotence),
            "PANTRY_LOG_LEVEL": "error",
        }

    def pantry(self, *words: str, log: Path | None = None, **settings: str) -> subprocess.Popen[bytes]:
        """A process of the command, with these settings besides; `log` keeps what it says."""
        command = [sys.executable, "-m", "services.cli", *words]
        with log.open("ab") if log else nullcontext() as file:
            return subprocess.Popen(command, env=self.environment | settings, stdout=file, stderr=file)

    def process(self, *names: str) -> subprocess.Popen[bytes]:
        """A `pantry worker` process with these workers."""
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
        """Everything these topics hold."""
        return [record async for record in read_all(self.to.kafka, [topic.name for topic in topics])]

    @asynccontextmanager
    async def reading(self, topic: Topic, group: str | None = None) -> AsyncIterator[AIOKafkaConsumer]:
        """A consumer that begins with the first record of this topic, and commits nothing by itself."""
        consumer = AIOKafkaConsumer(
            topic.name,
            **self.to.kafka.options,
            group_id=group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            fetch_max_wait_ms=100,
        )
        await consumer.start()
        try:
            yield consumer
        finally:
            await consumer.stop()

    async def count(self, collection: str, query: dict[str, Any] | None = None) -> int:
        return await self.storage.count(collection, query)


@asynccontextmanager
async def bench(local: LocalServers) -> AsyncIterator[Bench]:
    """A prepared bench."""
    one = Bench(local)
    await prepare(one.settings, one.to)
    try:
        # Apache Kafka refuses records for a second or two after it said that the topics are made.
        await one.records(*TOPICS.values())
        yield one
    finally:
        one.storage.close()


async def wipe(local: LocalServers) -> None:
    """Delete the product's consumer groups, its topics, and the database that tests use."""
    async with _without_groups(local) as admin:
        there = [name for name in await admin.list_topics() if name in TOPICS]
        await admin.delete_topics(there)
        await until(lambda: _no_topics(admin), "the topics deleted")
    await _drop(local)


async def empty(local: LocalServers) -> None:
    """Delete what `wipe` deletes, but of topics the records only: to make 23 topics takes Apache Kafka a second."""
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
        # A killed process is a member of its group until its session is over: the group can't be deleted before.
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


async def _drop(local: LocalServers) -> None:
    storage = Storage(connections(Settings(), local.servers).mongo, "test")
    await storage.drop()
    storage.close()


async def until(
    holds: Callable[[], Awaitable[bool]], what: str, deadline_s: float = DEADLINE_S, *, every_s: float = 0.1
) -> None:
    """Wait until `holds`; fail after a deadline that no healthy run comes near.

    `every_s` is for what takes the servers long to tell: asked too often, they have no time for the work itself.
    """
    try:
        async with asyncio.timeout(deadline_s):
            while not await holds():  # noqa: ASYNC110 - the condition is another process's
                await asyncio.sleep(every_s)
    except TimeoutError:
        raise AssertionError(f"never came: {what}") from None


def stop(process: subprocess.Popen[bytes]) -> int:
    """SIGTERM, and the exit status."""
    process.send_signal(signal.SIGTERM)
    return process.wait(60)


def capture_key(source: str, event_id: str) -> str:
    """The id of a capture's row."""
    return derive("cause", source, event_id)


async def told(on: Bench, topic: Topic) -> list[dict[str, Any]]:
    """What a topic says, each event once, in no order."""
    events = [json.loads(record.value or b"") for record in await on.records(topic)]
    return list({one["id"]: one["data"] for one in events}.values())


async def until_told(on: Bench, topic: Topic, count: int) -> list[dict[str, Any]]:
    """Wait until a topic says at least `count` things; return all of them."""

    async def there() -> bool:
        return len(await told(on, topic)) >= count

    await until(there, f"{count} events on {topic.name}")
    return await told(on, topic)


def lead_id(event_id: str) -> str:
    """The id that the lead of this capture will have."""
    return derive("lead", capture_key("/tests", event_id))


class Killed(Exception):  # noqa: N818 - what happens to the process
    """The process is no more."""


class Mortal:
    """A way to the database that ends at a call."""

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
