from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.commands import OPPORTUNITY_BYTES, Bant, ConvertLead
from schemas.lead import Lead, Status
from schemas.outputs import LeadRejected
from schemas.reasons import RejectionReason
from schemas.topics import REJECTED
from services.assignment.domain.decide import (
    DEFAULT_RULE,
    LOG_MAX,
    AssignmentRules,
    LoadChange,
    choose_owners,
    erased_load_changes,
    is_open,
    is_unsettled,
    load_changes,
    load_ledger,
)
from services.conversion.domain import decide as conversion
from services.qualification.domain import decide as qualification
from shared.config import load_config
from shared.domain.bant import bant_score
from shared.domain.identity.normal_forms import NOT_GIVEN
from shared.kafka.events import Cause, emit
from shared.settings import Settings
from tests.builders import NOW, lead

RULES = load_config(Settings().assignment_file, AssignmentRules)


def test_a_lead_has_one_opportunity_id_for_ever_and_the_request_wins_over_the_lead() -> None:
    one = lead(status="qualified", requirements={"budget": 500})
    first = conversion.convert_lead(one, {"amount": 9.0}, "command-1", NOW)
    second = conversion.convert_lead(one, {}, "command-2", NOW)
    assert first["convertedToOpportunityId"] == second["convertedToOpportunityId"]
    assert first["conversion"]["opportunity"]["amount"] == 9.0
    assert second["conversion"]["opportunity"]["amount"] == 500
    assert first["conversion"]["opportunity"]["leadSource"] == "website"
    description = conversion.conversion_activity("command-1", "lead-1", "sam", NOW)["description"]
    assert description == f"Lead converted to opportunity {first['convertedToOpportunityId']}"


def test_an_opportunity_is_called_by_the_names_that_are_given() -> None:
    one = lead(status="qualified", company={"name": "Blue Fork"}, contact={"firstName": "Ana", "lastName": NOT_GIVEN})
    assert conversion.build_opportunity(one, {})["name"] == "Blue Fork - Ana"


def asked(key: str = "c", minutes: int = 0, by: str = "sam") -> qualification.QualificationRequest:
    at = NOW + timedelta(minutes=minutes)
    return qualification.QualificationRequest(key, by, at, (at.isoformat(timespec="microseconds"), key))


FULL: dict[str, Any] = {
    "budget": {"confirmed": True, "amount": 100},
    "authority": {"isDecisionMaker": True},
    "need": {"painPoints": ["waste"]},
    "timeline": {"urgency": "within_month"},
}


@pytest.mark.parametrize(
    ("missing", "score", "status"),
    [
        ((), 100, "qualified"),
        (("need",), 75, "qualified"),
        (("need", "budget"), 50, "unqualified"),
        (tuple(FULL), 0, "unqualified"),
    ],
)
def test_bant_gives_25_each_and_qualifies_from_75(missing: tuple[str, ...], score: int, status: str) -> None:
    bant = Bant.model_validate({name: value for name, value in FULL.items() if name not in missing})
    assert bant_score(bant) == score
    assert qualification.qualify_by_bant(lead(), bant, asked())["status"] == status
    activity = qualification.qualification_activity("c", "lead-1", bant, "sam", NOW)
    assert (activity["description"], activity["outcome"]) == (f"BANT qualification completed - Score: {score}", status)


@pytest.mark.parametrize("urgency", ["within_quarter", "future"])
def test_a_need_that_can_wait_counts_nothing(urgency: str) -> None:
    assert bant_score(Bant.model_validate({"timeline": {"urgency": urgency}})) == 0


def test_progressive_qualification_merges_requirements_and_loses_none() -> None:
    known = lead(requirements={"budget": 5, "painPoints": ["waste"], "timeline": "soon"})
    learned = qualification.qualify_progressively(known, {"budget": 0, "painPoints": ["price", "waste"]}, asked())
    assert learned["requirements"] == {"budget": 0, "painPoints": ["waste", "price"], "timeline": "soon"}


def test_what_a_bant_gives_replaces_and_what_it_leaves_out_stays() -> None:
    known = lead(requirements={"budget": 5, "painPoints": ["waste"], "decisionMakers": ["Lee"], "timeline": "soon"})
    given = {
        "budget": {"confirmed": True, "amount": 0},
        "authority": {"decisionMakers": []},
        "need": {"painPoints": ["price"], "currentSolution": " "},
        "timeline": {"factors": ["season"]},
    }
    after = qualification.qualify_by_bant(known, Bant.model_validate(given), asked())
    assert after["requirements"] == {
        "budget": 0,
        "painPoints": ["price"],
        "decisionMakers": ["Lee"],
        "timeline": "soon",
    }


@pytest.mark.parametrize(
    ("timeline", "expected"),
    [
        ({"urgency": "future", "implementationDate": "2026-06-01T08:30:00Z"}, "2026-06-01T08:30:00Z"),
        ({"implementationDate": "2026-06-01T08:30:00+02:00"}, "2026-06-01T08:30:00+02:00"),
        ({"urgency": "future"}, "future"),
        ({}, None),
    ],
)
def test_a_bant_s_timeline_is_its_date_of_implementation_else_its_urgency(
    timeline: dict[str, Any], expected: str | None
) -> None:
    bant = Bant.model_validate({"timeline": timeline})
    assert qualification.requirements_of(bant).get("timeline") == expected


