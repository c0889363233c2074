from pathlib import Path
from typing import Any

import pytest

from services.capture.domain.filling import differences
from shared.config import ConfigError, load_config
from shared.domain.identity.normal_forms import NOT_GIVEN, compare, identity_of
from shared.domain.identity.placeholders import Placeholders
from shared.settings import Settings
from tests.builders import data, lead

SHIPPED = load_config(Settings().placeholders_file, Placeholders)
LISTED = Placeholders(emails=("None@Example.org", "@nowhere.example"), phones=("212-555-0000",))


@pytest.mark.parametrize("email", ["none@example.org", " NONE@example.ORG ", "anything@Nowhere.example"])
def test_a_listed_address_identifies_nobody_in_any_form(email: str) -> None:
    assert LISTED.identifies_nobody(email=email)


@pytest.mark.parametrize("email", [None, "", "ana@example.org", "none@sub.example.org", "a@my.nowhere.example", "none"])
def test_any_other_address_counts(email: str | None) -> None:
    assert not LISTED.identifies_nobody(email=email)


@pytest.mark.parametrize("phone", ["2125550000", "(212) 555-0000", "+1 212 555 0000", "\uff12125550000"])
def test_a_listed_number_identifies_nobody_in_any_notation(phone: str) -> None:
    assert LISTED.identifies_nobody(phone=phone, region="US")


@pytest.mark.parametrize("phone", [None, "", "2125550001", "3125550000", "+49 2125550000"])
def test_any_other_number_counts(phone: str | None) -> None:
    assert not LISTED.identifies_nobody(phone=phone, region="US")


@pytest.mark.parametrize("region", ["US", "DE", "GB"])
@pytest.mark.parametrize("phone", ["000-000-0000", "(555) 555-5555", "1234567890", "0000000"])
def test_the_shipped_list_knows_what_people_type(phone: str, region: str) -> None:
    assert SHIPPED.identifies_nobody(email="noemail@noemail.com")
    assert SHIPPED.identifies_nobody(phone=phone, region=region)


@pytest.mark.parametrize("email", ["ana@example.com", "test@example.com", "info@test.com"])
def test_the_shipped_list_leaves_addresses_that_may_be_somebody_s(email: str) -> None:
    assert not SHIPPED.identifies_nobody(email=email)


@pytest.mark.parametrize(
    "wrong", ["emails: [none]", "emails: ['a@b@c']", "emails: ['a @b']", "phones: ['n/a']", "x: 1"]
)
def test_a_wrong_list_is_refused_with_its_place(wrong: str, tmp_path: Path) -> None:
    path = tmp_path / "placeholders.yaml"
    path.write_text(wrong)
    with pytest.raises(ConfigError, match=r"emails\[0\]|phones\[0\]|x:"):
        load_config(path, Placeholders)


def test_a_name_that_was_not_given_never_matches() -> None:
    one = identity_of(data(email="a@example.com", phone="2125550142", last=NOT_GIVEN), "US")
    other = identity_of(data(email="b@example.com", phone="2125550142", last=" (Not Given)"), "US")
    assert one.person_claim is None
    assert compare(one, other).score == 50


def test_a_later_capture_fills_a_name_that_was_not_given() -> None:
    held = lead(company={"name": NOT_GIVEN}, contact={"firstName": "Ana", "lastName": NOT_GIVEN})
    payload: Any = data(email=None, company="Blue Fork", last="Reyes")
    filled, differed = differences(payload, held)
    assert filled == {"company.name": "Blue Fork", "contact.lastName": "Reyes"}
    assert differed == []


def test_a_name_that_was_not_given_replaces_none() -> None:
    payload: Any = data(company=NOT_GIVEN, last=NOT_GIVEN)
    assert differences(payload, lead()) == ({}, [])
