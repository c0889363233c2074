"""The composition root of a worker process: opens connections, starts, watches and stops."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self, cast

import structlog
from aiokafka import AIOKafkaConsumer
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.message import KafkaAckableMessage
from starlette.types import ASGIApp

from shared.clock import Clock, pause, system_clock
from shared.config import Reloading
from shared.config_reports import ConfigReports
from shared.consuming.circuit_breaker import CircuitBreaker, CircuitOpen
from shared.consuming.consumer import Batch, BatchConsumer
from shared.consuming.invalid_records import InvalidRecords
from shared.consuming.isolation import Isolation, Stopping
from shared.consuming.processor import RecordProcessor
from shared.consuming.progress import BatchProgress
from shared.consuming.worker import Background, Build, Runtime, Worker
from shared.domain.operations.bisection import FIRST
from shared.domain.operations.failure_limits import FailureLimits
from shared.errors import Transient
from shared.http.health import probe_application
from shared.http.listeners import HttpServers
from shared.kafka.broker_errors import BrokerUnavailable, broker_errors
from shared.kafka.client import GRACE_S, Kafka, Publisher, check_idempotence, close, connect, reach
from shared.leads.pending import PendingProcessor
from shared.leads.pending_store import PendingStore
from shared.mongo.connection import Mongo
from shared.mongo.storage import Storage, Unavailable
from shared.observability.error_places import where
from shared.observability.metrics import Metrics
from shared.preflight import warn
from shared.settings import Settings

# FastStream sleeps this long after each empty poll: an idle worker adds it to the latency.
_POLL_MS = 10
_WAIT_MS = 500
# The embedded broker answers a fetch only when its wait is over, even if a record comes before. An answer's CPU grows
# with the number of partitions. A worker that rests between batches can wait for longer.
_EMBEDDED_WAIT_MS, _EMBEDDED_RESTING_WAIT_MS = 40, 200
# The embedded broker lets the first member of a group wait for half of its session.
_SESSION_MS, _EMBEDDED_SESSION_MS = 10_000, 2_000
_MONITOR_S = 5.0
# When the process ends, Kafka has this long to acknowledge the last records.
_FLUSH_S = 5.0
_STUCK_S = 60.0
_PROBE_S = 10.0
_GATEWAY = "gateway"

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Front:
    """The HTTP application of a process, probes included, and the files that it reloads."""

    app: ASGIApp
    files: tuple[Reloading[Any], ...] = ()  # each has its own model


BuildFront = Callable[[Runtime, Metrics, ASGIApp], Front]


@dataclass(frozen=True, slots=True)
class ServerConnections:
    """The servers, and whether the broker takes an idempotent producer."""

    kafka: Kafka
    mongo: Mongo
    idempotence: bool
    embedded: bool = False
    """Whether this process started both to try things out: then preflight warns of nothing."""
    embedded_broker: bool = False
    """Whether this process started the embedded broker, whose waits and partitions cost more than Kafka's."""


