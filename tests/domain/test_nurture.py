# mypy: disable-error-code="arg-type,typeddict-item"
# Documents of other releases, and of any shape, come in on purpose.
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.nurture.domain.decide import select_sequence
from services.nurture.domain.enrolment import EnrolmentCause, EnrolmentRequest, enrolled_event, new_enrolment
from services.nurture.domain.explanation import consent_lines, explain_nurture
from services.nurture.domain.rounds import CAUSES_MAX, EnrolmentPlan, decide_first_step, enrol, recover, round_of
from services.nurture.domain.sequences import Sequences
from services.nurture.domain.steps import StepDecision, humanize, reason_to_end
from services.nurture.domain.steps import decide_step as judge_in_time
from services.nurture.domain.templates import BODY_MAX, RenderError, render
from shared.config import ConfigError, load_config
from shared.domain.consent.contact_permission import ConsentPolicy, may
from shared.domain.consent.statements import EMAIL, Statement, restate
from shared.domain.identity.normal_forms import NOT_GIVEN
from shared.domain.stored.nurture_documents import EnrolmentDocument
from tests.builders import NOW, lead

SHIPPED = load_config(Path("deploy/config/sequences.yaml"), Sequences)
CAUSE = EnrolmentCause("c1", "event-1", "chain-1", "its first score was 45")
OPT_OUT, OPT_IN = ConsentPolicy("opt_out", "US"), ConsentPolicy("opt_in", "US")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
UNSUBSCRIBED = {"refusals": [{"reason": "unsubscribed", "address": "old@example.com"}], "consent": {"email": False}}
BOUNCED = {"refusals": [{"reason": "bounced", "address": "ana@example.com"}], "consent": {"email": False}}


def judge(step: Any, document: Any, policy: ConsentPolicy = OPT_OUT) -> StepDecision:
    """At the moment it is due, with nothing before it. Documents have any shape: some are of other releases."""
    return judge_in_time(step, document, None, step["dueAt"], policy)


def wish(key: str = "c1", document: Any = None, sequence: str = "default") -> EnrolmentRequest:
    return EnrolmentRequest(
        document or lead(), SHIPPED.by_id(sequence), EnrolmentCause(key, f"event {key}", "chain-1", f"of {key}")
    )


def plan_enrolment(
    existing: EnrolmentDocument | None,
    wishes: list[EnrolmentRequest],
    sequences: Sequences,
    now: datetime,
    *,
    live: bool,
) -> EnrolmentPlan:
    """One enrolment after these requests."""
    plan = EnrolmentPlan(existing, existing["revision"], live) if existing else None
    for one in wishes:
        plan = enrol(plan, one, sequences, now)
    assert plan is not None
    return plan


@pytest.mark.parametrize(
    ("fields", "sequence"),
    [
        ({"company": {"size": "enterprise"}, "score": 90}, "enterprise"),
        ({"score": 71, "company": {"industry": "restaurant"}}, "high_value"),
        ({"score": 70, "company": {"industry": "Restaurant"}}, "restaurant_focused"),
        ({"score": 70, "company": {"industry": "restaurant equipment"}}, "default"),
        ({"score": 70}, "default"),
        ({}, "default"),
    ],
)
def test_the_first_score_picks_the_contract_s_sequence(fields: dict[str, Any], sequence: str) -> None:
    assert select_sequence(lead(**fields), SHIPPED).id == sequence


def steps(document: Any, sequence: str = "default") -> Any:
    """Steps of any shape: tests also build those of other releases."""
    return new_enrolment(EnrolmentRequest(document, SHIPPED.by_id(sequence), CAUSE), SHIPPED, NOW)[1]


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


def test_no_message_shows_the_mark_of_a_missing_name() -> None:
    document = lead(company={"name": NOT_GIVEN})
    document["contact"] |= {"firstName": NOT_GIVEN, "lastName": NOT_GIVEN}
    for sequence in SHIPPED.sequences:
        for step in steps(document, sequence.id):
            judged = judge(step, {**document, "score": 80, "status": "new"})
            told = str(judged.action)
            assert NOT_GIVEN not in told
            assert " ," not in told
            assert "ofLead" not in step or "firstName" not in step["ofLead"]


