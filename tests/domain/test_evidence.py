"""What of a lead is kept beside the points: enough to prove them, and no more."""

from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scoring.domain.decide import RECENT_POINTS, TYPE_POINTS, Rule, RuleSet, compute_score
from services.scoring.domain.evidence import ITEMS_MAX, TEXT_MAX, evidence, to_stored
from shared.config import load_config
from shared.domain.rules.conditions import Condition, Operator, evaluate_conditions
from tests.builders import NOW, lead

SHIPPED = load_config(Path("deploy/config/rules.yaml"), RuleSet)
LONG = "lorem ipsum " * 300
WORDS = [f"word {number}" for number in range(60)]


def on(field: str, operator: str, value: Any = None) -> Condition:
    return Condition(field=field, operator=Operator(operator), value=value)


def kept(document: dict[str, Any], *conditions: Condition) -> dict[str, Any]:
    """The evidence, and the law it stands under: on it alone, everything holds."""
    assert evaluate_conditions(conditions, document).holds
    found = evidence(conditions, document)
    assert evaluate_conditions(conditions, found).holds
    return found


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ([on("company.size", "equals", "SMALL")], {"company": {"size": "small"}}),
        ([on("requirements.budget", "less_than", 5)], {"requirements": {"budget": 0}}),
        ([on("contact.phone", "not_exists")], {}),
        ([on("contact.phone", "not_equals", "1"), on("source", "exists")], {"source": "website"}),
        (
            [
                on("company.size", "exists"),
                on("contact.title", "contains", "chef"),
                on("company.size", "not_in", ["x"]),
            ],
            {"company": {"size": "small"}, "contact": {"title": "Head Chef"}},
        ),
        ([on("company", "exists"), on("company.size", "exists")], {"company": {"name": "Blue Fork", "size": "small"}}),
        ([on("createdAt", "less_or_equal", NOW)], {"createdAt": NOW}),
    ],
)
def test_it_is_what_the_rule_looked_at_in_the_lead_s_own_shape(
    conditions: list[Condition], expected: dict[str, Any]
) -> None:
    document = lead(
        company={"name": "Blue Fork", "size": "small"},
        contact={"title": " Head Chef ", "phone": ""},
        requirements={"budget": 0},
    )
    assert kept(document, *conditions) == expected


@pytest.mark.parametrize(
    "condition",
    [
        on("context.note", "exists"),
        on("context.note", "starts_with", "Start"),
        on("context.note", "contains", "needle"),
        on("context.note", "ends_with", "END"),
        on("context.note", "matches", "nee+dle"),
        on("context.note", "not_contains", "straw"),
        on("context.note", "not_equals", "needle"),
    ],
)
def test_a_long_text_is_cut_where_the_rule_still_holds(condition: Condition) -> None:
    note = f"start {LONG[:190]}needle {LONG} end"  # it stands across the first cut
    found = kept({"context": {"note": note}}, condition)["context"]["note"]
    assert found in note
    assert len(found) <= TEXT_MAX


@pytest.mark.parametrize(
    ("condition", "item"),
    [
        (on("context.words", "exists"), "word 0"),
        (on("context.words", "equals", "Word 58"), "word 58"),
        (on("context.words", "starts_with", "word 31"), "word 31"),
        (on("context.words", "ends_with", "9"), "word 9"),
        (on("context.words", "not_contains", "phrase"), "word 0"),
    ],
)
def test_a_long_list_is_cut_where_the_rule_still_holds(condition: Condition, item: str) -> None:
    found = kept({"context": {"words": WORDS}}, condition)["context"]["words"]
    assert item in found
    assert len(found) <= ITEMS_MAX


def test_long_items_of_a_list_and_values_of_a_section_are_cut_too() -> None:
    found = kept({"context": {"words": [LONG] * 30}}, on("context.words", "starts_with", "lorem"))
    assert found["context"]["words"] == [LONG[:TEXT_MAX]] * ITEMS_MAX
    section = {f"k{number}": LONG for number in range(30)}
    found = kept({"context": section}, on("context", "exists"))
    assert found["context"] == {f"k{number}": LONG[:TEXT_MAX] for number in range(ITEMS_MAX)}


