"""Attributes in rules, assignment, sequences and templates, and what the check of these files says of them."""

from pathlib import Path
from typing import Any

import pytest

from services.assignment.domain.decide import AssignmentRules, choose_owner
from services.cli.commands.rules import attribute_faults, check_files
from services.nurture.domain.sequences import Sequences
from services.nurture.domain.templates import parts_named, render
from services.scoring.domain.decide import RuleSet, compute_score
from shared.config import ConfigError, load_config
from shared.domain.rules.attribute_conditions import condition_fault
from shared.domain.rules.conditions import Condition, evaluate_condition
from shared.settings import Settings
from tests.builders import ATTRIBUTES, NOW, lead
from tests.domain.test_attributes import OF_EACH_TYPE

HELD = lead(attributes={"cuisine": "Thai", "covers": 120, "opens": "2027-03-01", "halal": False, "motto": "Fresh"})


def on(name: str, operator: str, value: Any = None) -> Condition:
    return Condition.model_validate({"field": f"attributes.{name}", "operator": operator, "value": value})


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        (on("cuisine", "equals", "thai"), True),
        (on("cuisine", "in", ["Nordic", "THAI"]), True),
        (on("cuisine", "not_equals", "Thai"), False),
        (on("covers", "greater_or_equal", 120), True),
        (on("opens", "greater_than", "2027-02-28"), True),
        (on("opens", "equals", "2027-03-01"), True),
        (on("halal", "equals", False), True),
        (on("halal", "exists"), True),
        (on("motto", "contains", "fre"), True),
    ],
)
def test_conditions_compare_attributes_and_fit_their_declaration(condition: Condition, *, holds: bool) -> None:
    assert evaluate_condition(condition, HELD).holds is holds
    assert not evaluate_condition(condition, lead()).holds or condition.operator == "not_equals"
    assert condition_fault(condition, OF_EACH_TYPE) is None


@pytest.mark.parametrize(
    ("condition", "why"),
    [
        (on("chef", "exists"), "there is no attribute 'chef'"),
        (on("cuisine", "equals", "French"), "must be one of: Thai, Nordic"),
        (on("cuisine", "in", ["Thai", "French"]), "must be one of"),
        (on("cuisine", "equals", 5), "is no choice"),
        (on("cuisine", "greater_than", 5), "does not order choices"),
        (on("covers", "equals", "120"), "is no number"),
        (on("covers", "greater_than", "2027-03-01"), "does not order numbers"),
        (on("opens", "less_than", 5), "does not order dates"),
        (on("opens", "equals", "soon"), "should match pattern"),
        (on("halal", "equals", "yes"), "is no boolean"),
    ],
)
def test_a_condition_that_no_lead_can_meet_is_found(condition: Condition, why: str) -> None:
    assert why in str(condition_fault(condition, OF_EACH_TYPE))


def test_a_condition_on_another_field_is_no_concern() -> None:
    for field in ("company.industry", "attributes", "context.attributes.chef"):
        assert condition_fault(Condition.model_validate({"field": field, "operator": "exists"}), OF_EACH_TYPE) is None


def test_rules_score_and_assign_by_attributes() -> None:
    condition = {"field": "attributes.cuisine", "operator": "equals", "value": "thai"}
    rules = RuleSet.model_validate({"rules": [{"name": "thai", "points": 7, "conditions": [condition]}]})
    assert [compute_score(one, rules, NOW).value for one in (HELD, lead())] == [7, 0]
    assert compute_score(HELD, rules, NOW).breakdown[0].evidence == {"attributes": {"cuisine": "Thai"}}
    named = {"name": "thai", "conditions": [condition], "owners": ["noor"]}
    owners = AssignmentRules.model_validate({"rules": [named], "default_queue": "queue"})
    assert [choose_owner(one, owners, {}).owner for one in (HELD, lead())] == ["noor", "queue"]


def test_templates_show_attributes_and_nothing_for_unknown_ones() -> None:
    source = "{{ attributes.covers }} {{ lead.attributes.cuisine }} {{ attributes['chef'] | default('?') }}"
    shown = {"attributes": HELD["attributes"]}
    assert render("x", source, {**shown, "lead": shown}).body == "120 Thai ?"
    assert parts_named("attributes", source) == {"covers", "cuisine", "chef"}
    assert parts_named(
        "attributes", "{{ contact.attributes.x }} {{ attributes }} {% if attributes.a %}{% endif %}"
    ) == {"a"}


def _sequences(condition: dict[str, Any], body: str) -> Sequences:
    step = {"id": "hello", "delay": 0, "action": "email", "template": "hello", "conditions": [condition]}
    return Sequences.model_validate(
        {
            "sequences": [{"id": "default", "name": "Default", "steps": [step]}],
            "select": [{"sequence": "default", "conditions": [condition]}],
            "templates": {"hello": {"subject": "Hello", "body": body}},
        }
    )


def test_the_check_names_the_place_of_each_fault() -> None:
    good = _sequences({"field": "attributes.covers", "operator": "exists"}, "{{ attributes.cuisine }}")
    assert list(attribute_faults(good, ATTRIBUTES)) == []
    bad = _sequences({"field": "attributes.chef", "operator": "exists"}, "{{ attributes.chef }}")
    fault = "there is no attribute 'chef' in attributes.yaml"
    assert list(attribute_faults(bad, ATTRIBUTES)) == [
        f"select 'default', attributes.chef: {fault}",
        f"sequence 'default', step 'hello', attributes.chef: {fault}",
        f"template 'hello': {fault}",
    ]


def test_the_command_refuses_a_file_with_an_undeclared_attribute(tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    rule = "{name: chef, points: 1, conditions: [{field: attributes.chef, operator: exists}]}"
    file.write_text(f"rules: [{rule}]")
    load_config(file, RuleSet)
    with pytest.raises(ConfigError, match=r"rule 'chef', attributes\.chef: there is no attribute 'chef'"):
        check_files(file)
    check_files(Settings().rules_file)
    check_files()
