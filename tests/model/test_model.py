"""Random interleavings of everything that can happen, against a plain model of the contract (schemas/README.md).

Hypothesis says events, hands them to workers in any order and batches, kills and pauses processes at any step, delivers
again, and moves the clock by minutes to months. Whenever all is at rest, some order of the events that their overlaps
allow must explain, by the model, all that was told and stored (`history`), and the laws of what follows must hold.

PANTRY_TEST_MODEL_EXAMPLES asks for more examples, chosen at random; without it they are the same ones in every run.
"""

import asyncio
import os
from collections.abc import Coroutine, Iterator
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from schemas import topics
from services.composition.workers import WORKERS
from services.insights.rebuild import verify
from shared.domain.ids import derive
from shared.mongo.connection import Mongo
from shared.mongo.storage import Storage
from tests.harness import capture_key, mongo_at
from tests.model import laws
from tests.model.history import Search, told_of
from tests.model.model import TRIGGERS
from tests.model.nurture import Look, Nurture
from tests.model.people import CARDS, EMAILS, card
from tests.model.rig import SOURCE, Accident, Rig
from tests.model.stored import agree, same
from tests.model.world import Told, World

EXAMPLES = int(os.environ.get("PANTRY_TEST_MODEL_EXAMPLES", "0"))
PROFILE = settings(
    max_examples=EXAMPLES or 12,
    stateful_step_count=30,
    derandomize=not EXAMPLES,
    print_blob=True,
    database=None,
    report_multiple_bugs=False,
    # A failing example is replayed by its blob; making it smaller can take many minutes.
    phases=[Phase.generate, Phase.shrink] if EXAMPLES else [Phase.generate],
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


def some(**parts: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Some of these parts."""
    return st.fixed_dictionaries({}, optional=parts)


Said = tuple[topics.Topic, dict[str, Any], timedelta]
"""What a producer says: where, what, and how long ago it happened; `leadId` is a number yet, times are distances."""

spellings = st.integers(0, 1)
addresses = st.builds(
    lambda email, spelling: {"email": EMAILS[email][spelling]}, st.sampled_from(sorted(EMAILS)), spellings
)
ids = st.builds(lambda number: {"leadId": number}, st.integers(0, 6))
ages = st.sampled_from([0 * DAY, MINUTE, DAY, 40 * DAY])

captures = st.tuples(
    st.just(topics.CAPTURED),
    st.builds(
        lambda card, company, title, rest: {
            **rest,
            "company": card["company"] | company,
            "contact": card["contact"] | title,
        },
        st.builds(card, st.integers(0, len(CARDS) - 1), spellings),
        some(
            size=st.sampled_from(["enterprise", "small"]),
            industry=st.sampled_from(["Restaurant", "catering", "restaurant equipment"]),
            annualRevenue=st.just(20_000_000),
        ),
        some(title=st.just("Director of Food")),
        some(
            requirements=st.sampled_from([{"budget": 5_000}, {"painPoints": ["waste"], "timeline": "soon"}]),
            context=st.sampled_from([{"territory": "CA"}, {"booth": 7}]),
            consent=some(email=st.booleans(), phone=st.booleans(), capturedAt=ages.map(lambda age: -age)),
        ).flatmap(
            lambda rest: st.sampled_from(["website", "trade_show"]).map(lambda source: {"source": source, **rest})
        ),
    ),
    ages,
)
activities = st.builds(
    lambda whom, kind, more, age: (
        topics.ACTIVITIES,
        {**whom, "activity": {"type": kind, "description": "Done", "createdBy": "sam", **more}},
        age,
    ),
    ids | addresses,
    st.sampled_from(["email", "call", "meeting", "demo"]),
    some(
        completedAt=st.sampled_from([-29 * DAY, -31 * DAY, 0 * DAY, -MINUTE, 1 * DAY]),
        description=st.just("spoke"),
        id=st.sampled_from(["one", "two"]),
        cancelled=st.booleans(),
    ),
    st.sampled_from([0 * DAY, MINUTE]),
)
engagements = st.builds(
    lambda whom, action: (topics.ENGAGEMENTS, {**whom, "action": action}, 0 * DAY),
    ids | addresses,
    st.sampled_from([*TRIGGERS, "opened_email", "unsubscribed", "complained", "bounced"]),
)
bants = some(
    budget=st.just({"confirmed": True, "amount": 9_000.0}),
    authority=st.sampled_from(
        [{"isDecisionMaker": True, "decisionMakers": ["Ana"]}, {"isDecisionMaker": True, "decisionMakers": []}]
    ),
    need=st.just({"painPoints": ["staff"]}),
    timeline=st.sampled_from(
        [{"urgency": "immediate"}, {"urgency": "future", "implementationDate": "2026-06-01T00:00:00Z"}]
    ),
)
qualifications = st.sampled_from(
    [{"requirements": {"painPoints": ["waste", "price"]}}, {"requirements": {"budget": 0.0}}]
) | bants.map(lambda bant: {"bant": bant})
changes = st.sampled_from(
    [
        {"status": "contacted"},
        {"status": "lost"},
        {"status": "new"},
        {"assignedTo": "kim"},
        {"consent": {"channel": "email", "given": False}},
        {"consent": {"channel": "phone", "given": True}, "assignedTo": "kim"},
        {"status": "lost", "assignedTo": "noor"},
        {"status": "lost", "lostReason": "price"},
        {"note": "Calls back in May."},
    ]
) | some(
    **{
        "company.size": st.sampled_from(["enterprise", "small", None]),
        "company.industry": st.sampled_from(["Restaurant", "hotel", None]),
        "contact.title": st.sampled_from(["Director of Food", "Chef", None]),
        "requirements.budget": st.sampled_from([7_000.0, None]),
        "company.name": st.sampled_from([None]),
    }
).filter(bool).map(lambda values: {"set": values})
opportunities = st.sampled_from([{}, {"opportunity": {"amount": 9.0}}])


def commands(
    topic: topics.Topic, parts: st.SearchStrategy[Any], ages: st.SearchStrategy[timedelta] | None = None
) -> st.SearchStrategy[Said]:
    """Commands of a kind."""
    ago = st.just(0 * DAY) if ages is None else ages
    return st.builds(lambda whom, part, age: (topic, {**whom, "requestedBy": "sam", **part}, age), ids, parts, ago)


erasures = st.builds(lambda whom: (topics.ERASE, {**whom, "requestedBy": "desk"}, 0 * DAY), ids | addresses)
sayings = st.one_of(
    captures,
    activities,
    engagements,
    commands(topics.QUALIFY, qualifications, ages),
    commands(topics.UPDATE, changes),
    commands(topics.CONVERT, opportunities),
    erasures,
)
accidents = st.none() | st.builds(Accident, st.integers(1, 16), st.booleans())
picks = st.lists(st.integers(0, 20), min_size=1, max_size=5)


class Funnel(RuleBasedStateMachine):
    """Everything that can happen to leads."""

    runner: ClassVar[asyncio.Runner]
    mongo: ClassVar[Mongo]
    examples: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        Funnel.examples += 1
        self.rig = Rig(Storage(self.mongo, f"model{Funnel.examples}"))
        self.world, self.last = World(), Look()
        self.explained: dict[str, Told] = {}
        self.nurture_paused = self.stirred = False
        self._run(self.rig.open())
        self.stirred = False

    def _run(self, doing: Coroutine[Any, Any, Any]) -> Any:
        self.stirred = True
        self.rig.now += timedelta(seconds=1)
        return self.runner.run(doing)

    @initialize(said=st.lists(captures, min_size=1, max_size=3), known=st.booleans())
    def begin(self, said: list[Said], known: bool) -> None:  # noqa: FBT001 - Hypothesis draws it by name
        """Some leads, known already or about to be."""
        self.say(said)
        if known:
            self.flow(0)

    @rule(said=st.lists(sayings, min_size=1, max_size=3))
    def say(self, said: list[Said]) -> None:
        """Producers say things."""
        for topic, data, age in said:
            event_id = f"e{len(self.rig.said) + 1}"
            self._run(self.rig.say(event_id, topic, self._exact(data), self.rig.now - age))

    @rule(said=st.lists(sayings, min_size=2, max_size=4), number=st.integers(0, 4))
    def say_of_one(self, said: list[Said], number: int) -> None:
        """Producers say things of one lead, those that name one by its id."""
        self.say([(topic, {**data, "leadId": number} if "leadId" in data else data, age) for topic, data, age in said])

    def _exact(self, value: Any) -> Any:
        """With ids for numbers of leads, and moments for distances from now."""
        if isinstance(value, dict):
            return {n: self._lead_id(one) if n == "leadId" else self._exact(one) for n, one in value.items()}
        return (self.rig.now + value).isoformat() if isinstance(value, timedelta) else value

    def _lead_id(self, number: int) -> str:
        """A lead's id: mostly one that was created, else one that a capture may come to have, or nobody's."""
        created = [e.event["data"]["lead"]["id"] for e in self.rig.log if e.record.topic == topics.CREATED.name]
        captures = [one.id for one in self.rig.said.values() if one.topic is topics.CAPTURED]
        foretold = [derive("lead", capture_key(SOURCE, one)) for one in captures]
        known = list(dict.fromkeys(created)) or foretold
        choice: list[str] = known if number < 5 else [*foretold, "nobody"]
        return choice[number % len(choice)]

    @precondition(lambda self: self.rig.said)
    @rule(number=st.integers(0, 20))
    def say_again(self, number: int) -> None:
        """The producer sends the same event once more."""
        said = list(self.rig.said.values())
        one = said[number % len(said)]
        self._run(self.rig.say(one.id, one.topic, one.data, one.time))

    @precondition(lambda self: any(self.rig.pending.values()))
    @rule(number=st.integers(0, 7), chosen=picks, accident=accidents)
    def deliver(self, number: int, chosen: list[int], accident: Accident | None) -> None:
        """Some records, in any order, to a worker that has some."""
        busy = [name for name, numbers in self.rig.pending.items() if numbers]
        name = busy[number % len(busy)]
        pending = self.rig.pending[name]
        self._deliver(name, [pending[one % len(pending)] for one in chosen], accident)

    @precondition(lambda self: any(self.rig.taken.values()))
    @rule(number=st.integers(0, 7), chosen=picks, accident=accidents)
    def deliver_again(self, number: int, chosen: list[int], accident: Accident | None) -> None:
        """Some records that were committed come again."""
        ready = [name for name, numbers in self.rig.taken.items() if numbers]
        name = ready[number % len(ready)]
        taken = self.rig.taken[name]
        self._deliver(name, [taken[one % len(taken)] for one in chosen], accident)

    def _deliver(self, name: str, numbers: list[int], accident: Accident | None) -> None:
        self.nurture_paused |= name == "nurture" and accident is not None and accident.pauses
        self._run(self.rig.run(name, list(dict.fromkeys(numbers)), accident))

    @precondition(lambda self: any(self.rig.pending.values()))
    @rule(first=st.integers(0, len(WORKERS) - 1))
    def flow(self, first: int) -> None:
        """Every worker takes all that it has, once, one after the other."""
        for name in [*WORKERS, *WORKERS][first : first + len(WORKERS)]:
            if self.rig.pending[name]:
                self._deliver(name, list(self.rig.pending[name]), None)

    @rule(name=st.sampled_from(sorted(WORKERS)), accident=accidents)
    def look(self, name: str, accident: Accident | None) -> None:
        """A worker sees to what is due."""
        self._run(self.rig.look(name, accident))

    @precondition(lambda self: self.rig.paused)
    @rule(number=st.integers(0, 3), accident=accidents)
    def resume(self, number: int, accident: Accident | None) -> None:
        """A paused process goes on, as though nothing had been."""
        self._run(self.rig.resume(self.rig.paused[number % len(self.rig.paused)], accident))

    @precondition(lambda self: self.rig.paused)
    @rule(number=st.integers(0, 3))
    def rebalance(self, number: int) -> None:
        """A paused process loses its partitions, and doesn't know it."""
        self.rig.move(self.rig.paused[number % len(self.rig.paused)])

    @rule(span=st.sampled_from([MINUTE, 20 * MINUTE, DAY, 3 * DAY, 11 * DAY, 45 * DAY]))
    def travel(self, span: timedelta) -> None:
        self.rig.now += span
        self.stirred = True

    @precondition(lambda self: self.stirred)
    @rule()
    def settle(self) -> None:
        """Everything comes to rest, and the model has to explain it."""
        rig = self.rig
        self._run(rig.settle())
        same("faults", rig.faults, [])
        stored, told = self._run(rig.stored()), told_of(rig.said, rig.log)
        self._explain_strays(told)
        for one, before in self.explained.items():
            same(f"told of {one}, which was explained before", told[one].facts, before.facts)
        waiting = self._run(rig.waiting())
        for once_more in [rig.said[one] for one in waiting if told[one].facts]:
            # It was given up in its time, and waits once more because it came again.
            once_more.begin_anew(len(rig.log))
            once_more.begun, once_more.ended, once_more.waits = (
                (rig.turn, rig.now),
                (rig.turn, rig.now),
                True,
            )
        begun = [one for one in rig.said.values() if one.begun]
        fresh = {one.id: one for one in begun if one.id not in self.explained and one.id not in waiting}
        for came in fresh.values():
            came.ended = (rig.turn, rig.now) if came.waits else came.ended
        self.world.assigned = {
            entry.event["data"]["leadId"]: entry.event["data"]["assignedTo"]
            for entry in laws.told_once(rig.log, topics.ASSIGNED).values()
        }
        self.world = Search(fresh, told, lambda world: agree(world, stored)).explain(self.world)
        laws.scores(self.world, rig.log, stored, rig.now)
        laws.owners(self.world, rig.log, stored)
        laws.tasks(self.world, rig.log, stored)
        laws.waiting(self.world, [rig.said[one] for one in waiting], rig.now)
        laws.forgotten(self.world, rig.said.values(), stored)
        laws.chained(rig.log, rig.said)
        laws.counted(self.world, self._run(verify(rig.storage)) if self.world.leads else None)
        laws.placed(self.world, rig.log, stored)
        looked = Nurture(self.world, rig.log, stored, rig.now, self.last, calm=not self.nurture_paused)
        self.last = looked.hold(rig.turn)
        self.explained |= {one: told[one] for one in fresh}
        for one in self._forgotten():
            del self.explained[one]
            rig.said[one].begin_anew(len(rig.log))
        self.stirred = False

    def _explain_strays(self, told: dict[str, Told]) -> None:
        """An activity that comes again after its lead was erased is nobody's, and ends in the dead letter."""
        erased = {entry.event["data"]["leadId"] for entry in laws.told_once(self.rig.log, topics.ERASED).values()}
        for lead in self.world.leads.values():
            for one in lead.activities.keys() & self.explained.keys() if lead.id in erased else ():
                facts, before = told[one].facts, self.explained[one].facts
                if facts == {**before, topics.DEADLETTER.name: {"reason": "lead_not_found"}}:
                    self.explained[one] = told[one]

    def _forgotten(self) -> list[str]:
        """Events that would be taken in if they came again: given up (an operator may replay them), or erased."""
        given_up = [one for one, told in self.explained.items() if topics.DEADLETTER.name in told.facts]
        lost = self.world.forgotten & self.explained.keys()
        self.world.forgotten = set()
        return sorted(lost.union(given_up))

    def teardown(self) -> None:
        try:
            self.settle()
        finally:
            self._run(self.rig.close())


@pytest.fixture
def funnel(mongo: str) -> Iterator[type[Funnel]]:
    with asyncio.Runner() as runner:
        Funnel.runner, Funnel.mongo = runner, mongo_at(mongo)
        yield Funnel


@pytest.mark.long
@pytest.mark.timeout(3_600)
@pytest.mark.usefixtures("quiet")
def test_any_interleaving_comes_to_what_the_contract_means(funnel: type[Funnel]) -> None:
    run_state_machine_as_test(funnel, settings=PROFILE)
