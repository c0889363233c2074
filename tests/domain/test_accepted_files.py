# mypy: disable-error-code="arg-type, list-item, typeddict-item"
# Tests also pass documents of other releases, and parts of documents.
"""Every file that its check accepts runs over any lead: nothing raises, and whatever is kept of it can be stored."""

import json
import os
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import bson
import pytest
from bson.codec_options import CodecOptions
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from schemas.base import ENVELOPE_LIMIT
from schemas.outputs import LeadAssigned, LeadTriggered
from services.assignment.domain.decide import AssignmentRules, assign_lead, choose_owners
from services.engagement.domain.decide import Triggers
from services.nurture.domain.decide import select_sequence
from services.nurture.domain.enrolment import EnrolmentCause, EnrolmentRequest, enrolled_event
from services.nurture.domain.explanation import explain_nurture
from services.nurture.domain.rounds import decide_first_step, enrol
from services.nurture.domain.sequences import Sequences
from services.nurture.domain.steps import SENT, decide_step
from services.nurture.scheduler import action_of
from services.scoring.domain import decide as scoring
from services.scoring.domain.decide import RuleSet
from services.simulation.domain.scoring_rules import Trial, thresholds
from shared.config import ConfigError, load_config
from shared.domain.consent.contact_permission import ConsentPolicy
from shared.domain.rules.conditions import Condition, Operator, evaluate_condition
from tests.builders import NOW, lead

T = TypeVar("T", bound=BaseModel)
POLICY = ConsentPolicy("opt_out", "US")
ZONE = ZoneInfo("America/New_York")
STORED: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True)
RULES = load_config(Path("deploy/config/rules.yaml"), RuleSet)
SEQUENCES = load_config(Path("deploy/config/sequences.yaml"), Sequences)
DAY = timedelta(days=1)
EXAMPLES = int(os.environ.get("ACCEPTED_FILES_EXAMPLES", "50"))
LIMITS = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])

# What YAML makes something else of than one thinks, and what it makes nothing of.
ODD = (
    "2026-05-01 2026-05-01T12:00:00 2026-05-01T12:00:00Z 2026-05-01T12:00:00.123456+05:30 2026-05-01T00:00:00-23:59"
    " 0001-01-01 9999-12-31 9999-12-31T23:59:59-12:00 2026-02-30 '2026-05-01' '2026-05-01T12:00:00' yes off .nan .inf"
    " -.inf 017 0o17 0x1F 1:30 1_000 -0 9223372036854775807 9223372036854775808 1e400 1e3 ~ null '' ' ' [] {} [[]]"
    " [[a]] [a,1,yes,2026-05-01] [~] {a:1} !!set{a,b} !!binary|aGk= !!timestamp|x !!int|x !!float|1 !!bool|maybe"
    ' &x|[*x] "\\ud800" "\\0" "🍴" straße İ $ref a.b (a|a)*b ((a)*)*b (a)\\1 (?=a) \\pL+ ^a.*\\d$ [ ( . a{500}'
).split()
scalars = st.one_of(
    st.sampled_from(ODD).map(lambda text: text.replace("|", " ") if text.startswith(("!", "&")) else text),
    st.integers().map(str),
    st.floats().map(lambda number: str(number).replace("inf", ".inf").replace("nan", ".nan")),
    st.text(max_size=20).map(json.dumps),
    st.datetimes().map(lambda moment: moment.isoformat()),
    st.dates().map(lambda day: day.isoformat()),
)
values = st.one_of(scalars, st.lists(scalars, max_size=4).map(lambda parts: f"[{', '.join(parts)}]"))
numbers = st.one_of(st.integers(-100, 100).map(str), st.sampled_from(["2026-05-01", "2026-05-01T12:00:00", ".inf"]))
paths = st.sampled_from(
    ["x", "context", "context.a", "context.a.b", "company.industry", "contact.title", "createdAt", "status", "a.b.c.d"]
)


good = st.one_of(
    st.text(max_size=20).map(json.dumps),
    st.integers(-100, 100).map(str),
    st.dates(date(1900, 1, 1), date(2100, 1, 1)).map(lambda day: day.isoformat()),
    st.sampled_from(
        ["2026-05-01", "2026-05-01T12:00:00", "2026-05-01T12:00:00+05:30", "yes", ".inf", ".nan", "straße"]
    ),
)
patterns = st.sampled_from(["a", "(a|a)*b", "((a)*)*b", r"'\pL+\d?'", "'2026'", "''", '"\\0"', "🍴"])


