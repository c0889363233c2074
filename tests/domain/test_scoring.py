# mypy: disable-error-code="arg-type, list-item, typeddict-item"
# Tests also pass documents of other releases, and parts of documents.
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.scoring.domain.decide import (
    LOG_MAX,
    PUBLISH_WITHIN,
    Decision,
    Rule,
    RuleSet,
    ScoreCause,
    ages_at,
    compute_score,
    decide,
    rule_set,
)
from shared.config import load_config
from shared.domain.rules.conditions import Condition, Operator
from tests.builders import NOW, lead

SHIPPED = load_config(Path("deploy/config/rules.yaml"), RuleSet)
NOTHING = RuleSet(rules=())


def points(document: dict[str, Any], rules: RuleSet = SHIPPED) -> int:
    return compute_score(document, rules, NOW).value


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
        ({"company": {"industry": "restaurant equipment"}}, 0),
        ({"company": {"industry": "event catering"}}, 0),
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


def active(completed: list[timedelta], **counts: int) -> Any:
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
    scored = compute_score(lead(), RuleSet(rules=tuple(rules)), NOW)
    assert scored.value == min(100, max(0, sum(part.points for part in scored.breakdown)))
    rng.shuffle(rules)
    assert compute_score(lead(), RuleSet(rules=tuple(rules)), NOW).value == scored.value


def test_a_rule_that_cannot_be_judged_is_skipped_and_told_and_the_others_count() -> None:
    scored = compute_score(lead(), RuleSet(rules=(rule("odd", 50, Operator.GREATER_THAN, 3), rule("fine", 7))), NOW)
    assert scored.value == 7
    assert [name for name, _ in scored.errors] == ["odd"]


@pytest.mark.parametrize("field", ["score", "scoring.seq"])
def test_a_rule_that_looks_at_the_score_is_refused(field: str) -> None:
    with pytest.raises(ValidationError, match="a score can't depend on the score"):
        Rule(name="loop", points=1, conditions=(Condition(field=field, operator=Operator.EXISTS),))


def test_a_rule_set_looks_at_the_sections_that_its_enabled_rules_name() -> None:
    off = Rule(name="off", points=1, enabled=False, conditions=(Condition(field="source", operator=Operator.EXISTS),))
    assert RuleSet(rules=(rule("on", 1), off)).sections == {"company"}


DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("ages", "turns"),
    [
        ([], None),
        ([0 * DAY], 30 * DAY),
        ([29 * DAY], DAY),
        ([30 * DAY], None),
        ([29 * DAY, 3 * DAY, 31 * DAY], DAY),
        ([-2 * DAY], 2 * DAY),
        ([-40 * DAY, 29 * DAY], DAY),
        ([-40 * DAY, 31 * DAY], 40 * DAY),
    ],
)
def test_a_score_ages_when_a_completion_leaves_the_window_or_enters_it(
    ages: list[timedelta], turns: timedelta | None
) -> None:
    assert ages_at(active(ages), NOW) == (None if turns is None else NOW + turns)


def test_without_activities_time_changes_nothing() -> None:
    assert ages_at(lead(), NOW) is None


YEARS = st.integers(-3 * 365 * 24 * 60, 3 * 365 * 24 * 60)


@given(st.lists(YEARS, max_size=30), st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=4))
def test_through_the_years_a_score_changes_when_it_ages_and_at_no_other_moment(
    minutes: list[int], shares: list[float]
) -> None:
    document = lead(activityStats={"completedAt": [NOW + timedelta(minutes=one) for one in minutes]})
    now, steps = NOW - 4 * 365 * DAY, 0
    while (turns := ages_at(document, now)) is not None:
        assert turns > now
        parts = compute_score(document, NOTHING, now).breakdown
        for share in shares:
            between = min(now + (turns - now) * share, turns - timedelta(milliseconds=1))
            assert compute_score(document, NOTHING, between).breakdown == parts
            assert ages_at(document, between) == turns
        assert compute_score(document, NOTHING, turns).breakdown != parts
        now, steps = turns, steps + 1
    assert steps <= 2 * len(minutes)
    assert (
        compute_score(document, NOTHING, now).breakdown
        == compute_score(document, NOTHING, now + 9 * 365 * DAY).breakdown
        == ()
    )


