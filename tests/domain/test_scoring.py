from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scoring.domain import LOG_MAX, Rule, RuleSet, decide, score
from shared.config import load
from shared.domain.conditions import Condition, Operator
from tests.builders import NOW, lead

SHIPPED = load(Path("deploy/config/rules.yaml"), RuleSet)
NOTHING = RuleSet(rules=())


def points(document: dict[str, Any], rules: RuleSet = SHIPPED) -> int:
    return score(document, rules, NOW).value


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, 0),
        ({"company": {"size": "enterprise"}}, 25),
        ({"company": {"annualRevenue": 10_000_001}}, 20),
        ({"company": {"annualRevenue": 10_000_000}}, 0),
        ({"contact": {"title": "Managing DIRECTOR"}}, 15),
        ({"company": {"industry": "Restaurant"}}, 10),
        ({"company": {"industry": "catering"}}, 12),
        (
            {
                "company": {"size": "enterprise", "annualRevenue": 2e7, "industry": "catering"},
                "contact": {"title": "director"},
            },
            72,
        ),
    ],
)
def test_the_shipped_rules_are_the_contract_s(fields: dict[str, Any], expected: int) -> None:
    assert points(lead(**fields)) == expected


def active(completed: list[timedelta], **counts: int) -> dict[str, Any]:
    return lead(activityStats={"counts": counts, "completedAt": [NOW - age for age in completed]})


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (active([], email=1, call=1, meeting=1), 32),
        (active([timedelta(days=1), timedelta(days=29, hours=23)]), 10),
        (active([timedelta(days=30)]), 0),
        (active([timedelta(days=-1)]), 0),
        (active([], demo=9, follow_up=9), 0),
        (active([], meeting=9), 100),
    ],
)
def test_activities_count_by_kind_for_ever_and_by_completion_for_30_days(
    document: dict[str, Any], expected: int
) -> None:
    assert points(document, NOTHING) == expected


def rule(name: str, number: int, operator: Operator = Operator.EXISTS, value: Any = None) -> Rule:
    return Rule(name=name, points=number, conditions=(Condition(field="company.name", operator=operator, value=value),))


@given(st.lists(st.integers(-200, 200), max_size=12), st.randoms(use_true_random=False))
def test_a_score_is_0_to_100_and_its_breakdown_sums_to_the_unclamped_whatever_the_order(
    numbers: list[int], rng: Any
) -> None:
    rules = [rule(f"r{number}", value) for number, value in enumerate(numbers)]
    scored = score(lead(), RuleSet(rules=tuple(rules)), NOW)
    assert scored.value == min(100, max(0, sum(part.points for part in scored.breakdown)))
    rng.shuffle(rules)
    assert score(lead(), RuleSet(rules=tuple(rules)), NOW).value == scored.value


def test_a_rule_that_cannot_be_judged_is_skipped_and_told_and_the_others_count() -> None:
    scored = score(lead(), RuleSet(rules=(rule("odd", 50, Operator.GREATER_THAN, 3), rule("fine", 7))), NOW)
    assert scored.value == 7
    assert [name for name, _ in scored.errors] == ["odd"]


def apply(document: dict[str, Any], update: Any) -> dict[str, Any]:
    result = dict(document)
    for path, value in (update or {}).get("$set", {}).items():
        assert path in ("score", "scoring")
        result[path] = value
    return result


def test_the_first_score_is_told_even_if_it_is_zero() -> None:
    decision = decide(lead(), [("c1", "created")], NOTHING, "v1", NOW)
    ((cause, told),) = decision.told
    assert (cause, told.score, told.previous_score, told.reason) == ("c1", 0, None, "created")


def test_an_unchanged_score_is_no_news_and_a_redelivered_cause_is_told_again_as_it_was() -> None:
    first = decide(lead(), [("c1", "created")], SHIPPED, "v1", NOW)
    scored = apply(lead(company={"size": "enterprise"}), first.update)
    second = decide(scored, [("c2", "merged")], SHIPPED, "v1", NOW)
    assert [(told.score, told.previous_score) for _, told in second.told] == [(25, 0)]
    latest = apply(scored, second.update)
    again = decide(latest, [("c1", "created"), ("c2", "merged")], SHIPPED, "v1", NOW)
    assert again.update is None
    assert [(cause, told.score, told.previous_score) for cause, told in again.told] == [("c1", 0, None), ("c2", 25, 0)]
    assert decide(latest, [("c3", "merged")], SHIPPED, "v1", NOW).told == ()


def test_the_log_of_changes_is_bounded() -> None:
    document = lead()
    for number in range(40):
        rules = RuleSet(rules=(rule("only", number + 1),))
        document = apply(document, decide(document, [(f"c{number}", "rules")], rules, f"v{number}", NOW).update)
    assert len(document["scoring"]["log"]) == LOG_MAX
    assert document["scoring"]["seq"] == 40