def suited(operator: Operator) -> st.SearchStrategy[str]:
    """A value that this operator takes, and one time in ten any."""
    if operator in (Operator.EXISTS, Operator.NOT_EXISTS):
        return st.just("~")
    if operator in (Operator.IN, Operator.NOT_IN):
        taken = st.lists(good, min_size=1, max_size=3).map(lambda parts: f"[{', '.join(parts)}]")
    elif operator.value.endswith(("_than", "_or_equal")):
        taken = numbers
    elif operator in (Operator.EQUALS, Operator.NOT_EQUALS):
        taken = good | st.lists(good, max_size=3).map(lambda parts: f"[{', '.join(parts)}]")
    else:
        taken = patterns
    return st.integers(0, 9).flatmap(lambda chance: taken if chance else values)


conditions = st.sampled_from(Operator).flatmap(
    lambda operator: st.tuples(paths, suited(operator)).map(
        lambda parts: f"{{field: {parts[0]}, operator: {operator.value}, value: {parts[1]}}}"
    )
)
several = st.lists(conditions, min_size=1, max_size=2).map(lambda found: f"[{', '.join(found)}]")
owners = st.sampled_from(["ana", "$set", "a.b", "' '", "''", '"\\0"', "'  ana '", "🍴", "7", '"\\ud800"'])

storable = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["2026-05-01", "2026-05-01T12:00:00Z", "9999-12-31T23:59:59-12:00", "a" * 5_000, "ß", "\x00"]),
    st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=14)), ZONE])),
    st.datetimes(),
    st.binary(max_size=3),
)
names = st.sampled_from(["a", "b", "$ref", "$id", "", "a.b"]) | st.text(
    st.characters(exclude_characters="\0"), max_size=5
)


def within(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4), max_leaves=12
    )


kept_values = within(storable)
any_values = within(storable | st.integers(2**63, 2**70) | st.just("\ud800"))


