from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.nurture.domain import Cause, enrol, judge, pick
from services.nurture.sequences import Sequences
from services.nurture.templates import BODY_MAX, RenderError, render
from shared.config import ConfigError, load
from tests.builders import NOW, lead

SHIPPED = load(Path("deploy/config/sequences.yaml"), Sequences)
CAUSE = Cause("c1", "event-1", "chain-1")


@pytest.mark.parametrize(
    ("fields", "sequence"),
    [
        ({"company": {"size": "enterprise"}, "score": 90}, "enterprise"),
        ({"score": 71, "company": {"industry": "restaurant"}}, "high_value"),
        ({"score": 70, "company": {"industry": "Restaurant"}}, "restaurant_focused"),
        ({"score": 70}, "default"),
        ({}, "default"),
    ],
)
def test_the_first_score_picks_the_contract_s_sequence(fields: dict[str, Any], sequence: str) -> None:
    assert pick(lead(**fields), SHIPPED).id == sequence


def steps(document: dict[str, Any], sequence: str = "default") -> list[dict[str, Any]]:
    return enrol(document, SHIPPED.by_id(sequence), SHIPPED, CAUSE, NOW)[1]


def test_an_enrolment_plans_each_step_at_its_delay_under_ids_that_repeat() -> None:
    planned = steps(lead())
    assert [(step["stepId"], step["dueAt"] - NOW) for step in planned] == [
        ("welcome", timedelta(0)),
        ("guide", timedelta(days=3)),
        ("check_in", timedelta(days=10)),
    ]
    assert [step["_id"] for step in planned] == [step["_id"] for step in steps(lead())]


def test_a_due_step_is_sent_rendered_for_its_lead() -> None:
    judged = judge(steps(lead())[0], lead())
    assert judged.state == "sent"
    assert judged.action is not None
    assert judged.action.rendered.subject == "Ana, thank you for your interest"
    assert "Blue Fork" in judged.action.rendered.body
    assert (judged.action.to.email, judged.action.to.name) == ("ana@example.com", "Ana Reyes")


@pytest.mark.parametrize(
    ("fields", "state", "why"),
    [
        ({"status": "converted"}, "cancelled", "converted"),
        ({"status": "lost"}, "cancelled", "lost"),
        ({"consent": {"email": False}}, "skipped", "allows no e-mail"),
        ({"contact": {"firstName": "Ana"}}, "skipped", "no e-mail address"),
    ],
)
def test_a_step_that_must_not_go_out_says_why(fields: dict[str, Any], state: str, why: str) -> None:
    judged = judge(steps(lead())[0], lead(**fields))
    assert (judged.state, judged.action) == (state, None)
    assert why in judged.why


def test_conditions_are_judged_when_the_step_is_due() -> None:
    check_in = steps(lead())[2]
    assert judge(check_in, lead(status="contacted")).state == "sent"
    assert judge(check_in, lead(status="qualified")).why == "condition does not hold: status in"


def test_a_lead_that_is_gone_gets_nothing() -> None:
    assert judge(steps(lead())[0], None).state == "cancelled"


def test_a_lead_s_data_is_never_compiled_as_a_template() -> None:
    odd = lead(contact={"firstName": "{{ 7 * 7 }}", "lastName": "{% raw %}", "email": "a@example.com"})
    judged = judge(steps(odd)[0], odd)
    assert judged.action is not None
    assert "{{ 7 * 7 }}" in judged.action.rendered.subject


def test_a_subject_is_one_line_whatever_a_lead_calls_himself() -> None:
    odd = lead(contact={"firstName": "Ana\r\nBcc: all@example.com", "lastName": "R", "email": "a@example.com"})
    judged = judge(steps(odd)[0], odd)
    assert judged.action is not None
    assert "\n" not in judged.action.rendered.subject
    assert "\r" not in judged.action.rendered.subject


VALUES: dict[str, Any] = {"lead": {}, "values": list(range(100)), "text": "x" * (BODY_MAX // 1000)}


@pytest.mark.parametrize(
    "source", ["{{ ''.__class__.__mro__ }}", "{{ lead.__init__.__globals__ }}", "{{ lead.no.such }}"]
)
def test_a_template_sees_nothing_outside_its_values(source: str) -> None:
    assert render("s", source, VALUES).body == ""


@pytest.mark.parametrize(
    "source",
    [
        "{{ values.append(1) }}",
        "{{ lead.update({'score': 100}) }}",
        "{% for a in values %}{% for b in values %}{% for c in values %}{{ text }}{% endfor %}{% endfor %}{% endfor %}",
    ],
)
def test_a_template_can_neither_change_its_values_nor_grow_without_bound(source: str) -> None:
    with pytest.raises(RenderError):
        render("s", source, VALUES)


def test_a_mistake_in_the_sequences_file_names_sequence_and_step(tmp_path: Path) -> None:
    path = tmp_path / "sequences.yaml"
    path.write_text(Path("deploy/config/sequences.yaml").read_text().replace("template: welcome}", "template: welcom}"))
    with pytest.raises(ConfigError, match="sequence 'default', step 'welcome': there is no template 'welcom'"):
        load(path, Sequences)
