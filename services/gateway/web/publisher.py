"""Publishing with a bound: refuse at once, or wait for Kafka's acknowledgement."""

import asyncio
from collections.abc import Sequence

import structlog

from services.gateway.auth.domain.principals import HttpProblem
from services.ingest.domain.capture_events import Fault, Invalid
from shared.kafka.broker_errors import BrokerUnavailable, RecordRefused
from shared.kafka.client import Publisher
from shared.kafka.events import Outgoing
from shared.observability.metrics import Metrics

RECORDS_MAX = 5_000
"""The most records in flight per process."""
BYTES_MAX = 32 * 1024 * 1024
"""The most bytes in flight per process."""
_log = structlog.get_logger()


class BoundedPublisher:
    """Publishes for requests. `patience_s`: how long a request waits for the acknowledgement."""

    def __init__(self, publisher: Publisher, metrics: Metrics, patience_s: float) -> None:
        self._publisher, self._metrics, self._patience_s = publisher, metrics, patience_s
        self._records = self._bytes = 0
        self._under_way: set[asyncio.Task[None]] = set()

    async def publish(self, records: Sequence[Outgoing]) -> None:
        """Return once all replicas in sync have the records.

        Raises `HttpProblem` (503); the sender may repeat the request.
        """
        size = sum(len(record.value or b"") for record in records)
        if self._records + len(records) > RECORDS_MAX or self._bytes + size > BYTES_MAX:
            raise refuse_for_now("Too many records are waiting for the event log")
        self._count(len(records), size)
        task = asyncio.create_task(self._publisher.publish("gateway", records))
        self._under_way.add(task)
        # Records count until the producer has their outcome, even after the request ends.
        task.add_done_callback(lambda done: self._on_done(done, len(records), size))
        done, _ = await asyncio.wait({task}, timeout=self._patience_s)
        if not done:
            raise refuse_for_now("The event log did not answer in time")
        self._raise_outcome(task)

    def _raise_outcome(self, task: asyncio.Task[None]) -> None:
        try:
            task.result()
        except RecordRefused:
            raise Invalid(Fault("(body)", "is too large for a record")) from None
        except BrokerUnavailable as error:
            _log.warning("gateway.publish_failed", error=error.kind)
            raise refuse_for_now("The event log doesn't answer") from None

    def _on_done(self, task: asyncio.Task[None], records: int, size: int) -> None:
        self._under_way.discard(task)
        self._count(-records, -size)
        if not task.cancelled():
            task.exception()  # the request has its answer: keep asyncio from warning

    def _count(self, records: int, size: int) -> None:
        self._records += records
        self._bytes += size
        self._metrics.under_way.set(self._records)


def refuse_for_now(why: str) -> HttpProblem:
    """Return the problem while Kafka can't take more."""
    detail = f"{why}. Send the request again, with the same Idempotency-Key if you gave one. It counts once."
    return HttpProblem(503, detail, {"Retry-After": "2"})