def test_what_can_be_proven_by_no_part_is_kept_whole() -> None:
    found = kept({"context": {"note": LONG}}, on("context.note", "equals", LONG.strip()))
    assert found["context"]["note"] == LONG.strip()


def test_it_is_a_copy_and_leaves_the_lead_alone() -> None:
    document = lead(context={"words": ["a"], "inner": {"x": 1}})
    kept(document, on("context", "exists"), on("context.words", "exists"))["context"]["inner"]["x"] = 2
    assert document["context"] == {"words": ["a"], "inner": {"x": 1}}


class Size(StrEnum):
    SMALL = "small"


def test_plain_is_what_the_database_would_give_back() -> None:
    found = to_stored({"a": (Size.SMALL, {"b": (1,)}), "c": NOW})
    assert found == {"a": ["small", {"b": [1]}], "c": NOW}
    assert type(found["a"][0]) is str
    assert type(found["a"]) is type(found["a"][1]["b"]) is list


TEXTS = st.one_of(st.sampled_from(["", "chef", "Chef de Cuisine"]), st.text(max_size=6), st.text(min_size=150))
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    TEXTS,
    st.lists(TEXTS, max_size=25),
    st.dictionaries(st.sampled_from(["c", "d"]), TEXTS, max_size=2),
)
CONDITIONS = st.builds(
    lambda field, operator, text, items, number: on(
        field,
        operator,
        {"exists": None, "not_exists": None, "in": items, "not_in": items}.get(
            operator, number if operator.endswith(("than", "equal")) else text
        ),
    ),
    st.sampled_from(["a", "a.c", "b", "b.c.d"]),
    st.sampled_from([one.value for one in Operator if one is not Operator.MATCHES]),
    st.one_of(st.just("chef"), st.text(max_size=3)),
    st.lists(TEXTS, min_size=1, max_size=3),
    st.integers(-5, 5),
)


@given(st.fixed_dictionaries({"a": VALUES, "b": VALUES}), st.lists(CONDITIONS, min_size=1, max_size=3))
def test_whatever_holds_on_a_lead_holds_on_the_evidence_alone(
    document: dict[str, Any], conditions: list[Condition]
) -> None:
    if not evaluate_conditions(conditions, document).holds:
        return
    found = evidence(conditions, document)
    assert evaluate_conditions(conditions, found).holds


@given(
    st.sampled_from(["enterprise", "small", None]),
    st.sampled_from(["catering", "restaurants and catering", ""]),
    st.dictionaries(st.sampled_from(["email", "call", "meeting", "demo"]), st.integers(1, 9)),
    st.lists(st.integers(-40, 40), max_size=20),
    st.integers(-1_000, 1_000),
)
def test_a_score_can_be_counted_up_from_its_evidence(
    size: str | None, industry: str, counts: dict[str, int], days: list[int], points: int
) -> None:
    company = {"name": "Blue Fork", "size": size, "industry": industry}
    completed = [NOW - timedelta(days=day, minutes=1) for day in days]
    document = lead(company=company, activityStats={"counts": counts, "completedAt": completed})
    named = Rule(name="named", points=points, conditions=(on("company.name", "exists"),))
    rules = RuleSet(rules=(*SHIPPED.rules, named))
    scored = compute_score(document, rules, NOW)
    by_name = {rule.name: rule for rule in rules.rules}
    proven = 0
    for part in scored.breakdown:
        rule = by_name.get(part.rule)
        if rule:
            assert evaluate_conditions(rule.conditions, part.evidence).holds
            proven += rule.points
        elif part.rule == "activity.recent":
            proven += RECENT_POINTS * part.evidence["completions"]
        else:
            proven += TYPE_POINTS[part.rule.removeprefix("activity.")] * part.evidence["count"]
    assert proven == sum(part.points for part in scored.breakdown)
    assert scored.value == min(100, max(0, proven))
