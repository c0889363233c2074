"""Bugs in what all workers share: consuming, publishing, the dead letter, ids."""

import asyncio
import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

from aiokafka import TopicPartition

from schemas.reasons import DeadLetterReason
from schemas.topics import DEADLETTER, SCORED
from services.capture import store
from services.capture.domain import merge as capture
from shared.consuming.consumer import BatchConsumer
from shared.consuming.processor import RecordProcessor, resolve_unknown
from shared.consuming.worker import Handler, Runtime
from shared.domain.ids import derive
from shared.kafka import decoding
from shared.kafka.client import Publisher
from shared.kafka.events import Outgoing, Received, Unknown
from shared.mongo.storage import Change, Storage, Unavailable
from tests.collection_names import CAPTURES, IDENTITIES, LEADS
from tests.faults.bugs.planting import bug, changing, handling, publishing, telling
from tests.faults.edges import on_batch, on_publish, on_write
from tests.swapping import swap

_SMALL = {"PANTRY_BATCH_MAX": "10"}


def _by_chance(*_: str) -> str:
    return str(uuid.uuid4())


@bug("capture", crash="after commit")
def commits_before_it_writes() -> None:
    """Offsets are committed as soon as a batch is fetched."""

    def make(take: Any) -> Any:
        async def early(self: BatchConsumer, message: Any) -> None:
            following = {TopicPartition(one.topic, one.partition): one.offset + 1 for one in message.raw_message}
            await message.consumer.commit(following)
            await take(self, message)

        return early

    on_batch(make)


@bug("capture", settings=_SMALL)
def swallows_errors() -> None:
    """A batch that the database refused counts as done; the database refuses every third."""
    number = count()

    def make(_: Runtime, original: Handler) -> Handler:
        async def handle(received: Sequence[Received]) -> Any:
            try:
                _refuse(next(number))
                return await original(received)
            except Unavailable:
                return ()

        return handle

    handling("capture", make)


def _refuse(number: int) -> None:
    if number % 3 == 1:
        raise Unavailable("planted")


@bug("engagement", "qualification", "conversion")
def publishes_and_forgets() -> None:
    """No publish waits for its acknowledgement, and every seventh record is lost."""
    number = count()
    publishing(lambda record: (record,) if next(number) % 7 != 3 else ())


@bug("scoring", crash="after publish leads.scored")
def ids_by_chance() -> None:
    """An output event gets a new id at each publish."""

    def drawn(event: dict[str, Any]) -> None:
        event["id"] = _by_chance()

    telling(SCORED, drawn)


@bug("engagement")
def counts_redeliveries() -> None:
    """A redelivered event counts as a new event."""
    swap(decoding, derive, lambda _: _by_chance)


@bug("scoring")
def loses_the_correlation() -> None:
    """Each worker starts a new correlation id."""

    def anew(event: dict[str, Any]) -> None:
        event["correlationid"] = event["causationid"]

    telling(SCORED, anew)


@bug("engagement", "qualification", "conversion")
def writes_without_a_guard() -> None:
    """Of two concurrent changes of a lead, the later overwrites the earlier."""

    def slow(change: Any) -> Any:
        async def changed(self: Storage, collection: str, changes: Sequence[Change]) -> bool:
            # Long enough for another process to change the same lead. With guards the delay changes nothing.
            await asyncio.sleep(0.05 if collection == LEADS else 0)
            return bool(await change(self, collection, changes))

        return changed

    changing(LEADS, lambda one: replace(one, guard={}))
    on_write(Storage.change, slow)


def _letters(make: Callable[[Outgoing], Outgoing]) -> None:
    """Replace each dead letter by what `make` returns."""

    def other(record: Outgoing) -> Iterator[Outgoing]:
        yield make(record) if record.topic == DEADLETTER.name else record

    publishing(other)


@bug("capture")
def buries_another_text() -> None:
    """A dead letter is re-encoded JSON instead of the original bytes."""

    def other(letter: Outgoing) -> Outgoing:
        try:
            value = json.dumps(json.loads(letter.value or b""), separators=(",", ":")).encode()
        except ValueError:
            return letter
        return replace(letter, value=value)

    _letters(other)


