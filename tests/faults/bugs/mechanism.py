"""Bugs of the mechanism that all workers share: consuming, publishing, the dead letter, ids."""

import asyncio
import json
import uuid
from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from typing import Any

from schemas.reasons import DeadLetterReason
from services.capture import domain as capture
from services.capture import store
from services.engagement import store as engagement
from shared import commands, decoding, events, intake, passage
from shared.broker import Publisher
from shared.collections import CAPTURES, IDENTITIES, LEADS
from shared.events import Cause, Outgoing, Received, Unknown
from shared.intake import Intake
from shared.passage import Passage
from shared.storage import Change, Storage, Unavailable
from shared.waiting import Waiting
from tests.faults.bugs.planting import bug, swap

_SMALL = {"PANTRY_BATCH_MAX": "10"}


def _by_chance(*_: str) -> str:
    return str(uuid.uuid4())


@bug("capture", crash="after the commit")
def commits_before_it_writes() -> None:
    """Offsets are committed as soon as a batch is fetched."""

    def make(original: Any) -> Any:
        async def take(self: Intake, batch: Any, consumer: Any) -> None:
            await intake._commit(consumer, [intake._record(raw) for raw in batch], self.passage.worker.name)
            await original(self, batch, consumer)

        return take

    swap(Intake, "take", make)


@bug("capture", settings=_SMALL)
def swallows_errors() -> None:
    """A batch that the database refused is taken for done; it refuses every third."""
    number = count()

    def make(original: Any) -> Any:
        async def handle(self: Passage, received: Sequence[Received]) -> Sequence[Any]:
            try:
                _refuse(next(number))
                return list(await original(self, received))
            except Unavailable:
                return ()

        return handle

    swap(Passage, "handle", make)


def _refuse(number: int) -> None:
    if number % 3 == 1:
        raise Unavailable("planted")


@bug("engagement", "qualification", "conversion")
def publishes_and_forgets() -> None:
    """Nobody waits for the acknowledgement, and every seventh record never got one."""
    number = count()

    def make(original: Any) -> Any:
        async def publish(self: Publisher, worker: str, records: Sequence[Outgoing]) -> None:
            await original(self, worker, [one for one in records if next(number) % 7 != 3])

        return publish

    swap(Publisher, "publish", make)


@bug("scoring", crash="after publishing @ shared.passage.Passage.publish")
def ids_by_chance() -> None:
    """Output events have an id of their own each time that they are told."""
    swap(events, "derive", lambda _: _by_chance)


@bug("engagement")
def counts_redeliveries() -> None:
    """An event delivered again is another event."""
    swap(decoding, "derive", lambda _: _by_chance)


@bug("scoring")
def loses_the_correlation() -> None:
    """The chain begins anew at each worker."""
    swap(Received, "cause", lambda _: property(lambda one: Cause(one.key, one.event.id, one.event.id)))


@bug("engagement", "qualification", "conversion")
def writes_without_a_guard() -> None:
    """Of two that change a lead at once, the later overwrites what the earlier did."""

    def make(original: Any) -> Any:
        return lambda *args: replace(original(*args), guard={})

    def slow(original: Any) -> Any:
        async def change_leads(*args: Any) -> bool:
            # So long that another is nearly always at it as well; with guards this costs time and nothing else.
            await asyncio.sleep(0.05)
            return bool(await original(*args))

        return change_leads

    for module in (commands, engagement):
        swap(module, "revised", make)
        swap(module, "change_leads", slow)


@bug("capture")
def buries_another_text() -> None:
    """The dead letter is the record as JSON writes it, not as it came."""

    def make(original: Any) -> Any:
        def dead_letter(record: Any, *args: Any, **more: Any) -> Outgoing:
            try:
                value = json.dumps(json.loads(record.value), separators=(",", ":")).encode()
            except ValueError:
                value = record.value
            letter: Outgoing = original(record, *args, **more)
            return replace(letter, value=value)

        return dead_letter

    swap(passage, "dead_letter", make)


@bug("capture")
def buries_at_another_offset() -> None:
    """The dead letter says the offset of the record behind."""

    def make(original: Any) -> Any:
        return lambda record, *args, **more: original(replace(record, offset=record.offset + 1), *args, **more)

    swap(passage, "dead_letter", make)


@bug("capture")
def buries_for_another_reason() -> None:
    """Whatever is wrong with a record is called invalid data."""

    def make(original: Any) -> Any:
        return lambda record, _, *args, **more: original(record, DeadLetterReason.INVALID_DATA, *args, **more)

    swap(passage, "dead_letter", make)


@bug("capture")
def buries_one_a_batch() -> None:
    """Of several bad records in a batch, one comes to the dead letter."""
    swap(Passage, "bury", lambda original: lambda self, faults, among: original(self, faults[:1], among))


@bug("capture", settings=_SMALL)
def poison_takes_its_neighbours() -> None:
    """A batch with a bad record in it is dropped after that one was buried."""

    def make(original: Any) -> Any:
        def decode(self: Passage, records: Any, **more: Any) -> Any:
            received, undecodable = original(self, records, **more)
            return ([], undecodable) if undecodable else (received, [])

        return decode

    swap(Passage, "decode", make)


@bug("engagement")
def drops_what_names_nobody_yet() -> None:
    """An event that overtook its lead is dropped."""

    def make(_: Any) -> Any:
        async def part(_self: Waiting, results: Sequence[Any]) -> Sequence[Any]:
            return [one for one in results if not isinstance(one, Unknown)]

        return part

    swap(Waiting, "part", make)


@bug("engagement")
def does_not_wait_for_a_lead() -> None:
    """An event that overtook its lead goes to the dead letter at once."""

    def make(original: Any) -> Any:
        return lambda self, results: original(self, passage.given_up(results))

    swap(Waiting, "part", make)


@bug("capture", crash="before insert_new leads @ capture.store._save_leads")
def leads_by_chance() -> None:
    """A lead's id is drawn, whatever was reserved for it."""
    swap(capture, "_reserved", lambda _: lambda *_args: None)
    swap(capture, "_new_id", lambda _: lambda *_args: _by_chance())


@bug("capture", late=True)
def finds_then_inserts() -> None:
    """No claims: a lead is looked for, and stored when there is none."""

    async def save(storage: Storage, plan: Any) -> bool:
        await storage.insert_new(LEADS, list(plan.inserts.values()))
        await storage.insert_new(CAPTURES, plan.rows)
        changes = [Change(one, {"revision": plan.bases[one]}, {"$set": them}) for one, them in plan.sets.items()]
        changed = await storage.change(LEADS, changes)
        claims = [{"_id": claim, "leadIds": [lead]} for claim, lead in plan.claims.items()]
        await storage.insert_new(IDENTITIES, claims)
        return changed

    swap(store, "save", lambda _: save)
    swap(intake, "_LANE_MIN", lambda _: 1)
