"""What a configuration file may have at most, and what its check says of a file that can't be read."""

import ast
from datetime import timedelta
from pathlib import Path
from typing import Any

import bson
import pytest
from pydantic import BaseModel, ValidationError

from schemas.attributes import Attributes
from services.assignment.domain.decide import AssignmentRules
from services.cli.commands.rules import config_type_of
from services.engagement.domain.decide import Triggers
from services.nurture.domain.sequences import Sequence, Sequences, Step
from services.scoring.domain import decide as scoring
from services.scoring.domain.decide import RuleSet
from shared.config import DEPTH_MAX, FILE_MAX, ConfigError, load_config
from shared.domain.identity.placeholders import Placeholders
from shared.settings import Settings
from tests.builders import NOW, lead

EXISTS: dict[str, Any] = {"field": "context", "operator": "exists"}
WIDE: dict[str, Any] = {"field": "x", "operator": "in", "value": [str(number) for number in range(1_000)]}


def rules(count: int, *conditions: dict[str, Any]) -> dict[str, Any]:
    return {"rules": [{"name": f"r{n}", "points": 1, "conditions": list(conditions)} for n in range(count)]}


def pattern(source: str) -> dict[str, Any]:
    return {"field": "x", "operator": "matches", "value": source}


@pytest.mark.parametrize(
    ("within", "beyond"),
    [
        (rules(500, EXISTS), rules(501, EXISTS)),
        (rules(1, *[EXISTS] * 50), rules(1, *[EXISTS] * 51)),
        (rules(10, *[EXISTS] * 50), rules(11, *[EXISTS] * 50)),
        (rules(20, WIDE), rules(21, WIDE)),
        (rules(4, pattern(r"\pL{4}")), rules(5, pattern(r"\pL{4}"))),
    ],
)
def test_rules_are_bounded_in_all_that_costs_time_for_each_lead(within: dict[str, Any], beyond: dict[str, Any]) -> None:
    RuleSet.model_validate(within)
    with pytest.raises(ValidationError):
        RuleSet.model_validate(beyond)


def test_so_are_assignment_and_triggers() -> None:
    def assignment(count: int, conditions: int, owners: int) -> dict[str, Any]:
        each = {"conditions": [EXISTS] * conditions, "owners": [f"owner {n}" for n in range(owners)]}
        return {"rules": [{"name": f"r{n}", **each} for n in range(count)], "default_queue": "queue"}

    for within, beyond in (
        (assignment(500, 1, 1), assignment(501, 1, 1)),
        (assignment(10, 50, 1), assignment(11, 50, 1)),
        (assignment(1, 1, 200), assignment(1, 1, 201)),
    ):
        AssignmentRules.model_validate(within)
        with pytest.raises(ValidationError):
            AssignmentRules.model_validate(beyond)
    Triggers.model_validate({"triggers": {f"a{n}": "t" for n in range(500)}})
    with pytest.raises(ValidationError):
        Triggers.model_validate({"triggers": {f"a{n}": "t" for n in range(501)}})


@pytest.mark.parametrize("name", ["", "  ", "x" * 201, "\ud800"])
def test_an_owner_or_trigger_that_no_event_can_carry_is_refused(name: str) -> None:
    rule = {"name": "r", "conditions": [EXISTS], "owners": [name]}
    for bad in ({"rules": [rule], "default_queue": "queue"}, {"rules": [], "default_queue": name}):
        with pytest.raises(ValidationError):
            AssignmentRules.model_validate(bad)
    with pytest.raises(ValidationError):
        Triggers.model_validate({"triggers": {"clicked": name}})


def sequence(count: int, id_: str = "default", triggers: tuple[str, ...] = (), **step: Any) -> dict[str, Any]:
    each = {"delay": 0, "action": "task", "template": "t", **step}
    return {
        "id": id_,
        "name": "n",
        "triggers": triggers,
        "steps": [{"id": f"s{number}", **each} for number in range(count)],
    }


def file(*sequences: dict[str, Any], body: str = "x") -> dict[str, Any]:
    return {"sequences": list(sequences), "select": [], "templates": {"t": {"subject": "s", "body": body}}}


def on(count: int) -> list[dict[str, Any]]:
    return [sequence(1, f"s{number}" if number else "default", ("click",)) for number in range(count)]


