"""What is broken and mended: Apache Kafka, a database, every worker, a process each, with a proxy between any two.

Kafka has two listeners: the workers' leads through the proxy `kafka`, that of the test and the oracle does not. Each
worker has a proxy of its own to the database, which has the worker's name.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.process import Process, free_port
from deploy.local.servers import _apache, _broker_answers, _ping, _secantus
from services.catalogue import WORKERS
from tests.faults.lives import Birth, Change, Life
from tests.faults.proxy import Proxies, Way

KAFKA = "kafka"
DATABASE = "test"
NAMES = (*WORKERS, "gateway")
SESSION_S = 3.0
"""Silence after which the broker takes a worker for dead."""

_CONTROLLER = re.compile(r"CONTROLLER://[\w.:]+")


@dataclass
class Cluster:
    """All processes; `bootstrap` and `mongo_url` lead to the servers without a proxy."""

    directory: Path
    bootstrap: str
    mongo_url: str
    broker: Process
    database: Process
    proxies: Proxies
    ways: Mapping[str, Way]
    settings: Mapping[str, str] = field(default_factory=dict)
    lives: list[Life] = field(default_factory=list)

    def start(self, worker: str, changes: Sequence[Change] = (), **settings: str) -> Life:
        """A new process of this worker."""
        return self._begin(worker, ("worker", worker), settings, changes)

    def gateway(self, **settings: str) -> str:
        """A new gateway process; where it will answer."""
        port = free_port()
        self._begin("gateway", ("gateway",), {"PANTRY_HTTP_PORT": str(port), **settings})
        return f"http://127.0.0.1:{port}"

    def _begin(
        self, name: str, words: tuple[str, ...], settings: Mapping[str, str], changes: Sequence[Change] = ()
    ) -> Life:
        environment = {**self._environment(name), **self.settings, **settings}
        life = Life(Birth(name, words, environment, self.directory / f"{name}.log", self.clock(name), changes))
        self.lives.append(life)
        return life

    def of(self, name: str) -> list[Life]:
        """The living processes of this worker, or of the gateway."""
        return [life for life in self.lives if life.status is None and life.birth.name == name]

    def url_by(self, way: str) -> str:
        """The database's URL through the proxy of this name."""
        return _url(self.ways[way].port)

    def clock(self, worker: str) -> Path:
        """The file that says by how many seconds this worker's clock is wrong."""
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
            "PANTRY_LOG_LEVEL": "info",
            "PANTRY_LOG_FORMAT": "json",
        }


@contextmanager
def cluster(directory: Path, **settings: str) -> Iterator[Cluster]:
    """The servers and the proxies; no worker runs yet. `settings` are those of all workers besides the usual."""
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
    """The command of a broker whose second listener is known by the proxy's address."""
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
        # Of a property that is there twice, Java takes the last.
        file.writelines(f"\n{name}={value}" for name, value in listeners.items())
    return command