class WorkerProcess:
    """The workers of this process, as an async context. Its exit commits batches in flight."""

    def __init__(
        self,
        settings: Settings,
        connections: ServerConnections,
        builds: Sequence[Build],
        *,
        clock: Clock = system_clock,
        front: BuildFront | None = None,
    ) -> None:
        """Opens nothing before `__aenter__`. `front` builds an application beside the probes."""
        self._settings, self._to = settings, connections
        self.metrics = Metrics()
        self.storage = Storage(connections.mongo, settings.mongo_database)
        self.broker: KafkaBroker = connect(connections.kafka, idempotence=connections.idempotence, metrics=self.metrics)
        self._clock = clock
        self.publisher = Publisher(self.broker, self.metrics)
        runtime = Runtime(
            settings,
            self.storage,
            self.publisher,
            clock,
            kafka=connections.kafka,
            metrics=self.metrics,
        )
        self._leaving = runtime.leaving
        self.workers = [build(runtime) for build in builds]
        self.stopped = asyncio.Event()
        """Set when a circuit breaker has stopped the last worker of this process."""
        self._tripped: dict[str, str] = {}
        self._ends = {worker.name: asyncio.Event() for worker in self.workers}
        self._progress = {worker.name: BatchProgress() for worker in self.workers}
        self._invalid = InvalidRecords(self.metrics)
        self._processors = {worker.name: self._processor(worker) for worker in self.workers}
        self._leaving_groups: list[asyncio.Task[None]] = []
        self._pending = {
            worker.name: self._build_pending(worker) for worker in self.workers if worker.parks_unknown_leads
        }
        self._consumers = {worker.name: self._subscribe(worker) for worker in self.workers}
        self._advanced: dict[str, float] = {}
        self._loops: list[asyncio.Task[None]] = []
        self._watch: list[asyncio.Task[None]] = []
        probes = probe_application(self.stuck, self.unready, self.metrics.registry, lambda: self._reports.refused)
        self._front = front(runtime, self.metrics, probes) if front else None
        files = [(worker.name, file) for worker in self.workers for file in worker.files]
        files += [(_GATEWAY, file) for file in self._front.files] if self._front else []
        self._reports = ConfigReports(files, self.storage, clock, self.metrics)
        self._http = HttpServers(settings, self.metrics, self._front.app if self._front else None, probes)

    async def __aenter__(self) -> Self:
        await self._connect()
        loops = [(worker.name, loop) for worker in self.workers for loop in _loops(worker)]
        loops += [(name, loop) for name, pending in self._pending.items() for loop in (pending.poller.run, pending.run)]
        self._loops = [asyncio.create_task(self._keep_running(name, loop, self._ends[name])) for name, loop in loops]
        for file in self._front.files if self._front else ():
            self._loops.append(asyncio.create_task(self._keep_running(_GATEWAY, file.watch, self._leaving)))
        # Runs beside the workers: they start even if this check may not ask, or finds a server away.
        self._checking = asyncio.create_task(self._check_servers())
        self._reporting = asyncio.create_task(self._reports.run(self._leaving))
        self._watch = [asyncio.create_task(self._monitor()), asyncio.create_task(self._http.serve())]
        while not self._http.started and not self._watch[-1].done():  # noqa: ASYNC110 - uvicorn offers no event for it
            await asyncio.sleep(0.01)
        facts = {"http": self.http, "ops": self.ops} if self.ops != self.http else {"http": self.http}
        _log.info("service.started", workers=[worker.name for worker in self.workers], **facts)
        return self

    async def _check_servers(self) -> None:
        """Log what is wrong with the servers. Each batch waits for a database that is away."""
        try:
            await self.storage.ping()
        except Unavailable as error:
            _log.warning("service.waits", setting="PANTRY_MONGO_URL", error=str(error))
        if not self._to.embedded:
            await warn(self._to.kafka, self.storage, idempotence=self._to.idempotence)

    async def _connect(self) -> None:
        """Join the workers' consumer groups. Retries until the broker answers."""
        seconds = 0.1
        while True:
            try:
                with broker_errors():
                    await self._join()
            except BrokerUnavailable as error:
                facts = {"setting": "PANTRY_KAFKA_BOOTSTRAP", "broker": self._to.kafka.bootstrap}
                _log.warning("service.waits", **facts, error=error.kind)
                await self.broker.stop()
            else:
                return
            await asyncio.sleep(seconds)
            seconds = min(seconds * 2, self._settings.retry_max_s)

    async def _join(self) -> None:
        async with asyncio.timeout(_PROBE_S):
            await reach(self._to.kafka)
            if self._to.idempotence:
                await check_idempotence(self._to.kafka)
        await self.broker.connect()
        # Joins all groups at once: each can take seconds, and FastStream's `start` joins them in turn.
        joining = [subscriber.start() for subscriber in self._consumers.values()]
        for error in await asyncio.gather(*joining, return_exceptions=True):
            if error:
                raise error

    async def __aexit__(self, *_: object) -> None:
        _log.info("service.stopping")
        self._leaving.set()
        # HTTP requests end first: they need the producer.
        self._http.stop()
        await asyncio.gather(self._watch[-1], return_exceptions=True)
        for end in self._ends.values():
            end.set()
        # Background loops publish too: they end before the producer.
        await asyncio.gather(*self._loops)
        # A request for offsets that outlives its consumer would wait until it times out.
        self._watch[0].cancel()
        self._checking.cancel()
        await close(self.broker, _FLUSH_S + (GRACE_S if self.workers else 0))
        await asyncio.gather(
            *self._watch, *self._leaving_groups, self._checking, self._reporting, return_exceptions=True
        )
        await self.storage.close()
        _log.info("service.stopped")

    @property
    def http(self) -> str | None:
        """The URL of the front; without a front, the URL of health and metrics."""
        return self._http.address

    @property
    def ops(self) -> str | None:
        """The URL of health and metrics."""
        return self._http.ops_address

    async def stuck(self) -> dict[str, str]:
        """Liveness: the workers that have lag and did not advance for a minute, with the reason."""
        now = time.time()
        return {
            name: f"no progress for {now - since:.0f} s"
            for name, since in self._advanced.items()
            if self._lag(name) and now - since > _STUCK_S and name not in self._tripped
        }

    async def unready(self) -> dict[str, str]:
        """Readiness: workers that stopped or make no progress, and servers that don't answer."""
        wrong = dict(self._tripped)
        if not await self.broker.ping(timeout=2.0):
            wrong["broker"] = "does not answer"
        try:
            # A gateway accepts events as long as Kafka does; only workers need the database.
            if self.workers:
                await self.storage.ping()
        except Unavailable as error:
            wrong["database"] = str(error)
        # While a server is away, a worker that waits for it is not reported.
        return wrong or self._stalled

    @property
    def _stalled(self) -> dict[str, str]:
        """The workers whose current batch has had no outcome for a minute, with the reason."""
        seconds = {name: one.stalled_s for name, one in self._progress.items() if name not in self._tripped}
        text = "no record of the batch in hand has found its outcome for {:.0f} s"
        return {name: text.format(one) for name, one in seconds.items() if one > _STUCK_S}

    async def _servers_answer(self) -> bool:
        """Return whether both servers answer now."""
        try:
            async with asyncio.timeout(_PROBE_S):
                await self.storage.ping()
                await reach(self._to.kafka)
        except (Transient, TimeoutError):
            return False
        return True

    def _build_pending(self, worker: Worker) -> PendingProcessor:
        settings = self._settings
        ttl, patience = timedelta(seconds=settings.orphan_ttl), timedelta(seconds=settings.command_patience)
        store = PendingStore(self.storage, worker.name, ttl, patience, settings.pending_max)
        pepper, processor = settings.erasure_pepper.get_secret_value(), self._processors[worker.name]
        # Pending events may come from other processes: handling them is no progress of this consumer.
        return PendingProcessor(store, self.storage, processor, pepper, self._build_isolation(worker, lambda: None))

    def _build_isolation(self, worker: Worker, on_try: Callable[[], None]) -> Isolation:
        return Isolation(
            worker.name,
            self._servers_answer,
            self._ends[worker.name],
            self._settings.retry_max_s,
            on_try=on_try,
            on_wait=self.metrics.retries.labels(worker.name).inc,
            most=FIRST,
        )

    def _processor(self, worker: Worker) -> RecordProcessor:
        settings = self._settings
        breaker = CircuitBreaker(FailureLimits(settings.breaker_share, settings.breaker_in_a_row))
        return RecordProcessor(worker, self.publisher, self._clock, settings.region, breaker, self._invalid)

    def _subscribe(self, worker: Worker) -> Any:  # FastStream exports no type for it
        consumer = BatchConsumer(
            self._processors[worker.name],
            self.metrics,
            self._pending.get(worker.name),
            self._build_isolation(worker, lambda: self._mark_advanced(worker.name)),
            self._progress[worker.name],
            has_stopped=lambda: worker.name in self._tripped,
            on_tripped=lambda why: self._trip(worker.name, why),
            batch_max=self._settings.batch_max,
        )

        async def parse(batch: Batch) -> KafkaAckableMessage:
            return _message(batch, cast("AIOKafkaConsumer", subscriber.consumer))

        subscriber = self.broker.subscriber(
            *(topic.name for topic in worker.topics),
            group_id=worker.group,
            batch=True,
            ack_policy=AckPolicy.MANUAL,
            auto_offset_reset="earliest",
            max_records=self._settings.batch_max,
            batch_timeout_ms=_POLL_MS,
            fetch_max_wait_ms=_fetch_wait_ms(worker, embedded=self._to.embedded_broker),
            session_timeout_ms=self._session_ms,
            heartbeat_interval_ms=max(250, self._session_ms // 4),
            parser=parse,
            decoder=_decode,
        )
        subscriber(consumer.process)
        return subscriber

    @property
    def _session_ms(self) -> int:
        usual = _EMBEDDED_SESSION_MS if self._to.embedded_broker else _SESSION_MS
        return self._settings.session_timeout_ms or usual

    def _trip(self, name: str, why: CircuitOpen) -> None:
        """Stop this worker. It leaves its group, so a process with a better deploy can take over."""
        if name in self._tripped:
            return
        self._tripped[name] = f"{why.by}: {why}"
        _log.critical("worker.stopped", worker=name, why=str(why), then=why.then)
        self.metrics.tripped.labels(name).set(1)
        self._ends[name].set()
        self._leaving_groups.append(asyncio.create_task(self._consumers[name].stop()))
        if self._tripped.keys() == self._ends.keys():
            self.stopped.set()

    def _mark_advanced(self, name: str) -> None:
        self._advanced[name] = time.time()
        self.metrics.advanced.labels(name).set(self._advanced[name])

    def _lag(self, name: str) -> float:
        return float(self.metrics.lag.labels(name)._value.get())  # noqa: SLF001 - the client offers no other reading

    async def _keep_running(self, name: str, loop: Background, stopping: asyncio.Event) -> None:
        seconds = 0.1
        while not stopping.is_set():
            try:
                await loop(stopping)
            except Stopping:
                return
            except CircuitOpen as error:
                self._trip(name, error)
            except Exception as error:  # noqa: BLE001 - an error must not end the loop: nothing would start it again
                _log.error(
                    "background.waits" if isinstance(error, Transient) else "background.failed",
                    worker=name,
                    error=where(error),
                )
            await pause(stopping, seconds)
            seconds = min(seconds * 2, self._settings.retry_max_s)

    async def _monitor(self) -> None:
        while True:
            stalled = self._stalled
            stuck = stalled if stalled and await self._servers_answer() else {}
            for worker in self.workers:
                self.metrics.stuck.labels(worker.name).set(worker.name in stuck)
            for name, subscriber in self._consumers.items():
                if name not in self._tripped:
                    await self._measure(name, subscriber.consumer)
            await asyncio.sleep(_MONITOR_S)

    async def _measure(self, name: str, consumer: AIOKafkaConsumer) -> None:
        """Measure the lag by the broker's offsets: a silent fetcher's own view is stale."""
        self._advanced.setdefault(name, time.time())
        try:
            with broker_errors():
                assigned = consumer.assignment()
                ends = await consumer.end_offsets(assigned) if assigned else {}
                lag = sum([max(0, end - await consumer.position(partition)) for partition, end in ends.items()])
        except BrokerUnavailable:
            return  # readiness reports a broker that is away; the metric keeps the last known lag
        if not lag:
            self._mark_advanced(name)
        self.metrics.lag.labels(name).set(lag)


def _loops(worker: Worker) -> list[Background]:
    return [*worker.background, *(file.watch for file in worker.files), *(poller.run for poller in worker.pollers)]


def _fetch_wait_ms(worker: Worker, *, embedded: bool) -> int:
    if not embedded:
        return _WAIT_MS
    return _EMBEDDED_RESTING_WAIT_MS if worker.beat_s else _EMBEDDED_WAIT_MS


def _message(batch: Batch, consumer: AIOKafkaConsumer) -> KafkaAckableMessage:
    """Return the raw batch. FastStream's own parser fails on headers that aren't text."""
    return KafkaAckableMessage(
        body=[record.value or b"" for record in batch],
        raw_message=batch,
        message_id=f"{batch[0].topic}-{batch[0].partition}-{batch[0].offset}",
        correlation_id=None,
        headers={},
        batch_headers=[],
        consumer=consumer,
    )


async def _decode(message: KafkaAckableMessage) -> object:
    return message.body
