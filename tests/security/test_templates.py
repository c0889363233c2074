# mypy: disable-error-code="arg-type,typeddict-item,list-item"
# Documents of other releases, and of any shape, come in on purpose.
"""What a template can't do to a worker, and what a lead can't do through one."""

from datetime import timedelta
from email import message_from_bytes, policy
from email.headerregistry import Address
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.local import LocalServers
from schemas.base import ENVELOPE_LIMIT
from schemas.topics import ACTIONS, SCORED
from services.nurture.domain.enrolment import EnrolmentCause, EnrolmentRequest, new_enrolment
from services.nurture.domain.explanation import explain_nurture
from services.nurture.domain.sequences import Sequences
from services.nurture.domain.steps import SENT, SKIPPED, StepDecision, decide_step
from services.nurture.domain.templates import BODY_MAX, SUBJECT_MAX, find_template_fault, one_line, render
from services.nurture.scheduler import action_of
from shared.config import ConfigError, load_config
from shared.domain.consent.contact_permission import MAILED, ConsentPolicy
from tests.builders import NOW, event, lead
from tests.collection_names import LEADS, STEPS
from tests.gateway import typed
from tests.harness import bench, until_told
from tests.security.sources import BOMBS, ENDS, FAIL_FOR_SOME, SSTI

SHIPPED_FILE = Path("deploy/config/sequences.yaml")
SHIPPED = load_config(SHIPPED_FILE, Sequences)
LONG = "y" * 4_000

OPT_OUT = ConsentPolicy("opt_out", "US")
LARGE = lead(
    score=50,
    company={"name": "n" * 200},
    contact={"firstName": "Ana", "lastName": "Reyes", "email": "ana@example.com"},
    requirements={"timeline": LONG, "painPoints": ["p" * 200] * 50},
)


def file_with(directory: Path, **changed: str) -> Path:
    """The shipped sequences, whose template `welcome` says something else."""
    raw = yaml.safe_load(SHIPPED_FILE.read_text())
    raw["templates"]["welcome"] |= changed
    path = directory / "sequences.yaml"
    path.write_text(yaml.safe_dump(raw))
    return path


def first_step(document: Any, *, subject: str = "s", body: str = "b", **fields: Any) -> Any:
    """The first step of the shipped default sequence, stored with these sources. It may have any shape."""
    cause = EnrolmentCause("c1", "event-1", "chain-1", "its first score was 45")
    step = new_enrolment(EnrolmentRequest(document, SHIPPED.by_id("default"), cause), SHIPPED, NOW)[1][0]
    return {**step, "source": {"subject": subject, "body": body}, **fields}


def judged(document: Any, **fields: Any) -> StepDecision:
    return decide_step(first_step(document, **fields), document, None, NOW, OPT_OUT)


@pytest.mark.parametrize("source", BOMBS.values(), ids=BOMBS)
@pytest.mark.parametrize("part", ["subject", "body"])
def test_a_template_that_could_stop_a_worker_is_refused_when_the_file_is_loaded(
    part: str, source: str, tmp_path: Path
) -> None:
    if part == "subject" and len(source) > 500:
        source = source[:499]  # cut anywhere, it is still no good
    place = rf"template 'welcome' \(sequence 'default', step 'welcome'\): {part}, "
    with pytest.raises(ConfigError, match=place):
        load_config(file_with(tmp_path, **{part: source}), Sequences)


@pytest.mark.parametrize("source", BOMBS.values(), ids=BOMBS)
def test_one_that_was_stored_with_a_step_before_such_were_refused_skips_the_step(source: str) -> None:
    outcome = judged(LARGE, body=source)
    assert (outcome.state, outcome.action) == (SKIPPED, None)
    assert outcome.why.startswith("template 'welcome' failed: ")


@pytest.mark.parametrize("source", FAIL_FOR_SOME.values(), ids=FAIL_FOR_SOME)
def test_a_template_that_fails_for_a_lead_skips_its_step_and_the_story_tells_why(source: str) -> None:
    assert find_template_fault(source) is None
    step = first_step(LARGE, body=source)
    outcome = decide_step(step, LARGE, None, NOW, OPT_OUT)
    assert (outcome.state, outcome.action) == (SKIPPED, None)
    assert not any(value in outcome.why for value in ("nnn", "yyy", "Ana"))
    done = {**step, "state": outcome.state, "why": outcome.why, "decidedAt": NOW}
    (story,) = explain_nurture(LARGE, [], [done], NOW, OPT_OUT)
    assert story.lines[0].words.endswith(f": template 'welcome' failed: {outcome.why.partition(' failed: ')[2]}")