@pytest.mark.parametrize(
    ("fields", "state", "why"),
    [
        ({"status": "converted"}, "cancelled", "converted"),
        ({"status": "lost"}, "cancelled", "lost"),
        (UNSUBSCRIBED, "cancelled", "the lead unsubscribed"),
        ({**UNSUBSCRIBED, "consent": {"email": True}}, "cancelled", "the lead unsubscribed"),
        ({**UNSUBSCRIBED, "status": "lost"}, "cancelled", "the lead was lost"),
        (BOUNCED, "skipped", "mail to the address bounced"),
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


def test_a_bounce_stops_mail_and_nothing_else() -> None:
    call_today, offer, _ = steps(lead(), "high_value")
    phoned = lead(**BOUNCED, contact={"firstName": "Ana", "email": "Ana@example.com", "phone": "+13125550100"})
    assert reason_to_end(phoned, OPT_OUT) is None
    assert judge(call_today, phoned).state == "sent"
    assert judge(offer, phoned).why == may(EMAIL, phoned, OPT_OUT).why == "mail to the address bounced"


def test_a_bounce_of_another_address_is_not_why_the_lead_gets_no_mail() -> None:
    elsewhere = {"refusals": [{"reason": "bounced", "address": "old@example.com"}], "consent": {"email": False}}
    assert may(EMAIL, lead(**elsewhere), OPT_OUT).why == "the lead allows no e-mail"
    assert may(EMAIL, lead(**{**elsewhere, "consent": {}}), OPT_OUT).allowed


def stated(given: bool, days: int = 0, **fields: Any) -> Statement:  # noqa: FBT001 - the yes or no itself
    usual: dict[str, Any] = {"channel": "email", "address": "ana@example.com", "source": "/f", "cause": f"c{days}"}
    return Statement(**usual | {"given": given, "at": NOW + days * DAY} | fields)


def stating(*statements: Statement, **fields: Any) -> Any:
    """A lead of whom these statements are known."""
    one = lead(**fields)
    return one | restate(one, statements, "US").set


def test_where_nothing_was_stated_the_policy_decides_and_says_so() -> None:
    call_today, offer, _ = steps(lead(), "high_value")
    phoned = lead(contact={"firstName": "Ana", "email": "ana@example.com", "phone": "+13125550100"})
    assert (judge(offer, phoned).state, judge(call_today, phoned).state) == ("sent", "sent")
    assert judge(offer, phoned, OPT_IN).why == "nothing was stated; mail needs a yes (opt-in policy)"
    assert judge(call_today, phoned, OPT_IN).why == "nothing was stated; calls need a yes (opt-in policy)"
    assert judge(offer, stating(stated(True), contact=phoned["contact"]), OPT_IN).state == "sent"
    assert consent_lines(phoned, OPT_OUT) == [
        "mail: allowed, nothing was stated; mail may go (opt-out policy)",
        "calls: allowed, nothing was stated; calls may be made (opt-out policy)",
    ]


def test_a_yes_after_an_unsubscribe_lets_later_steps_go_and_one_before_it_does_not() -> None:
    left = stated(False, 1, reason="unsubscribed", address="old@example.com")
    assert judge(steps(lead())[0], stating(left, stated(True, 0))).why == "the lead unsubscribed"
    assert judge(steps(lead())[0], stating(stated(True, 2), left)).state == "sent"
    assert judge(steps(lead())[0], stating(left, stated(True, 2, dated=False))).why == "the lead unsubscribed"


def test_a_step_that_will_not_go_is_told_so_before_it_is_due() -> None:
    enrolment, rows = new_enrolment(wish(), SHIPPED, NOW)
    (story,) = explain_nurture(lead(), [enrolment], rows[1:], NOW, OPT_IN)
    words = {line.step: line.words for line in story.lines}
    assert words["guide"] == "will not be sent: nothing was stated; mail needs a yes (opt-in policy)"
    (story,) = explain_nurture(stating(stated(True)), [enrolment], rows[1:], NOW, OPT_IN)
    assert {line.words.split(" ")[0] for line in story.lines} == {"due"}


def test_a_step_that_may_be_out_when_its_lead_ends_is_not_said_never_to_have_been() -> None:
    step = {**steps(lead())[0], "decided": {}, "why": "all conditions held"}
    assert judge(step, lead(status="lost")).why == "the lead was lost; it may have gone out before"


def two(policy: str, gap: timedelta, **before: Any) -> tuple[Any, Any]:
    """A step due at NOW under this policy, `gap` after the one before it, which is as these fields say."""
    first, second, _ = steps(lead())
    wake = {"wakeAt": NOW - gap} if before.get("state") == "scheduled" else {}
    second |= {"dueAt": NOW, "wakeAt": NOW, "gap": gap.total_seconds(), "catchUp": policy}
    return {**first, **wake, **before}, second


def test_a_step_names_the_one_before_it_and_the_time_between_them() -> None:
    first, second, third = steps(lead())
    assert "previousId" not in first
    assert [(second["previousId"], second["gap"]), (third["previousId"], third["gap"])] == [
        (first["_id"], (3 * DAY).total_seconds()),
        (second["_id"], (7 * DAY).total_seconds()),
    ]


@pytest.mark.parametrize(
    ("before", "again_in"),
    [
        ({"wakeAt": NOW - DAY}, timedelta(seconds=2)),
        ({"wakeAt": NOW + HOUR}, HOUR + timedelta(seconds=2)),
        ({"wakeAt": NOW + HOUR, "decidedAt": NOW}, timedelta(seconds=2)),
    ],
    ids=["due too", "postponed", "being sent"],
)
def test_a_step_waits_for_the_one_before_it_and_not_in_a_tight_loop(
    before: dict[str, Any], again_in: timedelta
) -> None:
    previous, step = two("send", DAY, state="scheduled", **before)
    judged = judge_in_time(step, lead(), previous, NOW, OPT_OUT)
    assert (judged.state, judged.until) == ("scheduled", NOW + again_in)
    assert judged.why == "the step before it, 'welcome', is not through"


@pytest.mark.parametrize(
    ("policy", "gap", "sent_ago", "late", "expected"),
    [
        ("send", 3 * DAY, 3 * DAY, timedelta(0), "sent"),
        ("send", 3 * DAY, 3 * DAY - timedelta(seconds=50), timedelta(0), "sent"),
        ("send", 3 * DAY, HOUR, 30 * DAY, 23 * HOUR),
        ("send", 3 * DAY, 25 * HOUR, 30 * DAY, "sent"),
        ("send", HOUR, timedelta(minutes=20), 2 * DAY, timedelta(minutes=40)),
        ("send", timedelta(0), timedelta(0), 2 * DAY, "sent"),
        ("skip", 3 * DAY, 4 * DAY, 25 * HOUR, "skipped"),
        ("skip", 3 * DAY, 4 * DAY, 23 * HOUR, "sent"),
        ("skip", HOUR, timedelta(0), 2 * HOUR, HOUR),
        ("shift", 3 * DAY, HOUR, 30 * DAY, 3 * DAY - HOUR),
        ("shift", 3 * DAY, 3 * DAY - timedelta(seconds=50), timedelta(0), "sent"),
    ],
)
def test_a_late_step_follows_its_sequence_s_policy_and_never_in_a_burst(
    policy: str, gap: timedelta, sent_ago: timedelta, late: timedelta, expected: str | timedelta
) -> None:
    previous, step = two(policy, gap, state="sent", decidedAt=NOW - sent_ago)
    judged = judge_in_time({**step, "dueAt": NOW - late}, lead(), previous, NOW, OPT_OUT)
    if isinstance(expected, timedelta):
        assert (judged.state, judged.until) == ("scheduled", NOW + expected)
        assert judged.due == (NOW + expected if policy == "shift" else None)
    else:
        assert judged.state == expected
        assert (judged.action is not None) == (expected == "sent")


def test_a_skipped_step_says_how_late_it_was() -> None:
    _, step = two("skip", DAY)
    judged = judge_in_time({**step, "dueAt": NOW - 5 * DAY}, lead(), None, NOW, OPT_OUT)
    assert judged.why == "5 days late, and the sequence skips what is more than 1 day late"


def test_what_went_out_last_is_handed_on_over_a_skipped_step() -> None:
    sent_at = NOW - HOUR
    previous, step = two("send", timedelta(0), state="sent", decidedAt=sent_at)
    skipped = judge_in_time(step, lead(consent={"email": False}), previous, NOW, OPT_OUT)
    assert (skipped.state, skipped.last_sent_at) == ("skipped", sent_at)
    over, step = two("send", 3 * DAY, state="skipped", decidedAt=NOW, lastSentAt=sent_at)
    assert judge_in_time(step, lead(), over, NOW, OPT_OUT).until == sent_at + DAY


def test_without_a_step_that_went_out_a_late_one_goes_out_at_once() -> None:
    previous, step = two("send", 3 * DAY, state="skipped", decidedAt=NOW)
    assert judge_in_time({**step, "dueAt": NOW - 9 * DAY}, lead(), previous, NOW, OPT_OUT).state == "sent"


def test_a_sequence_that_was_down_for_a_month_comes_out_in_order_a_day_apart() -> None:
    rows, now, went = steps(lead()), NOW + 30 * DAY, list[tuple[str, datetime]]()
    for number, step in enumerate(rows):
        previous = rows[number - 1] if number else None
        judged = judge_in_time(step, lead(), previous, now, OPT_OUT)
        if judged.until is not None:
            now = judged.until
            judged = judge_in_time(step, lead(), previous, now, OPT_OUT)
        rows[number] = {**step, "state": judged.state, "decidedAt": now}
        went.append((step["stepId"], now))
    assert went == [(name, NOW + (30 + n) * DAY) for n, name in enumerate(("welcome", "guide", "check_in"))]


def test_a_second_enrolment_while_the_first_is_live_is_success_and_changes_nothing_but_its_memory() -> None:
    first = plan_enrolment(None, [wish("a")], SHIPPED, NOW, live=False)
    second = plan_enrolment(first.enrolment, [wish("b")], SHIPPED, NOW + DAY, live=True)
    assert (second.steps, second.enrolment["causes"], second.changed) == ((), ["a", "b"], True)
    assert round_of(second.enrolment, "a") is not None
    assert round_of(second.enrolment, "b") is None
    again = plan_enrolment(second.enrolment, [wish("a"), wish("b")], SHIPPED, NOW + 2 * DAY, live=False)
    assert (again.steps, again.changed, again.fresh) == ((), False, 0)


def test_two_causes_in_one_batch_are_one_enrolment() -> None:
    both = plan_enrolment(None, [wish("a"), wish("b"), wish("a")], SHIPPED, NOW, live=False)
    assert (both.enrolment["round"], both.enrolment["cause"], both.enrolment["causes"]) == (1, "a", ["a", "b"])
    assert len(both.steps) == 3


def test_after_all_steps_are_through_another_round_begins_with_steps_of_its_own() -> None:
    first = plan_enrolment(None, [wish("a")], SHIPPED, NOW, live=False)
    second = plan_enrolment(first.enrolment, [wish("b")], SHIPPED, NOW + 20 * DAY, live=False)
    assert (second.enrolment["round"], second.enrolment["cause"]) == (2, "b")
    assert second.enrolment["stepIds"] == [step["_id"] for step in second.steps]
    assert not {step["_id"] for step in first.steps} & {step["_id"] for step in second.steps}
    assert second.steps[1]["previousId"] == second.steps[0]["_id"]
    told = round_of(second.enrolment, "a")
    assert told is not None
    assert (told["stepIds"], told["at"]) == (first.enrolment["stepIds"], NOW)


def test_an_enrolment_stays_bounded_and_forgets_nothing_of_the_batch_at_hand() -> None:
    enrolment = plan_enrolment(None, [wish("a")], SHIPPED, NOW, live=False).enrolment
    for number in range(100):
        enrolment = plan_enrolment(enrolment, [wish(str(number))], SHIPPED, NOW, live=number % 2 == 0).enrolment
    assert len(enrolment["causes"]) == CAUSES_MAX
    assert len(enrolment["earlier"]) == CAUSES_MAX
    many = [wish(f"batch {number}") for number in range(50)]
    after = plan_enrolment(enrolment, many, SHIPPED, NOW, live=True).enrolment
    assert not plan_enrolment(after, many, SHIPPED, NOW, live=True).fresh


def test_steps_left_by_a_killed_process_get_the_enrolment_of_who_caused_them() -> None:
    killed = plan_enrolment(None, [wish("a")], SHIPPED, NOW, live=False)
    other = recover(plan_enrolment(None, [wish("b")], SHIPPED, NOW + HOUR, live=False), killed.steps)
    assert (other.enrolment["cause"], other.enrolment["causes"], other.enrolment["why"]) == ("a", ["a"], "of a")
    after = plan_enrolment(other.enrolment, [wish("b")], SHIPPED, NOW + HOUR, live=True)
    assert (after.steps, after.enrolment["causes"]) == ((), ["a", "b"])
    redelivered = plan_enrolment(after.enrolment, [wish("a")], SHIPPED, NOW + 2 * HOUR, live=True).enrolment
    told = round_of(redelivered, "a")
    assert told is not None
    assert told["stepIds"] == [step["_id"] for step in killed.steps]


def test_steps_left_of_a_second_round_are_taken_over_likewise() -> None:
    first = plan_enrolment(None, [wish("a")], SHIPPED, NOW, live=False).enrolment
    killed = plan_enrolment(first, [wish("b")], SHIPPED, NOW + 20 * DAY, live=False)
    other = recover(plan_enrolment(first, [wish("c"), wish("d")], SHIPPED, NOW + 21 * DAY, live=False), killed.steps)
    assert (other.enrolment["round"], other.enrolment["cause"], other.enrolment["causes"]) == (2, "b", ["a", "b"])
    assert other.read_at == first["revision"] == other.enrolment["revision"] - 1


def test_steps_that_were_erased_in_between_harm_nothing() -> None:
    one = plan_enrolment(None, [wish("a")], SHIPPED, NOW, live=False)
    assert recover(one, []).enrolment == one.enrolment
    assert enrolled_event(one.enrolment, []).steps == ()


def test_a_changed_file_disturbs_nobody_who_is_in_a_sequence() -> None:
    first = plan_enrolment(None, [wish("a")], SHIPPED, NOW, live=False)
    raw = SHIPPED.model_dump(mode="json")
    raw["sequences"][0] |= {"name": "New", "catch_up": "skip", "steps": raw["sequences"][0]["steps"][:1]}
    raw["templates"]["welcome"]["subject"] = "changed"
    changed = Sequences.model_validate(raw)
    newer = EnrolmentRequest(lead(), changed.by_id("default"), EnrolmentCause("b", "event b", "chain-1", "of b"))
    assert plan_enrolment(first.enrolment, [newer], changed, NOW, live=True).steps == ()
    judged = judge(first.steps[0], lead())
    assert judged.action is not None
    assert judged.action.rendered.subject == "Ana, thank you for your interest"
    again = plan_enrolment(first.enrolment, [newer], changed, NOW, live=False)
    assert [(step["catchUp"], step["sequenceVersion"]) for step in again.steps] == [
        ("skip", changed.by_id("default").version)
    ]
    assert again.steps[0]["sequenceVersion"] != first.steps[0]["sequenceVersion"]


@pytest.mark.parametrize(
    ("span", "words"),
    [(DAY, "1 day"), (36 * HOUR, "36 hours"), (50 * HOUR, "2 days"), (HOUR, "1 hour"), (0 * DAY, "0 s"), (-DAY, "0 s")],
)
def test_spans_of_time_are_told_in_words(span: timedelta, words: str) -> None:
    assert humanize(span) == words


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"state": "sent", "decidedAt": NOW + timedelta(seconds=3)}, "sent 2026-03-02 12:00 UTC"),
        ({"state": "sent", "decidedAt": NOW + 2 * DAY}, "sent 2026-03-04 12:00 UTC, 2 days late"),
        (
            {"state": "skipped", "decidedAt": NOW, "why": "the lead allows no e-mail"},
            "skipped 2026-03-02 12:00 UTC: the lead allows no e-mail",
        ),
        (
            {"state": "cancelled", "decidedAt": NOW, "why": "the lead was lost"},
            "cancelled 2026-03-02 12:00 UTC: the lead was lost",
        ),
        ({"decided": {}, "decidedAt": NOW, "why": "all conditions held"}, "is being sent now"),
        ({}, "due since 2026-03-02 12:00 UTC, will be sent as soon as a nurture worker is free"),
        (
            {"dueAt": NOW + 4 * DAY, "wakeAt": NOW + 4 * DAY, "plannedAt": NOW, "why": "so"},
            "due 2026-03-06 12:00 UTC (in 3 days), planned for 2026-03-02 12:00 UTC, waits: so",
        ),
        ({"wakeAt": NOW + 2 * DAY, "why": "so"}, "due 2026-03-04 12:00 UTC (in 1 day), waits: so"),
    ],
)
def test_each_step_is_told_in_plain_words(fields: Any, words: str) -> None:
    enrolment, rows = new_enrolment(wish(), SHIPPED, NOW)
    (story,) = explain_nurture(lead(), [enrolment], [{**rows[0], **fields}], NOW + DAY, OPT_OUT)
    assert story.lines[0].words == words
    assert story.heading == (
        f"Getting to know each other (default, version {enrolment['sequenceVersion']}):"
        " since 2026-03-02 12:00 UTC, because of c1"
    )


