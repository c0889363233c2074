"""Departure: who unsubscribed gets no nurture until they agree to mail again, whatever else was said since."""

from datetime import timedelta
from typing import Any

import pytest

from shared.domain.consent.contact_permission import ConsentPolicy, departure
from shared.domain.consent.statements import Statement, fold, restate
from tests.builders import NOW, lead

OWN = {"email": "ana@example.com", "phone": "+13125550100"}
OPT_OUT = ConsentPolicy("opt_out", "US")
CONTACT = {"firstName": "Ana", "lastName": "Reyes", "email": "Ana@example.com", "phone": "(312) 555-0100"}


def said(given: bool = True, hours: int = 0, **fields: Any) -> Statement:  # noqa: FBT001, FBT002 - the yes or no itself
    usual: dict[str, Any] = {"channel": "email", "address": OWN["email"], "source": "/f", "cause": f"c{hours}{given}"}
    return Statement(**usual | {"given": given, "at": NOW + timedelta(hours=hours)} | fields)


def left(hours: int = 0, **fields: Any) -> Statement:
    return said(given=False, hours=hours, **{"reason": "unsubscribed"} | fields)


def bounced(hours: int = 0) -> Statement:
    return said(given=False, hours=hours, reason="bounced")


@pytest.mark.parametrize(
    ("said_else", "why"),
    [
        ([], "the lead unsubscribed"),
        ([bounced(2)], "the lead unsubscribed"),
        ([bounced(0)], "the lead unsubscribed"),
        ([said(False, 2)], "the lead unsubscribed"),
        ([said(False, 2, address=None)], "the lead unsubscribed"),
        ([said(True, 2, dated=False)], "the lead unsubscribed"),
        ([said(True, 1)], "the lead unsubscribed"),
        ([said(True, 2, address="old@example.com")], "the lead unsubscribed"),
        ([said(True, 2)], None),
        ([said(True, 2, address=None)], None),
        ([said(True, 2), bounced(3), said(False, 4)], None),
        ([said(True, 2), left(3, reason="complained"), said(False, 4)], "the lead complained about mail"),
    ],
)
@pytest.mark.parametrize("address", [OWN["email"], "old@example.com", None])
def test_only_a_later_yes_hides_that_a_person_left(
    said_else: list[Statement], why: str | None, address: str | None
) -> None:
    for statements in ([left(1, address=address), *said_else], [*said_else[::-1], left(1, address=address)]):
        one = lead(contact=CONTACT)
        for statement in statements:
            one |= restate(one, [statement], "US").set
        assert departure(one, OPT_OUT) == why


def test_a_departure_that_an_earlier_release_kept_as_a_no_outlives_a_later_no() -> None:
    one = lead(contact=CONTACT)
    stored = [register for register in fold((), [left(1)], OWN) if register["kind"] != "left"]
    one["standing"] = stored
    assert departure(one, OPT_OUT) == "the lead unsubscribed"
    one |= restate(one, [said(False, 2), said(False, 2, address=None), bounced(3)], "US").set
    assert departure(one, OPT_OUT) == "the lead unsubscribed"
