"""Consent: the newest statement by its own time holds, whatever order statements arrive in."""

import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.consent.contact_permission import ConsentPolicy, departure, hindrance, may
from shared.domain.consent.statements import ADDRESSES_MAX, Statement, effect, fold, restate
from shared.domain.stored.lead_document import ConsentRegister
from tests.builders import NOW, lead

OWN = {"email": "ana@example.com", "phone": "+13125550100"}
OPT_OUT, OPT_IN = ConsentPolicy("opt_out", "US"), ConsentPolicy("opt_in", "US")
CONTACT = {"firstName": "Ana", "lastName": "Reyes", "email": "Ana@example.com", "phone": "(312) 555-0100"}


def said(given: bool = True, hours: int = 0, **fields: Any) -> Statement:  # noqa: FBT001, FBT002 - the yes or no itself
    usual: dict[str, Any] = {
        "channel": "email",
        "address": OWN["email"],
        "source": "/forms/website",
        "cause": f"c{hours}{given}",
    }
    return Statement(**usual | {"given": given, "at": NOW + timedelta(hours=hours)} | fields)


def left(hours: int = 0, **fields: Any) -> Statement:
    return said(given=False, hours=hours, **{"reason": "unsubscribed"} | fields)


def bounced(hours: int = 0, **fields: Any) -> Statement:
    return said(given=False, hours=hours, **{"reason": "bounced"} | fields)


def held(*statements: Statement, channel: str = "email", address: str | None = OWN["email"]) -> bool | None:
    return effect(fold((), statements, OWN), channel, address).given


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ([], None),
        ([said(True)], True),
        ([said(False)], False),
        ([said(True, 1), said(False, 2)], False),
        ([said(True, 2), said(False, 1)], True),
        ([said(True, 1), said(False, 1)], False),
        ([left(1), said(True, 2)], True),
        ([left(2), said(True, 1)], False),
        ([left(1), said(True, 2, dated=False)], False),
        ([said(False, 1), said(True, 2, dated=False)], False),
        ([said(True, 0, dated=False)], True),
        ([said(True, 1), said(False, 0), said(True, 2, dated=False)], True),
        ([bounced(1), said(True, 2)], False),
        ([bounced(1, address="old@example.com"), said(True, 0)], True),
        ([bounced(1, address=None)], None),
        ([left(1, address="old@example.com")], False),
        ([left(1, address="old@example.com"), said(True, 2)], True),
        ([left(1, reason="complained"), said(True, 2)], True),
        ([said(True, 1, address="old@example.com")], None),
        ([said(False, 1, address="old@example.com"), said(True, 0)], True),
        ([said(False, 1, address=None), said(True, 0)], False),
        ([said(False, 1, channel="phone", address=OWN["phone"])], None),
    ],
)
def test_the_newest_statement_by_its_own_time_holds(
    statements: list[Statement],
    expected: bool | None,  # noqa: FBT001
) -> None:
    assert held(*statements) is expected
    assert held(*reversed(statements)) is expected


def _drawn(seed: int, count: int) -> list[Statement]:
    """A history over a small alphabet of times and addresses, so that statements meet."""
    draw = random.Random(seed)
    statements = []
    for number in range(count):
        reason = draw.choice(["stated", "stated", "stated", "unsubscribed", "complained", "bounced"])
        channel = draw.choice(["email", "phone"]) if reason == "stated" else "email"
        addresses = [OWN[channel], None, *(f"a{one:02}@example.com" for one in range(40))]
        more = {"channel": channel, "address": draw.choice(addresses), "cause": f"c{number}", "reason": reason}
        given = reason == "stated" and draw.random() < 0.6
        statements.append(said(given, draw.randrange(12), **more, dated=draw.random() < 0.8))
    return statements


@pytest.mark.parametrize("seed", range(10))
def test_a_history_of_200_statements_comes_out_the_same_in_any_order_and_any_parts(seed: int) -> None:
    statements, draw = _drawn(seed, 200), random.Random(seed)
    whole = fold((), statements, OWN)
    for _ in range(5):
        order = draw.sample(statements, len(statements)) + draw.sample(statements, 20)
        registers: list[ConsentRegister] = []
        while order:
            size = draw.randrange(1, 40)
            registers, order = fold(registers, order[:size], OWN), order[size:]
        assert registers == whole


def _by_the_contract(statements: Sequence[Statement], address: str) -> bool | None:
    """What holds for an e-mail address, read from schemas/README.md#consent alone."""
    about = [
        one for one in statements if one.address in (address, None) or one.reason in ("unsubscribed", "complained")
    ]
    if any(one.reason == "bounced" and one.address == address for one in about):
        return False
    noes = [one.at for one in about if not one.given and one.reason != "bounced"]
    yeses = [one.at for one in about if one.given and one.dated]
    if yeses and (not noes or max(yeses) > max(noes)):
        return True
    if noes:
        return False
    return True if any(one.given for one in about) else None


_TIMES, _ADDRESSES = st.integers(0, 5), st.sampled_from([OWN["email"], "b@example.com", None])
_STATEMENTS = st.one_of(
    st.builds(
        lambda yes, at, who, dated: said(yes, at, address=who, dated=dated),
        st.booleans(),
        _TIMES,
        _ADDRESSES,
        st.booleans(),
    ),
    st.builds(
        lambda at, who, why: left(at, address=who, reason=why),
        _TIMES,
        _ADDRESSES,
        st.sampled_from(["unsubscribed", "complained", "bounced"]),
    ),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(_STATEMENTS, max_size=12))
