import pytest

from shared.domain.identity import Identity, company_key, compare, email_key, identity_of, name_key, phone_key
from tests.builders import data


@pytest.mark.parametrize(
    ("one", "other"), [("Ana@Example.com", " ana@example.COM "), ("STRASSE@example.org", "straße@example.org")]
)
def test_emails_compare_trimmed_and_case_folded(one: str, other: str) -> None:
    assert email_key(one) == email_key(other)


@pytest.mark.parametrize("phone", ["(212) 555-0142", "212.555.0142", "+1 212 555 0142", "1-212-555-0142", "2125550142"])
def test_phones_compare_as_e164_of_the_default_region(phone: str) -> None:
    assert phone_key(phone, "US") == "+12125550142"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Blue Fork", "BLUE FORK, Inc."),
        ("Joe's Diner", "Joes Diner LLC"),
        ("A.B.C. Foods", "ABC Foods Co."),
        ("Café Olé", "cafe ole"),
    ],
)
def test_companies_compare_without_case_punctuation_and_legal_suffixes(one: str, other: str) -> None:
    assert company_key(one) == company_key(other)


@pytest.mark.parametrize(("one", "other"), [("Fork & Spoon", "Fork & Knife"), ("Blue Fork", "Blue Fork Catering")])
def test_different_companies_stay_different(one: str, other: str) -> None:
    assert company_key(one) != company_key(other)


def test_a_company_that_is_only_a_suffix_keeps_its_name() -> None:
    assert company_key("Inc.") == "inc"


def test_names_compare_without_case_and_accents() -> None:
    assert name_key("José  MARÍA") == name_key("jose maria")


@pytest.mark.parametrize("missing", [None, "", "   "])
def test_a_missing_value_has_no_key(missing: str | None) -> None:
    assert email_key(missing) is None
    assert phone_key(missing, "US") is None
    assert company_key(missing) is None
    assert name_key(missing) is None


NOBODY = Identity(None, None, None)
FULL = identity_of(data(email="a@example.com", phone="2125550142"), "US")


def test_a_missing_value_never_matches_a_missing_value() -> None:
    assert compare(NOBODY, NOBODY).score == 0


@pytest.mark.parametrize(
    ("other", "score", "duplicate"),
    [
        (data(email="a@example.com", phone=None, company="Other"), 100, True),
        (data(email="b@example.com", phone="2125550142", company="Other"), 50, False),
        (data(email="b@example.com", phone=None), 75, False),
        (data(email="b@example.com", phone="2125550142"), 125, True),
        (data(email="a@example.com", phone="2125550142"), 225, True),
        (data(email="b@example.com", phone=None, company="Other"), 0, False),
    ],
)
def test_the_match_score_is_the_contract_s(other: dict[str, object], score: int, duplicate: bool) -> None:  # noqa: FBT001
    match = compare(identity_of(other, "US"), FULL)
    assert (match.score, match.duplicate) == (score, duplicate)
