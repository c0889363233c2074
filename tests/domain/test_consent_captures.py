"""What captures state about consent, over any order and any batches; and what an erasure leaves of a refusal."""

import random
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from services.capture.domain.decide import decide
from services.capture.domain.plan import Outcome
from services.capture.domain.view import Capture, CapturedConsentPart, CapturedData, View
from services.erasure.domain.decide import plan_erasures
from shared.domain.consent.contact_permission import ConsentPolicy, departure
from shared.domain.consent.statements import Statement, restate
from shared.domain.identity.normal_forms import identity_of
from tests.builders import NOW, data, lead, verdict, written

HOUR = timedelta(hours=1)


def said(key: str, hours: int = 0, *, source: str = "/forms/website", dated: bool = True, **consent: bool) -> Capture:
    """A capture with a statement that was made at its own time; undated, only the event has one."""
    at, date = NOW + hours * HOUR, {"capturedAt": NOW + hours * HOUR} if dated else {}
    sections: dict[str, Any] = {"consent": {**consent, **date}} if consent else {}
    payload: Any = data(phone="+13125550100", **sections)
    return Capture(key, source, key, at, payload, identity_of(payload, "US"))


class Taken:
    """What is stored after captures were taken in, batch by batch."""

    def __init__(self, markers: dict[str, Any] | None = None) -> None:
        self.view = View({}, {}, {}, markers or {})

    def take(self, *captures: Capture, now: datetime = NOW + 100 * HOUR) -> Sequence[Outcome]:
        plan = decide(captures, self.view, now, "US")
        self.view = written(self.view, plan)
        return plan.outcomes

    @property
    def lead(self) -> Any:
        (one,) = self.view.leads.values()
        return one


def test_a_yes_beside_a_dated_no_of_its_row_may_have_no_date_of_its_own() -> None:
    taken = Taken()
    taken.take(said("a", 1, phone=False))
    row = said("b", 2, source="/imports/x", email=False, phone=True)
    row = replace(row, data={**row.data, "consent": {**row.data["consent"], "dated": False}})
    taken.take(row)
    assert {name: taken.lead["consent"][name] for name in ("email", "phone")} == {"email": False, "phone": False}


@pytest.mark.parametrize(
    ("captures", "shown"),
    [
        ([said("a", email=True, phone=False)], {"email": True, "phone": False}),
        ([said("a")], {}),
        ([said("a", 1, email=True), said("b", 2, email=False)], {"email": False}),
        ([said("a", 2, email=True), said("b", 1, email=False)], {"email": True}),
        ([said("a", 1, email=True), said("b", 1, email=False)], {"email": False}),
        ([said("a", 1, email=False), said("b", 2, email=True, dated=False)], {"email": True}),
        ([said("a", 1, email=False), said("b", 2, email=True, dated=False, source="/scanners/7")], {"email": False}),
        ([said("a", 1, email=False), said("b", 2, email=True, dated=False, source="/imports/x")], {"email": False}),
        ([said("a", 1, email=False), said("b", 2, email=True, source="/scanners/7")], {"email": True}),
        ([said("a", 2, email=True, dated=False, source="/scanners/7")], {"email": True}),
    ],
)
def test_the_newest_statement_holds_in_either_order_of_captures(
    captures: list[Capture], shown: dict[str, bool]
) -> None:
    for order in (captures, captures[::-1]):
        taken = Taken()
        for one in order:
            taken.take(one)
        told = {name: value for name, value in (taken.lead.get("consent") or {}).items() if name != "capturedAt"}
        assert told == shown


def test_a_batch_that_says_it_had_no_consent_date_lifts_no_refusal() -> None:
    taken, late = Taken(), said("b", 2, email=True, dated=False)
    taken.take(said("a", 1, email=False))
    consent: CapturedConsentPart = {"email": True, "dated": False}
    taken.take(
        Capture(late.key, late.event_source, "b", late.captured_at, {**late.data, "consent": consent}, late.identity)
    )
    assert taken.lead["consent"]["email"] is False


@pytest.mark.parametrize(("days", "shown"), [(1, True), (5, True), (6, False), (9_000, False)])
def test_a_yes_from_the_future_can_be_refused_later(days: int, shown: bool) -> None:  # noqa: FBT001
    taken, wrong = Taken(), said("a", 1)
    consent: CapturedConsentPart = {"email": True, "capturedAt": wrong.captured_at + days * 24 * HOUR}
    data_: CapturedData = {**wrong.data, "consent": consent}
    taken.take(Capture(wrong.key, wrong.event_source, "a", wrong.captured_at, data_, wrong.identity))
    taken.take(said("b", 3, email=False))
    assert taken.lead["consent"]["email"] is shown


@pytest.mark.parametrize("seed", range(5))
def test_200_captures_of_one_person_come_to_the_same_consent_in_any_order_copies_and_batches(seed: int) -> None:
    draw = random.Random(seed)
    captures = [
        said(f"c{n}", draw.randrange(50), email=draw.random() < 0.5, phone=draw.random() < 0.5) for n in range(200)
    ]
    shown = []
    for _ in range(2):
        taken, order = Taken(), draw.sample(captures, 200) + draw.sample(captures, 20)
        while order:
            size = draw.randrange(1, 60)
            taken.take(*{one.key: one for one in order[:size]}.values())
            order = order[size:]
        shown.append((taken.lead["consent"], taken.lead["standing"]))
    assert shown[0] == shown[1]


