"""The short way of judging an address gives what the library gives."""

import pytest
from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.captures import is_email

LOCALS = st.text("aZ9._+-'\"@ \u00e9!%", max_size=6) | st.sampled_from(["ana", "Ana.Reyes+x", "a" * 64, "a" * 242])
LABELS = st.text("aZ9-_\u00fc", max_size=5) | st.sampled_from(
    ["example", "xn--bcher-kva", "xn--a", "a" * 63, "a" * 64, ""]
)
DOMAINS = st.lists(LABELS, max_size=4).flatmap(
    lambda labels: st.sampled_from(["com", "COM", "test", "c0", "0", "de.", *SPECIAL_USE_DOMAIN_NAMES]).map(
        lambda last: ".".join([*labels, last])
    )
)


def _by_library(text: str) -> bool:
    try:
        validate_email(text, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        return False
    return True


@given(st.builds("{}@{}".format, LOCALS, DOMAINS) | st.text("a.@-x1\n", max_size=12))
@example("ana@example.com\n")
@example("ana@" + ".".join(["a" * 50] * 4) + ".com")
def test_an_address_is_judged_as_the_library_judges_it(text: str) -> None:
    assert is_email(text) == _by_library(text)
    assert is_email(text) == _by_library(text), "the second time the domain is known"


@pytest.mark.parametrize(("length", "valid"), [(254, True), (255, False)])
def test_a_plain_address_has_254_characters_at_most(length: int, *, valid: bool) -> None:
    text = "a" * (length - len("@example.com")) + "@example.com"
    assert is_email(text) is valid is _by_library(text)