def apply(document: dict[str, Any], update: Any) -> dict[str, Any]:
    """The document after an update of scoring's, which touches nothing else."""
    result = {**document, "scoring": dict(document.get("scoring") or {})}
    changes = update or {}
    for path, value in changes.get("$set", {}).items():
        section, _, name = path.partition(".")
        assert section in ("score", "scoring")
        if name:
            result["scoring"][name] = value
        else:
            result[path] = value
    for path in changes.get("$unset", {}):
        del result["scoring"][path.removeprefix("scoring.")]
    return result if result["scoring"] else document


def fits(document: dict[str, Any], guard: Any) -> bool:
    """Whether the database would apply a write with this guard."""
    seq = (document.get("scoring") or {}).get("seq")
    found = {"scoring.seq": seq, "scoring": {"$exists": seq is not None}}
    return all(found.get(name, document.get(name)) == value for name, value in guard.items())


def because(key: str, reason: str = "created") -> ScoreCause:
    return ScoreCause(key, reason, f"event {key}", f"correlation {key}")


def told(decision: Decision) -> list[tuple[str, int, int | None, str]]:
    """What a decision tells: the cause, the score, the one before and the reason."""
    parts = [(one.cause.key, one.scored) for one in decision.publications]
    return [(key, scored.score, scored.previous_score, scored.reason) for key, scored in parts]


def rescored(document: dict[str, Any], key: str, now: datetime, rules: RuleSet = NOTHING) -> dict[str, Any]:
    """The lead once it is scored because of `key`, and all that this must be true of."""
    decision = decide(document, [because(key)], rules, "v1", now)
    assert decision.update is None or fits(document, decision.guard)
    after = apply(document, decision.update)
    assert after["score"] == compute_score(document, rules, now).value
    assert after["scoring"].get("agesAt") == ages_at(document, now)
    assert decide(after, [because(f"{key} again")], rules, "v1", now).update is None
    return after


def test_the_first_score_is_told_even_if_it_is_zero() -> None:
    decision = decide(lead(), [because("c1", "created")], NOTHING, "v1", NOW)
    ((cause, score, previous, reason),) = told(decision)
    assert (cause, score, previous, reason) == ("c1", 0, None, "created")


def test_an_unchanged_score_is_no_news_and_a_redelivered_cause_is_told_again_as_it_was() -> None:
    first = decide(lead(), [because("c1", "created")], SHIPPED, "v1", NOW)
    scored = apply(lead(company={"size": "enterprise"}), first.update)
    second = decide(scored, [because("c2", "merged")], SHIPPED, "v1", NOW)
    assert told(second) == [("c1", 0, None, "created"), ("c2", 25, 0, "merged")]
    latest = apply(scored, second.update)
    again = decide(latest, [because("c1"), because("c2", "merged")], SHIPPED, "v1", NOW)
    assert again.update is None
    assert told(again) == told(second)
    assert [one.at for one in again.publications] == [NOW, NOW]
    assert decide(latest, [because("c3", "merged")], SHIPPED, "v1", NOW, {"c1", "c2"}).publications == ()


def test_a_change_that_perhaps_nobody_told_is_told_by_the_next_cause_as_it_would_have_been() -> None:
    grown = lead(company={"size": "enterprise"})
    first = apply(grown, decide(lead(), [because("c1"), because("c2")], SHIPPED, "v1", NOW).update)
    # c2 came again after it was through, found what c3 is to tell, and whoever handled it was killed then.
    cut = decide(first, [because("c2", "merged")], SHIPPED, "v1", NOW + SECOND, {"c1"})
    last = decide(apply(first, cut.update), [because("c3", "merged")], SHIPPED, "v1", NOW + 2 * SECOND, {"c1"})
    assert last.update is None
    assert last.publications == cut.publications
    assert told(last) == [("c2", 25, 0, "merged")]


def test_a_change_is_told_again_as_long_as_its_cause_can_come_again() -> None:
    document = rescored(lead(), "c1", NOW)
    for age, again in ((PUBLISH_WITHIN - SECOND, ["c1"]), (PUBLISH_WITHIN, [])):
        decision = decide(document, [because("c2")], NOTHING, "v1", NOW + age)
        assert [one.cause.key for one in decision.publications] == again


def test_a_change_of_which_only_the_cause_s_key_is_known_is_told_by_that_cause_alone() -> None:
    document = rescored(lead(), "c1", NOW)
    (entry,) = document["scoring"]["log"]
    del entry["eventId"], entry["correlationId"]
    assert decide(document, [because("c2")], NOTHING, "v1", NOW).publications == ()
    assert told(decide(document, [because("c1")], NOTHING, "v1", NOW)) == [("c1", 0, None, "created")]


