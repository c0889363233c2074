# mypy: disable-error-code="arg-type,dict-item,misc"
# Documents of other releases, and of any shape, come in on purpose.
import random
from copy import deepcopy
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.capture.domain.claims import claims_of
from services.capture.domain.decide import decide
from services.capture.domain.plan import CapturePlan
from services.capture.domain.view import Capture, View
from shared.domain.causes import REMEMBERED_MAX
from shared.domain.identity.identity_rules import SHARED_MAX
from shared.domain.identity.normal_forms import identity_of
from tests.builders import NOW, capture, data, lead, reading_claims, written


class Store:
    """The three collections in memory, written the way the real ones are."""

    def __init__(self) -> None:
        self.view = View({}, {}, {})

    def decided(self, *captures: Capture) -> CapturePlan:
        """The plan for these captures, once every claim that it makes was read."""
        self.view = reading_claims(self.view, *claims_of(captures))
        plan = decide(captures, self.view, NOW, "US")
        if not plan.unread:
            return plan
        self.view = reading_claims(self.view, *plan.unread)
        return self.decided(*captures)

    def take(self, *captures: Capture) -> CapturePlan:
        plan = self.decided(*captures)
        self.view = written(self.view, plan)
        return plan

    @property
    def leads(self) -> Any:
        return self.view.leads

    def keep(self, **rows: Any) -> None:
        """Store these rows of captures, by key."""
        self.view = replace(self.view, rows={**self.view.rows, **rows})


def test_a_first_capture_creates_a_lead_with_its_values() -> None:
    store = Store()
    plan = store.take(capture("c1", data(company={"annualRevenue": 0})))
    (created,) = store.leads.values()
    assert plan.outcomes[0].row["outcome"] == "created"
    assert (created["status"], created["source"], created["company"]["annualRevenue"]) == ("new", "website", 0)


def test_a_duplicate_fills_what_is_empty_and_keeps_what_is_there() -> None:
    store = Store()
    store.take(capture("c1", data(company={"industry": "restaurant"}, requirements={"budget": 0})))
    plan = store.take(
        capture(
            "c2", data(source="trade_show", company={"industry": "hotel", "size": "small"}, requirements={"budget": 9})
        )
    )
    (merged,) = store.leads.values()
    row = plan.outcomes[0].row
    assert (row["outcome"], row["matchScore"], row["matchedOn"]) == ("merged", 175, ["email", "company_name"])
    assert row["filled"] == ["company.size"]
    assert merged["company"] == {"name": "Blue Fork", "industry": "restaurant", "size": "small"}
    assert merged["requirements"]["budget"] == 0, "zero is a value"
    assert merged["source"] == "website", "first touch stays"
    assert {"path": "company.industry", "value": "hotel"} in row["differed"]


def test_a_lost_lead_that_is_captured_again_becomes_new() -> None:
    store = Store()
    store.take(capture("c1"))
    (only,) = store.leads.values()
    only["status"] = "lost"
    plan = store.take(capture("c2"))
    assert only["_id"] in store.leads
    assert store.leads[only["_id"]]["status"] == "new"
    assert plan.outcomes[0].row["reopened"]


def test_the_highest_match_wins_and_the_other_is_noted() -> None:
    store = Store()
    store.take(capture("by-email", data(email="a@example.com", company="Elsewhere", first="Bo")))
    store.take(capture("by-person", data(email="b@example.com", phone="2125550142")))
    plan = store.take(capture("both", data(email="a@example.com", phone="2125550142")))
    by_person = store.view.rows["by-person"]["leadId"]
    row = plan.outcomes[0].row
    assert (row["leadId"], row["matchScore"]) == (by_person, 125)
    assert row["otherMatches"] == [store.view.rows["by-email"]["leadId"]]


def test_an_email_that_belongs_to_another_lead_is_never_filled_in() -> None:
    store = Store()
    store.take(capture("c1", data(email="a@example.com", company="Elsewhere", first="Bo")))
    store.take(capture("c2", data(email=None, phone="2125550142")))
    plan = store.take(capture("c3", data(email="a@example.com", phone="2125550142")))
    assert plan.outcomes[0].row["differed"] == [{"path": "contact.email", "value": "a@example.com"}], "nothing is lost"
    emails = [one["contact"].get("email") for one in store.leads.values()]
    assert sorted(emails, key=str) == sorted(["a@example.com", None], key=str)


