import asyncio
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import bson
import pytest
from bson import DBRef, Int64, ObjectId
from bson.codec_options import CodecOptions
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.scoring.domain.decide import RuleSet
from shared.config import ConfigError, Reloading, load_config
from shared.domain.rules.conditions import Condition, ConditionResult, Operator, evaluate_condition

LEAD: dict[str, Any] = {
    "company": {"industry": "Fine Dining Restaurant", "annualRevenue": 0, "size": "small"},
    "contact": {"title": " Purchasing DIRECTOR ", "email": ""},
    "requirements": {"painPoints": ["Late deliveries", "food waste"], "decisionMakers": []},
    "score": 70,
}


def evaluated(field: str, operator: str, value: Any = None, lead: dict[str, Any] = LEAD) -> ConditionResult:
    return evaluate_condition(Condition(field=field, operator=Operator(operator), value=value), lead)


def judged(field: str, operator: str, value: Any = None, lead: dict[str, Any] = LEAD) -> bool:
    evaluation = evaluated(field, operator, value, lead)
    assert evaluation.fault is None
    return evaluation.holds


@pytest.mark.parametrize(
    ("field", "operator", "value"),
    [
        ("company.size", "equals", "SMALL"),
        ("company.annualRevenue", "equals", 0),
        ("company.size", "not_equals", "large"),
        ("contact.title", "contains", "director"),
        ("requirements.painPoints", "contains", "WASTE"),
        ("requirements.painPoints", "equals", "late deliveries"),
        ("contact.title", "not_contains", "chef"),
        ("contact.title", "starts_with", "purch"),
        ("contact.title", "ends_with", "director"),
        ("company.size", "in", ["Medium", "Small"]),
        ("company.size", "not_in", ["large"]),
        ("score", "greater_than", 69),
        ("score", "greater_or_equal", 70),
        ("score", "less_than", 70.5),
        ("score", "less_or_equal", 70),
        ("company.annualRevenue", "exists", None),
        ("contact.email", "not_exists", None),
        ("requirements.decisionMakers", "not_exists", None),
        ("company.industry", "matches", r"^fine\s+\S+"),
    ],
)
def test_a_condition_that_holds(field: str, operator: str, value: Any) -> None:
    assert judged(field, operator, value)


POSITIVE = [
    "equals",
    "contains",
    "starts_with",
    "ends_with",
    "in",
    "greater_than",
    "less_or_equal",
    "exists",
    "matches",
]


@pytest.mark.parametrize("operator", POSITIVE)
@pytest.mark.parametrize("field", ["contact.email", "contact.nothing", "nothing.at.all"])
def test_a_missing_value_matches_no_positive_operator(field: str, operator: str) -> None:
    value: Any = {"in": ["x"], "exists": None, "greater_than": 0, "less_or_equal": 0}.get(operator, "")
    assert not judged(field, operator, value if value != "" or operator == "exists" else "x")


@pytest.mark.parametrize(("operator", "value"), [("not_equals", "x"), ("not_contains", "x"), ("not_in", ["x"])])
def test_a_missing_value_differs_from_everything(operator: str, value: Any) -> None:
    assert judged("contact.email", operator, value)


@pytest.mark.parametrize("held", ["(not given)", " (Not given) "])
def test_a_name_that_an_import_had_to_leave_out_is_missing(held: str) -> None:
    lead = {"contact": {"lastName": held}}
    assert judged("contact.lastName", "not_exists", None, lead)
    assert judged("contact.lastName", "not_equals", "Reyes", lead)
    assert not judged("contact.lastName", "exists", None, lead)
    assert not judged("contact.lastName", "contains", "given", lead)
    assert not judged("contact.lastName", "equals", "(not given)", lead)


def test_values_that_cannot_be_ordered_are_a_result_that_names_the_field_and_no_value() -> None:
    found = evaluated("company.size", "greater_than", 5)
    assert found == ConditionResult(False, "company.size greater_than: text can't be compared with a number")


