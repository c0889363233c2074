"""A cluster to break and repair: Kafka, a database, worker processes, and proxies.

Kafka has two listeners. Workers use the one behind the proxy `kafka`; the test and the oracle use the other. Each
worker has its own proxy to the database, with the worker's name.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.child_process import Process, free_port
from deploy.local.servers import _apache, _broker_answers, _ping, _secantus
from services.composition.workers import WORKERS
from tests.faults.process_handles import Change, ProcessHandle, ProcessSpec
from tests.faults.proxy import Proxies, Way
from tests.harness import PEPPER

KAFKA = "kafka"
DATABASE = "test"
NAMES = (*WORKERS, "gateway")
SESSION_S = 3.0
"""Seconds of silence after which the broker considers a worker dead."""

_CONTROLLER = re.compile(r"CONTROLLER://[\w.:]+")


@dataclass
class Cluster:
    """All processes; `bootstrap` and `mongo_url` bypass the proxies."""

    directory: Path
    bootstrap: str
    mongo_url: str
    broker: Process
    database: Process
    proxies: Proxies
    ways: Mapping[str, Way]
    settings: Mapping[str, str] = field(default_factory=dict)
    lives: list[ProcessHandle] = field(default_factory=list)

    def start(self, worker: str, changes: Sequence[Change] = (), **settings: str) -> ProcessHandle:
        """Start a new process of this worker."""
        return self._begin(worker, ("worker", worker), settings, changes)

    def gateway(self, **settings: str) -> str:
        """Start a new gateway process; return it and its address."""
        port = free_port()
        self._begin("gateway", ("gateway",), {"PANTRY_HTTP_PORT": str(port), **settings})
        return f"http://127.0.0.1:{port}"

    def _begin(
        self, name: str, words: tuple[str, ...], settings: Mapping[str, str], changes: Sequence[Change] = ()
    ) -> ProcessHandle:
        environment = {**self._environment(name), **self.settings, **settings}
        life = ProcessHandle(
            ProcessSpec(name, words, environment, self.directory / f"{name}.log", self.clock(name), changes)
        )
        self.lives.append(life)
        return life

    def of(self, name: str) -> list[ProcessHandle]:
        """Return the live processes of this worker, or of the gateway."""
        return [life for life in self.lives if life.status is None and life.birth.name == name]

    def url_by(self, way: str) -> str:
        """Return the database's URL through the proxy of this name."""
        return _url(self.ways[way].port)

    def clock(self, worker: str) -> Path:
        """Return the file with the error of this worker's clock, in seconds."""
        return self.directory / f"{worker}.clock"

    def _environment(self, name: str) -> dict[str, str]:
        return {
            "PANTRY_KAFKA_BOOTSTRAP": f"127.0.0.1:{self.ways[KAFKA].port}",
            "PANTRY_MONGO_URL": self.url_by(name),
            "PANTRY_MONGO_DATABASE": DATABASE,
            "PANTRY_HTTP_PORT": "0",
            "PANTRY_SESSION_TIMEOUT_MS": str(round(SESSION_S * 1000)),
            "PANTRY_RETRY_MAX_S": "0.5",
            "PANTRY_LEASE_S": "5",
            "PANTRY_ERASURE_PEPPER": PEPPER,
            "PANTRY_LOG_LEVEL": "info",
            "PANTRY_LOG_FORMAT": "json",
        }


@contextmanager
def cluster(directory: Path, **settings: str) -> Iterator[Cluster]:
    """Start the servers and proxies, and no worker; `settings` apply to all workers."""
    inside, outside, database = free_port(), free_port(), free_port()
    ways = {KAFKA: Way(KAFKA, outside, free_port())} | {name: Way(name, free_port(), database) for name in NAMES}
    with Proxies(ways.values()) as proxies:
        broker = Process(
            "broker",
            _kafka(directory / "kafka", inside, ways[KAFKA]),
            directory / "broker.log",
            lambda: _broker_answers(f"127.0.0.1:{inside}"),
        )
        store = Process(
            "database",
            _secantus(directory / "database", database),
            directory / "database.log",
            lambda: _ping(_url(database)),
        )
        one = Cluster(directory, f"127.0.0.1:{inside}", _url(database), broker, store, proxies, ways, settings)
        try:
            broker.start()
            store.start()
            yield one
        finally:
            for life in one.lives:
                life.kill()
            for server in (broker, store):
                server.kill()


def _url(port: int) -> str:
    return f"mongodb://127.0.0.1:{port}/?directConnection=true&w=1&journal=true"


def _kafka(directory: Path, port: int, proxied: Way) -> list[str]:
    """Return the command of a broker whose second listener has the proxy's address."""
    command = _apache(directory, port)
    properties = directory / "server.properties"
    inside, controller = f"PLAINTEXT://127.0.0.1:{port}", _CONTROLLER.search(properties.read_text())
    listeners = {
        "listeners": f"{inside},PROXIED://127.0.0.1:{proxied.target},{controller and controller[0]}",
        "advertised.listeners": f"{inside},PROXIED://127.0.0.1:{proxied.port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
    }
    with properties.open("a") as file:
        # Java takes the last of two properties with one name.
        file.writelines(f"\n{name}={value}" for name, value in listeners.items())
    return command
