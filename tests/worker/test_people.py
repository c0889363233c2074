"""People at the gateway, on real servers: they sign in, do what their role may, and are out when they are to be."""

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest

from deploy.local import LocalServers
from schemas.topics import ACTIVITIES, CAPTURED, CONVERT, ERASE, QUALIFY, UPDATE
from services.gateway.auth import authenticator, passwords, user_store
from services.gateway.auth.domain import users
from services.gateway.auth.domain.signing import Signer
from services.gateway.auth.domain.users import Role
from services.gateway.auth.passwords import hash_of
from shared.clock import system_clock
from tests.builders import data
from tests.collection_names import RATES, USERS
from tests.gateway import (
    SECRET,
    Answer,
    Caller,
    cookie_of,
    events,
    gateway,
    gateway_at,
    gateway_process,
    mistake,
    new_key,
    session_of,
    sign_in,
    typed,
)
from tests.harness import PANTRY, Bench, bench, until
from tests.swapping import name_of

PASSWORD = "correct horse battery"  # noqa: S105 - nobody's
WRONG = "wrong horse battery"


async def _new(on: Bench, name: str, role: Role = Role.SALES, password: str | None = PASSWORD) -> None:
    stored = hash_of(password) if password else None
    assert await user_store.create_user(on.storage, users.new_user(name, role, stored, system_clock()))


async def _change(on: Bench, name: str, **fields: Any) -> None:
    old = await user_store.find_user(on.storage, name)
    assert old
    assert await user_store.replace_user(on.storage, old, users.change_user(old, **fields))


async def _status(caller: Caller, session: str) -> int:
    return (await caller.call("GET", "/v1/me", session=session)).status


async def _is(caller: Caller, session: str, wanted: int) -> bool:
    return await _status(caller, session) == wanted


async def test_signed_in_by_password_a_person_is_known_by_the_cookie_and_by_nothing_else(local: LocalServers) -> None:
    async with bench(local) as on, gateway(on) as caller:
        await _new(on, "kim.catering")
        answer = await sign_in(caller, name=" Kim.Catering ", password=PASSWORD)
        assert (answer.status, answer.headers["Location"]) == (303, "/")
        cookie = answer.headers["Set-Cookie"].lower()
        for part in ("httponly", "samesite=strict", "path=/", "max-age="):
            assert part in cookie
        assert "secure" not in cookie
        session = cookie_of(answer)
        me = await caller.call("GET", "/v1/me", session=session)
        scopes = ["leads:read", "analytics:read", "activities:write", "leads:write"]
        assert me.json == {"name": "kim.catering", "role": "sales", "scopes": scopes}
        again = await caller.call("GET", "/v1/me", session=session, If_None_Match=me.headers["ETag"])
        assert (again.status, again.text, again.headers["Cache-Control"]) == (304, "", "no-cache, private")
        for other in (None, session[:-1], "x" * 43):
            assert (await caller.call("GET", "/v1/me", session=other)).status == 401
        assert (await caller.call("GET", "/v1/me", key=await new_key(on))).status == 401, "a key is nobody"
        assert (await caller.call("GET", "/signin", session=session)).headers["Location"] == "/"
        https = await caller.post(
            "/signin",
            f"name=kim.catering&password={PASSWORD}".encode(),
            media="application/x-www-form-urlencoded",
            origin=caller.url.replace("http:", "https:"),
            X_Forwarded_Proto="https",
        )
        assert "secure" in https.headers["Set-Cookie"].lower()


async def test_whatever_is_wrong_with_name_or_password_the_answer_is_one_and_the_same(local: LocalServers) -> None:
    async with bench(local) as on, gateway(on) as caller:
        await _new(on, "kim")
        await _new(on, "admin", Role.ADMIN, None)
        await _new(on, "gone")
        await _change(on, "gone", disabled_at=system_clock())
        texts = set()
        for name, password in (("kim", PASSWORD + "!"), ("admin", ""), ("nobody", PASSWORD), ("gone", PASSWORD)):
            answer = await sign_in(caller, name=name, password=password)
            assert answer.status == 401
            assert "Set-Cookie" not in answer.headers
            assert name not in answer.text
            nonce = answer.headers["Content-Security-Policy"].partition("nonce-")[2].partition("'")[0]
            texts.add(answer.text.replace(nonce, ""))
        assert len(texts) == 1
        assert await on.count("sessions") == 0