def test_a_change_is_told_of_an_existing_lead_and_told_again_when_its_capture_comes_again() -> None:
    taken = Taken()
    (first,) = taken.take(said("a", 1, email=True))
    assert "restated" in first.row
    (second,) = taken.take(said("b", 2, email=False))
    assert second.row["restated"] == {"email": {"from": True, "to": False}}
    (unchanged,) = taken.take(said("c", 1, email=True))
    assert "restated" not in unchanged.row
    (again,) = taken.take(said("b", 2, email=False))
    assert again.row["restated"] == second.row["restated"]


def test_each_statement_is_kept_whole_with_its_capture() -> None:
    payload: Any = data(consent={"email": True, "capturedAt": NOW, "wording": "You may write."})
    (outcome,) = Taken().take(Capture("a", "/forms/website", "a", NOW, payload, identity_of(payload, "US")))
    kept = {"channel": "email", "address": "ana@example.com", "given": True, "at": NOW, "dated": True}
    assert outcome.row["stated"] == [kept | {"wording": "You may write."}]
    assert "consent" not in outcome.row.get("filled", ())


def _gone(statements: Sequence[Statement]) -> dict[str, Any]:
    """The tombstones of a lead of whom these statements were known, erased an hour after the newest."""
    one = lead(contact={"firstName": "Ana", "lastName": "Reyes", "email": "ana@example.com", "phone": "+13125550100"})
    one |= restate(one, statements, "US").set
    verdicts = [verdict(one["_id"], NOW + 5 * HOUR)]
    (farewell,) = plan_erasures(verdicts, {one["_id"]: one}, [], "US")
    return {name: {"_id": name, **farewell.marker(name)} for name in farewell.names}


def _no(reason: str, channel: str = "email", address: str | None = "ana@example.com") -> Statement:
    return Statement(channel, address, given=False, at=NOW, source="/mailer", cause="e", reason=reason)


@pytest.mark.parametrize(
    ("refusal", "consent", "shown"),
    [
        (_no("unsubscribed"), {}, {"email": False}),
        (_no("complained"), {}, {"email": False}),
        (_no("bounced"), {}, {"email": False}),
        (_no("stated"), {}, {"email": False}),
        (_no("stated", address=None), {}, {"email": False}),
        (_no("stated", "phone", "+13125550100"), {}, {"phone": False}),
        (_no("bounced", address="old@example.com"), {}, {}),
        (_no("unsubscribed"), {"email": True}, {"email": True}),
        (_no("bounced"), {"email": True}, {"email": False}),
    ],
)
def test_what_a_person_refused_outlives_their_erasure_until_a_later_yes(
    refusal: Statement, consent: dict[str, Any], shown: dict[str, bool]
) -> None:
    taken = Taken(deepcopy(_gone([refusal])))
    taken.take(said("fresh", 6, **consent))
    told = {name: value for name, value in (taken.lead.get("consent") or {}).items() if name != "capturedAt"}
    assert told == shown


def test_an_erasure_leaves_no_address_and_nothing_of_a_lead_that_refused_nothing() -> None:
    agreed = Statement("email", "ana@example.com", given=True, at=NOW, source="/f", cause="c")
    assert not any(stone.get("refused") for stone in _gone([agreed]).values())
    refused = [stone["refused"] for stone in _gone([_no("unsubscribed")]).values() if stone.get("refused")]
    assert refused == [[{"at": NOW, "reason": "unsubscribed"}]]


@pytest.mark.parametrize(("later", "address"), [("stated", None), ("bounced", "ana@example.com")])
def test_that_a_person_left_outlives_their_erasure_whatever_else_they_refused(later: str, address: str | None) -> None:
    since = replace(_no(later, address=address), at=NOW + HOUR)
    taken = Taken(deepcopy(_gone([_no("unsubscribed"), since])))
    taken.take(said("fresh", 6))
    assert departure(taken.lead, ConsentPolicy("opt_out", "US")) == "the lead unsubscribed"


def test_a_departure_that_a_yes_lifted_does_not_come_back_by_an_erasure() -> None:
    refused = replace(_no("stated"), at=NOW + 2 * HOUR)
    agreed = replace(refused, given=True, at=NOW + HOUR)
    taken = Taken(deepcopy(_gone([_no("unsubscribed", address=None), agreed, refused])))
    taken.take(said("fresh", 6))
    assert departure(taken.lead, ConsentPolicy("opt_out", "US")) is None


@pytest.mark.parametrize(("ahead", "shown"), [(24, True), (25, False), (9_000, False)])
def test_a_yes_whose_own_time_is_over_a_day_ahead_lifts_no_refusal(ahead: int, shown: bool) -> None:  # noqa: FBT001
    taken = Taken()
    taken.take(said("no", 0, email=False), said("yes", ahead, email=True, dated=False), now=NOW)
    assert taken.lead["consent"]["email"] is shown


def test_a_yes_with_a_mistyped_year_lifts_no_earlier_refusal() -> None:
    taken, wrong = Taken(), said("yes", 2)
    payload: CapturedData = {**wrong.data, "consent": {"email": True, "capturedAt": NOW + 9_000 * HOUR}}
    taken.take(said("no", 1, email=False))
    taken.take(Capture("yes", wrong.event_source, "yes", wrong.captured_at, payload, wrong.identity))
    assert taken.lead["consent"]["email"] is False


def test_a_capture_that_is_decided_again_states_what_its_row_says() -> None:
    taken, yes = Taken(), said("yes", 50, email=True, dated=False)
    taken.take(yes, now=NOW)
    kept = taken.lead["standing"]
    taken.view = replace(taken.view, leads={})
    taken.take(yes, now=NOW + 100 * HOUR)
    assert taken.lead["standing"] == kept