def test_rounds_are_told_one_by_one_and_steps_without_an_enrolment_are_not_hidden() -> None:
    first = plan_enrolment(None, [wish("a")], SHIPPED, NOW, live=False)
    second = plan_enrolment(first.enrolment, [wish("b")], SHIPPED, NOW + 20 * DAY, live=False)
    stray = new_enrolment(wish("z", sequence="enterprise"), SHIPPED, NOW)[1]
    stories = explain_nurture(
        lead(), [second.enrolment], [*second.steps, *first.steps, *stray], NOW + 20 * DAY, OPT_OUT
    )
    assert [len(story.lines) for story in stories] == [3, 3, 4]
    assert ", round 2)" in stories[1].heading
    assert "unknown" in stories[2].heading


def test_what_is_still_scheduled_for_a_lead_that_is_over_is_said_not_to_go_out() -> None:
    enrolment, rows = new_enrolment(wish(), SHIPPED, NOW)
    (story,) = explain_nurture(lead(status="lost"), [enrolment], rows, NOW, OPT_OUT)
    assert {line.words for line in story.lines} == {"will not be sent: the lead was lost"}


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
        load_config(path, Sequences)


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ({"action": None}, "can't be read"),
        ({"source": {}}, "can't be read: it has no 'subject'"),
        ({"conditions": [{"field": "x", "operator": "resembles", "value": 1}]}, "condition can't be read: operator: "),
        (
            {"conditions": [{"field": "x", "operator": "matches", "value": r"(a)\1"}]},
            "condition can't be read: value: ",
        ),
        ({"conditions": 5}, "the step can't be read: TypeError"),
        ({"dueAt": "2026-05-01"}, "the step can't be read: TypeError"),
        ({"personalization": None}, "can't be read"),
    ],
)
def test_a_step_that_cannot_be_read_is_skipped_with_the_reason(broken: dict[str, Any], why: str) -> None:
    step = {**steps(lead())[0], **broken}
    judged = judge_in_time(step, lead(), None, NOW, OPT_OUT)
    assert judged.state == "skipped"
    assert why in judged.why


