import random
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.capture.domain.claims import claims_of, older_of, view_of_claims
from services.capture.domain.decide import decide
from services.capture.domain.plan import CapturePlan
from services.capture.domain.view import Capture, View
from shared.domain.identity.identity_rules import NAMES_MAX, IdentityRules
from shared.domain.identity.normal_forms import NOT_GIVEN, identity_of
from shared.domain.identity.older_forms import older_claims
from shared.domain.identity.placeholders import Placeholders
from tests.builders import NOW, capture, data, written

LISTED = IdentityRules(Placeholders(emails=("none@none.example",), phones=("212-555-0000",)))
FEW = IdentityRules(names_max=3)
EMAIL = "email:info@example.com"


class Store:
    """Captures, leads and claims in memory, written the way `store` writes them."""

    def __init__(self, counting: IdentityRules = FEW) -> None:
        self.counting = counting
        self.rows: dict[str, Any] = {}
        self.claims: dict[str, Any] = {}
        self.leads: dict[str, Any] = {}

    def plan(self, *captures: Capture) -> CapturePlan:
        further: set[str] = set()
        while True:
            view = view_of_claims([*claims_of(captures), *further], older_of(captures), self.claims)
            view = replace(view, rows=self.rows, leads=self.leads)
            plan = decide(captures, view, NOW, "US", self.counting)
            if not plan.unread:
                self.view = view
                return plan
            further |= plan.unread

    def take(self, *captures: Capture) -> CapturePlan:
        plan = self.plan(*captures)
        self.write(plan)
        view = written(self.view, plan)
        self.rows, self.leads = dict(view.rows), dict(view.leads)
        return plan

    def write(self, plan: CapturePlan) -> None:
        for claim, lead_id in plan.claims.items():
            self.claims.setdefault(claim, {"leadIds": [lead_id]})
        for claim, lead_id in plan.joins:
            self.claims[claim]["leadIds"].append(lead_id)
        for claim, marks in plan.marks.items():
            held = self.claims[claim].setdefault("names", [])
            held += [one for one in marks if one not in held]


def named(number: int, email: str = "info@example.com", **more: Any) -> Capture:
    payload = data(email=email, first=f"First{number}", company=f"Company {number}", **more)
    return with_older(capture(f"c{number}", payload))


def _marked(one: Capture, markers: Any) -> View:
    """The view of a person whose identifiers have these erasure markers."""
    return replace(view_of_claims(claims_of([one]), {}, {}), markers=markers)


def with_older(one: Capture) -> Capture:
    older = older_claims(one.identity, one.data, "US")
    return Capture(one.key, one.event_source, one.event_id, one.captured_at, one.data, one.identity, older)


def test_an_email_identifies_up_to_the_bound_and_no_one_beyond_it() -> None:
    store = Store()
    for number in range(FEW.names_max):
        store.take(named(number))
    assert (len(store.leads), len(store.claims[EMAIL]["names"])) == (1, FEW.names_max)
    beyond = store.take(named(3))
    assert len(store.leads) == 2
    assert beyond.outcomes[0].row["claims"] == []
    for number in range(4, 30):
        assert store.take(named(number)).marks == {}
    assert (len(store.leads), len(store.claims[EMAIL]["names"])) == (28, FEW.names_max + 1)
    assert store.claims[EMAIL]["leadIds"] == [beyond.shared[0]]
    assert all(one["contact"]["email"] == "info@example.com" for one in store.leads.values()), "what was sent is kept"


def test_the_bound_is_that_of_the_settings() -> None:
    store = Store(IdentityRules())
    store.take(*(named(number) for number in range(NAMES_MAX)))
    assert len(store.leads) == 1
    store.take(*(named(number) for number in range(NAMES_MAX, NAMES_MAX + 5)))
    assert len(store.leads) == 6


def test_a_name_that_was_captured_before_the_bound_does_not_match_beyond_it() -> None:
    store = Store()
    store.take(*(named(number) for number in range(5)))
    again = data(email="info@example.com", first="First0", company="Company 0")
    assert store.take(capture("again", again)).outcomes[0].row["outcome"] == "created"


def test_a_redelivery_around_the_bound_changes_nothing() -> None:
    store, captures = Store(), [named(number) for number in range(6)]
    for one in captures:
        store.take(one)
    before = deepcopy((store.leads, store.claims, store.rows))
    for one in reversed(captures):
        plan = store.take(one)
        assert (plan.marks, plan.shared, plan.inserts, plan.sets) == ({}, [], {}, {})
    assert (store.leads, store.claims, store.rows) == before


