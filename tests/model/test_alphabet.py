"""Captures of people who share almost everything, against a plain model: nothing sticks, nothing differs.

    PANTRY_TEST_IDENTITY_RUNS=2000 deploy/run pytest tests/model/test_alphabet.py        # the long run

Each run has people of its own; so runs go side by side, and each batch has captures of all of them. A run's captures
come one by one, or in batches of random sizes, and some of them come again.
"""

import json
import os
import random
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta
from typing import Any, cast

import pytest

from deploy.local import LocalServers
from schemas.topics import CAPTURED, CREATED, MERGED
from services.composition.workers import WORKERS, create_indexes
from shared.consuming.processor import RecordProcessor
from shared.consuming.worker import Runtime
from shared.kafka.client import Publisher
from shared.kafka.events import Outgoing, Record
from shared.mongo.storage import Storage
from tests.builders import NOW, event
from tests.collection_names import CAPTURES, IDENTITIES, LEADS
from tests.harness import bench, capture_key, mongo_at, until
from tests.model.alphabet import Card, Facts, Model, cards, letters, told_of
from tests.model.rig import SETTINGS

_RUNS = int(os.environ.get("PANTRY_TEST_IDENTITY_RUNS", "24"))
_TOGETHER, _THROUGH_KAFKA, _AGAIN = 50, 20, 0.05
_SOURCE = "/tests"

pytestmark = [pytest.mark.usefixtures("quiet"), pytest.mark.timeout(7_200)]


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--seed"))


class _Capture:
    """The capture worker on a real database, with a clock of the test's own."""

    def __init__(self, storage: Storage) -> None:
        self.storage, self.now = storage, NOW
        publisher = cast("Publisher", None)
        worker = WORKERS["capture"](Runtime(SETTINGS, storage, publisher, lambda: self.now))
        self._passage = RecordProcessor(worker, publisher, lambda: self.now, SETTINGS.region)

    async def take(self, batch: Sequence[Card]) -> dict[str, list[Facts]]:
        self.now += timedelta(seconds=1)
        values = [event(one.payload, CAPTURED, one.event_id, _SOURCE) for one in batch]
        records = [Record(CAPTURED.name, 0, number, b"", value) for number, value in enumerate(values)]
        received, faults = self._passage.decode(records)
        assert not faults
        results = await self._passage.worker.handle(received)
        return told_of([json.loads(one.value or b"") for one in results if isinstance(one, Outgoing)])


class _Run:
    """One run: its captures to come, and the model of those that came."""

    def __init__(self, name: str, seed: int, *, by_one: bool) -> None:
        self.name, self.model, self._by_one = name, Model(), by_one
        self._rng = random.Random(f"identity/{seed}/{name}")
        self.cards = cards(self._rng, name)
        self._left, self._told = list(self.cards), dict[str, Facts]()

    def batch(self) -> list[Card]:
        """What comes next; nothing once all is through."""
        size = 1 if self._by_one else self._rng.randint(1, 20)
        fresh, self._left = self._left[:size], self._left[size:]
        again = [self._rng.choice(self.cards[: len(self._told)])] if self._told and fresh else []
        return [*(one for one in again if self._rng.random() < _AGAIN), *fresh]

    def judge(self, card: Card, told: Sequence[Facts]) -> None:
        assert told, f"{card}: nothing was told of it"
        assert all(one == told[0] for one in told), f"{card}: told {told}"
        known = self._told.get(card.event_id)
        expected = known or self.model.take(card, told[0])
        assert told[0] == expected, f"run {self.name}, {card}"
        self._told[card.event_id] = expected

    async def compare(self, storage: Storage) -> None:
        """What is stored of this run is what the model has."""
        leads = await storage.read(LEADS, self.model.leads)
        assert {one["_id"]: letters(one) for one in leads.values()} == {
            one.id: one.shows for one in self.model.leads.values()
        }, self.name
        rows = await storage.read(CAPTURES, [capture_key(_SOURCE, one.event_id) for one in self.cards])
        captures = {capture_key(_SOURCE, one): lead.id for lead in self.model.leads.values() for one in lead.captures}
        assert {key: row["leadId"] for key, row in rows.items()} == captures
        claims = {f"email:{email}.{self.name}@example.com": owner for email, owner in self.model.owners.items()}
        held = await storage.read(IDENTITIES, claims)
        assert {claim: row["leadIds"] for claim, row in held.items()} == {c: [owner] for c, owner in claims.items()}


@pytest.fixture
async def storage(mongo: str) -> AsyncIterator[Storage]:
    made = Storage(mongo_at(mongo), "identity")
    yield made
    await made.close()


@pytest.mark.parametrize("by_one", [True, False], ids=["one by one", "in batches"])
async def test_people_who_share_almost_everything_become_the_leads_that_the_contract_means(
    storage: Storage,
    seed: int,
    figure: Callable[[str], None],
    by_one: bool,  # noqa: FBT001 - a parameter
) -> None:
    await create_indexes(storage)
    capture, leads = _Capture(storage), 0
    runs = [_Run(f"r{seed}x{number}{'o' if by_one else 'b'}", seed, by_one=by_one) for number in range(_RUNS // 2)]
    for start in range(0, len(runs), _TOGETHER):
        group = runs[start : start + _TOGETHER]
        await _through(capture, group)
        for run in group:
            await run.compare(storage)
            leads += len(run.model.leads)
    figure(f"{len(runs)} runs of {len(runs[0].cards)} captures became {leads} leads")


async def _through(capture: _Capture, runs: Sequence[_Run]) -> None:
    while batches := [(run, batch) for run in runs if (batch := run.batch())]:
        told = await capture.take([card for _, batch in batches for card in batch])
        for run, batch in batches:
            for card in batch:
                run.judge(card, told.get(card.event_id, ()))


@pytest.mark.long
async def test_the_same_through_kafka(local: LocalServers, seed: int) -> None:
    runs = [_Run(f"k{seed}x{number}", seed, by_one=True) for number in range(_THROUGH_KAFKA)]
    said = [
        (run, card)
        for together in zip(*(run.cards for run in runs), strict=True)
        for run, card in zip(runs, together, strict=True)
    ]
    async with bench(local) as on, on.running("capture"):
        # The captures of a run keep their order: they have one key, and so one partition.
        values = [event(card.payload, CAPTURED, card.event_id, _SOURCE) for _, card in said]
        await on.publish(values, keys=[run.name.encode() for run, _ in said])
        told: dict[str, Any] = {}

        async def all_told() -> bool:
            events = [json.loads(record.value or b"") for record in await on.records(CREATED, MERGED)]
            told.update(told_of(events))
            return len(told) == len(said)

        await until(all_told, "an outcome of each capture", every_s=1.0)
        for run, card in said:
            run.judge(card, told[card.event_id])
        for run in runs:
            await run.compare(on.storage)