def test_the_whole_bant_is_kept_on_the_lead() -> None:
    given = {
        "budget": {"confirmed": True, "amount": 9.5, "timeframe": "Q3"},
        "authority": {"isDecisionMaker": False, "decisionMakers": ["Ana"], "approvalProcess": "the board"},
        "need": {"currentSolution": "cash and carry", "painPoints": ["waste"], "requirements": ["HACCP"]},
        "timeline": {"urgency": "immediate", "implementationDate": "2026-06-01T00:00:00Z", "factors": ["season"]},
    }
    held = qualification.qualify_by_bant(lead(), Bant.model_validate(given), asked(by="kim"))["qualification"]
    assert (held["method"], held["bantScore"], held["bant"]) == ("bant", 75, given)
    assert (held["by"], held["at"]) == ("kim", NOW)


def test_of_two_bants_the_newer_by_its_time_is_kept_whatever_order_they_arrive_in() -> None:
    steps = [("a", 1, True), ("b", 2, False), ("c", 2, True)]
    held = set()
    for order in permutations(steps):
        one = lead()
        for key, minutes, confirmed in order:
            bant = Bant.model_validate({"budget": {"confirmed": confirmed, "amount": minutes}})
            one |= qualification.qualify_by_bant(one, bant, asked(key, minutes))
        held.add((one["qualification"]["cause"], one["qualification"]["bantScore"], one["qualification"]["at"]))
    assert held == {("c", 25, NOW + timedelta(minutes=2))}


def test_a_later_progressive_qualification_leaves_the_bant_and_an_older_bant_leaves_the_method() -> None:
    bant, older = Bant.model_validate(FULL), Bant.model_validate({})
    one = lead() | qualification.qualify_by_bant(lead(), bant, asked("a", 1))
    one |= qualification.qualify_progressively(one, {"budget": 1}, asked("b", 2))
    one |= qualification.qualify_by_bant(one, older, asked("z", 0))
    held = one["qualification"]
    assert (held["method"], held["cause"], held["bantScore"]) == ("progressive", "b", 100)
    assert held["bant"]["need"] == {"painPoints": ["waste"]}
    assert one["status"] == "unqualified", "a command is carried out when it comes"


def test_a_qualification_of_an_earlier_release_gives_way_to_any() -> None:
    old = lead(qualification={"method": "bant", "cause": "x", "bantScore": 100})
    held = qualification.qualify_by_bant(old, Bant.model_validate({}), asked())["qualification"]
    assert (held["cause"], held["bantScore"]) == ("c", 0)


def test_a_lead_stays_valid_and_bounded_however_often_it_is_qualified() -> None:
    one = lead()
    for number in range(80):
        one |= qualification.qualify_progressively(
            one, {"painPoints": [f"pain {number}", "waste"]}, asked(f"c{number}")
        )
    assert len(one["requirements"]["painPoints"]) == 50
    assert "pain 79" in one["requirements"]["painPoints"]
    assert Lead.of(one).status == "qualified"


def test_a_batch_of_leads_is_spread_over_the_owners_with_the_fewest_open_leads() -> None:
    leads = [lead(_id=f"l{number}", company={"industry": "restaurant"}) for number in range(30)]
    given = choose_owners(leads, RULES, {"robin.sales": 10})
    owners = [assignment.owner for assignment in given.values()]
    assert {assignment.rule for assignment in given.values()} == {"restaurants"}
    assert (owners.count("robin.sales"), owners.count("sam.sales"), owners.count("alex.sales")) == (4, 13, 13)


def test_a_lead_that_no_rule_takes_goes_to_the_default_queue() -> None:
    (given,) = choose_owners([lead()], RULES, {}).values()
    assert (given.owner, given.rule) == (RULES.default_queue, DEFAULT_RULE)


def test_a_lead_with_an_owner_keeps_them() -> None:
    assert choose_owners([lead(assignedTo="sam")], RULES, {}) == {}


def test_an_opportunity_that_could_not_travel_on_is_refused_with_its_path() -> None:
    request = {"leadId": "l", "requestedBy": "sam", "opportunity": {"notes": "x" * OPPORTUNITY_BYTES}}
    with pytest.raises(ValidationError) as refused:
        ConvertLead.model_validate(request)
    assert [fault["loc"] for fault in refused.value.errors()] == [("opportunity",)]


def test_no_event_is_published_that_our_own_readers_would_refuse() -> None:
    cause = Cause("k", "e", "c")
    payload = LeadRejected(
        lead_id="l", command="leads.convert", command_id="c", reason=RejectionReason.LEAD_LOST, detail="x" * 2**18
    )
    with pytest.raises(ValueError, match=r"leads\.rejected would have"):
        emit(REJECTED, payload, cause=cause, key="l", source="/services/conversion", at=NOW)


def _load(changes: list[LoadChange]) -> dict[str, int]:
    """What an account comes to that counts each shift once."""
    counted = {(one.key, one.owner): one.by for one in changes}
    return {owner: total for owner in "ab" if (total := sum(by for (_, who), by in counted.items() if who == owner))}


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(list(Status))), min_size=1, max_size=LOG_MAX))
def test_whatever_happens_to_a_lead_it_counts_for_its_owner_while_it_is_open(history: list[tuple[str, Status]]) -> None:
    one, told = lead(), list[LoadChange]()
    for owner, status in history:
        one |= {"assignedTo": owner, "status": status.value}
        if is_unsettled(one):
            one |= {"assignment": {**one.get("assignment", {}), "account": load_ledger(one, NOW)}}
        told += load_changes(one)
    assert _load(told) == _load(load_changes(one)) == ({owner: 1} if is_open(one) else {})
    tombstone: Any = {"leadId": one["_id"], "at": NOW, "account": one.get("assignment", {}).get("account")}
    assert _load(told + erased_load_changes(tombstone)) == {}
