# mypy: disable-error-code="arg-type,dict-item,misc"
# Documents of other releases, and of any shape, come in on purpose.
from datetime import timedelta
from typing import Any

import pytest

from services.capture.domain.erasure import resurrected_leads
from services.composition.permissions import GATEWAY, OPERATIONS, PROCESSES, mongo_actions
from services.erasure.domain.decide import Erasure, KnownLeads, decide_verdict, names_of_lead, not_found, plan_erasures
from shared.mongo import names as collections
from tests.builders import NOW, lead

STONE = {"leadId": "gone", "at": NOW}
LATER = NOW + timedelta(hours=1)


def known(**fields: Any) -> KnownLeads:
    return KnownLeads(**{"verdicts": {}, "by_email": {}, "leads": frozenset(), "markers": {}, **fields})


def test_every_collection_has_its_place_in_the_registry() -> None:
    named = {value for name, value in vars(collections).items() if name.isupper() and isinstance(value, str)}
    assert named == {one.name for one in collections.COLLECTIONS}


@pytest.mark.parametrize("collection", collections.COLLECTIONS, ids=lambda one: str(one.name))
def test_the_owner_of_a_collection_may_insert_there(collection: collections.Collection) -> None:
    if collection.owner == "shared":
        inserting = [process for process in PROCESSES if "insert" in mongo_actions(process).get(collection.name, ())]
        assert len(inserting) > 1
    else:
        # The gateway's keys and users are made by its commands.
        of_owner = {"gateway": (GATEWAY, OPERATIONS)}.get(collection.owner, (collection.owner,))
        assert any("insert" in mongo_actions(process).get(collection.name, ()) for process in of_owner)


@pytest.mark.parametrize(
    ("lead_id", "email", "stored", "whom"),
    [
        ("a", None, known(leads=frozenset({"a"})), "a"),
        (None, " ANA@example.com", known(leads=frozenset({"a"}), by_email={"ana@example.com": "a"}), "a"),
        ("gone", None, known(markers={"lead:gone": STONE}), "gone"),
        (None, "Ana@example.com", known(markers={"email:ana@example.com": STONE}), "gone"),
        ("a", None, known(), None),
        (None, "ana@example.com", known(), None),
        (None, "ana@example.com", known(by_email={"ana@example.com": "reserved"}), None),
    ],
)
def test_a_command_means_the_lead_it_names_or_the_one_that_its_address_leads_to(
    lead_id: str | None, email: str | None, stored: KnownLeads, whom: str | None
) -> None:
    row = decide_verdict("k", lead_id, email, stored, NOW)
    assert (row and row["leadId"]) == whom


def test_an_address_that_leads_to_somebody_new_by_now_means_that_one_but_a_verdict_holds() -> None:
    fresh = known(
        leads=frozenset({"new"}),
        by_email={"ana@example.com": "new"},
        markers={"email:ana@example.com": STONE},
    )
    first = decide_verdict("k1", None, "ana@example.com", fresh, NOW)
    assert first is not None
    assert (first["leadId"], first["done"]) == ("new", False)
    held = {"k0": {"_id": "k0", "leadId": "gone", "done": True}}
    again = decide_verdict(
        "k0", None, "ana@example.com", KnownLeads(held, fresh.by_email, fresh.leads, fresh.markers), NOW
    )
    assert again is held["k0"]


def test_a_lead_is_known_by_its_id_and_by_all_that_any_capture_claimed() -> None:
    rows = [{"claims": ["email:old@example.com"]}, {"claims": ["pcn:1", "email:ana@example.com"]}, {}]
    assert names_of_lead("lead-1", lead(), rows, "US") == {
        "lead:lead-1",
        "email:old@example.com",
        "email:ana@example.com",
        "pcn:1",
    }
    assert names_of_lead("lead-1", None, rows[:1], "US") == {"lead:lead-1", "email:old@example.com"}


def test_only_the_stone_of_the_id_says_whose_work_the_lead_was() -> None:
    account = {"number": 3, "holder": "kim", "log": []}
    one = Erasure("lead-1", NOW, lead(assignment={"account": account}), frozenset({"lead:lead-1", "email:a@b.c"}))
    assert one.marker("lead:lead-1") == {"leadId": "lead-1", "at": NOW, "account": account}
    assert one.marker("email:a@b.c") == {"leadId": "lead-1", "at": NOW}


def test_two_commands_for_one_lead_are_one_farewell_as_of_the_first() -> None:
    rows = [{"leadId": "lead-1", "at": LATER}, {"leadId": "lead-1", "at": NOW}, {"leadId": "b", "at": LATER}]
    captures = [{"leadId": "b", "claims": ["email:b@example.com"]}]
    first, second = plan_erasures(rows, {"lead-1": lead()}, captures, "US")
    assert (first.lead_id, first.at, first.lead is not None) == ("lead-1", NOW, True)
    assert (second.lead_id, second.at, second.lead) == ("b", LATER, None)
    assert second.names == {"lead:b", "email:b@example.com"}


def test_a_command_whose_lead_never_came_is_rejected_for_good() -> None:
    row = not_found("k", "nobody", NOW)
    assert (row["reason"], row["done"]) == ("lead_not_found", True)
    assert decide_verdict("k", "nobody", None, known(verdicts={"k": row}, leads=frozenset({"nobody"})), LATER) is row


@pytest.mark.parametrize(
    ("fields", "taken"),
    [
        ({}, ["gone"]),
        ({"consent": {"email": True, "capturedAt": NOW}}, ["gone"]),
        ({"consent": {"email": False, "capturedAt": NOW}}, []),
        ({"assignment": {"account": {"number": 1}}}, []),
        ({"revision": 2}, []),
    ],
)
def test_capture_takes_back_a_stray_lead_but_none_that_an_erasure_under_way_still_needs(
    fields: dict[str, Any], taken: list[str]
) -> None:
    left = resurrected_leads({"gone": lead(**fields), "other": lead()}, {"lead:gone": STONE})
    assert left == {lead_id: {"revision": 1, "assignment": None} for lead_id in taken}