def test_a_lead_is_known_by_every_email_it_was_captured_under() -> None:
    store = Store()
    store.take(capture("c1", data(email="work@example.com", phone="2125550142")))
    store.take(capture("c2", data(email="home@example.com", phone="2125550142")))
    store.take(capture("c3", data(email="home@example.com", company="Other", first="A.")))
    assert len(store.leads) == 1


def test_a_reserved_lead_that_was_never_stored_is_stored_under_its_reserved_id() -> None:
    store = Store()
    store.view = View({}, {"email:ana@example.com": ["reserved"]}, {})
    store.take(capture("c1"))
    assert list(store.leads) == ["reserved"]


def test_a_capture_that_comes_again_changes_nothing_and_is_told_again() -> None:
    store = Store()
    store.take(capture("c1"))
    store.take(capture("c2", data(company={"size": "large"})))
    before = deepcopy(store.leads)
    plan = store.take(capture("c1"), capture("c2", data(company={"size": "large"})))
    assert store.leads == before
    assert [outcome.row["outcome"] for outcome in plan.outcomes] == ["created", "merged"]
    assert [plan.rows, plan.redecided, plan.inserts, plan.sets, plan.claims] == [[], [], {}, {}, {}]


def test_a_row_without_its_lead_write_is_decided_again() -> None:
    store = Store()
    store.take(capture("c1"))
    (only,) = store.leads.values()
    store.keep(c2={"_id": "c2", "leadId": only["_id"], "ordinal": 2, "outcome": "merged"})
    plan = store.take(capture("c2", data(company={"size": "large"})))
    assert [row["_id"] for row in plan.redecided] == ["c2"]
    assert store.leads[only["_id"]]["company"]["size"] == "large"


def test_a_lead_stays_bounded_whatever_is_captured() -> None:
    store = Store()
    for number in range(200):
        store.take(capture(f"c{number}", data(context={f"key{number}": "x" * 50})))
    (only,) = store.leads.values()
    assert only["captureCount"] == 200
    assert len(only["decided"]) <= REMEMBERED_MAX
    assert len(only["context"]) == 50


PEOPLE = st.integers(0, 4)


@settings(max_examples=150, deadline=None)
@given(st.lists(PEOPLE, min_size=1, max_size=25), st.randoms(use_true_random=False), st.integers(1, 5))
def test_any_order_any_copies_and_any_batches_make_one_lead_a_person(
    who: list[int], rng: random.Random, copies: int
) -> None:
    captures = [
        capture(f"c{number}", data(email=f"p{person}@example.com".upper() if number % 2 else f" p{person}@example.com"))
        for number, person in enumerate(who)
    ] * copies
    rng.shuffle(captures)
    store = Store()
    while captures:
        size = rng.randint(1, 7)
        batch, captures = captures[:size], captures[size:]
        store.take(*{one.key: one for one in batch}.values())
    assert len(store.leads) == len(set(who))
    assert {row["leadId"] for row in store.view.rows.values()} == set(store.leads)
    assert sum(one["captureCount"] for one in store.leads.values()) == len(who)


@given(st.permutations(["title", "email", "phone", "size"]))
@settings(deadline=None)
def test_what_a_merge_fills_does_not_depend_on_the_order_of_captures_that_agree(order: list[str]) -> None:
    parts: dict[str, dict[str, Any]] = {
        "title": data(phone="2125550142", contact={"title": "Owner"}),
        "email": data(phone="2125550142"),
        "phone": data(email=None, phone="(212) 555-0142"),
        "size": data(phone="2125550142", company={"size": "small"}),
    }
    store = Store()
    for name in order:
        store.take(capture(name, parts[name]))
    (only,) = store.leads.values()
    assert only["contact"] | {"phone": "2125550142"} == {
        "firstName": "Ana",
        "lastName": "Reyes",
        "email": "ana@example.com",
        "phone": "2125550142",
        "title": "Owner",
    }
    assert only["company"]["size"] == "small"


def test_the_builder_s_lead_is_what_capture_stores() -> None:
    store = Store()
    store.take(capture("first"))
    (only,) = store.leads.values()
    assert set(lead()) == set(only)