@pytest.mark.parametrize(
    ("within", "beyond"),
    [
        (file(sequence(50)), file(sequence(51))),
        (file(*on(10)), file(*on(11))),
        (file(sequence(32), body="x" * 32_000), file(sequence(33), body="x" * 32_000)),
        (file(sequence(10, conditions=[EXISTS] * 50)), file(sequence(11, conditions=[EXISTS] * 50))),
        (
            file(sequence(8, personalization={"guide": "x" * 4_000})),
            file(sequence(9, personalization={"guide": "x" * 4_000})),
        ),
        (file(sequence(1, personalization={"guide": "x"})), file(sequence(1, personalization={"$set": "x"}))),
        (file(sequence(1, personalization={"guide": "x"})), file(sequence(1, personalization={"a.b": "x"}))),
        (file(sequence(1, delay=3_650)), file(sequence(1, delay=3_651))),
        (file(sequence(1, delay=0)), file(sequence(1, delay=float("nan")))),
    ],
)
def test_sequences_are_bounded_in_what_one_lead_gets_of_them(within: dict[str, Any], beyond: dict[str, Any]) -> None:
    Sequences.model_validate(within)
    with pytest.raises(ValidationError):
        Sequences.model_validate(beyond)


def test_a_sequence_s_version_is_made_once_and_follows_its_content() -> None:
    one, same = (Sequence.model_validate(sequence(2)) for _ in range(2))
    other = one.model_copy(update={"steps": (*one.steps, Step(id="x", delay=1, action="call", template="t"))})
    assert one.version == same.version
    assert Sequence.model_validate(other.model_dump()).version != one.version


def test_many_rules_over_a_large_lead_keep_a_bounded_document() -> None:
    found = RuleSet.model_validate(rules(500, EXISTS))
    document = lead(context={f"k{number}": "x" * 150 for number in range(50)})
    for number in range(20):
        cause = scoring.ScoreCause(f"c{number}", "updated", "e", "c")
        decision = scoring.decide(document | {"score": number % 2}, [cause], found, "v", NOW + timedelta(number))
        assert decision.update is not None
        document["scoring"] = decision.update["$set"]["scoring"]
    assert len(document["scoring"]["log"]) == scoring.LOG_MAX
    assert len(bson.encode(document)) < 3 * 1024 * 1024


LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
MERGES = "a: &a {k: v}\n" + "".join(
    f"{name}: &{name} {{<<: [{', '.join([f'*{before}'] * 10)}]}}\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
NESTED = "a: &a " + "[" * 30 + "]" * 30 + "\nb: " + "[" * 20 + "*a" + "]" * 20


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("content", "why"),
    [
        (LAUGHS, "more than 50000 values"),
        (MERGES, "more than 50000 values"),
        (NESTED, f"more than {DEPTH_MAX} levels"),
        ("[" * 100_000, f"more than {DEPTH_MAX} levels"),
        ("a: &a [*a]", "an alias is inside the value that it repeats"),
        ("a: " + "1" * 5_000, "not YAML"),
        ("a: 2026-02-30", "not YAML: day is out of range"),
        ("a: 2026-05-01 12:00:00 +99:00", "not YAML"),
        ("a: !!timestamp x", "not YAML"),
        ("a: !!int ''", "not YAML"),
        ("? [a]\n: b", "not YAML"),
        ("\x00", "not YAML"),
        ("#" * (FILE_MAX + 1), "may have at most"),
        ('rules: [{name: "\\ud800", points: x}]', "rules"),
        ("", "(file)"),
    ],
)
def test_a_file_that_can_t_be_read_is_refused_with_a_reason(tmp_path: Path, content: str, why: str) -> None:
    path = tmp_path / "file.yaml"
    path.write_text(content)
    with pytest.raises(ConfigError) as refused:
        load_config(path, RuleSet)
    assert why in str(refused.value)
    assert str(refused.value).encode()


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("rules", RuleSet),
        ("sequences", Sequences),
        ("assignment", AssignmentRules),
        ("triggers", Triggers),
        ("placeholders", Placeholders),
        ("attributes", Attributes),
    ],
)
def test_the_check_knows_each_file_by_its_sections(name: str, model: type[BaseModel]) -> None:
    path = getattr(Settings(), f"{name}_file")
    assert config_type_of(path) is model
    load_config(path, model)


def test_every_file_is_read_in_the_installation_s_zone() -> None:
    calls = [
        (path, node)
        for path in Path("services").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("load_config", "Reloading")
    ]
    assert len(calls) >= 9
    assert [f"{path}:{node.lineno}" for path, node in calls if len(node.args) < 3] == []
