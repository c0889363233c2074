"""Kafka through FastStream: the factory for a process's broker, and the one way to publish."""

import asyncio
import logging
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka.client import AIOKafkaClient
from faststream.kafka import KafkaBroker
from faststream.kafka.prometheus import KafkaPrometheusMiddleware
from faststream.kafka.security import parse_security
from faststream.security import BaseSecurity, SASLScram256, SASLScram512

from shared.config import ConfigError
from shared.events import Outgoing
from shared.header_names import read_any
from shared.metrics import Metrics
from shared.settings import Settings

# The dead letter carries the largest record a broker takes (1 MiB by default) plus its headers.
MAX_REQUEST_BYTES = 2 * 1024 * 1024
GRACE_S = 30.0


@dataclass(frozen=True, slots=True)
class Kafka:
    """Where Kafka is, and how to be let in; without `security` it lets everybody in."""

    bootstrap: str
    security: BaseSecurity | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        # Whoever reads from a Kafka comes by here.
        read_any()

    @property
    def options(self) -> dict[str, Any]:
        """What each of aiokafka's clients is opened with."""
        return {"bootstrap_servers": self.bootstrap, **parse_security(self.security)}


def kafka_of(settings: Settings, bootstrap: str) -> Kafka:
    """The Kafka at `bootstrap`, with the security that the settings name.

    Raises `ConfigError` for a certificate or a key that can't be read.
    """
    encrypted = settings.kafka_security in {"ssl", "sasl_ssl"}
    context = _ssl_context(settings) if encrypted else None
    if settings.kafka_username is None or settings.kafka_password is None:
        return Kafka(bootstrap, BaseSecurity(context) if encrypted else None)
    sasl = SASLScram512 if settings.kafka_sasl_mechanism == "SCRAM-SHA-512" else SASLScram256
    return Kafka(bootstrap, sasl(settings.kafka_username, settings.kafka_password.get_secret_value(), context))


def _ssl_context(settings: Settings) -> ssl.SSLContext:
    """Trusts the given authority alone, the system's when none is given; always checks the broker's name."""
    try:
        context = ssl.create_default_context(cafile=settings.kafka_ca_file)
        if settings.kafka_certificate_file:
            context.load_cert_chain(settings.kafka_certificate_file, settings.kafka_key_file)
    except OSError as error:
        names = "PANTRY_KAFKA_CA_FILE, PANTRY_KAFKA_CERTIFICATE_FILE, PANTRY_KAFKA_KEY_FILE"
        raise ConfigError(f"what these name is no certificate or key in PEM: {names} ({error.strerror})") from None
    return context


def connect(kafka: Kafka, *, idempotence: bool, metrics: Metrics, client_id: str = "pantry") -> KafkaBroker:
    """A broker for one process: `acks=all`, one producer shared by all its workers.

    `linger_ms` stays small because a publish is awaited as a group: the group fills the batch, not the wait.
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
    """Return when the broker answers us. Raises `KafkaError` when it doesn't, and leaves nothing open."""
    client = AIOKafkaClient(**kafka.options)
    try:
        await client.bootstrap()
    finally:
        await client.close()


async def close(broker: KafkaBroker, patience_s: float) -> None:
    """Stop the broker's consumers and its producer.

    What Kafka has not acknowledged after this time is given up, so that a process can end though Kafka is away: an
    idempotent producer would try for ever. Whoever waits for such a record is told that it failed.
    """
    stopping = asyncio.create_task(broker.stop())
    done, _ = await asyncio.wait({stopping}, timeout=patience_s)
    if not done:
        # aiokafka's stop waits for all records or for its sender to end, whichever comes first.
        producer: Any = broker.config.producer
        producer._producer.producer._sender.sender_task.cancel()  # noqa: SLF001 - nothing else ends it
    await stopping


class Publisher:
    """Publishes groups of records and returns when each is acknowledged by all replicas in sync."""

    def __init__(self, broker: KafkaBroker, metrics: Metrics) -> None:
        self._broker = broker
        self._metrics = metrics

    async def publish(self, worker: str, records: Sequence[Outgoing]) -> None:
        """Publish `records`, those of one key in their order.

        Raises what the broker answers when any of them isn't acknowledged; publishing all of them again is safe, for
        their ids derive from their cause.
        """
        pending = [
            await self._broker.publish(
                record.value, record.topic, key=record.key, headers=dict(record.headers), no_confirm=True
            )
            for record in records
        ]
        if pending:
            await asyncio.wait(pending)
        # All of them are asked: an error that nobody fetches is reported as forgotten.
        for error in [acknowledged.exception() for acknowledged in pending]:
            if error:
                raise error
        for record in records:
            self._metrics.published.labels(worker, record.topic).inc()