async def _try(caller: Caller, address: str, password: str = WRONG, name: str = "kim", **cookies: str) -> Answer:
    """An attempt to sign in from this address, by a browser that has these cookies."""
    sent = {"cookie": "; ".join(f"{one}={value}" for one, value in cookies.items())} if cookies else {}
    form, body = "application/x-www-form-urlencoded", urlencode({"name": name, "password": password}).encode()
    return await caller.post("/signin", body, media=form, origin=caller.url, X_Forwarded_For=address, **sent)


def _device_of(answer: Answer) -> dict[str, str]:
    """The cookie by which the browser is known from now on."""
    (cookie,) = (one for one in answer.headers.getall("Set-Cookie") if one.startswith("pantry_device"))
    for part in ("httponly", "samesite=strict", "path=/signin", "max-age=31536000"):
        assert part in cookie.lower()
    name, _, value = cookie.partition(";")[0].partition("=")
    return {name: value}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords that take no time: what is tried here is how often they are asked for."""
    monkeypatch.setattr(passwords, name_of(passwords, passwords._fits), lambda _, offered: offered == PASSWORD)


@pytest.mark.usefixtures("quick")
async def test_guessing_ends_after_ten_attempts_a_minute_on_all_processes_together(local: LocalServers) -> None:
    now = datetime(2026, 5, 1, 12, tzinfo=UTC)
    async with bench(local) as on, gateway_at(on, lambda: now) as one, gateway_at(on, lambda: now) as two:
        await _new(on, "kim")
        statuses = [(await _try(caller, "192.0.2.1")).status for caller in (one, two) for _ in range(6)]
        assert statuses == [401] * 10 + [429] * 2
        right = await _try(one, "192.0.2.1", PASSWORD)
        assert (right.status, right.headers["Retry-After"]) == (429, "60")
        names = [(await _try(one, "192.0.2.1", name=f"n{n // 5}")).status for n in range(25)]
        assert names == [401] * 20 + [429] * 5, "an address may not try one name after the other for ever"
        rows = json.dumps(await on.storage.find(RATES, {}), default=str)
        assert "kim" not in rows, "what is typed as a name may be anything"


@pytest.mark.usefixtures("quick")
async def test_wrong_passwords_from_elsewhere_lock_nobody_out(
    local: LocalServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [system_clock()]
    async with bench(local) as on, gateway_at(on, lambda: now[0]) as caller:
        await _new(on, "kim")
        await _new(on, "robin")
        known = _device_of(await _try(caller, "192.0.2.1", PASSWORD))
        of_robin = _device_of(await _try(caller, "192.0.2.1", PASSWORD, "robin"))
        now[0] += timedelta(minutes=1)
        assert [(await _try(caller, "198.51.100.1")).status for _ in range(11)] == [401] * 10 + [429]
        assert (await _try(caller, "192.0.2.9", PASSWORD)).status == 303, "at a new browser, from their own address"
        monkeypatch.setattr(authenticator, "_NAME_A_MINUTE", 20)
        now[0] += timedelta(minutes=1)
        guesses = [(await _try(caller, f"198.51.100.{n // 5}")).status for n in range(25)]
        assert guesses == [401] * 20 + [429] * 5, "guesses from everywhere end too"
        assert (await _try(caller, "192.0.2.9", PASSWORD)).status == 429, "a new browser waits"
        assert (await _try(caller, "198.51.100.1", PASSWORD, **known)).status == 303, "a known one never does"
        (value,) = of_robin.values()
        (cookie,) = known
        for useless in (of_robin, {cookie: value}, {cookie: known[cookie][:-2]}):
            assert (await _try(caller, "192.0.2.9", PASSWORD, **useless)).status == 429
        person = await user_store.find_user(on.storage, "kim")
        assert person
        assert (await sign_in(caller, token=Signer(SECRET).link_token(person, now[0]))).status == 303
        tried = [(await _try(caller, "192.0.2.7", **known)).status for _ in range(11)]
        assert tried == [401] * 9 + [429] * 2, "nor is a known browser free to guess"
        now[0] += timedelta(minutes=1)
        await _change(on, "kim", password=hash_of(PASSWORD))
        assert [(await _try(caller, f"198.51.100.{n // 5}")).status for n in range(20)] == [401] * 20
        assert (await _try(caller, "192.0.2.1", PASSWORD, **known)).status == 429, "another password ends what is known"


CALLS: Sequence[tuple[str, str, Any, Role]] = (
    ("POST", "/v1/activities", {"leadId": "l", "activity": {"type": "call", "description": "Talked"}}, Role.SALES),
    ("POST", "/v1/leads/l/qualify", {"requirements": {"budget": 5_000}}, Role.SALES),
    ("POST", "/v1/leads/l/convert", {"opportunity": {"name": "Spring"}}, Role.SALES),
    ("PATCH", "/v1/leads/l", {"status": "contacted", "requestedBy": "somebody else"}, Role.SALES),
    ("DELETE", "/v1/leads/l", None, Role.ADMIN),
    ("POST", "/v1/leads", {k: v for k, v in data().items() if k != "source"}, Role.ADMIN),
)


async def test_each_role_does_what_it_may_in_the_persons_own_name(local: LocalServers) -> None:
    async with bench(local) as on, gateway(on) as caller:
        order = list(Role)
        for role in Role:
            session = await session_of(on, caller, role)
            for method, path, body, least in CALLS:
                answer = await caller.call(method, path, body, session=session)
                assert answer.status == (202 if order.index(role) >= order.index(least) else 403), (role, path)
            assert (await caller.post("/v1/engagements", {"email": "a@example.com"}, session=session)).status == 403
        asked = [one.payload.requested_by for t in (QUALIFY, CONVERT, UPDATE, ERASE) for one in await events(on, t)]
        assert asked == ["sales", "admin"] * 3 + ["admin"]
        done = await events(on, ACTIVITIES)
        assert [one.payload.activity.created_by for one in done] == ["sales", "admin"]
        (captured,) = await events(on, CAPTURED)
        assert (captured.event.source, captured.payload.source) == ("/people/admin", "phone")


async def test_what_pages_of_others_ask_for_with_a_persons_cookie_is_refused(local: LocalServers) -> None:
    async with bench(local) as on, gateway(on) as caller:
        await _new(on, "kim")
        session = await session_of(on, caller, Role.SALES)
        cookie = {"cookie": f"pantry_session={session}"}
        form = "application/x-www-form-urlencoded"
        foreign: Sequence[dict[str, str]] = (
            {},
            {"origin": "https://evil.example"},
            {"origin": "null", "sec_fetch_site": "cross-site"},
            {"sec_fetch_site": "same-site"},
        )
        for headers in foreign:
            assert (await caller.call("PATCH", "/v1/leads/l", {"status": "lost"}, **cookie, **headers)).status == 403
            assert (await caller.post("/signout", b"", media=form, **cookie, **headers)).status == 403
            mine = f"name=kim&password={PASSWORD}".encode()
            assert (await caller.post("/signin", mine, media=form, **headers)).status == 403
        assert await events(on, UPDATE) == []
        assert await _status(caller, session) == 200
        own = {"sec_fetch_site": "same-origin"}
        assert (await caller.call("PATCH", "/v1/leads/l", {"status": "lost"}, **cookie, **own)).status == 202


async def test_signing_out_disabling_and_any_change_hold_on_every_process(local: LocalServers) -> None:
    async with bench(local) as on, gateway(on) as one, gateway_process(on) as (_, url):
        two = Caller(one._http, url)

        async def signed_in(name: str) -> str:
            session = cookie_of(await sign_in(one, name=name, password=PASSWORD))
            assert [await _status(caller, session) for caller in (one, two)] == [200, 200]
            return session

        async def end(session: str) -> None:
            for caller in (one, two):
                await until(lambda caller=caller: _is(caller, session, 401), "the session's end")  # type: ignore[misc]

        changes: Mapping[str, Mapping[str, Any]] = {
            "promoted": {"role": Role.VIEWER},
            "renewed": {"password": hash_of(PASSWORD)},
            "disabled": {"disabled_at": system_clock()},
        }
        for name in ("leaver", *changes):
            await _new(on, name)
        left = await signed_in("leaver")
        sessions = {name: await signed_in(name) for name in changes}
        out = await one.post("/signout", b"", session=left)
        assert (out.status, out.headers["Location"]) == (303, "/signin")
        assert "max-age=0" in out.headers["Set-Cookie"].lower()
        assert await _status(one, left) == 401, "at once where it was"
        for name, change in changes.items():
            await _change(on, name, **change)
        await asyncio.gather(*map(end, (left, *sessions.values())))
        # Both processes have seen whoever it was before, and must see who it is now.
        for name in ("leaver", "promoted", "renewed"):
            await signed_in(name)
        assert (await sign_in(one, name="disabled", password=PASSWORD)).status == 401


async def test_a_session_lasts_while_it_is_used_but_no_longer_than_a_week(local: LocalServers) -> None:
    now = [system_clock()]
    async with bench(local) as on, gateway_at(on, lambda: now[0]) as caller:
        used, idle = await session_of(on, caller, Role.SALES), await session_of(on, caller, Role.VIEWER)
        step, week = timedelta(hours=11), now[0] + timedelta(days=7)
        now[0] += step
        assert await _status(caller, used) == 200
        now[0] += timedelta(hours=1)
        assert await _status(caller, idle) == 401, "nobody used it for half a day"
        while await _status(caller, used) == 200:
            now[0] += step
        assert now[0] - step < week <= now[0]


async def test_a_link_signs_in_once_by_a_button_and_in_time(local: LocalServers) -> None:
    now = [system_clock()]
    signer = Signer(SECRET)
    async with bench(local) as on, gateway_at(on, lambda: now[0]) as caller:
        await _new(on, "admin", Role.ADMIN, None)
        person = await user_store.find_user(on.storage, "admin")
        assert person
        token = signer.link_token(person, now[0])
        for _ in range(2):
            page = await caller.call("GET", f"/signin?token={token}")
            assert page.status == 200
            assert "Sign in as admin" in page.text, "to look at it uses nothing"
        both = await asyncio.gather(*(sign_in(caller, token=token) for _ in range(4)))
        assert sorted(answer.status for answer in both) == [303, 401, 401, 401]
        assert (await caller.call("GET", f"/signin?token={token}")).status == 401
        late, early = signer.link_token(person, now[0]), signer.link_token(person, now[0] + timedelta(minutes=5))
        changed = signer.link_token(users.change_user(person), now[0])
        other = Signer("another secret of somebody").link_token(person, now[0])
        now[0] += timedelta(minutes=1)
        for bad in (early, changed, other, late[:-2], late + "AA", "", "é"):
            assert (await sign_in(caller, token=bad)).status == 401
            now[0] += timedelta(seconds=60)
        now[0] += timedelta(minutes=8)
        assert (await sign_in(caller, token=late)).status == 401


async def test_no_password_and_no_token_stands_in_the_log_or_the_database(
    local: LocalServers, capfd: pytest.CaptureFixture[str]
) -> None:
    async with bench(local) as on, gateway(on, log_level="debug") as caller:
        await _new(on, "kim")
        person = await user_store.find_user(on.storage, "kim")
        assert person
        link = Signer(SECRET).link_token(person, system_clock())
        capfd.readouterr()
        await caller.call("GET", f"/signin?token={link}")
        sessions = [
            cookie_of(await sign_in(caller, **how)) for how in ({"name": "kim", "password": PASSWORD}, {"token": link})
        ]
        assert (await sign_in(caller, name="kim", password=f"{PASSWORD}x")).status == 401
        swapped = {"name": PASSWORD, "password": "kim"}
        assert (await sign_in(caller, **swapped)).status == 401
        for session in sessions:
            assert await _status(caller, session) == 200
        logged = "".join(capfd.readouterr())
        assert logged.count("http.request") == 7
        stored = json.dumps([await on.storage.find(name, {}) for name in await on.storage.collections()], default=str)
        assert "argon2id" in stored
        for secret in (PASSWORD, link, *sessions):
            assert secret not in logged
            assert secret not in stored


def _pantry(on: Bench, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**on.environment, "PANTRY_GATEWAY_SECRET": SECRET}
    command = [*PANTRY, "people", *words]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


async def _people(on: Bench, *words: str) -> str:
    done = await asyncio.to_thread(_pantry, on, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


async def test_people_are_made_changed_and_disabled_from_the_command_line(local: LocalServers, tmp_path: Path) -> None:
    async with bench(local) as on, gateway(on) as caller:
        file = tmp_path / "password"
        file.write_text(f"{PASSWORD}\n")
        await _people(on, "create", "kim.catering", "--role", "sales", "--password-file", str(file))
        link = await typed(on, "people", "create", "robin", "--role", "viewer", "--link")
        sessions = [
            cookie_of(await sign_in(caller, name="kim.catering", password=PASSWORD)),
            cookie_of(await sign_in(caller, token=link.partition("/signin?token=")[2])),
        ]
        me = [(await caller.call("GET", "/v1/me", session=one)).json for one in sessions]
        assert [(one["name"], one["role"]) for one in me] == [("kim.catering", "sales"), ("robin", "viewer")]
        again = (await typed(on, "people", "link", "kim.catering")).partition("/signin?token=")[2]
        assert (await sign_in(caller, token=again)).status == 303
        await typed(on, "people", "role", "robin", "admin")
        file.write_text("another horse battery")
        await typed(on, "people", "password", "kim.catering", "--password-file", str(file))
        for session in sessions:
            await until(lambda session=session: _is(caller, session, 401), "the session's end")  # type: ignore[misc]
        assert (await sign_in(caller, name="kim.catering", password=PASSWORD)).status == 401
        await typed(on, "people", "disable", "robin")
        listed = await _people(on, "list")
        for word in ("kim.catering", "sales", "password or link", "robin", "admin"):
            assert word in listed
        assert "argon2" not in listed


async def test_what_can_not_be_is_told_in_a_sentence(local: LocalServers, tmp_path: Path) -> None:
    async with bench(local) as on:
        await _new(on, "kim", password=None)
        await _new(on, "gone", password=None)
        await _change(on, "gone", disabled_at=system_clock())
        short, binary = tmp_path / "short", tmp_path / "binary"
        short.write_text("eleven char")
        binary.write_bytes(b"\xff" * 20)
        for words, told in (
            (("create", "kim", "--role", "viewer", "--link"), "the user kim exists already"),
            (("create", "Bad Name", "--role", "viewer", "--link"), "lower-case letters"),
            (("create", "new", "--role", "viewer"), "no terminal"),
            (("create", "new", "--role", "viewer", "--link", "--password-file", str(short)), "--link sets no password"),
            (("create", "new", "--role", "viewer", "--password-file", str(short)), "12 to 200 characters"),
            (("password", "kim", "--password-file", str(binary)), "can't be read"),
            (("password", "kim", "--password-file", str(tmp_path / "nothing")), "can't be read"),
            (("role", "nobody", "admin"), "there is no user nobody"),
            (("link", "gone"), "gone is disabled"),
        ):
            assert told in await mistake(on, "people", *words)
        assert await on.count("people") == 2


@asynccontextmanager
async def _up(on: Bench, reads: int, writes: int) -> AsyncIterator[str]:
    """`pantry up` that writes there, and what it says of the dashboard."""
    environment = {**on.environment, "PANTRY_GATEWAY_SECRET": SECRET}
    command = (*PANTRY, "up")
    up = await asyncio.create_subprocess_exec(*command, env=environment, stdout=writes, stderr=writes)
    os.close(writes)
    with open(reads) as said:  # noqa: ASYNC230 - it is a pipe, read by a thread of its own
        yield await asyncio.to_thread(lambda: next(line for line in said if line.startswith("Dashboard")))
        up.send_signal(signal.SIGINT)
        assert await up.wait() == 0


async def test_up_prints_a_link_that_signs_its_first_user_in_on_a_terminal_alone(local: LocalServers) -> None:
    async with bench(local) as on, aiohttp.ClientSession() as http:
        async with _up(on, *os.pipe()) as line:
            assert "token=" not in line, "a file would keep it"
            assert "pantry people link admin" in line
        async with _up(on, *os.openpty()) as line:
            url, _, token = line.split()[1].partition("/signin?token=")
            caller = Caller(http, url)
            answer = await sign_in(caller, token=token)
            me = await caller.call("GET", "/v1/me", session=cookie_of(answer))
            assert me.json["role"] == "admin"
        (admin,) = await on.storage.find(USERS, {})
        assert (admin["_id"], "password" in admin) == ("admin", False)
