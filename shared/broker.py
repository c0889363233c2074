"""Kafka through FastStream: the factory for a process's broker, and the one way to publish."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from faststream.kafka import KafkaBroker
from faststream.kafka.prometheus import KafkaPrometheusMiddleware

from shared.events import Outgoing
from shared.metrics import Metrics

# The dead letter carries the largest record a broker takes (1 MiB by default) plus its headers.
MAX_REQUEST_BYTES = 2 * 1024 * 1024
GRACE_S = 30.0


def connect(bootstrap: str, *, idempotence: bool, metrics: Metrics, client_id: str = "pantry") -> KafkaBroker:
    """A broker for one process: `acks=all`, one producer shared by all its workers.

    `linger_ms` stays small because a publish is awaited as a group: the group fills the batch, not the wait.
    """
    return KafkaBroker(
        bootstrap,
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
