"""The composition root of a process that runs workers: opens every connection, starts, watches and stops."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self, cast

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.errors import KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.annotations import KafkaMessage
from faststream.kafka.message import FAKE_CONSUMER, KafkaAckableMessage

from shared.breaker import Breaker, Tripped
from shared.broker import GRACE_S, Kafka, Publisher, close, connect, reach
from shared.clock import Clock, pause, system_clock
from shared.domain.breaker import Limits
from shared.errors import where
from shared.health import App, HttpServer, application
from shared.intake import Intake
from shared.invalid import InvalidRecords
from shared.isolation import Isolation, Stopping, transient
from shared.metrics import Metrics
from shared.mongo import Mongo
from shared.orphans import Orphans
from shared.passage import Passage
from shared.progress import Progress
from shared.promises import warn
from shared.settings import Settings
from shared.storage import Storage, Unavailable
from shared.waiting import Waiting
from shared.worker import Background, Build, Runtime, Worker

# Short, for FastStream sleeps this long again after each empty poll: it is what an idle stage adds to latency.
_POLL_MS = 10
_MONITOR_S = 5.0
# Records that Kafka has not acknowledged get this long once the process ends.
_FLUSH_S = 5.0
_STUCK_S = 60.0
_PROBE_S = 10.0

_THEN = (
    "Nothing of this batch is committed, and none of it went to the dead letter. Correct the deploy and start again;"
    " PANTRY_BREAKER_SHARE=1 PANTRY_BREAKER_IN_A_ROW=0 lets them through to there."
)

_log = structlog.get_logger()
Batch = Sequence[ConsumerRecord[Any, Any]]
Front = Callable[[Runtime, Metrics, App], App]
"""Makes what a process answers over HTTP, its probes among it."""


@dataclass(frozen=True, slots=True)
class Connections:
    """The servers, and whether the broker takes an idempotent producer."""

    kafka: Kafka
    mongo: Mongo
    idempotence: bool


class Service:
    """Workers in this process, as an async context: on leaving, batches in flight are finished and committed."""

    def __init__(
        self,
        settings: Settings,
        connections: Connections,
        builds: Sequence[Build],
        *,
        clock: Clock = system_clock,
        front: Front | None = None,
    ) -> None:
        """Nothing is opened before the context is entered. `front` makes this process answer more than its probes."""
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
        """Set once the breaker has stopped every worker of this process: there is nothing left to run it for."""
        self._tripped: dict[str, str] = {}
        self._ends = {worker.name: asyncio.Event() for worker in self.workers}
        self._progress = {worker.name: Progress() for worker in self.workers}
        self._invalid = InvalidRecords(self.metrics)
        self._passages = {worker.name: self._passage(worker) for worker in self.workers}
        self._leave: list[asyncio.Task[None]] = []
        self._waiting = {worker.name: self._wait(worker) for worker in self.workers if worker.waits}
        self._consumers = {worker.name: self._subscribe(worker) for worker in self.workers}
        self._advanced: dict[str, float] = {}
        self._loops: list[asyncio.Task[None]] = []
        self._watch: list[asyncio.Task[None]] = []
        probes = application(self.stuck, self.unready, self.metrics.registry)
        app = front(runtime, self.metrics, probes) if front else probes
        self._http = HttpServer(app, settings.http_host, settings.http_port, trusted_proxies=settings.trusted_proxies)

    async def __aenter__(self) -> Self:
        await self._connect()
        loops = [(worker.name, loop) for worker in self.workers for loop in _loops(worker)]
        loops += [(name, loop) for name, waiting in self._waiting.items() for loop in (waiting.alarm.run, waiting.run)]
        self._loops = [asyncio.create_task(self._keep_running(name, loop)) for name, loop in loops]
        # Beside the rest: who may not ask, or finds a server away, works all the same.
        asking = warn(self._to.kafka, self.storage, idempotence=self._to.idempotence)
        self._asking = asyncio.create_task(asking)
        self._watch = [asyncio.create_task(self._monitor()), asyncio.create_task(self._http.serve())]
        while not self._http.started and not self._watch[-1].done():  # noqa: ASYNC110 - uvicorn offers no event for it
            await asyncio.sleep(0.01)
        _log.info("service.started", workers=[worker.name for worker in self.workers], http=self._http.address)
        return self

    async def _connect(self) -> None:
        """Join the workers' groups; a broker that is away is waited for."""
        seconds = 0.1
        while True:
            try:
                await reach(self._to.kafka)
                await self.broker.connect()
                # All at once: joining can take seconds, and FastStream's own start joins one after the other.
                joining = [subscriber.start() for subscriber in self._consumers.values()]
                for error in await asyncio.gather(*joining, return_exceptions=True):
                    if error:
                        raise error
            except (KafkaError, OSError) as error:
                _log.warning("service.waits", broker=self._to.kafka.bootstrap, error=type(error).__name__)
                await self.broker.stop()
            else:
                return
            await asyncio.sleep(seconds)
            seconds = min(seconds * 2, self._settings.retry_max_s)

    async def __aexit__(self, *_: object) -> None:
        _log.info("service.stopping")
        self._leaving.set()
        # What comes in by HTTP ends first: it needs the producer.
        self._http.should_exit = True
        await asyncio.gather(self._watch[-1], return_exceptions=True)
        for end in self._ends.values():
            end.set()
        # What runs beside the consumers publishes too: it ends before the producer does.
        await asyncio.gather(*self._loops)
        # A question about offsets that outlives its consumer waits for an answer until it times out.
        self._watch[0].cancel()
        self._asking.cancel()
        await close(self.broker, _FLUSH_S + (GRACE_S if self.workers else 0))
        await asyncio.gather(*self._watch, *self._leave, self._asking, return_exceptions=True)
        self.storage.close()
        _log.info("service.stopped")

    @property
    def http(self) -> str | None:
        """Where health and metrics answer."""
        return self._http.address

    async def stuck(self) -> dict[str, str]:
        """Liveness: the workers that have records waiting and didn't advance for a minute."""
        now = time.time()
        return {
            name: f"no progress for {now - since:.0f} s"
            for name, since in self._advanced.items()
            if self._lag(name) and now - since > _STUCK_S and name not in self._tripped
        }

    async def unready(self) -> dict[str, str]:
        """Readiness: the workers that the breaker stopped or that don't get on, and the servers that don't answer."""
        wrong = dict(self._tripped)
        if not await self.broker.ping(timeout=2.0):
            wrong["broker"] = "does not answer"
        try:
            # Without workers, events are taken as long as Kafka takes them.
            if self.workers:
                await self.storage.ping()
        except Unavailable as error:
            wrong["database"] = str(error)
        # A worker that a server keeps waiting is not to blame.
        return wrong or self._still

    @property
    def _still(self) -> dict[str, str]:
        """The workers that have a batch in hand of which nothing has found its outcome for a minute."""
        seconds = {name: one.still_s for name, one in self._progress.items() if name not in self._tripped}
        told = "no record of the batch in hand has found its outcome for {:.0f} s"
        return {name: told.format(one) for name, one in seconds.items() if one > _STUCK_S}

    async def _servers_answer(self) -> bool:
        """Whether both servers answer a question that is asked now."""
        try:
            async with asyncio.timeout(_PROBE_S):
                await self.storage.ping()
                await reach(self._to.kafka)
        except (Unavailable, KafkaError, OSError, TimeoutError):
            return False
        return True

    def _wait(self, worker: Worker) -> Waiting:
        settings = self._settings
        ttl, patience = timedelta(seconds=settings.orphan_ttl), timedelta(seconds=settings.command_patience)
        orphans = Orphans(self.storage, worker.name, ttl, patience, settings.pending_max)
        pepper, passage = settings.erasure_pepper.get_secret_value(), self._passages[worker.name]
        # Other processes leave rows too: work on them says nothing of this process's consumer.
        return Waiting(orphans, self.storage, passage, pepper, self._isolation(worker, lambda: None))

    def _isolation(self, worker: Worker, trying: Callable[[], None]) -> Isolation:
        return Isolation(
            worker.name,
            self._servers_answer,
            self._ends[worker.name],
            self._settings.retry_max_s,
            trying=trying,
            waited=self.metrics.retries.labels(worker.name).inc,
        )

    def _passage(self, worker: Worker) -> Passage:
        settings = self._settings
        breaker = Breaker(Limits(settings.breaker_share, settings.breaker_in_a_row))
        return Passage(worker, self.publisher, self._clock, settings.region, breaker, self._invalid)

    def _subscribe(self, worker: Worker) -> Any:
        intake = Intake(
            self._passages[worker.name],
            self.metrics,
            self._waiting.get(worker.name),
            self._isolation(worker, lambda: self._mark(worker.name)),
            self._progress[worker.name],
            tripped=lambda why: self._trip(worker.name, why),
        )
        subscriber = self.broker.subscriber(
            *(topic.name for topic in worker.topics),
            group_id=worker.group,
            batch=True,
            ack_policy=AckPolicy.MANUAL,
            auto_offset_reset="earliest",
            max_records=self._settings.batch_max,
            batch_timeout_ms=_POLL_MS,
            session_timeout_ms=self._settings.session_timeout_ms,
            heartbeat_interval_ms=max(250, self._settings.session_timeout_ms // 4),
            parser=_parse,
            decoder=_decode,
        )

        @subscriber
        async def take(message: KafkaMessage) -> None:
            if worker.name not in self._tripped:  # what is fetched while it leaves its group comes to another
                await intake.take(cast("Batch", message.raw_message), cast("AIOKafkaConsumer", subscriber.consumer))

        return subscriber

    def _trip(self, name: str, why: Tripped) -> None:
        """Stop this worker: it leaves its group, to which another process with a better deploy may belong."""
        if name in self._tripped:
            return
        self._tripped[name] = f"stopped by its breaker: {why}"
        _log.critical("worker.stopped", worker=name, why=str(why), then=_THEN)
        self.metrics.tripped.labels(name).set(1)
        self._ends[name].set()
        self._leave.append(asyncio.create_task(self._consumers[name].stop()))
        if self._tripped.keys() == self._ends.keys():
            self.stopped.set()

    def _mark(self, name: str) -> None:
        self._advanced[name] = time.time()
        self.metrics.advanced.labels(name).set(self._advanced[name])

    def _lag(self, name: str) -> float:
        return float(self.metrics.lag.labels(name)._value.get())  # noqa: SLF001 - the client offers no other reading

    async def _keep_running(self, name: str, loop: Background) -> None:
        seconds, stopping = 0.1, self._ends[name]
        while not stopping.is_set():
            try:
                await loop(stopping)
            except Stopping:
                return
            except Tripped as error:
                self._trip(name, error)
            except Exception as error:  # noqa: BLE001 - a loop that died silently would stop the schedule for good
                kind = "background.waits" if transient(error) else "background.failed"
                _log.error(kind, worker=name, error=where(error))
            await pause(stopping, seconds)
            seconds = min(seconds * 2, self._settings.retry_max_s)

    async def _monitor(self) -> None:
        while True:
            still = self._still
            stuck = still if still and await self._servers_answer() else {}
            for worker in self.workers:
                self.metrics.stuck.labels(worker.name).set(worker.name in stuck)
            for name, subscriber in self._consumers.items():
                if name not in self._tripped:
                    await self._measure(name, subscriber.consumer)
            await asyncio.sleep(_MONITOR_S)

    async def _measure(self, name: str, consumer: AIOKafkaConsumer) -> None:
        """The lag from the broker's own word: a fetcher that fell silent would call its stale view of it zero."""
        self._advanced.setdefault(name, time.time())
        try:
            assigned = consumer.assignment()
            ends = await consumer.end_offsets(assigned) if assigned else {}
            lag = sum([max(0, end - await consumer.position(partition)) for partition, end in ends.items()])
        except (KafkaError, TimeoutError, OSError):
            return  # readiness tells of a broker that is away; the last known lag stands
        if not lag:
            self._mark(name)
        self.metrics.lag.labels(name).set(lag)


def _loops(worker: Worker) -> list[Background]:
    return [*worker.background, *(alarm.run for alarm in worker.alarms)]


async def _parse(batch: tuple[ConsumerRecord[Any, Any], ...]) -> KafkaAckableMessage:
    """The batch as it came: FastStream's own parser fails on headers that aren't text, and the batch with it."""
    return KafkaAckableMessage(
        body=[record.value or b"" for record in batch],
        raw_message=batch,
        message_id=f"{batch[0].topic}-{batch[0].partition}-{batch[0].offset}",
        correlation_id=None,
        headers={},
        batch_headers=[],
        consumer=FAKE_CONSUMER,
    )


async def _decode(message: KafkaAckableMessage) -> Any:
    return message.body