@pytest.mark.parametrize(
    ("operator", "value"),
    [
        ("in", "small"),
        ("equals", None),
        ("exists", 1),
        ("greater_than", "x"),
        ("matches", "("),
        ("matches", r"(a)\1"),
        ("matches", "(?=a)b"),
        ("matches", "a" * 201),
        ("matches", r"\pL{50}"),
        ("contains", 3),
        ("equals", {"a": 1}),
        ("equals", [["a"]]),
        ("equals", b"a"),
        ("equals", 2**63),
        ("equals", "x" * 4_001),
        ("equals", "\ud800"),
        ("in", ["x"] * 1_001),
        ("in", [None]),
        ("in", {"x"}),
        ("less_than", True),
        ("less_than", date(1, 1, 1)),
        ("less_than", "2026-02-30"),
    ],
)
def test_a_value_that_does_not_fit_its_operator_is_refused(operator: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        Condition(field="a", operator=Operator(operator), value=value)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("source", ["(a|a)*b", "((a)*)*b", "(a+)+$b", "(a|aa)+b", "(.*)*x"])
def test_no_pattern_takes_more_than_linear_time(source: str) -> None:
    assert not judged("x", "matches", source, {"x": "a" * 5_000})


def test_a_pattern_is_searched_without_case_in_the_first_thousand_characters() -> None:
    assert judged("x", "matches", "^É\\pL+$", {"x": " ÉCLAIR "})
    assert judged("x", "matches", "b", {"x": "a" * 999 + "b"})
    assert not judged("x", "matches", "b", {"x": "a" * 1_000 + "b"})
    assert judged("x", "matches", "^a.b$", {"x": "a\ud800b"})


SUMMER = datetime(2026, 5, 1, 4, tzinfo=UTC)
"""Midnight in New York."""


@pytest.mark.parametrize("written", ["2026-05-01", "2026-05-01T00:00:00", "2026-05-01T04:00:00Z", "'2026-05-01'"])
def test_a_date_without_a_zone_is_in_the_installation_s(tmp_path: Path, written: str) -> None:
    def found(operator: str, held: Any, value: str = written) -> ConditionResult:
        path = tmp_path / "rules.yaml"
        path.write_text(
            f"rules: [{{name: r, points: 1, conditions: [{{field: x, operator: {operator}, value: {value}}}]}}]"
        )
        return evaluate_condition(
            load_config(path, RuleSet, ZoneInfo("America/New_York")).rules[0].conditions[0], {"x": held}
        )

    second = timedelta(seconds=1)
    assert found("greater_or_equal", SUMMER).holds
    assert found("less_than", SUMMER - second).holds
    assert not found("less_than", SUMMER).holds
    assert found("greater_than", "2026-05-01T00:00:01-04:00").holds
    assert found("less_or_equal", "2026-05-01").holds
    assert found("equals", SUMMER).holds
    assert found("in", SUMMER, f"[x, {written}]").holds
    assert not found("not_equals", SUMMER).holds
    assert found("not_in", SUMMER + second, f"[{written}]").holds
    assert found("equals", "2026-05-01").holds or written.endswith("Z")
    for held in ("soon", 5, True, ["2026-05-01"], {"a": 1}):
        assert found("greater_than", held).fault


@pytest.mark.parametrize("operator", ["equals", "contains", "in", "greater_than", "matches", "starts_with"])
@pytest.mark.parametrize(
    "held",
    [
        pytest.param(10**5_000, id="huge"),
        *({"a": {"b": 1}}, [[{}]], b"x", DBRef("a", "b"), ObjectId(), float("nan")),
        datetime.max,  # noqa: DTZ901 - without a zone, on purpose
    ],
)
def test_no_value_of_a_lead_raises_and_a_fault_names_no_value(operator: str, held: Any) -> None:
    value: Any = {"in": ["x"], "greater_than": datetime(2026, 5, 1, tzinfo=UTC)}.get(operator, "secret")
    found = evaluated("x", operator, value, {"x": held})
    assert not found.holds or (operator == "greater_than" and isinstance(held, datetime))
    assert "secret" not in (found.fault or "")
    assert found.fault or operator in ("equals", "in") or isinstance(held, float | datetime)


def test_integers_as_the_driver_reads_them_compare_at_once() -> None:
    condition = Condition.model_validate({"field": "x", "operator": "equals", "value": Int64(2**40)})
    assert evaluate_condition(condition, {"x": 2**40}).holds


@pytest.mark.parametrize("value", [datetime(2026, 5, 1, 12, 0, 0, 123_456, tzinfo=UTC), 5, "x", ["a", SUMMER], None])
def test_a_stored_condition_is_the_one_that_was_loaded(value: Any) -> None:
    operator = "exists" if value is None else "equals"
    one = Condition.model_validate({"field": "x", "operator": operator, "value": value}, context={"zone": UTC})
    options: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True)
    read = bson.decode(bson.encode(one.document()), options)
    assert Condition.model_validate(read, context={"zone": UTC}) == one


@given(st.text(min_size=1), st.text())
def test_a_negated_operator_is_the_opposite(value: str, held: str) -> None:
    lead = {"x": held}
    for positive, negative in (("equals", "not_equals"), ("contains", "not_contains")):
        one = Condition(field="x", operator=Operator(positive), value=value)
        other = Condition(field="x", operator=Operator(negative), value=value)
        assert evaluate_condition(one, lead).holds != evaluate_condition(other, lead).holds


BROKEN = """
rules:
  - {name: good, points: 5, conditions: [{field: company.size, operator: exists}]}
  - {name: bad_rule, points: 5, conditions: [{field: company.size, operator: equalz, value: 1}]}
"""


def test_a_mistake_in_a_rules_file_is_told_with_rule_and_field(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(BROKEN)
    with pytest.raises(ConfigError, match=r"rules\[1\] 'bad_rule'\.conditions\[0\]\.operator"):
        load_config(path, RuleSet)


async def test_a_running_worker_follows_its_file(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(BROKEN.replace("equalz", "equals"))
    rules, stopping = Reloading(path, RuleSet), asyncio.Event()
    watching = asyncio.create_task(rules.watch(stopping))
    try:
        async with asyncio.timeout(60):
            while rules.current.rules:
                path.write_text("rules: []\n")  # again and again: the watch may not have begun
                await asyncio.sleep(0.1)
    finally:
        stopping.set()
        await watching
    assert rules.current.rules == ()


def test_a_changed_file_is_taken_over_and_a_broken_one_leaves_the_last_good(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(BROKEN.replace("equalz", "equals"))
    rules = Reloading(path, RuleSet)
    first = rules.version
    path.write_text(BROKEN)
    assert not rules.refresh()
    assert (len(rules.current.rules), rules.version) == (2, first)
    path.write_text("rules: []")
    assert rules.refresh()
    assert (len(rules.current.rules), rules.version != first) == (0, True)
