from time import process_time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.captures import LeadCaptured
from shared.domain.identity.normal_forms import (
    Identity,
    company_key,
    compare,
    email_key,
    identity_of,
    name_key,
    phone_key,
    search_form,
)
from shared.domain.identity.older_forms import older_claims, older_emails
from shared.domain.ids import derive
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


@pytest.mark.parametrize(
    "email",
    [
        "ana@b\u00fccher.example",
        "Ana@XN--BCHER-KVA.example",
        "ana@bu\u0308cher.example",
        "\uff41\uff4e\uff41@b\u00fccher\uff0eexample",
        "ana\u200b@b\u00fc\u00adcher.example\ufeff",
        "ana@b\u00fccher\u3002example",
    ],
)
def test_an_address_is_one_in_punycode_and_as_typed_and_in_any_compatibility_form(email: str) -> None:
    assert email_key(email) == "ana@b\u00fccher.example"


@pytest.mark.parametrize(
    "email", ["ana@xn--nope!.example", "ana@xn--.example", "ana@xn--abc-.example", "xn--@a.example"]
)
def test_what_only_looks_like_punycode_stays_as_it_is(email: str) -> None:
    assert email_key(email) == email


@pytest.mark.parametrize("email", ["\u0430na@example.com", "ana@ex\u0430mple.com", "\u03b1na@example.com"])
def test_a_letter_of_another_script_makes_another_address_company_and_name(email: str) -> None:
    assert email_key(email) != email_key("ana@example.com")
    assert company_key("\u0430na") != company_key("ana")
    assert name_key("\u0410na") != name_key("Ana")


@pytest.mark.parametrize(
    ("phone", "region"),
    [
        ("0049 30 123456", "US"),
        ("00 49 (30) 123456", "US"),
        ("0049-30-123456", "DE"),
        ("+49 30 123456", "US"),
        ("+49\u201130\u2013123456", "US"),
        ("\uff0b\uff14\uff19 \uff13\uff10 \uff11\uff12\uff13\uff14\uff15\uff16", "US"),
        ("+49\u200b30\u202a123456\u202c", "US"),
        ("0011 49 30 123456", "AU"),
        ("030 123456", "DE"),
    ],
)
def test_a_phone_is_one_with_zeros_or_plus_and_with_any_hyphen_and_digit(phone: str, region: str) -> None:
    assert phone_key(phone, region) == "+4930123456"


def test_the_schema_takes_a_phone_with_zeros_for_plus() -> None:
    payload = LeadCaptured.model_validate(data(phone="0049 30 123456"), context={"region": "US"})
    assert payload.contact.phone == "0049 30 123456"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("S\u00f8ren \u0141uka\u0111", "Soren Lukad"),
        ("\u00c6gir \u00de\u00f3r", "Aegir Thor"),
        ("\u0130pek I\u015f\u0131k", "Ipek Isik"),
        ("Wei\u00df", "WEISS"),
        ("O\u2019Brien", "O'Brien"),
        ("O\u00b4Brien", "O\u02bcBrien"),
        ("Anne\u2013Marie", "Anne\u2011Marie"),
        ("An\u200dna", "Anna"),
        ("\uff21na", "ana"),
        ("\ufb01ona", "Fiona"),
        ("Bob & Mary", "Bob and  Mary"),
    ],
)
def test_names_and_companies_compare_without_strokes_ligatures_and_typographic_signs(one: str, other: str) -> None:
    assert name_key(one) == name_key(other)
    assert company_key(one) == company_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Fork & Spoon", "Fork and Spoon Ltd."),
        ("Fork \uff06 Spoon", "FORK &SPOON"),
        ("\u201cThe Fork\u201d", "The Fork"),
        ("Fork \u2014 Spoon", "Fork-Spoon"),
    ],
)
def test_companies_compare_with_and_for_its_sign(one: str, other: str) -> None:
    assert company_key(one) == company_key(other)


