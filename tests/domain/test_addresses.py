"""Verdicts on e-mail domains, and phone numbers, are kept up to a bound; what was dropped is judged again."""

import phonenumbers
import pytest

from schemas import captures, phones
from schemas.captures import is_email
from schemas.phones import PHONES_KEPT, SHORT, parse_phone
from shared.domain.identity import normal_forms
from shared.domain.identity.normal_forms import phone_key

DOMAINS_KEPT = captures._is_domain.cache_info().maxsize or 0


def test_no_more_domains_than_the_bound_are_kept() -> None:
    captures._is_domain.cache_clear()
    for number in range(DOMAINS_KEPT + 1):
        assert is_email(f"ana@example{number}.com")
    assert captures._is_domain.cache_info().currsize == DOMAINS_KEPT
    for text, valid in (("ana@example0.com", True), ("ana@-example.com", False), ("ana..b@example0.com", False)):
        assert is_email(text) is valid


def test_no_more_numbers_than_the_bound_are_kept() -> None:
    phones._kept.cache_clear()
    normal_forms._kept_phone.cache_clear()
    for number in range(PHONES_KEPT + 1):
        assert phone_key(f"(415) 555-{number:04}", "US") == f"+1415555{number:04}"
    assert phones._kept.cache_info().currsize == PHONES_KEPT
    assert normal_forms._kept_phone.cache_info().currsize == PHONES_KEPT
    assert phone_key("(415) 555-0000", "US") == "+14155550000"
    assert phone_key("(415) 555-0000", "DE") != "+14155550000", "each region reads a number in its own way"


@pytest.mark.parametrize("text", ["+1 415 555 2671" + " " * SHORT, "no number at all " * SHORT])
def test_a_long_text_is_read_and_not_kept(text: str) -> None:
    phones._kept.cache_clear()
    try:
        expected = phonenumbers.parse(text, "US")
    except phonenumbers.NumberParseException:
        expected = None
    assert parse_phone(text, "US") == expected
    phone_key(text, "US")
    assert phones._kept.cache_info().currsize == 0
