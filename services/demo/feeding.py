"""Feed a scenario to Kafka and play the sales team as leads appear."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord

from schemas.base import CONTENT_TYPE, CloudEvent
from schemas.topics import (
    ACTIONS,
    ASSIGNED,
    CONVERTED,
    CREATED,
    DEADLETTER,
    DISQUALIFIED,
    ENROLLED,
    ERASED,
    MERGED,
    QUALIFIED,
    REJECTED,
    RESCORE,
    SCORED,
    TRIGGERED,
    UPDATED,
)
from services.demo.generator import FedRecord, Scenario
from services.demo.sales import closing_events, conversion_commands, early_engagements, follow_up_events, stray_events
from shared.kafka.client import Kafka

WATCHED = (
    *(CREATED, MERGED, SCORED, ASSIGNED, ENROLLED, ACTIONS, TRIGGERED, UPDATED, QUALIFIED, DISQUALIFIED),
    *(CONVERTED, REJECTED, ERASED, RESCORE, DEADLETTER),
)
_OUTCOMES = frozenset(
    topic.name for topic in (CREATED, MERGED, RESCORE, UPDATED, QUALIFIED, DISQUALIFIED, CONVERTED, REJECTED, ERASED)
)
"""Topics whose events close a record; `leads.rescore` closes activities, engagements."""
_HEADERS = [("content-type", CONTENT_TYPE.encode())]
_SLICE = 200


@dataclass(slots=True)
class FeedProgress:
    """What was fed and seen so far: for the screen, not for the reconciliation."""

    fed: Counter[str] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)


class OutsideWorld:
    """Web forms, scanners and sales people around the funnel."""

    def __init__(
        self, kafka: Kafka, scenario: Scenario, changed: Callable[[FeedProgress], None], *, with_strays: bool
    ) -> None:
        """Call `changed` on each progress; strays are events of leads that never exist."""
        self._kafka, self._scenario, self._changed, self._with_strays = kafka, scenario, changed, with_strays
        self._person_of = {fed.event_id: fed.person for fed in scenario.captures if fed.event_id}
        self._open: set[str] = set()
        self._closed: set[str] = set()
        self._bad = Counter[bytes]()
        self._valid: dict[bytes, str] = {}
        self._seen: set[str] = set()
        self._leads: dict[str, int] = {}
        self._steps: defaultdict[str, set[str]] = defaultdict(set)
        self.progress = FeedProgress()
        self.sent: list[FedRecord] = []

    async def run(self, *, patience_s: float) -> bool:
        """Feed everything and wait for all outcomes; False after `patience_s` without progress."""
        producer = AIOKafkaProducer(**self._kafka.options, acks="all", linger_ms=2)
        consumer = AIOKafkaConsumer(
            *(topic.name for topic in WATCHED), **self._kafka.options, auto_offset_reset="latest"
        )
        await producer.start()
        await consumer.start()
        try:
            await consumer.seek_to_end()
            await asyncio.gather(*[consumer.position(partition) for partition in consumer.assignment()])
            feeding = asyncio.create_task(self._feed(producer))
            finished = await self._watch(consumer, producer, feeding, patience_s)
            ending = asyncio.create_task(self._close(producer))
            return await self._watch(consumer, producer, ending, patience_s) and finished
        finally:
            await consumer.stop()
            await producer.stop()

    async def _feed(self, producer: AIOKafkaProducer) -> None:
        await self._send(producer, early_engagements(self._scenario))
        captures = self._scenario.captures
        for start in range(0, len(captures), _SLICE):
            await self._send(producer, captures[start : start + _SLICE])
        if self._with_strays:
            await self._send(producer, stray_events(self._scenario))

    async def _close(self, producer: AIOKafkaProducer) -> None:
        """Close some leads last: the outcome of an event after an erasure would depend on timing."""
        for lead_id, person in list(self._leads.items()):
            await self._send(producer, closing_events(self._scenario, person, lead_id))

    async def _send(self, producer: AIOKafkaProducer, records: Sequence[FedRecord]) -> None:
        self._open |= {fed.event_id for fed in records if fed.event_id}
        self._open -= self._closed
        self._bad.update(fed.value for fed in records if fed.expect)
        self._valid |= {fed.value: fed.event_id for fed in records if fed.event_id}
        pending = [await producer.send(fed.topic, fed.value, key=fed.key, headers=_HEADERS) for fed in records]
        await asyncio.gather(*pending)
        self.sent.extend(records)
        self.progress.fed.update(fed.topic for fed in records)
        self._changed(self.progress)

    async def _watch(
        self, consumer: AIOKafkaConsumer, producer: AIOKafkaProducer, feeding: asyncio.Task[None], patience_s: float
    ) -> bool:
        loop = asyncio.get_running_loop()
        last = loop.time()
        while loop.time() - last < patience_s:
            if feeding.done():
                feeding.result()
                if self._settled():
                    return True
            batches = await consumer.getmany(timeout_ms=200)
            follow: list[FedRecord] = []
            for record in (record for records in batches.values() for record in records):
                follow += self._see(record)
            if batches:
                last = loop.time()
                self._changed(self.progress)
            if follow:
                await self._send(producer, follow)
        return False

    def _settled(self) -> bool:
        seen = self.progress.seen
        created = len(self._leads)
        everybody = all(seen[topic.name] >= created for topic in (SCORED, ASSIGNED, ENROLLED))
        return not self._open and everybody and not +self._bad

    def _see(self, record: ConsumerRecord[bytes, bytes]) -> list[FedRecord]:
        value = record.value or b""
        if record.topic == DEADLETTER.name:
            self.progress.seen[record.topic] += 1
            self._bad[value] -= 1
            if value in self._valid:
                self._end(self._valid[value])
            return []
        event = CloudEvent.model_validate_json(value)
        if event.id in self._seen:
            return []
        self._seen.add(event.id)
        self.progress.seen[record.topic] += 1
        if record.topic in _OUTCOMES:
            self._end(str(event.causationid))
        return self._react(record.topic, event)

    def _end(self, event_id: str) -> None:
        self._closed.add(event_id)
        self._open.discard(event_id)

    def _react(self, topic: str, event: CloudEvent) -> list[FedRecord]:
        lead_id = str(event.subject)
        if topic == CREATED.name:
            person = self._person_of.get(str(event.causationid))
            if person is not None:
                self._leads[lead_id] = person
                return follow_up_events(self._scenario, person, lead_id)
        if topic in (QUALIFIED.name, ENROLLED.name) and lead_id in self._leads:
            # Sales closes no deal before the lead was welcomed.
            self._steps[lead_id] |= {topic}
            if len(self._steps[lead_id]) == 2:  # noqa: PLR2004 - both
                return conversion_commands(self._scenario, self._leads[lead_id], lead_id)
        return []