@pytest.mark.parametrize("suffix", ["GmbH & Co. KG", "& Co.", "and Company", "Ltd and Co"])
def test_a_word_between_legal_suffixes_goes_with_them(suffix: str) -> None:
    assert company_key(f"M\u00fcller {suffix}") == company_key("Muller")


@pytest.mark.parametrize(
    ("name", "key"), [("Salt and", "salt and"), ("& Co.", "and co"), ("Salt & Pepper GmbH", "salt and pepper")]
)
def test_a_company_keeps_the_and_of_its_own_name(name: str, key: str) -> None:
    assert company_key(name) == key


def test_a_name_that_says_that_it_is_not_given_is_none_whatever_is_invisible_around_it() -> None:
    assert name_key("\u200b(Not given)\ufeff") is None
    assert company_key("\uff08not given\uff09") is None


_PHONE = st.text(alphabet="0123456789+()-. x", min_size=6, max_size=16)


@given(_PHONE, st.sampled_from(["US", "DE", "IT", "AU", "FI", "GB", "AR"]))
@example("+49 (0) 030 123456", "US")
@example("000 049 30 123456", "DE")
def test_the_normal_form_of_a_phone_is_its_own(text: str, region: str) -> None:
    key = phone_key(text, region)
    assert phone_key(key, region) == key


_MANY = 50_000
_MARKS = [
    "\u0315" * _MANY + "\u0316" * _MANY,
    "\u0315" * _MANY + "\u200d" + "\u0316" * _MANY,
    "\u0f73" * _MANY,
    ("\u0315" * 30 + "\uff9e") * (_MANY // 30),
]


@pytest.mark.parametrize("marks", _MARKS, ids=range(len(_MARKS)))
def test_a_text_of_nothing_but_marks_costs_no_more_than_another(marks: str) -> None:
    other = process_time()
    search_form("\u00e4" * len(marks))
    other, own = process_time() - other, process_time()
    for form in (search_form, email_key, name_key, company_key):
        form(f"x{marks}")
    assert process_time() - own < 50 * other + 1


@given(st.text("a\u0315\u0316\u0f73\uff9e\u200d", min_size=190, max_size=260))
def test_a_normal_form_of_a_long_text_is_its_own_too(text: str) -> None:
    for key in (email_key, company_key, name_key):
        assert key(key(text)) == key(text)


@given(st.text(max_size=30))
def test_a_normal_form_is_its_own_normal_form(text: str) -> None:
    for key in (email_key, company_key, name_key):
        assert key(key(text)) == key(text)


@given(st.text(max_size=30))
def test_the_older_form_of_an_address_has_today_s_normal_form(text: str) -> None:
    assert {email_key(form) for form in older_emails(text)} <= {email_key(text)}


def test_an_address_in_plain_letters_has_no_older_form() -> None:
    assert older_emails(" Ana@Example.com ") == ()
    assert older_claims(FULL, data(email="a@example.com", phone="2125550142"), "US") == {}


def test_older_claims_are_those_that_earlier_releases_made() -> None:
    lead = data(email="Ana@XN--BCHER-KVA.example", phone="2125550142", company="Fork & Spoon", last="S\u00f8ren")
    identity = identity_of(lead, "US")
    person = derive("+12125550142", "fork spoon", "ana", "s\u00f8ren")
    assert older_claims(identity, lead, "US") == {
        "email:ana@xn--bcher-kva.example": identity.email_claim,
        f"pcn:{person}": identity.person_claim,
    }


@pytest.mark.parametrize(
    ("company", "before"), [("Fork and Co.", "fork and"), ("Fork & Co.", "fork"), ("Fork GmbH & Co. KG", "fork")]
)
def test_a_company_claimed_with_the_word_between_its_suffixes_is_looked_up_too(company: str, before: str) -> None:
    lead = data(phone="2125550142", company=company)
    identity = identity_of(lead, "US")
    older = f"pcn:{derive('+12125550142', before, 'ana', 'reyes')}"
    found = older_claims(identity, lead, "US")
    assert {older, identity.person_claim} == {*found, identity.person_claim}