@pytest.mark.parametrize("crashed", range(6))
def test_a_process_killed_after_its_marks_decides_the_same_again(crashed: int) -> None:
    store, whole, captures = Store(), Store(), [named(number) for number in range(6)]
    for number, one in enumerate(captures):
        whole.take(one)
        if number == crashed:
            store.write(store.plan(one))
        store.take(one)
    assert (store.leads, store.claims, store.rows) == (whole.leads, whole.claims, whole.rows)


def test_two_decisions_at_once_pass_the_bound_with_the_marks_of_both() -> None:
    store = Store()
    store.take(*(named(number) for number in range(3)))
    plans = [store.plan(named(number)) for number in (3, 4)]
    for plan in plans:
        store.write(plan)
        assert plan.outcomes[0].row["outcome"] == "created"
    assert len(store.claims[EMAIL]["names"]) == 5
    assert store.take(named(5)).marks == {}


def test_any_order_of_captures_ends_in_as_many_leads() -> None:
    for seed in range(20):
        store, captures = Store(), [named(number % 9) for number in range(9)]
        random.Random(seed).shuffle(captures)
        for one in captures:
            store.take(one)
        assert len(store.leads) == 1 + 9 - FEW.names_max


def test_the_usual_capture_writes_no_mark_of_its_own() -> None:
    store, usual = Store(), data(email="info@example.com")
    first = store.take(capture("c1", usual))
    assert set(first.marks) <= set(first.claims), "with the claim"
    assert store.take(capture("c2", usual)).marks == {}
    assert store.take(capture("c3", usual | {"source": "trade_show"})).marks == {}


def test_a_name_that_was_not_given_is_no_name() -> None:
    store = Store()
    for number in range(9):
        store.take(capture(f"c{number}", data(email="info@example.com", first=NOT_GIVEN, last=NOT_GIVEN)))
    assert len(store.leads) == 1
    assert "names" not in store.claims[EMAIL]


def test_a_shared_email_leaves_phone_company_and_name_to_match_by() -> None:
    store = Store()
    store.take(*(named(number) for number in range(4)))
    first = store.take(named(5, phone="(212) 555-0142"))
    again = capture("again", {**named(5, phone="212.555.0142").data})
    assert store.take(again).outcomes[0].row["leadId"] == first.outcomes[0].row["leadId"]


def test_a_consent_at_a_shared_address_is_kept_there_and_one_at_a_listed_address_for_any() -> None:
    store = Store(IdentityRules(LISTED.placeholders, names_max=1))
    store.take(named(1), named(2))
    for email, address in (("info@example.com", "info@example.com"), ("none@none.example", None)):
        plan = store.take(named(7, email=email, consent={"email": False}))
        assert [one["address"] for one in plan.outcomes[0].row["stated"]] == [address]
        store.rows.pop("c7")


def test_a_no_at_a_placeholder_holds_for_the_real_address_that_takes_its_place() -> None:
    store = Store(LISTED)
    store.take(named(1, email="none@none.example", phone="212-555-0142", consent={"email": False}))
    late = data("ana@example.com", "212-555-0142", "Company 1", "First1")
    (lead,) = (one.lead for one in store.take(capture("real", late)).outcomes)
    assert lead is not None
    assert lead["contact"]["email"] == "ana@example.com"
    assert lead["consent"]["email"] is False


@pytest.mark.parametrize(("names", "claims"), [(FEW.names_max, [EMAIL]), (FEW.names_max + 1, [])])
def test_a_shared_address_stays_shared_when_the_lead_that_held_it_is_erased(names: int, claims: list[str]) -> None:
    one = named(9)
    view = _marked(one, {EMAIL: {"_id": "x", "leadId": "gone", "at": NOW - timedelta(days=1), "names": names}})
    (outcome,) = decide([one], view, NOW, "US", FEW).outcomes
    assert outcome.row["claims"] == claims


def test_a_late_capture_with_a_shared_address_is_not_taken_for_the_erased_person_s() -> None:
    one = named(9)
    view = _marked(one, {EMAIL: {"_id": "x", "leadId": "gone", "at": NOW + timedelta(days=1), "names": 4}})
    (outcome,) = decide([one], view, NOW, "US", FEW).outcomes
    assert outcome.lead is not None


