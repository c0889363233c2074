"""People: what each role may do, and when a session or a link holds."""

import asyncio
from datetime import datetime, timedelta
from time import process_time

import pytest
from argon2 import extract_parameters
from hypothesis import given
from hypothesis import strategies as st

from schemas.topics import ACTIVITIES, QUALIFY
from services.gateway.auth import passwords
from services.gateway.auth.domain import users
from services.gateway.auth.domain.principals import HttpProblem, Scope
from services.gateway.auth.domain.signing import Signer
from services.gateway.auth.domain.users import PASSWORD_MAX, SCOPES, SESSION_LIFE, Role, User
from services.gateway.auth.passwords import Passwords, hash_of
from services.gateway.auth.sessions import TtlCache
from services.ingest.domain import capture_events
from tests.builders import NOW

SIGNER = Signer("sixteen characters")
BASE = "https://crm.example"
SECOND = timedelta(seconds=1)


def _person(role: Role = Role.SALES, name: str = "kim.catering") -> User:
    return users.new_user(name, role, None, NOW)


def test_each_role_may_do_what_the_one_before_may_and_more() -> None:
    viewer, sales, admin = (set(SCOPES[role]) for role in Role)
    assert viewer < sales < admin
    assert admin == set(Scope) - {Scope.ENGAGE, Scope.HISTORY}
    assert sales - viewer == {Scope.ACTIVITY, Scope.COMMAND}
    with pytest.raises(HttpProblem, match="leads:erase"):
        users.check_scope(_person(), Scope.ERASE)


def test_only_who_may_capture_has_sources_to_capture_under() -> None:
    assert _person().sources == ()
    assert _person(Role.ADMIN).sources[0] == "phone"
    assert _person().event_source == "/people/kim.catering"


