"""Kafka through FastStream: creates a process's broker, and publishes."""

import asyncio
import logging
import ssl
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import IncompatibleBrokerVersion
from aiokafka.protocol.transaction import InitProducerIdRequest
from aiokafka.structs import RecordMetadata
from faststream.kafka import KafkaBroker
from faststream.kafka.prometheus import KafkaPrometheusMiddleware
from faststream.kafka.security import parse_security
from faststream.security import BaseSecurity, SASLScram256, SASLScram512

from shared.config import ConfigError
from shared.kafka.broker_errors import RecordRefused, broker_errors
from shared.kafka.events import Outgoing
from shared.observability.metrics import Metrics
from shared.settings import Settings

# A dead letter holds the largest record a broker takes (1 MiB by default), plus headers.
MAX_REQUEST_BYTES = 2 * 1024 * 1024
GRACE_S = 30.0
# "Unknown error", as the embedded broker answers, and "unsupported version". `check_idempotence` asks again: a broker
# may fail once. The producer handles all other codes.
_REFUSED, _REFUSALS, _REFUSAL_PAUSE_S = frozenset({-1, 35}), 3, 0.2
_NO_ID: Any = None  # no transaction, and its timeout is without meaning; aiokafka's type lacks None
_NO_TRANSACTION = 60_000
_NOT_IDEMPOTENT = (
    "the broker at {} supports no idempotent producer, like the embedded one of `pantry up`:"
    " set PANTRY_KAFKA_IDEMPOTENCE=false"
)


@dataclass(frozen=True, slots=True)
class Kafka:
    """Kafka's address, and the security of its connections; None: plain text, no login."""

    bootstrap: str
    security: BaseSecurity | None = field(default=None, repr=False)

    @property
    def options(self) -> dict[str, Any]:  # each option has its own type
        """The options of every aiokafka client."""
        return {"bootstrap_servers": self.bootstrap, **parse_security(self.security)}


def kafka_of(settings: Settings, bootstrap: str) -> Kafka:
    """Return the Kafka at `bootstrap`, with the security of the settings.

    Raises `ConfigError` if a certificate or a key can't be read.
    """
    encrypted = settings.kafka_security in {"ssl", "sasl_ssl"}
    context = _ssl_context(settings) if encrypted else None
    if settings.kafka_username is None or settings.kafka_password is None:
        return Kafka(bootstrap, BaseSecurity(context) if encrypted else None)
    sasl = SASLScram512 if settings.kafka_sasl_mechanism == "SCRAM-SHA-512" else SASLScram256
    return Kafka(bootstrap, sasl(settings.kafka_username, settings.kafka_password.get_secret_value(), context))


def _ssl_context(settings: Settings) -> ssl.SSLContext:
    """Trust the given authority, or else the system's. Always checks the broker's name."""
    try:
        context = ssl.create_default_context(cafile=settings.kafka_ca_file)
        if settings.kafka_certificate_file:
            context.load_cert_chain(settings.kafka_certificate_file, settings.kafka_key_file)
    except OSError as error:
        names = "PANTRY_KAFKA_CA_FILE, PANTRY_KAFKA_CERTIFICATE_FILE, PANTRY_KAFKA_KEY_FILE"
        raise ConfigError(f"these settings name no certificate or key in PEM: {names} ({error.strerror})") from None
    return context


def connect(kafka: Kafka, *, idempotence: bool, metrics: Metrics, client_id: str = "pantry") -> KafkaBroker:
    """Return the broker of one process: `acks=all`, one producer for all its workers.

    `linger_ms` is small: `Publisher` awaits a group of records, which fills the batch by itself.
    """
    return KafkaBroker(
        kafka.bootstrap,
        security=kafka.security,
        acks="all",
        enable_idempotence=idempotence,
        linger_ms=2,
        max_batch_size=256 * 1024,
        max_request_size=MAX_REQUEST_BYTES,
        client_id=client_id,
        graceful_timeout=GRACE_S,
        middlewares=[KafkaPrometheusMiddleware(registry=metrics.registry)],
        logger=logging.getLogger("pantry.faststream"),
        log_level=logging.DEBUG,
    )