@bug("capture")
def buries_at_another_offset() -> None:
    """A dead letter states the next record's offset."""
    _letters(lambda one: replace(one, headers={**one.headers, "x-offset": str(int(one.headers["x-offset"]) + 1)}))


@bug("capture")
def buries_for_another_reason() -> None:
    """Every dead letter's reason is invalid data."""
    _letters(lambda one: replace(one, headers={**one.headers, "x-reason": DeadLetterReason.INVALID_DATA.value}))


@bug("capture")
def buries_one_a_batch() -> None:
    """Of several bad records in a batch, only one becomes a dead letter."""

    def make(publish: Any) -> Any:
        async def published(self: Publisher, worker: str, records: Sequence[Outgoing]) -> None:
            dead = [one for one in records if one.topic == DEADLETTER.name]
            await publish(self, worker, [one for one in records if one not in dead[1:]])

        return published

    on_publish(make)


@bug("capture", settings=_SMALL)
def poison_takes_its_neighbours() -> None:
    """A batch with a bad record is dropped after that record became a dead letter."""

    def make(original: Any) -> Any:
        def decode(self: RecordProcessor, records: Any, **more: Any) -> Any:
            received, undecodable = original(self, records, **more)
            return ([], undecodable) if undecodable else (received, [])

        return decode

    swap(RecordProcessor, RecordProcessor.decode, make)


@bug("engagement")
def drops_what_names_nobody_yet() -> None:
    """An event that overtakes its lead is dropped."""

    def make(_: Runtime, original: Handler) -> Handler:
        async def handle(received: Sequence[Received]) -> Any:
            return [one for one in await original(received) if not isinstance(one, Unknown)]

        return handle

    handling("engagement", make)


@bug("engagement")
def does_not_wait_for_a_lead() -> None:
    """An event that overtakes its lead becomes a dead letter at once."""

    def make(_: Runtime, original: Handler) -> Handler:
        async def handle(received: Sequence[Received]) -> Any:
            return resolve_unknown(await original(received))

        return handle

    handling("engagement", make)


@bug("capture", crash="before insert_new leads")
def leads_by_chance() -> None:
    """A lead's id is random instead of the reserved one."""

    def make(find: Any) -> Any:
        async def found(self: Storage, collection: str, *args: Any, **more: Any) -> Any:
            rows = await find(self, collection, *args, **more)
            if collection != IDENTITIES:
                return rows
            named = sorted({one for row in rows for one in row.get("leadIds", ())})
            there = {one["_id"] for one in await find(self, LEADS, {"_id": {"$in": named}}, fields=("_id",))}
            return [row | {"leadIds": [one for one in row.get("leadIds", ()) if one in there]} for row in rows]

        return found

    swap(Storage, Storage.find, make)
    swap(capture, derive, lambda _: _by_chance)


@bug("capture", late=True)
def finds_then_inserts() -> None:
    """A lead is looked up and inserted without claims."""

    async def save(storage: Storage, plan: Any, _pepper: str) -> bool:
        await storage.insert_new(LEADS, list(plan.inserts.values()))
        await storage.insert_new(CAPTURES, plan.rows)
        changes = [Change(one, {"revision": plan.bases[one]}, {"$set": them}) for one, them in plan.sets.items()]
        changed = await storage.change(LEADS, changes)
        claims = [{"_id": claim, "leadIds": [lead]} for claim, lead in plan.claims.items()]
        await storage.insert_new(IDENTITIES, claims)
        return changed

    def make(_: Runtime, original: Handler) -> Handler:
        async def handle(received: Sequence[Received]) -> Any:
            # Simulates two processes at once: without a claim before the insert, both store a lead.
            halves = await asyncio.gather(original(received[::2]), original(received[1::2]))
            return [one for half in halves for one in half]

        return handle

    swap(store, store.save, lambda _: save)
    handling("capture", make)
