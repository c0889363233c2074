"""A lead's whole life takes so many operations on the database: documents read, inserted, updated and deleted.

The workers get full batches, so the numbers are the same in every run. Who raises one says why.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta

from deploy.local import LocalServers
from schemas.topics import CREATED, ENROLLED, QUALIFIED
from services.composition.process import connections
from services.composition.workers import WORKERS
from services.demo.generator import FedRecord, Scenario, generate
from services.demo.sales import closing_events, conversion_commands, early_engagements, follow_up_events
from shared.kafka.events import Outgoing
from shared.mongo.storage import Storage
from shared.settings import Settings
from tests.builders import NOW
from tests.model.rig import Entry, Rig
from tests.operations import CountedMongo, OperationCounter

_PEOPLE, _BATCH = 100, 500
# From one batch of a worker to its next.
_LATER = timedelta(seconds=3)
MOST = {
    "capture": 6.3,
    "scoring": 4.1,
    "assignment": 4.0,
    "engagement": 5.2,
    "qualification": 2.6,
    "nurture": 11.0,
    "tasks": 1.8,  # a task for each call or task of nurture, and a look for tasks when an owner or a status changes
    "conversion": 1.7,
    "erasure": 0.7,
    "insights": 32.3,  # each task is a row of its lead's timeline
    "prediction": 15.9,
}
"""Operations of each worker a lead."""


class _Sales:
    """What sales people do about the leads that they hear of."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._person_of = {fed.event_id: fed.person for fed in scenario.captures if fed.event_id}
        self._steps = defaultdict[str, set[str]](set)
        self.leads: dict[str, int] = {}

    def react(self, entry: Entry) -> Iterable[FedRecord]:
        topic, event = entry.record.topic, entry.event
        lead_id, person = str(event.get("subject")), self._person_of.get(str(event.get("causationid")))
        if topic == CREATED.name and person is not None and lead_id not in self.leads:
            self.leads[lead_id] = person
            return follow_up_events(self._scenario, person, lead_id)
        if topic in (QUALIFIED.name, ENROLLED.name) and lead_id in self.leads and topic not in self._steps[lead_id]:
            self._steps[lead_id].add(topic)
            if len(self._steps[lead_id]) == 2:
                return conversion_commands(self._scenario, self.leads[lead_id], lead_id)
        return ()

    def close(self) -> Iterator[FedRecord]:
        for lead_id, person in self.leads.items():
            yield from closing_events(self._scenario, person, lead_id)


async def test_a_leads_life_takes_no_more_operations_than_it_did(
    local: LocalServers, figure: Callable[[str], None]
) -> None:
    server = connections(Settings(), local.servers).mongo
    mongo = CountedMongo(server.url, driver=server.driver)
    rig, counts = Rig(Storage(mongo, "operations")), dict[str, Counter[tuple[str, str]]]()
    await rig.open()
    try:
        scenario = generate(_PEOPLE, 1, NOW)
        sales = _Sales(scenario)
        await _feed(rig, [*early_engagements(scenario), *scenario.captures])
        await _live(rig, sales, mongo.counter, counts)
        await _feed(rig, sales.close())
        await _live(rig, sales, mongo.counter, counts)
    finally:
        await rig.close()
    each = {name: round(of.total() / len(sales.leads), 1) for name, of in counts.items()}
    figure(f"operations a lead: {sum(each.values()):.0f}, of which {each}")
    kinds = Counter[str]()
    for of in counts.values():
        for (_, kind), number in of.items():
            kinds[kind] += number
    figure(", ".join(f"{kind} {number / len(sales.leads):.1f}" for kind, number in kinds.most_common()))
    assert rig.faults == []
    assert {name: (number, MOST[name]) for name, number in each.items() if number > MOST[name]} == {}


async def _feed(rig: Rig, records: Iterable[FedRecord]) -> None:
    for fed in (one for one in records if one.event_id):  # the others are bad, and read nothing
        await rig.append(Outgoing(fed.topic, fed.key or b"", fed.value))


async def _live(
    rig: Rig, sales: _Sales, counter: OperationCounter, counts: dict[str, Counter[tuple[str, str]]]
) -> None:
    """Let all workers work, in full batches, until nothing is left to do."""
    seen, busy = 0, True
    while busy:
        busy = False
        rig.now += _LATER
        for name in WORKERS:
            before = counter.counts.copy()
            while batch := rig.pending[name][:_BATCH]:
                await rig.run(name, batch)
                busy = True
            while sum(await rig.look(name)):
                busy = True
            counts[name] = counts.get(name, Counter()) + (counter.counts - before)
        fresh, seen = rig.log[seen:], len(rig.log)
        for entry in fresh:
            await _feed(rig, sales.react(entry))