@pytest.mark.parametrize("missing", ["action", "conditions", "source", "personalization", "leadId", "dueAt"])
def test_so_is_one_that_lacks_something(missing: str) -> None:
    step = {name: value for name, value in steps(lead())[0].items() if name != missing}
    judged = judge_in_time(step, lead(), None, NOW, OPT_OUT)
    assert (judged.state, judged.why) == ("skipped", f"the step can't be read: it has no '{missing}'")


@pytest.mark.parametrize(
    ("text", "held", "state"),
    [
        ("2026-05-01T00:00:00Z", datetime(2026, 5, 1, tzinfo=UTC), "sent"),
        ("2026-05-01T00:00:00", datetime(2026, 5, 1, 3, 59, tzinfo=UTC), "skipped"),
        ("2026-05-01T00:00:00", datetime(2026, 5, 1, 4, tzinfo=UTC), "sent"),
        ("2026-05-01", "2026-05-01", "sent"),
        ("2026-05-01", "2026-04-30T23:00:00-04:00", "skipped"),
    ],
)
def test_a_date_that_an_older_version_stored_as_text_is_read_in_the_installation_s_zone(
    text: str, held: Any, state: str
) -> None:
    condition = {"field": "context.opens", "operator": "greater_or_equal", "value": text}
    step = {**steps(lead())[0], "conditions": [condition]}
    document = lead(context={"opens": held})
    assert judge_in_time(step, document, None, NOW, OPT_OUT, ZoneInfo("America/New_York")).state == state