def test_what_the_shipped_templates_need_is_allowed_for_the_largest_lead() -> None:
    for sequence in SHIPPED.sequences:
        for step in sequence.steps:
            template = SHIPPED.templates[step.template]
            outcome = judged(LARGE, **template.model_dump(), personalization=step.personalization)
            assert outcome.state == SENT, (sequence.id, step.id, outcome.why)


@pytest.mark.parametrize("payload", SSTI)
def test_what_a_lead_says_comes_out_as_it_said_it_in_every_field(payload: str) -> None:
    told = lead(
        assignedTo=payload,
        company=dict.fromkeys(("name", "industry", "website"), payload),
        contact={**dict.fromkeys(("firstName", "lastName", "title", "phone"), payload), "email": "a@example.com"},
        requirements={
            "timeline": payload,
            "currentSolution": payload,
            "painPoints": [payload],
            "decisionMakers": [payload],
        },
    )
    fields = "assignedTo company.name company.industry company.website contact.firstName contact.lastName contact.title"
    more = "contact.phone requirements.timeline requirements.currentSolution"
    body = "\n".join("{{ lead.%s }}" % field for field in f"{fields} {more}".split())  # noqa: UP031 - braces
    body += "\n{{ lead.requirements.painPoints | join }}\n{{ lead.requirements.decisionMakers | first }}\n{{ guide }}"
    outcome = judged(told, subject="{{ contact.firstName }}", body=body, personalization={"guide": payload})
    assert outcome.action
    assert outcome.action.rendered.subject == payload
    assert outcome.action.rendered.body == "\n".join([payload] * 13)
    assert outcome.action.to.name == f"{payload} {payload}"


@pytest.mark.parametrize("end", ENDS, ids=ascii)
def test_no_name_of_a_lead_adds_a_header_to_a_mail(end: str) -> None:
    contact = {"firstName": f"Ana{end}Bcc: all@example.com", "lastName": f"R{end}{end}", "email": "a@example.com"}
    outcome = judged(lead(contact=contact), subject="For {{ contact.firstName }}{{ contact.lastName }}")
    assert outcome.action
    assert outcome.action.rendered.subject == "For Ana Bcc: all@example.comR"
    assert outcome.action.to.name == "Ana Bcc: all@example.com R"
    mail = EmailMessage(policy.SMTP)
    mail["Subject"] = outcome.action.rendered.subject
    mail["To"] = Address(outcome.action.to.name or "", addr_spec=outcome.action.to.email)
    read = message_from_bytes(mail.as_bytes(), policy=policy.SMTP)
    assert read.keys() == ["Subject", "To"]
    assert [one.addr_spec for one in read["To"].addresses] == ["a@example.com"]


@pytest.mark.parametrize("end", [*ENDS, " ", "\t", ",", ";", ":", "<", ">", '"'], ids=ascii)
@pytest.mark.parametrize("action", ["email", "content", "call", "task"])
def test_an_address_that_would_end_a_header_or_name_another_gets_nothing(action: str, end: str) -> None:
    contact = {"firstName": "Ana", "email": f"ana@example.com{end}Bcc:all@example.com", "phone": "+13125550100"}
    outcome = judged(lead(contact=contact), action=action)
    if action in MAILED:
        assert (outcome.state, outcome.action) == (SKIPPED, None)
        assert outcome.why == "the lead's e-mail address has what no address may have"
    else:
        assert outcome.action
        assert outcome.action.to.email is None


def test_a_body_has_its_lines_and_nothing_that_ends_a_message() -> None:
    rendered = render("s", "{{ text }}", {"text": "one\r\ntwo\rthree\u2028four\tfive\0\x1b.\n"})
    assert rendered.body == "one\ntwo\nthree\nfour\tfive."