def test_a_row_that_a_slower_process_overwrote_is_told_and_put_right_as_the_lead_remembers_it() -> None:
    faster, slower = Store(), Store()
    faster.take(capture("a"))
    # The slower one read the row, but not yet the lead: it takes the lead for one that was never written.
    slower.view = View(deepcopy(faster.view.rows), deepcopy(faster.view.claims), {})
    lost = slower.take(capture("b"), capture("a"))
    assert [one.row["outcome"] for one in lost.outcomes] == ["created", "merged"]
    # Its rows are there, its lead is not: the other's was there before. It decides anew.
    slower.view = replace(slower.view, leads=deepcopy(faster.view.leads))
    again = slower.take(capture("b"), capture("a"))
    assert [one.row["outcome"] for one in again.outcomes] == ["merged", "created"]
    assert slower.view.rows["a"] == faster.view.rows["a"]
    assert slower.take(capture("a"), capture("b")).redecided == []


@pytest.mark.parametrize("consented", [None, NOW - timedelta(days=1), NOW, NOW + timedelta(seconds=2)])
def test_a_capture_made_after_the_erasure_starts_a_lead_and_its_older_statement_is_void(
    consented: datetime | None,
) -> None:
    stone = {"_id": "stone", "leadId": "gone", "at": NOW}
    consent = {"email": True} | ({"capturedAt": consented} if consented else {})
    view = View({}, {"email:ana@example.com": []}, {}, {"email:ana@example.com": stone})
    made = [
        capture("late", data(consent=consent), NOW),
        capture("c", data(consent=consent), NOW + timedelta(seconds=1)),
    ]
    late, fresh = decide(made, view, NOW, "US").outcomes
    assert late.lead is None
    assert fresh.lead is not None
    assert ("email" in fresh.lead.get("consent", {})) is (consented is None or consented > NOW)


def _third_of_three(store: Store) -> CapturePlan:
    """The third capture merges into the first lead, and so comes to show the second lead's phone, company and name."""
    store.take(capture("c1", data(email="ana@gmail.example")))
    store.take(capture("c2", data(email="ana@bluefork.example", phone="(212) 555-0142")))
    third = data(email="ana@gmail.example", phone="(212) 555-0142", first="Anna", company="Blue Fork Bistro")
    return store.take(capture("c3", third))


def test_a_claim_that_a_merge_makes_and_nobody_read_is_asked_for() -> None:
    store = Store()
    store.take(capture("c1", data(email="ana@gmail.example")))
    third = capture("c3", data(email="ana@gmail.example", phone="(212) 555-0142", first="Anna"))
    view = reading_claims(store.view, *claims_of([third]))
    person = identity_of(data(phone="(212) 555-0142"), "US").person_claim
    assert decide([third], view, NOW, "US").unread == {person}


def test_a_merge_that_fills_a_phone_shares_the_person_with_the_lead_that_has_it() -> None:
    store = Store()
    plan = _third_of_three(store)
    first, second = (store.view.rows[key]["leadId"] for key in ("c1", "c2"))
    assert (plan.outcomes[0].row["leadId"], plan.outcomes[0].row["matchScore"]) == (first, 100)
    assert store.leads[first]["contact"]["phone"] == "(212) 555-0142"
    person = identity_of(data(phone="(212) 555-0142"), "US").person_claim
    assert store.view.claims[person or ""] == [second, first]
    assert plan.joins == [(person, first)]


def test_among_equal_matches_the_oldest_lead_wins() -> None:
    store = Store()
    _third_of_three(store)
    first, second = (store.view.rows[key]["leadId"] for key in ("c1", "c2"))
    for older, younger in ((first, second), (second, first)):
        store.leads[older]["createdAt"], store.leads[younger]["createdAt"] = NOW, NOW + timedelta(seconds=1)
        plan = store.take(capture(f"of {older}", data(email=None, phone="(212) 555-0142")))
        row = plan.outcomes[0].row
        assert (row["leadId"], row["matchScore"], row["otherMatches"]) == (older, 125, [younger])


def test_leads_that_share_a_person_are_bounded() -> None:
    store = Store()
    for number in range(SHARED_MAX + 20):
        store.take(capture(f"a{number}", data(email=f"p{number}@example.com")))
        another = data(email=f"p{number}@example.com", phone="(212) 555-0142", company=f"Other {number}")
        store.take(capture(f"b{number}", another))
    assert len(store.leads) == SHARED_MAX + 20
    assert max(len(holders) for holders in store.view.claims.values()) == SHARED_MAX
