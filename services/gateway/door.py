"""Into Kafka, with a bound: what can't be taken now is refused, what is taken is acknowledged or told as unknown."""

import asyncio
from collections.abc import Sequence

import structlog
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from services.gateway.access import Refused
from services.gateway.domain import Fault, Invalid
from shared.broker import Publisher
from shared.events import Outgoing
from shared.metrics import Metrics

RECORDS_MAX = 5_000
"""Records on their way that a process holds at most."""
BYTES_MAX = 32 * 1024 * 1024
"""Bytes of them."""
_log = structlog.get_logger()


class Door:
    """The one way from a request into a topic. `patience_s`: how long a request waits for the acknowledgement."""

    def __init__(self, publisher: Publisher, metrics: Metrics, patience_s: float) -> None:
        self._publisher, self._metrics, self._patience_s = publisher, metrics, patience_s
        self._records = self._bytes = 0
        self._under_way: set[asyncio.Task[None]] = set()

    async def publish(self, records: Sequence[Outgoing]) -> None:
        """Return once all replicas in sync have the records. Raises `Refused` (503), which the sender may repeat."""
        size = sum(len(record.value or b"") for record in records)
        if self._records + len(records) > RECORDS_MAX or self._bytes + size > BYTES_MAX:
            raise away("Too much is waiting for the event log")
        self._count(len(records), size)
        task = asyncio.create_task(self._publisher.publish("gateway", records))
        self._under_way.add(task)
        # Not when the request ends: what the producer still holds counts until it has its outcome.
        task.add_done_callback(lambda done: self._over(done, len(records), size))
        done, _ = await asyncio.wait({task}, timeout=self._patience_s)
        if not done:
            raise away("The event log did not answer in time")
        self._tell(task)

    def _tell(self, task: asyncio.Task[None]) -> None:
        try:
            task.result()
        except MessageSizeTooLargeError:
            raise Invalid(Fault("(body)", "makes a record that is too large")) from None
        except (KafkaError, OSError, TimeoutError) as error:
            _log.warning("door.closed", error=type(error).__name__)
            raise away("The event log is away") from None

    def _over(self, task: asyncio.Task[None], records: int, size: int) -> None:
        self._under_way.discard(task)
        self._count(-records, -size)
        if not task.cancelled():
            task.exception()  # told to whoever still waits; nobody else is to be warned that it was not

    def _count(self, records: int, size: int) -> None:
        self._records += records
        self._bytes += size
        self._metrics.under_way.set(self._records)


def away(why: str) -> Refused:
    """The answer while the event log can't take more."""
    detail = f"{why}. Send it again, with the same Idempotency-Key if you gave one: it counts once."
    return Refused(503, detail, {"Retry-After": "2"})