@pytest.mark.parametrize("name", ["", "Kim", "kim catering", ".kim", "kim/x", "k" * 61, "kim\n", "kim_c"])
def test_a_name_that_is_no_id_is_nobodys(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        _person(name=name)


def test_a_password_has_twelve_to_two_hundred_characters_of_any_kind() -> None:
    for good in ("x" * 12, "é" * 200, " " * 12):
        assert users.password_flaw(good) is None
    for bad in ("", "x" * 11, "x" * 201):
        assert users.password_flaw(bad)
    assert users.normalize_password("e\u0301") == users.normalize_password("\u00e9")


def test_a_session_holds_until_its_end_or_any_change_of_the_person() -> None:
    person = _person()
    session = users.new_session(person, "token", NOW)
    assert "token" not in session.model_dump_json()
    assert users.is_signed_in(session, person, session.expires_at - SECOND)
    assert not users.is_signed_in(session, person, session.expires_at)
    for other in (users.change_user(person), users.change_user(person, role=Role.ADMIN), None):
        assert not users.is_signed_in(session, other, NOW)
    assert not users.is_signed_in(session, person.model_copy(update={"disabled_at": NOW}), NOW)
    assert not users.is_signed_in(None, person, NOW)


@given(st.lists(st.integers(1, 13 * 60), max_size=60))
def test_a_session_in_use_never_outlives_its_week_and_never_shrinks(pauses: list[int]) -> None:
    person, now = _person(), NOW
    session = users.new_session(person, "token", now)
    for pause in pauses:
        now += timedelta(minutes=pause)
        if not users.is_signed_in(session, person, now):
            assert timedelta(minutes=pause) > timedelta(hours=11) or now >= NOW + SESSION_LIFE
            return
        later = users.extend_session(session, now)
        assert later is None or later.expires_at >= session.expires_at + timedelta(hours=1)
        session = later or session
        assert session.expires_at <= NOW + SESSION_LIFE


@pytest.mark.parametrize(
    ("at", "holds"),
    [
        (NOW, True),
        (NOW + timedelta(minutes=15) - SECOND, True),
        (NOW + timedelta(minutes=15), False),
        (NOW - timedelta(seconds=30), True),
        (NOW - timedelta(minutes=2), False),
    ],
)
def test_a_link_holds_for_fifteen_minutes(at: datetime, holds: bool) -> None:  # noqa: FBT001 - a parameter of the table
    person = _person()
    link = SIGNER.parse_link(SIGNER.link_token(person, NOW))
    assert link
    assert users.is_link_valid(link, person, at) is holds
    for other in (users.change_user(person), person.model_copy(update={"disabled_at": NOW}), None):
        assert not users.is_link_valid(link, other, at)


@given(st.text(max_size=80))
def test_no_token_but_our_own_vouches_for_anybody(token: str) -> None:
    assert SIGNER.parse_link(token) is None
    assert Signer("another secret of ours").parse_link(SIGNER.link_token(_person(), NOW)) is None


@given(st.integers(0, 80), st.sampled_from("AQx_-9"))
def test_a_changed_token_says_the_same_or_nothing(at: int, letter: str) -> None:
    token = SIGNER.link_token(_person(), NOW)
    other = token[:at] + letter + token[at + 1 :]
    # Base64 can write the same bytes in more ways than one: a link is marked as used by what it says.
    assert SIGNER.parse_link(other) in (None, SIGNER.parse_link(token))


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE", "PUT"])
def test_a_change_must_come_from_a_page_of_ours(method: str) -> None:
    for ours in ({"origin": BASE}, {"sec-fetch-site": "same-origin"}):
        users.check_origin(method, ours, BASE)
    for foreign in (
        {},
        {"origin": "null"},
        {"origin": f"{BASE}.evil.example"},
        {"origin": BASE.replace("https", "http")},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
    ):
        with pytest.raises(HttpProblem) as refused:
            users.check_origin(method, foreign, BASE)
        assert refused.value.status == 403
        users.check_origin("GET", foreign, BASE)


def test_a_channel_may_speak_for_somebody_and_a_person_for_nobody_else() -> None:
    call = {"activity": {"type": "call", "createdBy": "sam"}}
    assert capture_events.as_sent(ACTIVITIES, call, None, "crm") == call
    assert capture_events.as_sent(ACTIVITIES, {"activity": {}}, None, "crm")["activity"] == {"createdBy": "crm"}
    signed = capture_events.as_sent(ACTIVITIES, call, None, "kim", in_person=True)["activity"]
    assert signed == {"type": "call", "createdBy": "kim"}
    assert capture_events.as_sent(ACTIVITIES, {"activity": 7}, None, "kim", in_person=True) == {"activity": 7}
    asked = capture_events.as_sent(QUALIFY, {"requestedBy": "sam"}, "lead-1", "kim", in_person=True)
    assert asked == {"requestedBy": "kim", "leadId": "lead-1"}


async def test_where_there_is_no_password_as_much_is_computed_and_none_fits() -> None:
    stored, checks = hash_of("caf\u00e9 horse battery"), Passwords()
    assert extract_parameters(passwords._NOBODYS) == extract_parameters(stored)
    assert await checks.verify(stored, "cafe\u0301 horse battery")
    for kept, offered in ((stored, "another"), (None, ""), (None, "A" * 22), ("no hash", "x")):
        assert not await checks.verify(kept, offered)


async def test_a_password_longer_than_one_can_be_is_not_normalised() -> None:
    began = process_time()
    assert not await Passwords().verify(None, "\u0315" * 40_000 + "\u0316" * 40_000)
    assert process_time() - began < 2, "Python takes as long as the square of the marks"
    assert not await Passwords().verify(hash_of("x" * PASSWORD_MAX), "x" * (PASSWORD_MAX + 1))
    assert await Passwords().verify(hash_of("x" * PASSWORD_MAX), "x" * PASSWORD_MAX)


async def test_only_so_many_passwords_wait_to_be_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_QUEUE_MAX", 2)
    checks = Passwords()
    outcomes = await asyncio.gather(*(checks.verify(None, "x") for _ in range(5)), return_exceptions=True)
    assert outcomes[:2] == [False, False]
    assert [one.status for one in outcomes[2:] if isinstance(one, HttpProblem)] == [503] * 3
    assert not await checks.verify(None, "x"), "there is room again"


async def test_what_is_remembered_is_read_once_and_never_older_than_it_may_be() -> None:
    now, read = [NOW], []

    async def reading(id_: str) -> int:
        read.append(id_)
        await asyncio.sleep(0)
        if len(read) == 2:
            raise ConnectionError
        return len(read)

    recent = TtlCache(reading, lambda: now[0])
    assert await asyncio.gather(*(recent.get("a") for _ in range(5))) == [1] * 5
    now[0] += timedelta(seconds=3.9)
    assert await recent.get("a") == 1
    now[0] += timedelta(seconds=0.1)
    with pytest.raises(ConnectionError):
        await recent.get("a")
    assert await recent.get("a") == 3, "a failure is not kept"
    recent.forget("a")
    assert await recent.get("a") == 4
