"""Two leads that look like one person: the reasons, how likely it is, and one event for each pair."""

import itertools
import json
from datetime import timedelta
from typing import Any

import pytest

from schemas.reasons import SuspicionReason as Reason
from shared.domain.identity.normal_forms import NOT_GIVEN
from shared.domain.identity.suspicion import likelihood, pair_event_id, suspicion
from shared.domain.stored.lead_document import LeadDocument
from shared.kafka.events import Cause
from shared.leads.suspicions import suspected
from tests.builders import NOW, data, lead

LATER = NOW + timedelta(days=1)
PHONE = "(212) 555-0142"


def of(id_: str, at: Any = NOW, **given: Any) -> Any:
    return lead(_id=id_, createdAt=at, **{part: data(**given)[part] for part in ("company", "contact")})


def reasons(one: LeadDocument, other: LeadDocument, *claims: str) -> tuple[str, ...]:
    told = suspicion(one, other, claims, "US")
    return told.reasons if told else ()


def test_the_older_lead_is_the_one_that_looks_like_another_and_ties_go_by_id() -> None:
    for one, other in itertools.permutations((of("b"), of("a", LATER))):
        told = suspicion(one, other, (), "US")
        assert told is not None
        assert (told.lead_id, told.other_id) == ("b", "a")
    tied = suspicion(of("b"), of("a"), (), "US")
    assert tied is not None
    assert tied.lead_id == "a"


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        (["email:a@example.com"], (Reason.EMAIL,)),
        (["pcn:1"], (Reason.PHONE, Reason.NAME, Reason.COMPANY)),
        (["pcn:1", "email:a@example.com"], (Reason.EMAIL, Reason.PHONE, Reason.NAME, Reason.COMPANY)),
    ],
)
def test_a_claim_that_both_are_known_by_is_a_reason(claims: list[str], expected: tuple[Reason, ...]) -> None:
    other = of("b", email="bo@example.com", phone=PHONE, company="Elsewhere", first="Bo")
    assert reasons(of("a"), other, *claims) == expected


def test_what_both_documents_show_in_any_spelling_is_a_reason() -> None:
    one = of("a", email="ana@b\u00fccher.example", phone=PHONE, company="Fork & Spoon", last="S\u00f8rensen")
    other = of("b", email="Ana@xn--bcher-kva.example", phone="+12125550142", company="Fork and Spoon", last="Sorensen")
    assert reasons(one, other) == (Reason.EMAIL, Reason.PHONE, Reason.NAME, Reason.COMPANY)


def test_what_is_missing_is_no_reason_and_no_reason_is_no_suspicion() -> None:
    one, other = (of(id_, email=None, company=NOT_GIVEN, first=NOT_GIVEN) for id_ in "ab")
    assert reasons(one, other) == ()
    assert suspicion(one, other, (), "US") is None


def test_each_reason_makes_it_likelier_and_none_makes_it_certain() -> None:
    for count in range(1, len(Reason)):
        for some in itertools.combinations(Reason, count):
            more = [likelihood([*some, one]) for one in set(Reason) - set(some)]
            assert 0 < likelihood(some) < min(more) <= likelihood([*Reason]) < 1


def test_a_pair_has_one_event_whoever_tells_of_it_and_whenever() -> None:
    one, other = of("a"), of("b", LATER)
    first, again = suspicion(one, other, (), "US"), suspicion(other, one, ["pcn:1"], "US")
    assert first is not None
    assert again is not None
    events = [
        suspected(first, source="/commands/indexes", at=NOW),
        suspected(again, source="/services/matching", at=LATER, cause=Cause("key", "e-1", "c-1", "trace")),
    ]
    told = [json.loads(event.value or b"") for event in events]
    assert {event["id"] for event in told} == {pair_event_id("b", "a")}
    assert {event.key for event in events} == {b"a"}
    assert [event.get("causationid") for event in told] == [None, "e-1"]
    assert told[0]["data"]["leadId"] == told[0]["subject"] == "a"
    assert pair_event_id("a", "c") != pair_event_id("a", "b")