def test_a_stored_score_says_when_it_ages_and_follows_then() -> None:
    document = rescored(active([DAY, 29 * DAY], call=2), "c1", NOW)
    assert (document["score"], document["scoring"]["agesAt"]) == (30, NOW + DAY)
    document = rescored(document, "c2", NOW + DAY)
    assert (document["score"], document["scoring"]["agesAt"]) == (25, NOW + 29 * DAY)
    document = rescored(document, "c3", NOW + 29 * DAY)
    assert document["score"] == 20
    assert "agesAt" not in document["scoring"]


@pytest.mark.parametrize("completed", [[], [DAY]])
def test_other_rules_or_another_moment_of_ageing_with_the_same_sum_are_stored_and_no_news(
    completed: list[timedelta],
) -> None:
    document = rescored(active(completed), "c1", NOW)
    held = apply(document, {"$set": {"scoring.agesAt": NOW + timedelta(seconds=60)}})
    decision = decide(held, [because("c2", "activity_aged")], NOTHING, "v2", NOW, {"c1"})
    assert decision.publications == ()
    after = apply(held, decision.update)
    assert after["scoring"]["ruleSet"] == "v2"
    assert after["scoring"].get("agesAt") == document["scoring"].get("agesAt")
    assert after["scoring"]["seq"] == document["scoring"]["seq"] + 1
    assert after["scoring"]["log"] == document["scoring"]["log"]


def test_a_writer_that_was_held_up_stores_nothing_over_a_newer_finding() -> None:
    document = rescored(lead(company={"size": "enterprise"}), "c1", NOW, SHIPPED)
    held_up = decide({**document, "company": {}, "revision": 2}, [because("c2", "updated")], SHIPPED, "v1", NOW)
    assert held_up.update is not None
    back = {**document, "revision": 3}
    assert decide(back, [because("c3", "updated")], SHIPPED, "v1", NOW).update is None
    assert not fits(back, held_up.guard)
    assert not fits({**document, "company": {}, "revision": 2, "assignedTo": "ana"}, held_up.guard)
    assert fits({**document, "company": {}, "revision": 2}, held_up.guard)


def test_a_score_that_differs_again_waits_for_a_cause_of_its_own() -> None:
    document = rescored(lead(), "c1", NOW, SHIPPED)
    grown = {**document, "company": {"size": "enterprise"}, "revision": 2}
    again = decide(grown, [because("c1", "created")], SHIPPED, "v1", NOW)
    assert again.update is None
    assert [one.scored.score for one in again.publications] == [0]


def test_each_change_keeps_rule_points_and_evidence_and_the_event_has_none_of_the_evidence() -> None:
    document = active([DAY, 2 * DAY], call=1) | {"company": {"size": "enterprise", "industry": "catering"}}
    decision = decide(document, [because("c1", "created")], SHIPPED, "v1", NOW)
    after = apply(document, decision.update)
    parts = [
        {"rule": "enterprise_size", "points": 25, "evidence": {"company": {"size": "enterprise"}}},
        {"rule": "catering_industry", "points": 12, "evidence": {"company": {"industry": "catering"}}},
        {"rule": "activity.recent", "points": 10, "evidence": {"completions": 2, "earliest": NOW - 2 * DAY}},
        {"rule": "activity.call", "points": 10, "evidence": {"count": 1}},
    ]
    assert after["scoring"]["breakdown"] == after["scoring"]["log"][0]["breakdown"] == parts
    (one,) = decision.publications
    assert one.scored.wire()["breakdown"] == [{"rule": one["rule"], "points": one["points"]} for one in parts]


def test_what_a_score_stands_on_is_the_file_s_version_and_the_program_s() -> None:
    assert rule_set("abc") != "abc"
    assert rule_set("abc") != rule_set("abd")


def test_the_log_of_changes_is_bounded() -> None:
    document = lead()
    for number in range(40):
        rules = RuleSet(rules=(rule("only", number + 1),))
        document = apply(document, decide(document, [because(f"c{number}")], rules, f"v{number}", NOW).update)
    assert len(document["scoring"]["log"]) == LOG_MAX
    assert document["scoring"]["seq"] == 40