def test_what_an_erased_person_refused_at_a_placeholder_is_nobody_else_s_word() -> None:
    other = named(2, email="none@none.example")
    stone = {"_id": "x", "leadId": "gone", "at": NOW - timedelta(days=1)}
    refused = [{"at": NOW - timedelta(days=2), "reason": "unsubscribed"}]
    view = _marked(other, {"email:none@none.example": stone | {"refused": refused}})
    (outcome,) = decide([other], view, NOW, "US", LISTED).outcomes
    assert outcome.lead is not None
    assert not outcome.lead.get("standing")


def test_a_listed_address_makes_no_claim_and_no_match() -> None:
    store = Store(LISTED)
    plans = [store.take(named(number, email="None@none.example")) for number in range(3)]
    assert len(store.leads) == 3
    assert (store.claims, [plan.marks for plan in plans]) == ({}, [{}] * 3)
    assert {one["contact"]["email"] for one in store.leads.values()} == {"None@none.example"}


def test_a_listed_phone_makes_no_claim_and_no_match() -> None:
    store = Store(LISTED)
    for number in range(2):
        store.take(capture(f"c{number}", data(email=None, phone="(212) 555-0000")))
    assert len(store.leads) == 2
    assert store.claims == {}


def test_a_real_address_takes_the_place_of_a_listed_one() -> None:
    store = Store(LISTED)
    store.take(capture("c1", data(email="none@none.example", phone="(212) 555-0142")))
    plan = store.take(capture("c2", data(email="ana@example.com", phone="(212) 555-0142")))
    (lead,) = store.leads.values()
    row = plan.outcomes[0].row
    assert (lead["contact"]["email"], row["filled"], row["differed"]) == ("ana@example.com", ["contact.email"], [])
    back = store.take(capture("c3", data(email="none@none.example", phone="(212) 555-0142")))
    assert back.outcomes[0].row["differed"] == [{"path": "contact.email", "value": "none@none.example"}]
    assert store.leads == {lead["_id"]: store.leads[lead["_id"]]}


TYPED = data(email="ana@b\u00fccher.example", phone="2125550142", company="Fork & Spoon", last="S\u00f8rensen")
IN_PUNYCODE = {**TYPED, "contact": {**TYPED["contact"], "email": "Ana@xn--bcher-kva.example"}}


def before_the_upgrade(store: Store, one: Capture) -> str:
    """Take a capture, and leave its claims as an earlier release made them."""
    lead_id: str = store.take(one).outcomes[0].row["leadId"]
    store.claims = {form: {"leadIds": [lead_id]} for form in one.older} | {
        claim: row for claim, row in store.claims.items() if claim not in one.older.values()
    }
    for row in store.claims.values():
        row.pop("names", None)
    return lead_id


@pytest.mark.parametrize("again", [TYPED, IN_PUNYCODE])
def test_a_lead_of_before_the_upgrade_is_found_and_claimed_in_today_s_form(again: dict[str, Any]) -> None:
    store, one = Store(), with_older(capture("c1", IN_PUNYCODE))
    lead_id = before_the_upgrade(store, one)
    assert len(store.claims) == 2, "both are in an older form"
    plan = store.take(with_older(capture("c2", again)))
    assert plan.outcomes[0].row["leadId"] == lead_id
    assert plan.claims == dict.fromkeys(one.identity.claims, lead_id)
    assert len(store.leads) == 1
    assert store.take(with_older(capture("c3", again))).claims == {}, "once"


def test_what_leads_to_an_erased_lead_is_released_in_every_form() -> None:
    store, one = Store(), with_older(capture("c1", IN_PUNYCODE))
    lead_id = before_the_upgrade(store, one)
    view = view_of_claims(claims_of([one]), one.older, store.claims)
    view = replace(view, markers={f"lead:{lead_id}": {"_id": "t", "leadId": lead_id, "at": NOW}})
    plan = decide([one], view, NOW, "US")
    assert set(plan.releases) >= {(form, lead_id) for form in one.older}
    assert plan.outcomes[0].lead is None


def test_a_person_known_in_an_older_form_only_can_still_be_shared() -> None:
    store, one = Store(), with_older(capture("c1", TYPED))
    before_the_upgrade(store, one)
    store.take(capture("c2", data(email="bo@example.com", company="Elsewhere", first="Bo")))
    store.rows["c3"] = {"_id": "c3", "leadId": store.rows["c2"]["leadId"], "ordinal": 2, "outcome": "merged"}
    plan = store.take(with_older(capture("c3", TYPED)))
    person = identity_of(TYPED, "US").person_claim or ""
    assert plan.claims[person] == store.rows["c2"]["leadId"]
    assert plan.joins == []