def test_what_holds_is_what_the_contract_says(statements: list[Statement]) -> None:
    registers = fold((), statements, OWN)
    for address in (OWN["email"], "b@example.com"):
        assert effect(registers, "email", address).given is _by_the_contract(statements, address)


def test_a_lead_stays_bounded_and_forgets_no_refusal_however_many_addresses_there_are() -> None:
    addresses = [f"a{number:03}@example.com" for number in range(200)]
    statements = [
        one for address in addresses for one in (said(True, 1, address=address), said(False, 0, address=address))
    ]
    statements += [said(True, 1), left(-5)]
    registers = fold((), statements, OWN)
    assert len(registers) <= 2 * (ADDRESSES_MAX + 2)
    assert effect(registers, "email", OWN["email"]).given is True, "the lead's own address is never given up"
    assert effect(fold(registers, [left(2, address="new@example.com")], OWN), "email", OWN["email"]).given is False
    nobody = {"email": None, "phone": None}
    for count in (ADDRESSES_MAX, ADDRESSES_MAX + 1, 200):
        refused = fold((), [said(False, 1, address=address) for address in addresses[:count]], nobody)
        assert all(effect(refused, "email", address).given is False for address in addresses[:count])
        gone = fold((), [bounced(1, address=address) for address in addresses[:count]], nobody)
        late = fold(gone, [said(True, 9, address=addresses[count - 1])], nobody)
        assert effect(late, "email", addresses[count - 1]).reason == "bounced"


def test_a_lead_shows_what_holds_for_its_own_addresses_and_tells_each_change_once() -> None:
    one = lead(contact=CONTACT)
    first = restate(one, [said(True, 1), said(False, 1, channel="phone", address=OWN["phone"])], "US")
    assert first.set["consent"] == {"email": True, "phone": False, "capturedAt": NOW + timedelta(hours=1)}
    assert first.changed == {"email": {"from": None, "to": True}, "phone": {"from": None, "to": False}}
    one |= first.set
    again = restate(one, [said(True, 1)], "US")
    assert (again.set, again.changed) == ({}, {})
    assert restate(one, [left(0)], "US").changed == {}, "one from before the yes changes nothing that is shown"
    second = restate(one, [left(2)], "US")
    assert second.changed == {"email": {"from": True, "to": False}}
    assert departure(one | second.set, OPT_OUT) == "the lead unsubscribed"
    assert departure(one | restate(one | second.set, [said(True, 3)], "US").set, OPT_OUT) is None


def test_a_statement_about_an_address_counts_once_the_address_is_the_leads() -> None:
    phoned = lead(contact={"firstName": "Ana", "phone": CONTACT["phone"]})
    phoned |= restate(phoned, [bounced(0)], "US").set
    assert may("email", phoned, OPT_OUT).allowed
    filled = phoned | {"contact": CONTACT}
    assert restate(filled, [], "US").changed == {"email": {"from": None, "to": False}}


@pytest.mark.parametrize(
    ("fields", "email", "phone"),
    [
        ({}, None, None),
        ({"consent": {"email": True, "phone": False, "capturedAt": NOW}}, True, False),
        ({"consent": {"email": True}}, True, None),
        ({"consent": {"email": False}}, False, None),
        (
            {"consent": {"email": False, "capturedAt": NOW}, "consentChange": {"from": True}, "refusals": ["left"]},
            False,
            None,
        ),
        ({"consent": {"email": False}, "consentChange": {"from": None}, "refusals": ["bounced"]}, False, None),
        ({"consent": {"email": True, "capturedAt": NOW}, "refusals": ["bounced elsewhere"]}, True, None),
    ],
)
def test_a_lead_stored_before_there_were_statements_keeps_what_holds(
    fields: dict[str, Any],
    email: bool | None,  # noqa: FBT001
    phone: bool | None,  # noqa: FBT001
) -> None:
    kinds = {
        "left": {"reason": "unsubscribed", "address": "old@example.com"},
        "bounced": {"reason": "bounced", "address": OWN["email"]},
        "bounced elsewhere": {"reason": "bounced", "address": "old@example.com"},
    }
    more = {"at": NOW + timedelta(hours=1), "source": "/mailer", "cause": "e1"}
    refusals = [kinds[one] | more for one in fields.get("refusals", ())]
    old = lead(contact=CONTACT, **{**fields, "refusals": refusals})
    restated = restate(old, [], "US")
    assert restated.changed == {}
    after = old | restated.set
    assert (after.get("consent") or {}).get("email") is email
    assert (after.get("consent") or {}).get("phone") is phone
    lifted = after | restate(after, [said(True, 5)], "US").set
    assert lifted["consent"]["email"] is ("bounced" not in fields.get("refusals", ()))


def test_an_action_needs_the_consent_of_its_channel_and_others_need_none() -> None:
    silent = lead(contact=CONTACT)
    assert [hindrance(action, silent, OPT_OUT) for action in ("email", "content", "call", "task")] == [None] * 4
    told = {action: hindrance(action, silent, OPT_IN) for action in ("email", "content", "call", "task")}
    assert told == {
        "email": "nothing was stated; mail needs a yes (opt-in policy)",
        "content": "nothing was stated; mail needs a yes (opt-in policy)",
        "call": "nothing was stated; calls need a yes (opt-in policy)",
        "task": None,
    }
    assert hindrance("call", lead(), OPT_OUT) == "the lead has no phone number"
