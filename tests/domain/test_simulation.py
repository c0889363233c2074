# mypy: disable-error-code="arg-type"
# Tests also pass parts of leads, and leads that watch how they are read.
import json
import weakref
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.assignment.domain.decide import AssignmentRule, AssignmentRules
from services.nurture.domain.sequences import Selection, Sequence, Sequences, Step, Template
from services.scoring.domain.decide import Rule, RuleSet
from services.simulation.domain.scoring_rules import Simulation, Trial, thresholds
from shared.domain.rules.conditions import Condition, Operator
from tests.builders import NOW, lead

QUEUE = AssignmentRules(rules=(), default_queue="queue")
NAMED = Condition(field="company.name", operator=Operator.EXISTS)


def condition(field: str, operator: str, value: Any = None) -> Condition:
    return Condition(field=field, operator=Operator(operator), value=value)


def scores(operator: str, value: Any) -> Condition:
    return condition("score", operator, value)


def rule(name: str, points: int, *conditions: Condition, enabled: bool = True) -> Rule:
    return Rule(name=name, points=points, conditions=conditions or (NAMED,), enabled=enabled)


def flat(points: int) -> RuleSet:
    return RuleSet(rules=(rule("flat", points),))


def by_source(**points: int) -> RuleSet:
    return RuleSet(rules=tuple(rule(name, each, condition("source", "equals", name)) for name, each in points.items()))


def sequences(*conditions: Condition) -> Sequences:
    step = Step(id="hello", delay=0, action="email", template="hello", conditions=(scores("greater_than", 99),))
    return Sequences(
        sequences=(Sequence(id="default", name="Default", steps=(step,)),),
        select=tuple(Selection(sequence="default", conditions=(one,)) for one in conditions),
        templates={"hello": Template(subject="", body="")},
    )


def assignment(*rules: tuple[Condition, tuple[str, ...]]) -> AssignmentRules:
    named = [AssignmentRule(name=f"r{n}", conditions=(one,), owners=owners) for n, (one, owners) in enumerate(rules)]
    return AssignmentRules(rules=tuple(named), default_queue="queue")


def run(
    leads: list[dict[str, Any]], old: RuleSet, new: RuleSet, owners: AssignmentRules = QUEUE, limits: Any = ()
) -> Simulation:
    trial = Trial(old, new, owners, limits, NOW)
    trial.add(iter(leads))
    return trial.result()


def loads(simulation: Simulation) -> dict[str, tuple[int, int]]:
    return {each.owner: (each.before, each.after) for each in simulation.owners}


@pytest.mark.parametrize(
    ("select", "assign", "expected"),
    [
        ([], [], ()),
        ([scores("greater_than", 70)], [scores("less_than", 30)], (30.0, 70.0)),
        ([scores("greater_than", 70)], [scores("greater_than", 70.0)], (70.0,)),
        ([scores("greater_or_equal", 9), scores("less_or_equal", 10.5)], [], (9.0, 10.5)),
        ([scores("equals", 50), scores("in", [40])], [scores("not_equals", 60), scores("exists", None)], ()),
        ([condition("company.annualRevenue", "greater_than", 5)], [condition("context.score", "less_than", 6)], ()),
        ([scores("greater_than", datetime(2026, 1, 1, tzinfo=UTC))], [], ()),
        ([scores("greater_than", float("nan")), scores("less_than", float("inf"))], [scores("less_than", 1)], (1.0,)),
    ],
)
def test_thresholds_are_the_numbers_that_the_score_is_ordered_against_each_once_ascending(
    select: list[Condition], assign: list[Condition], expected: tuple[float, ...]
) -> None:
    assert thresholds(sequences(*select), assignment(*((one, ("ana",)) for one in assign))) == expected


@pytest.mark.parametrize(
    ("points", "band"), [(-5, 0), (0, 0), (9, 0), (10, 1), (19, 1), (89, 8), (90, 9), (99, 9), (100, 9), (500, 9)]
)
def test_bands_are_ten_wide_and_the_last_one_takes_100_too(points: int, band: int) -> None:
    alone = tuple(int(number == band) for number in range(10))
    assert run([lead()], flat(points), flat(45)).before == alone
    assert run([lead()], flat(45), flat(points)).after == alone


def test_before_is_what_the_old_rules_give_now_and_not_the_stored_score() -> None:
    recent, past = NOW - timedelta(days=29), NOW - timedelta(days=31)
    document = lead(score=95, activityStats={"counts": {}, "completedAt": [recent, recent, past]})
    simulation = run([document], RuleSet(rules=()), RuleSet(rules=()), limits=(50.0,))
    assert simulation.before == simulation.after == (0, 1, *[0] * 8)
    assert (simulation.changed, simulation.crossings[0].fall) == (0, 0)


@pytest.mark.parametrize(("old", "new", "changed"), [(20, 20, 0), (20, 21, 1), (21, 20, 1), (100, 300, 0), (-9, 0, 0)])
def test_a_lead_is_changed_if_its_score_differs_after_clamping_be_it_in_the_same_band(
    old: int, new: int, changed: int
) -> None:
    assert run([lead()], flat(old), flat(new)).changed == changed