def leads_of(values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(
        lambda context, x, created, industry, title, score, status: lead(
            context=context,
            x=x,
            score=score,
            status=status,
            createdAt=created,
            company={"name": "Blue Fork", "industry": industry},
            contact={"firstName": "Ana", "lastName": "Reyes", "email": "ana@example.com", "title": title},
        ),
        st.dictionaries(st.sampled_from("ab"), values, max_size=2) | values,
        values | st.just([[[[[[0] * 3_000]]]]]),
        st.datetimes(datetime(2026, 4, 1), datetime(2026, 6, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - bounds of aware ones
        st.none() | st.text(max_size=20) | st.sampled_from(["Restaurant", "2026-05-01"]),
        st.none() | st.text(max_size=20),
        st.integers(0, 100),
        st.sampled_from(["new", "contacted", "qualified", "lost"]),
    )


leads, wild_leads = leads_of(kept_values), leads_of(any_values)


def accepted(folder: Path, text: str, model: type[T]) -> T:
    """The file, if its check accepts it; else this example is none."""
    path = folder / "file.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    try:
        return load_config(path, model, ZONE)
    except ConfigError:
        reject()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


def kept(document: Any) -> dict[str, Any]:
    """As MongoDB gives it back."""
    return bson.decode(bson.encode(document), STORED)


def rules_of(found: list[str], field: str = "points: 5") -> str:
    lines = [f"  - {{name: r{number}, {field}, conditions: {some}}}" for number, some in enumerate(found)]
    return "rules:\n" + "\n".join(lines) if lines else "rules: []"


@LIMITS
@given(st.lists(several, min_size=1, max_size=3), leads)
def test_rules_score_any_lead(folder: Path, found: list[str], document: dict[str, Any]) -> None:
    rules = accepted(folder, rules_of(found), RuleSet)
    scored = scoring.compute_score(document, rules, NOW)
    assert 0 <= scored.value <= 100
    assert {part.rule for part in scored.breakdown}.isdisjoint(rule for rule, _ in scored.errors)
    unscored = {name: value for name, value in document.items() if name != "score"}
    decision = scoring.decide(unscored, [scoring.ScoreCause("c", "created", "e", "c")], rules, "v.3", NOW)
    assert [len(json.dumps(one.scored.wire())) for one in decision.publications]
    assert kept(dict(decision.update or {}))


@LIMITS
@given(st.lists(several, min_size=1, max_size=2), st.lists(several, max_size=2), wild_leads)
def test_rules_are_tried_on_any_lead(
    folder: Path, found: list[str], assigning: list[str], document: dict[str, Any]
) -> None:
    new = accepted(folder, rules_of(found), RuleSet)
    file = f"{rules_of(assigning, 'owners: [ana]')}\ndefault_queue: queue\n"
    assignment = accepted(folder, file, AssignmentRules)
    trial = Trial(RULES, new, assignment, thresholds(SEQUENCES, assignment), NOW)
    trial.add([document])
    assert json.loads(trial.result().as_json())["leads"] == 1


@LIMITS
@given(st.lists(several, max_size=2), owners, owners, leads)
def test_assignment_gives_any_lead_an_owner_who_can_be_told(
    folder: Path, found: list[str], owner: str, queue: str, document: dict[str, Any]
) -> None:
    rules = accepted(folder, f"{rules_of(found, f'owners: [{owner}]')}\ndefault_queue: {queue}\n", AssignmentRules)
    choice = choose_owners([document], rules, {})["lead-1"]
    told = LeadAssigned(lead_id="lead-1", assigned_to=choice.owner, rule=choice.rule)
    assert told.assigned_to == choice.owner
    assert kept(assign_lead(document, choice, "c", NOW))["assignedTo"] == choice.owner


texts = st.text(max_size=30).map(json.dumps)
words = st.dictionaries(st.sampled_from(["guide", "industry", "firstName", "lead", "class", "_"]), texts, max_size=2)
steps = st.builds(
    lambda action, some, own, delay: (
        f"action: {action}, template: t, delay: {delay}, conditions: {some},"
        f" personalization: {{{', '.join(f'{json.dumps(name)}: {text}' for name, text in own.items())}}}"
    ),
    st.sampled_from(["email", "call", "task", "content"]),
    several | st.just("[]"),
    words,
    st.sampled_from(["0", "0", "1", "0.5", "3650"]),
)


@LIMITS
@given(st.lists(steps, min_size=1, max_size=2), st.lists(several, max_size=1), texts, leads)
def test_sequences_take_any_lead_through(
    folder: Path, planned: list[str], select: list[str], body: str, document: dict[str, Any]
) -> None:
    lines = [f"      - {{id: s{number}, {step}}}" for number, step in enumerate(planned)]
    choices = ", ".join(f"{{sequence: default, conditions: {some}}}" for some in select)
    text = f"sequences:\n  - id: default\n    name: {body}\n    steps:\n" + "\n".join(lines)
    text += f"\nselect: [{choices}]\ntemplates: {{t: {{subject: '{{{{ contact.firstName }}}}', body: {body}}}}}\n"
    sequences = accepted(folder, text, Sequences)
    wish = EnrolmentRequest(
        document, select_sequence(document, sequences), EnrolmentCause("c", "e", "chain", "because")
    )
    admission = decide_first_step(enrol(None, wish, sequences, NOW), document, NOW, POLICY, ZONE)
    stored = [kept(step) for step in admission.steps]
    enrolment = kept(admission.enrolment)
    told = enrolled_event(enrolment, stored)
    assert len(json.dumps(told.wire())) < ENVELOPE_LIMIT / 2
    assert told.personalization["firstName"] == "Ana"
    by_id = {step.id: step for step in sequences.by_id("default").steps}
    for step in stored:
        if step["state"] == "scheduled":
            judged = decide_step(step, document, None, step["dueAt"], POLICY, ZONE)
            decided = {"decided": judged.action.wire()} if judged.action else {}
            step.update({"why": judged.why, "decidedAt": NOW, "state": judged.state, **decided})
        assert step["state"] == SENT or "can't be read" not in step["why"]
        assert "decided" not in step or action_of(kept(step), "nurture").value
        for own, raw in zip(by_id[step["stepId"]].conditions, step["conditions"], strict=True):
            again = Condition.model_validate(raw, context={"zone": ZONE})
            assert evaluate_condition(again, document) == evaluate_condition(own, document)
    assert explain_nurture(document, [enrolment], stored, NOW + DAY, POLICY)


@given(st.dictionaries(texts | scalars, owners | texts, max_size=3), st.text())
def test_triggers_are_set_off_by_any_action(folder: Path, found: dict[str, str], action: str) -> None:
    lines = [f"  {name}: {trigger}" for name, trigger in found.items()]
    triggers = accepted(folder, "triggers:\n" + "\n".join(lines) if lines else "triggers: {}", Triggers)
    for each in (action, *triggers.triggers):
        trigger = triggers.of(each)
        assert trigger is None or LeadTriggered(lead_id="l", trigger=trigger, action=each or "x").trigger == trigger
    assert all(triggers.of(name.upper()) or name.upper().casefold() != name.casefold() for name in triggers.triggers)


@LIMITS
@given(st.sampled_from([RuleSet, Sequences, AssignmentRules, Triggers]), st.text() | values | st.binary())
def test_whatever_a_file_holds_its_check_says_so(folder: Path, model: type[BaseModel], content: str | bytes) -> None:
    path = folder / "any.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode(errors="surrogatepass"))
    try:
        told = str(load_config(path, model, ZONE))
    except ConfigError as error:
        told = str(error)
    assert told.encode()