async def reach(kafka: Kafka) -> None:
    """Return if the broker answers. Raises `BrokerUnavailable` if not; closes its connection."""
    client = AIOKafkaClient(**kafka.options)
    with broker_errors():
        try:
            await client.bootstrap()
        finally:
            await client.close()


async def check_idempotence(kafka: Kafka) -> None:
    """Return if the broker takes an idempotent producer.

    Raises `ConfigError` if it refuses one, and `BrokerUnavailable` if it does not answer. Without this check, a
    refused producer would retry without end and without an error.
    """
    client = AIOKafkaClient(**kafka.options)
    with broker_errors():
        try:
            await client.bootstrap()
            for _ in range(_REFUSALS):
                request = InitProducerIdRequest(_NO_ID, _NO_TRANSACTION)
                answer: Any = await client.send(client.get_random_node(), request)  # aiokafka has no types for it
                if answer.error_code not in _REFUSED:
                    return
                await asyncio.sleep(_REFUSAL_PAUSE_S)
        except IncompatibleBrokerVersion:
            pass
        finally:
            await client.close()
    raise ConfigError(_NOT_IDEMPOTENT.format(kafka.bootstrap))


async def close(broker: KafkaBroker, patience_s: float) -> None:
    """Stop the broker's consumers and its producer.

    After `patience_s`, gives up the records that Kafka has not acknowledged: `publish` raises for them. So a process
    can end while Kafka is away, though an idempotent producer retries without end.
    """
    stopping = asyncio.create_task(broker.stop())
    done, _ = await asyncio.wait({stopping}, timeout=patience_s)
    if not done:
        # aiokafka's `stop` waits for all records, or for the end of its sender task.
        sender: Any = _producer_of(broker)._sender  # noqa: SLF001 - aiokafka has no public way to end it
        sender.sender_task.cancel()
    await stopping


class Publisher:
    """Publishes groups of records, and waits until all replicas in sync acknowledged each.

    It calls the broker's aiokafka producer directly: FastStream's way to it costs more than the producer itself.
    """

    def __init__(self, broker: KafkaBroker, metrics: Metrics) -> None:
        self._broker = broker
        self._published = cache(metrics.published.labels)

    async def publish(self, worker: str, records: Sequence[Outgoing]) -> None:
        """Publish `records`, those of one key in their order; return when all are acknowledged.

        Raises `BrokerUnavailable` or `RecordRefused` if one is not acknowledged. Publishing all of them again is safe:
        their ids derive from their cause.
        """
        with broker_errors():
            producer = _producer_of(self._broker)
            pending = [await _send(producer, record) for record in records]
            await _all_acknowledged(pending)
        for topic, count in Counter(record.topic for record in records).items():
            self._published(worker, topic).inc(count)


def _producer_of(broker: KafkaBroker) -> AIOKafkaProducer:
    """Return the producer of a broker that has connected."""
    producer: Any = broker.config.producer  # private parts
    found: AIOKafkaProducer = producer._producer.producer  # noqa: SLF001 - FastStream has no public way to it
    return found


async def _send(producer: AIOKafkaProducer, record: Outgoing) -> asyncio.Future[RecordMetadata]:
    # The client refuses a record without key and value, though Kafka has such records: a dead letter may be one.
    value = b"" if record.key is None and record.value is None else record.value
    try:
        headers = [(name, text.encode()) for name, text in record.headers.items()]
        acknowledged: asyncio.Future[RecordMetadata] = await producer.send(
            record.topic, value, record.key, headers=headers
        )
    except (TypeError, ValueError, AssertionError) as error:  # how a header or the client refuses a record
        raise RecordRefused(type(error).__name__) from error
    return acknowledged


async def _all_acknowledged(pending: Sequence[asyncio.Future[RecordMetadata]]) -> None:
    """Wait for all, then raise the first error. Reads every error: asyncio logs those that are never retrieved."""
    errors = []
    for acknowledged in pending:
        try:
            await acknowledged
        except Exception as error:  # noqa: BLE001 - raised below
            errors.append(error)
    if errors:
        raise errors[0]
