"""Which claims are to be rewritten, and which leads meet by it."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.capture.domain.claim_forms import (
    KnownClaims,
    OlderClaim,
    Rewriting,
    current_email_claim,
    older_person_claim,
    plan_rewriting,
)
from shared.domain.identity.identity_rules import SHARED_MAX
from shared.domain.identity.normal_forms import identity_of
from shared.domain.identity.older_forms import OTHER_EMAIL, OTHER_NAME, OTHER_PHONE, older_claims
from shared.domain.identity.placeholders import NO_PLACEHOLDERS
from tests.builders import data, lead
from tests.older import older_identity

PHONE = "(212) 555-0142"
LEADS = st.lists(st.sampled_from([f"l{number}" for number in range(6)]), min_size=1, unique=True)
TEXT = st.text(st.sampled_from("aA&` nNdD-.'0\u00f8\u00fc\u2019\uff41\u0430"), max_size=8)


@given(
    st.text(max_size=8),
    st.sampled_from(["example.com", "b\u00fccher.example", "xn--bcher-kva.example", "\uff41.example"]),
)
def test_the_database_is_asked_for_each_address_whose_form_is_another_today(name: str, domain: str) -> None:
    stored = f"{name}@{domain}".strip().casefold()
    if current_email_claim(f"email:{stored}", NO_PLACEHOLDERS):
        assert re.search(OTHER_EMAIL, stored)


@given(TEXT, TEXT, TEXT, st.sampled_from([PHONE, "00 44 20 7946 0958", "020 7946 0958", "\uff12125550142"]))
def test_the_database_is_asked_for_each_person_whose_claim_is_another_today(
    company: str, first: str, last: str, phone: str
) -> None:
    payload = data(email=None, company=company, first=first, last=last, phone=phone)
    if older_claims(identity_of(payload, "US"), payload, "US"):
        assert re.search(OTHER_PHONE, phone) or any(re.search(OTHER_NAME, one) for one in (company, first, last))


def _known(company: str, *rows: Any) -> tuple[KnownClaims, list[set[str]]]:
    known = KnownClaims(lead(**data(phone=PHONE, company=company)), "US", NO_PLACEHOLDERS)
    return known, [known.see(row) for row in rows]


def _names(company: str) -> tuple[str, str]:
    payload = data(email=None, phone=PHONE, company=company)
    return older_identity(payload).person_claim or "", identity_of(payload, "US").person_claim or ""


def test_a_row_lacks_todays_name_only_of_a_claim_that_it_tells_or_spells() -> None:
    older, name = _names("Fork & Spoon")
    unlike = [{"path": "company.name", "value": "Elsewhere"}]
    known, lacking = _known(
        "Fork & Spoon",
        {"claims": [older]},
        {"claims": [older, name]},
        {"claims": [older], "differed": unlike},
        {"claims": [], "differed": unlike},
    )
    assert lacking == [{name}, set(), {name}, set()]
    assert older_person_claim(older, ["l", "gone"], {"l": known}) == OlderClaim(
        older, ["l", "gone"], {"l": [name]}, set()
    )


def test_a_claim_that_no_text_explains_stays_with_its_lead() -> None:
    older, name = _names("Fork & Spoon")
    known, _ = _known("Elsewhere", {"claims": [older]})
    assert older_person_claim(older, ["l"], {"l": known}) == OlderClaim(older, ["l"], {}, {"l"})
    assert (
        plan_rewriting([OlderClaim(older, ["l"], {}, {"l"})], {name: ["x"]}, {"l", "x"}, can_publish=True)
        == Rewriting()
    )


@pytest.mark.parametrize("can_tell", [True, False])
@given(first=LEADS, second=LEADS, held=LEADS, stored=LEADS)
def test_what_is_planned_loses_nobody_tells_of_all_who_meet_and_leaves_nobody_to_join(
    first: list[str], second: list[str], held: list[str], stored: list[str], *, can_tell: bool
) -> None:
    names = {"pcn:1": first, "pcn:2": second}
    before = [OlderClaim(name, holders, {one: ["pcn:new"] for one in holders}) for name, holders in names.items()]
    done = plan_rewriting(before, {"pcn:new": held}, stored, can_publish=can_tell)
    after = [*held, *done.joins.get("pcn:new", ())]
    assert len(after) == len(set(after)) <= SHARED_MAX
    left = {name: [one for one in holders if (name, one) not in done.releases] for name, holders in names.items()}
    assert {*first, *second} <= {*after, *left["pcn:1"], *left["pcn:2"]}
    assert {lead for _, lead in done.releases} <= {*stored} & {*after}
    assert can_tell or not done.pairs
    for lead_ in done.joins.get("pcn:new", ()):
        # Each meets all of today's, but for those with whom it shared an older claim.
        shared = {one for holders in (first, second) if lead_ in holders for one in holders}
        for other in {*held} - shared:
            assert (min(lead_, other), max(lead_, other)) in done.pairs
    again = [
        OlderClaim(name, holders, {one: ["pcn:new"] for one in holders}) for name, holders in left.items() if holders
    ]
    repeated = plan_rewriting(again, {"pcn:new": after}, stored, can_publish=can_tell)
    assert (repeated.joins, repeated.pairs) == ({}, {})