@pytest.mark.parametrize("text", ['"' * BODY_MAX, "\\" * BODY_MAX, "\n" * (BODY_MAX - 2) + "x", "🍴" * (BODY_MAX // 4)])
def test_the_largest_body_there_can_be_fits_into_a_record(text: str) -> None:
    full = judged(lead(), subject="🍴" * 500, body="{{ text }}", personalization={"text": text})
    assert full.action
    record = action_of({**first_step(lead()), "decided": full.action.wire(), "decidedAt": NOW}, "nurture")
    assert len(record.value or b"") <= ENVELOPE_LIMIT
    assert judged(lead(), body="{{ text }}", personalization={"text": text + "xx"}).state == SKIPPED


TEXT = st.text(max_size=60) | st.sampled_from([LONG, "\r\nBcc: x", *SSTI, *ENDS])
EXPRESSION = st.recursive(
    st.sampled_from(
        ["lead", "company", "contact.firstName", "lead.requirements.painPoints", "lead.score", "a", "1", "'x'"]
    ),
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from("+ - / ~ * == < in and or".split()), inner),
        st.builds("{}|{}".format, inner, st.sampled_from("join first upper title length round int truncate".split())),
        st.builds("{}|join({})".format, inner, inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("{}[{}]".format, inner, inner),
        st.builds("{}.{}".format, inner, st.sampled_from(["__class__", "items", "upper", "append", "x"])),
    ),
    max_leaves=8,
)
SOURCE = st.recursive(
    st.builds("{{{{ {} }}}}".format, EXPRESSION) | st.text(max_size=20),
    lambda inner: st.one_of(
        st.builds("{{% for a in {} %}}{}{{% endfor %}}".format, EXPRESSION, inner),
        st.builds("{{% if {} %}}{}{{% endif %}}".format, EXPRESSION, inner),
        st.builds("{}{}".format, inner, inner),
    ),
    max_leaves=8,
)


@settings(max_examples=300)
@given(SOURCE, SOURCE, TEXT, st.lists(TEXT, max_size=50))
def test_whatever_a_template_and_a_lead_say_a_step_is_sent_within_its_bounds_or_skipped(
    subject: str, body: str, text: str, texts: list[str]
) -> None:
    contact = {"firstName": text, "lastName": text, "email": "a@example.com"}
    told = lead(score=7, company={"name": text}, contact=contact, requirements={"painPoints": texts})
    outcome = judged(told, subject=subject, body=body)
    if outcome.state == SKIPPED:
        assert outcome.why.startswith("template 'welcome' failed: ")
        return
    assert outcome.action
    rendered = outcome.action.rendered
    assert len(rendered.subject) <= SUBJECT_MAX
    assert rendered.subject == one_line(rendered.subject)
    assert len(rendered.body.encode()) <= BODY_MAX
    assert rendered.body.splitlines() == rendered.body.split("\n") or not rendered.body


async def test_a_step_whose_template_fails_is_skipped_and_what_follows_goes_out(
    local: LocalServers, tmp_path: Path
) -> None:
    file = file_with(tmp_path, body=FAIL_FOR_SOME["a sum of what can't be summed"])
    people = [lead(_id=f"lead-{number}", score=10) for number in range(3)]
    scores = [{"leadId": one["_id"], "score": 10, "breakdown": [], "reason": "first"} for one in people]
    async with bench(local) as on, on.running("nurture", sequences_file=file):
        await on.storage.insert_new(LEADS, people)
        bomb = first_step(people[0], body=BOMBS["a power"], _id="old", dueAt=NOW, wakeAt=NOW)
        good = first_step(people[1], _id="new", dueAt=NOW + timedelta(seconds=1), wakeAt=NOW)
        await on.storage.insert_new(STEPS, [bomb, good])
        await on.publish([event(score, SCORED) for score in scores], SCORED)
        sent = await until_told(on, ACTIONS, 1)
        assert [one["actionId"] for one in sent] == ["new"]
        told = await typed(on, "nurture", "show", "lead-0")
    told = " ".join(told.replace("│", " ").split())  # as if no line were too narrow
    assert "template 'welcome' failed: TypeError" in told
    assert "template 'welcome' failed: line 1: Pow is not allowed" in told