@pytest.mark.parametrize(
    ("old", "new", "rise", "fall"),
    [
        (69, 70, 0, 0),
        (70, 71, 1, 0),
        (10, 100, 1, 0),
        (71, 72, 0, 0),
        (72, 71, 0, 0),
        (71, 70, 0, 1),
        (100, 0, 0, 1),
        (70, 69, 0, 0),
    ],
)
def test_a_lead_crosses_a_threshold_if_it_is_above_on_one_side_only(old: int, new: int, rise: int, fall: int) -> None:
    (crossing,) = run([lead()], flat(old), flat(new), limits=(70.0,)).crossings
    assert (crossing.value, crossing.rise, crossing.fall) == (70.0, rise, fall)
    assert crossing.examples == ("lead-1",) * (rise + fall)


def test_each_threshold_counts_for_itself_and_tells_both_directions() -> None:
    leads = [lead(_id="up", source="website"), lead(_id="down", source="email"), lead(_id="still", source="phone")]
    old, new = by_source(website=10, email=60, phone=99), by_source(website=80, email=40, phone=99)
    crossings = run(leads, old, new, limits=(20.0, 50.0)).crossings
    assert [(one.value, one.rise, one.fall, one.examples) for one in crossings] == [
        (20.0, 1, 0, ("up",)),
        (50.0, 1, 1, ("up", "down")),
    ]


def test_examples_are_the_first_ten_and_the_count_goes_on() -> None:
    (crossing,) = run([lead(_id=f"l{number}") for number in range(25)], flat(0), flat(9), limits=(5.0,)).crossings
    assert (crossing.rise, crossing.examples) == (25, tuple(f"l{number}" for number in range(10)))


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("new", (1, 1)),
        ("contacted", (1, 1)),
        ("qualified", (1, 1)),
        ("unqualified", (1, 1)),
        ("lost", (0, 0)),
        ("converted", (0, 0)),
    ],
)
def test_only_an_open_lead_is_work_for_an_owner(status: str, expected: tuple[int, int]) -> None:
    simulation = run([lead(status=status, assignedTo="queue")], flat(0), flat(0))
    assert (simulation.leads, loads(simulation)) == (1, {"queue": expected})


@pytest.mark.parametrize(
    ("points", "expected"), [(70, {"ana": (0, 0), "queue": (1, 1)}), (71, {"ana": (0, 1), "queue": (1, 0)})]
)
def test_afresh_a_lead_goes_where_its_new_score_sends_it_whatever_score_is_stored(
    points: int, expected: dict[str, tuple[int, int]]
) -> None:
    rules = assignment((scores("greater_than", 70), ("ana",)))
    for stored in ({"score": 5}, {"score": 95}, {}):
        assert loads(run([lead(assignedTo="queue", **stored)], flat(0), flat(points), rules)) == expected


def test_afresh_loads_start_from_nothing_and_each_choice_counts_for_the_next() -> None:
    rules = assignment((NAMED, ("ana", "bo")))
    leads = [lead(_id=f"l{number}", assignedTo="ana") for number in range(5)]
    leads.append(lead(_id="closed", assignedTo="bo", status="lost"))
    assert loads(run(leads, flat(0), flat(0), rules)) == {"ana": (5, 3), "bo": (0, 2), "queue": (0, 0)}


def test_afresh_a_lead_has_no_owner_yet() -> None:
    rules = assignment((condition("assignedTo", "not_exists"), ("ana",)))
    assert loads(run([lead(assignedTo="bo")], flat(0), flat(0), rules))["ana"] == (0, 1)


def test_owners_are_those_the_rules_name_in_their_order_then_others_who_have_open_leads() -> None:
    rules = assignment((scores("greater_than", 70), ("zoe", "ana")))
    leads = [lead(assignedTo="yan"), lead(assignedTo="gone"), lead(assignedTo="shut", status="lost"), lead()]
    assert list(loads(run(leads, flat(0), flat(0), rules)).items()) == [
        ("zoe", (0, 0)),
        ("ana", (0, 0)),
        ("queue", (0, 3)),
        ("gone", (1, 0)),
        ("yan", (1, 0)),
    ]


def test_a_rule_never_fires_if_it_is_enabled_and_stands_in_no_breakdown() -> None:
    new = (
        rule("fires_once", 1, condition("source", "equals", "phone")),
        rule("worth_nothing", 0),
        rule("misses", 1, condition("source", "equals", "fax")),
        rule("cannot_be_judged", 1, condition("company.name", "greater_than", 3)),
        rule("off", 1, condition("source", "equals", "fax"), enabled=False),
    )
    leads = [lead(), lead(source="phone"), lead()]
    old = RuleSet(rules=(rule("misses", 1), rule("only_old", 1, condition("source", "equals", "fax"))))
    assert run(leads, old, RuleSet(rules=new)).never == ("misses", "cannot_be_judged")


