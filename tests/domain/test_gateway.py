"""The gateway's decisions: who may do what, what a request becomes, who is a bot."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.topics import CAPTURED, QUALIFY
from services.gateway.auth.domain import key_fields, key_lifecycle, principals
from services.gateway.auth.domain.principals import HttpProblem, KeyKind, Scope
from services.gateway.auth.domain.signing import Signer, why_no_person
from services.gateway.forms import pages
from services.gateway.forms.domain import submissions
from services.ingest.domain import capture_events
from services.ingest.domain.capture_events import DEPTH_MAX, Invalid
from tests.builders import ATTRIBUTES, NOW, data

HOUR = timedelta(hours=1)
SIGNER = Signer("sixteen characters")


def _key(kind: KeyKind = KeyKind.SERVER, word: str = "s3cret", **more: Any) -> principals.ApiKey:
    return key_lifecycle.new_key("website", kind, word, NOW, **more)


@given(st.text(max_size=60))
def test_only_the_secret_itself_is_recognised(offered: str) -> None:
    if offered == "s3cret":
        return
    with pytest.raises(HttpProblem, match="valid API key"):
        principals.check_secret(_key(), offered, NOW)


def test_a_key_that_was_given_out_is_recognised_and_its_secret_not_stored() -> None:
    parts = principals.parse_key(principals.format_key(KeyKind.SERVER, "website", "s3_cr-et"))
    assert parts == ("website", "s3_cr-et")
    key = _key(word="s3_cr-et")
    assert principals.check_secret(key, "s3_cr-et", NOW) is key
    assert "s3_cr-et" not in key.model_dump_json()


@pytest.mark.parametrize("given_", ["", "kps", "kps_", "kps_website", "kps_website_", "kpx_website_s", "website_s"])
def test_what_is_no_key_has_no_parts(given_: str) -> None:
    assert principals.parse_key(given_) is None


def test_old_secrets_hold_for_the_overlap_and_none_after_a_revocation() -> None:
    rotated = key_lifecycle.rotate_key(_key(), "second", NOW, HOUR)
    again = key_lifecycle.rotate_key(rotated, "third", NOW + HOUR / 2, 10 * HOUR)
    for secret, until in (("s3cret", NOW + HOUR), ("second", NOW + HOUR / 2 + 10 * HOUR)):
        assert principals.check_secret(again, secret, until - timedelta(seconds=1)) is again
        with pytest.raises(HttpProblem):
            principals.check_secret(again, secret, until)
    assert principals.check_secret(again, "third", NOW + 1_000 * HOUR) is again
    with pytest.raises(HttpProblem):
        principals.check_secret(key_lifecycle.revoke_key(again, NOW), "third", NOW)


def test_a_public_key_can_never_do_more_than_capture() -> None:
    assert _key(KeyKind.FORM).scopes == (Scope.CAPTURE,)
    assert _key(KeyKind.FORM).per_address == 60
    for scopes in ((Scope.ERASE,), (Scope.CAPTURE, Scope.COMMAND)):
        with pytest.raises(ValueError, match="no other"):
            _key(KeyKind.FORM, scopes=scopes)


@pytest.mark.parametrize(
    "wrong",
    [
        {"origins": ("blue.example",)},
        {"origins": ("https://blue.example/path",)},
        {"redirects": ("javascript:alert(1)",)},
        {"redirects": ("https://blue.example/'x",)},
        {"per_minute": 0},
    ],
)
def test_a_key_with_a_dangerous_site_is_not_made(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"(?i)origins|redirects|per_?minute"):
        _key(KeyKind.FORM, **wrong)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::9", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("a socket", "unknown"),
        (None, "unknown"),
    ],
)
def test_an_address_is_one_person_or_one_household(address: str | None, network: str) -> None:
    assert principals.limited_network(address) == network


def test_a_key_lends_its_first_source_and_forbids_others() -> None:
    key = _key(sources=("trade_show", "referral"))
    unnamed = {name: part for name, part in data().items() if name != "source"}
    assert principals.with_source(key, unnamed)["source"] == "trade_show"
    assert principals.with_source(key, data(source="referral"))["source"] == "referral"
    assert principals.with_source(key, data(source="nonsense"))["source"] == "nonsense", "the schema tells of that"
    with pytest.raises(HttpProblem, match="source trade_show, referral"):
        principals.with_source(key, data(source="website"))


@given(st.integers(0, 40))
def test_only_what_is_nested_too_deep_is_refused(depth: int) -> None:
    body = ("[" * depth + "]" * depth or "1").encode()
    if depth > DEPTH_MAX:
        with pytest.raises(Invalid, match="deeper"):
            capture_events.parse_json(body)
    else:
        assert capture_events.parse_json(body) == json.loads(body)


@given(st.binary(max_size=200))
def test_any_bytes_are_parsed_or_refused(body: bytes) -> None:
    try:
        parsed = capture_events.parse_json_object(body)
    except Invalid:
        return
    assert parsed == json.loads(body)


def test_a_fault_names_the_path_and_not_the_value() -> None:
    with pytest.raises(Invalid) as caught:
        capture_events.payload_of(CAPTURED, data(email="what was typed", company={"size": "vast"}), "US")
    assert {fault.path for fault in caught.value.faults} == {"contact.email", "company.size"}
    assert "what was typed" not in str(caught.value)


def test_a_command_is_of_the_paths_lead_whatever_the_body_says() -> None:
    sent = capture_events.as_sent(QUALIFY, {"leadId": "another", "requirements": {}}, "lead-1", "crm")
    assert sent == {"requestedBy": "crm", "leadId": "lead-1", "requirements": {}}
    assert capture_events.as_sent(QUALIFY, {"requestedBy": "sam"}, "lead-1", "crm")["requestedBy"] == "sam"


def test_a_record_that_no_reader_takes_is_refused_before_it_is_written() -> None:
    long = ["\x01" * 200] * 50
    bant = {
        "authority": {"decisionMakers": long, "approvalProcess": "\x01" * 4_000},
        "need": {"painPoints": long, "requirements": long},
        "timeline": {"factors": long},
    }
    payload = capture_events.payload_of(QUALIFY, {"leadId": "lead-1", "requestedBy": "sam", "bant": bant}, "US")
    with pytest.raises(Invalid, match="256 KiB"):
        capture_events.event_of(QUALIFY, payload, id_="1", source="/clients/crm", at=NOW, region="US")


@pytest.mark.parametrize("wrong", ["", "a b", "é", "x" * 201, "a\n"])
def test_an_idempotency_key_must_be_able_to_be_an_id(wrong: str) -> None:
    assert capture_events.check_event_id("request-1") == "request-1"
    with pytest.raises(Invalid):
        capture_events.check_event_id(wrong)


def test_consent_says_when_and_to_which_words() -> None:
    with_wording = capture_events.with_consent(
        {"consent": {"email": True, "wording": "Yes."}, "context": {"utm": "x"}}, NOW
    )
    assert with_wording["consent"] == {"email": True, "capturedAt": NOW.isoformat(), "wording": "Yes."}
    assert with_wording["context"] == {"utm": "x", "consentWording": "Yes."}
    own = {"consent": {"phone": True, "capturedAt": "2026-01-01T00:00:00Z"}}
    assert capture_events.with_consent(own, NOW) == own
    for untouched in ({}, {"consent": None}, {"consent": "yes"}, {"consent": {"email": False}}):
        assert capture_events.with_consent(untouched, NOW) == untouched


def test_a_box_that_was_shown_and_not_ticked_is_a_refusal() -> None:
    shown = {"context": {"consentWording": "Yes."}}
    assert submissions.with_boxes(shown)["consent"] == {"email": False, "phone": False}
    ticked = {**shown, "consent": {"phone": True}}
    assert submissions.with_boxes(ticked)["consent"] == {"email": False, "phone": True}
    for not_shown in ({}, {"consent": {"phone": True}}, {"context": {"utm": "x"}}):
        assert submissions.with_boxes(not_shown) == not_shown


@pytest.mark.parametrize(
    ("age", "word"),
    [
        (None, "not valid"),
        (timedelta(seconds=-1), "not valid"),
        (timedelta(seconds=2.9), "very fast"),
        (timedelta(seconds=3), None),
        (timedelta(hours=23), None),
        (timedelta(days=2), "open for too long"),
    ],
)
def test_a_person_needs_some_seconds_and_not_days(age: timedelta | None, word: str | None) -> None:
    why = why_no_person(age, 3.0)
    assert (why is None) if word is None else (why and word in why)


@given(st.datetimes(min_value=NOW.replace(tzinfo=None), max_value=(NOW + 9_000 * HOUR).replace(tzinfo=None)))
def test_a_form_token_tells_when_it_was_rendered_and_cannot_be_made_up(moment: Any) -> None:
    at = moment.replace(tzinfo=NOW.tzinfo)
    token = SIGNER.form_token("website", at)
    rendered = SIGNER.rendered_at("website", token)
    assert rendered is not None
    assert timedelta(0) <= at - rendered < timedelta(milliseconds=1)
    assert SIGNER.rendered_at("other", token) is None
    assert Signer("another secret....").rendered_at("website", token) is None
    assert SIGNER.rendered_at("website", ("A" if token[0] != "A" else "B") + token[1:]) is None


@given(st.text(max_size=80))
def test_any_text_is_no_token(text: str) -> None:
    assert SIGNER.rendered_at("website", text) is None


def test_a_form_leads_back_to_its_own_pages_only() -> None:
    key = _key(KeyKind.FORM, redirects=("https://blue.example/a", "https://blue.example/b?x=1"))
    assert submissions.way_back(key, None) == "https://blue.example/a"
    assert submissions.way_back(key, "https://blue.example/b?x=1") == "https://blue.example/b?x=1"
    for other in ("https://blue.example/", "https://evil.example/a", "//evil.example", "https://blue.example/a/"):
        with pytest.raises(Invalid):
            submissions.way_back(key, other)
    assert submissions.way_back(_key(KeyKind.FORM), "") is None
    assert submissions.places(key) == "https://blue.example"


def test_what_one_form_sent_twice_is_one_event_and_mended_content_another() -> None:
    key = _key(KeyKind.FORM)
    first, same = (submissions.submission_event_id(key, "token", data()) for _ in range(2))
    assert first == same
    assert (
        len(
            {
                first,
                submissions.submission_event_id(key, "token", data(first="Anna")),
                submissions.submission_event_id(key, "other", data()),
            }
        )
        == 3
    )


def test_a_trap_catches_even_a_form_without_a_token() -> None:
    submissions.check_person(_key(KeyKind.FORM), "", None, "")
    with pytest.raises(Invalid, match="leave it empty"):
        submissions.check_person(_key(KeyKind.FORM), "", None, "https://spam.example")
    with pytest.raises(Invalid, match="not valid"):
        submissions.check_person(_key(KeyKind.FORM, needs_token=True), "", None, "")


@pytest.mark.parametrize(
    "body", [b"\xff", b"a=%ff", b"a=%00", "é=1".encode(), b"&".join(b"a%d=1" % n for n in range(101))]
)
def test_a_body_that_is_no_form_is_refused(body: bytes) -> None:
    with pytest.raises(Invalid):
        submissions.fields_of(body)


BOXES = (
    b"requirements.painPoints=rats&requirements.painPoints=mice&requirements.painPoints=&Interests=ovens&Interests=pans"
    b"&Interests=ovens&contact.firstName=An&contact.firstName=Ana&contact.email=&Phone=1&Mobile=2&_key=a&_key=b"
    b"&consent.email=0&consent.email=1"
)


ASKED = (*key_fields.NAMES, "contact.email", "attributes.cuisine", "context.campaign")
SENT: dict[str, Any] = {
    "source": "website",
    "company": {"name": "Wok", "industry": "cafe"},
    "contact": {"firstName": "Ana", "lastName": "Reyes", "email": "ana@example.com", "phone": "1"},
    "requirements": {"budget": 5},
    "consent": {"email": True, "phone": False},
    "attributes": {"cuisine": "italian", "covers": 5},
    "context": {"campaign": "spring", "consentWording": "Yes.", "vip": "yes"},
    "historical": True,
}


def test_what_a_form_key_does_not_declare_is_ignored() -> None:
    assert key_fields.declared_in(SENT, _key(KeyKind.FORM)) == SENT
    assert key_fields.declared_in(SENT, _key(KeyKind.FORM, fields=ASKED)) == {
        "source": "website",
        "company": {"name": "Wok"},
        "contact": {"firstName": "Ana", "lastName": "Reyes", "email": "ana@example.com"},
        "attributes": {"cuisine": "italian"},
        "context": {"campaign": "spring"},
    }
    worded = key_fields.declared_in(SENT, _key(KeyKind.FORM, fields=ASKED, wording="Yes."))
    assert worded["consent"] == SENT["consent"], "a form that shows a consent box sends it"
    assert worded["context"] == {"campaign": "spring", "consentWording": "Yes."}
    whole = key_fields.declared_in(SENT, _key(KeyKind.FORM, fields=(*ASKED, "context", "consent.phone")))
    assert (whole["context"], whole["consent"]) == (SENT["context"], {"phone": False})
    assert key_fields.declared_in({"contact": 5, "attributes": ["x"]}, _key(KeyKind.FORM, fields=ASKED)) == {}


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ((*ASKED, "contact.mail"), ["contact.mail: there is no such field"]),
        ((*ASKED, "attributes.chef"), ["attributes.chef: there is no such field"]),
        ((*ASKED, "source"), ["source: there is no such field"]),
        (("contact.email",), ["no lead is without company.name, contact.firstName, contact.lastName"]),
        (key_fields.NAMES, ["no lead is without contact.email or contact.phone"]),
        ((*ASKED, "context", "consent", "consent.wording", "company.address"), []),
    ],
)
def test_a_key_declares_fields_that_there_are_and_those_that_each_lead_needs(
    fields: tuple[str, ...], told: list[str]
) -> None:
    assert list(key_fields.faults_in(fields, ATTRIBUTES)) == told


def test_only_a_form_key_is_limited_to_fields() -> None:
    with pytest.raises(ValueError, match="only a form key"):
        _key(KeyKind.SERVER, fields=ASKED)


def test_a_form_asks_for_what_its_key_declares_and_for_the_attributes_of_forms() -> None:
    everything = [field.name for section in pages.sections_for((), ATTRIBUTES) for field in section.fields]
    assert [one for one in everything if one.startswith("attributes.")] == [
        "attributes.cuisine",
        "attributes.covers",
        "attributes.locations",
    ]
    sections = pages.sections_for((*ASKED, "attributes.distributor"), ATTRIBUTES)
    asked = {field.name: field for section in sections for field in section.fields}
    assert asked.keys() == {*ASKED} - {"context.campaign"}, "forms don't ask for the distributor"
    assert asked["contact.email"].required
    assert asked["contact.email"].either is None
    assert asked["attributes.cuisine"].options[0] == ("american", "American")
    assert (
        pages.sentence("attributes.covers", "x", pages.sections_for((), ATTRIBUTES)) == "Covers per day: enter a number"
    )


def test_a_plain_form_may_have_attributes() -> None:
    sent = {"attributes.cuisine": ["Italian"], "Covers": ["1.234"], "attributes.chef": ["Bo"]}
    assert submissions.capture_in(sent, ATTRIBUTES) == {
        "attributes": {"cuisine": "italian", "covers": 1.234},
        "context": {"attributes_chef": "Bo"},
    }


def test_boxes_of_one_name_are_a_list_or_one_text_in_the_context() -> None:
    assert submissions.capture_in(submissions.boxes_of(BOXES)) == {
        "contact": {"firstName": "Ana", "phone": "1"},
        "requirements": {"painPoints": ["rats", "mice"]},
        "consent": {"email": True},
        "context": {"Interests": "ovens; pans", "Mobile": "2"},
    }
    assert submissions.fields_of(BOXES)["_key"] == "b"


@pytest.mark.parametrize("value", ["on", "true", "1", "yes", "x", "oui"])
def test_a_ticked_box_is_a_yes_in_the_words_that_forms_use(value: str) -> None:
    sent = submissions.capture_in({"consent.email": [value]})
    assert sent == {"consent": {"email": True}}


@pytest.mark.parametrize("value", ["weekly", "I agree to receive the newsletter", "t", "O"])
def test_a_box_of_an_unknown_value_states_nothing_and_costs_no_lead(value: str) -> None:
    said = {"consent.email": [value], "consent.wording": ["You may write to me."]}
    sent: Any = submissions.capture_in(said)
    assert submissions.unclear_in(sent) == ["consent.email"]
    assert sent["context"]["consent email"] == value
    boxed: Any = submissions.with_boxes(sent)
    assert boxed["consent"]["email"] is None
    whole = {**data(), **boxed}
    payload = capture_events.payload_of(CAPTURED, capture_events.with_consent(whole, NOW), "US")
    assert "email" not in payload.wire()["consent"]


def test_an_unclear_box_finds_room_in_a_context_that_is_full() -> None:
    said = {f"Field {at}": ["text"] for at in range(50)} | {"Newsletter": ["weekly"]}
    sent: Any = submissions.capture_in(said)
    assert capture_events.payload_of(CAPTURED, {**data(), **sent}, "US")
    assert sent["context"]["more"].endswith("Newsletter: weekly")


def test_a_consent_that_is_clear_or_missing_is_not_unclear() -> None:
    for clear in ({}, {"consent": None}, {"consent": {"email": False}}, {"consent": {"phone": True}}):
        assert submissions.unclear_in(clear) == []