def test_a_step_that_is_due_at_once_is_judged_in_the_installation_s_zone_as_all_others_are() -> None:
    condition = {"field": "context.opens", "operator": "greater_or_equal", "value": "2026-05-01"}
    step = {"id": "a", "delay": 0, "action": "email", "template": "t", "conditions": [condition]}
    raw = {
        "sequences": [{"id": "default", "name": "d", "steps": [step]}],
        "select": [],
        "templates": {"t": {"subject": "s", "body": "b"}},
    }
    zone, document = ZoneInfo("America/New_York"), lead(context={"opens": "2026-05-01"})
    sequences = Sequences.model_validate(raw, context={"zone": zone})
    admission = plan_enrolment(
        None, [EnrolmentRequest(document, sequences.by_id("default"), CAUSE)], sequences, NOW, live=False
    )
    (decided,) = decide_first_step(admission, document, NOW, OPT_OUT, zone).steps
    assert decided["state"] == "sent", decided["why"]


@pytest.mark.parametrize(
    ("fields", "own", "told"),
    [
        ({}, {}, {"firstName": "Ana"}),
        ({"industry": "restaurant", "size": "small"}, {}, {"industry": "restaurant", "companySize": "small"}),
        ({"industry": "restaurant"}, {"industry": "ours", "guide": "g"}, {"industry": "restaurant", "guide": "g"}),
        ({}, {"companySize": "ours", "firstName": "ours", "guide": "g"}, {"guide": "g"}),
    ],
)
def test_an_enrolment_tells_what_is_known_of_the_lead_and_the_steps_own_words_beside_it(
    fields: dict[str, Any], own: dict[str, str], told: dict[str, Any]
) -> None:
    document = lead(company={"name": "Blue Fork", **fields})
    first = SHIPPED.by_id("default").steps[0].model_copy(update={"personalization": own})
    short = SHIPPED.by_id("default").model_copy(update={"steps": (first,)})
    enrolment, planned = new_enrolment(EnrolmentRequest(document, short, CAUSE), SHIPPED, NOW)
    assert enrolled_event(enrolment, planned).personalization == {"firstName": "Ana", **told}
    old: list[Any] = [{name: value for name, value in step.items() if name != "ofLead"} for step in planned]
    assert enrolled_event(enrolment, old).personalization == own


@pytest.mark.parametrize("days", [1, 3])
def test_steps_still_to_come_of_a_lead_that_left_and_bounced_never_go(days: int) -> None:
    call_today, *_ = planned = steps(lead(), "high_value")
    gone = stating(stated(False, days, reason="unsubscribed"), stated(False, 2, reason="bounced"))
    assert {judge(step, gone).why for step in planned} == {"the lead unsubscribed"}
    assert judge(call_today, gone).state == "cancelled"
    (story,) = explain_nurture(gone, [], planned, NOW, OPT_OUT)
    assert {line.words for line in story.lines} == {"will not be sent: the lead unsubscribed"}