def test_errors_count_leads_by_new_rule_and_the_other_leads_are_judged() -> None:
    big = rule("big", 50, condition("company.annualRevenue", "greater_than", 10))
    odd = rule("odd", 50, condition("company.name", "less_than", 10))
    leads = [lead(company={"name": "A", "annualRevenue": value}) for value in ("much", "more", 11, None)]
    simulation = run(leads, RuleSet(rules=(odd,)), RuleSet(rules=(big,)))
    assert (simulation.errors, simulation.never) == ({"big": 2}, ())
    assert (simulation.after[0], simulation.after[5]) == (3, 1)


def test_without_leads_nothing_changes_and_every_enabled_rule_never_fires() -> None:
    simulation = run([], flat(0), flat(1), limits=(0.0,))
    assert (simulation.leads, simulation.changed, simulation.never, simulation.errors) == (0, 0, ("flat",), {})
    assert simulation.before == simulation.after == (0,) * 10
    assert (simulation.crossings[0].rise, simulation.crossings[0].fall) == (0, 0)


POINTS = st.integers(-20, 120)
SOURCES = st.lists(st.sampled_from(["website", "email", "phone"]), max_size=20)


@given(SOURCES, st.tuples(POINTS, POINTS, POINTS), st.tuples(POINTS, POINTS, POINTS))
def test_every_lead_is_in_one_band_on_each_side_and_going_back_mirrors_going_there(
    sources: list[str], one: tuple[int, int, int], other: tuple[int, int, int]
) -> None:
    leads = [lead(_id=f"l{number}", source=source) for number, source in enumerate(sources)]
    old, new = (by_source(**dict(zip(("website", "email", "phone"), each, strict=True))) for each in (one, other))
    there, back = run(leads, old, new, limits=(0.0, 50.0)), run(leads, new, old, limits=(0.0, 50.0))
    assert there.leads == sum(there.before) == sum(there.after) == len(leads)
    assert (there.before, there.after, there.changed) == (back.after, back.before, back.changed)
    for to, fro in zip(there.crossings, back.crossings, strict=True):
        assert (to.rise, to.fall, to.examples) == (fro.fall, fro.rise, fro.examples)
        assert to.rise + to.fall <= there.changed


class Watchable(dict[str, Any]):
    __slots__ = ("__weakref__",)


def test_no_lead_is_kept_once_the_next_one_is_asked_for() -> None:
    made: list[weakref.ref[Watchable]] = []
    alive: list[int] = []

    def stream() -> Iterator[Watchable]:
        for number in range(50):
            alive.append(sum(each() is not None for each in made))
            document = Watchable(lead(_id=f"l{number}", assignedTo="ana"))
            made.append(weakref.ref(document))
            yield document
            del document

    trial = Trial(flat(0), flat(9), QUEUE, (5.0,), NOW)
    trial.add(stream())
    assert trial.result().leads == 50
    # The loop's own variable still names the last lead while it asks for the next.
    assert max(alive) <= 1


def test_a_lead_s_other_sections_make_no_difference() -> None:
    owners = assignment((condition("requirements.budget", "exists"), ("ana",)))
    old, new = by_source(website=10), RuleSet(rules=(rule("named", 20, condition("contact.title", "exists")),))
    trial = Trial(old, new, owners, (15.0,), NOW)
    whole = lead(assignedTo="bo", contact={"title": "Cook"}, context={"x": "y"}, requirements={"budget": 1})
    needed = {name: value for name, value in whole.items() if name in {*trial.sections, "_id"}}
    assert "context" not in needed
    assert run([needed], old, new, owners, (15.0,)) == run([whole], old, new, owners, (15.0,))
    assert run([whole], old, new, owners, (15.0,)).changed == 1


def test_leads_that_come_in_pages_are_told_of_together() -> None:
    pages = [[lead(_id="a")], [lead(_id="b", status="lost")], [lead(_id="c")]]
    trial = Trial(flat(0), flat(9), QUEUE, (5.0,), NOW)
    for page in pages:
        trial.add(page)
    assert trial.result() == run([one for page in pages for one in page], flat(0), flat(9), limits=(5.0,))


def test_its_json_says_all_of_it() -> None:
    old, new = flat(0), RuleSet(rules=(rule("flat", 9), rule("odd", 1, condition("company.name", "less_than", 1))))
    assert json.loads(run([lead(assignedTo="ana")], old, new, limits=(5.0,)).as_json()) == {
        "leads": 1,
        "before": [1, *[0] * 9],
        "after": [1, *[0] * 9],
        "changed": 1,
        "crossings": [{"value": 5.0, "rise": 1, "fall": 0, "examples": ["lead-1"]}],
        "owners": [
            {"owner": "queue", "before": 0, "after": 1},
            {"owner": "ana", "before": 1, "after": 0},
        ],
        "never": ["odd"],
        "errors": {"odd": 1},
    }
