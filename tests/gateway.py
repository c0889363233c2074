"""A gateway on a bench, keys for it, and a client."""

import asyncio
import base64
import hmac
import json
import secrets
import subprocess
import sys
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from http.cookies import SimpleCookie
from io import StringIO
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
from pydantic import SecretStr

from deploy.local.child_process import free_port
from schemas.topics import Topic
from services.cli.main import run_command
from services.composition.process import run_workers
from services.gateway.app import front
from services.gateway.auth import key_store, user_store
from services.gateway.auth.domain import key_lifecycle, principals, users
from services.gateway.auth.domain.principals import KeyKind, Scope
from services.gateway.auth.domain.signing import Signer
from services.gateway.auth.domain.users import COOKIE, Role
from shared.clock import Clock, system_clock
from shared.kafka.decoding import decode
from shared.kafka.events import Received
from shared.service import WorkerProcess
from tests.harness import Bench, stop, until

NOTHING_TO_REWRITE = (
    "all indexes exist\nrewrote 0 claims, found 0 pairs of leads that look like one person, 0 unpublished"
)
"""What `pantry indexes apply` says of a store without claims of an earlier release."""
SECRET = "a gateway secret of the tests"  # noqa: S105 - it guards nothing


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Any
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class Caller:
    """Calls one gateway."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http, self.url = http, url

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = None,
        session: str | None = None,
        media: str = "application/json",
        **headers: str,
    ) -> Answer:
        """One request; a body that is no bytes is sent as JSON. Header names are given with _ for -.

        With a `session`, as `session_of` makes them, it is sent as our own page would send it.
        """
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if session:
            sent = {"cookie": f"{COOKIE}={session}", "origin": self.url, **sent}
        if key:
            sent["authorization"] = f"Bearer {key}"
        if body is not None:
            sent["content-type"] = media
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        async with self._http.request(
            method, f"{self.url}{path}", data=data, headers=sent, allow_redirects=False
        ) as answer:
            return Answer(answer.status, answer.headers, await answer.text())

    async def post(self, path: str, body: Any, **more: Any) -> Answer:
        return await self.call("POST", path, body, **more)


@asynccontextmanager
async def gateway(on: Bench, *, workers: tuple[str, ...] = (), **settings: Any) -> AsyncIterator[Caller]:
    """A gateway process's insides in this one, and a caller."""
    changed = on.settings.model_copy(update={"gateway_secret": SecretStr(SECRET), **settings})
    async with run_workers(changed, on.to, workers, front=front) as service, aiohttp.ClientSession() as http:
        yield Caller(http, service.http or "")


@asynccontextmanager
async def gateway_at(on: Bench, clock: Clock, **settings: Any) -> AsyncIterator[Caller]:
    """A gateway that goes by this clock."""
    changed = on.settings.model_copy(update={"gateway_secret": SecretStr(SECRET), **settings})
    async with WorkerProcess(changed, on.to, (), clock=clock, front=front) as service, aiohttp.ClientSession() as http:
        yield Caller(http, service.http or "")


async def new_key(on: Bench, name: str = "website", kind: KeyKind = KeyKind.SERVER, **more: Any) -> str:
    """A key, stored; what its owner is given (a webhook's: its name)."""
    secret = "1" if kind is KeyKind.WEBHOOK else secrets.token_urlsafe(24)
    scopes = tuple(Scope) if kind is KeyKind.SERVER else ()
    key = key_lifecycle.new_key(name, kind, secret, system_clock(), **{"scopes": scopes, **more})
    assert await key_store.create_key(on.storage, key)
    return name if kind is KeyKind.WEBHOOK else principals.format_key(kind, name, secret)


async def session_of(on: Bench, caller: Caller, role: Role, name: str | None = None) -> str:
    """Somebody of this role (called as the role, unless named) signs in; what their browser is given."""
    name = name or role.value
    await user_store.create_user(on.storage, users.new_user(name, role, None, system_clock()))
    person = await user_store.find_user(on.storage, name)
    assert person
    token = Signer(SECRET).link_token(person, system_clock())
    answer = await sign_in(caller, token=token)
    assert answer.status == 303, answer.text
    return cookie_of(answer)


async def sign_in(caller: Caller, **fields: str) -> Answer:
    """What our own page's form posts."""
    body = urlencode(fields).encode()
    return await caller.post("/signin", body, media="application/x-www-form-urlencoded", origin=caller.url)


def cookie_of(answer: Answer) -> str:
    """The session that an answer begins."""
    return SimpleCookie(answer.headers["Set-Cookie"])[COOKIE].value


async def events(on: Bench, topic: Topic) -> list[Received]:
    """What a topic holds, as its readers will see it: each of it must be valid to them."""
    read = [decode(record, "US") for record in await on.records(topic)]
    assert all(isinstance(one, Received) for one in read), read
    return [one for one in read if isinstance(one, Received)]


@asynccontextmanager
async def gateway_process(on: Bench, **environment: str) -> AsyncIterator[tuple[subprocess.Popen[bytes], str]]:
    """A `pantry gateway` process, once it answers, and its URL."""
    port = free_port()
    settings = {"PANTRY_HTTP_PORT": str(port), "PANTRY_GATEWAY_SECRET": SECRET, **environment}
    process, url = on.pantry("gateway", log=None, **settings), f"http://127.0.0.1:{port}"
    try:
        async with aiohttp.ClientSession() as http:
            await until(lambda: _is_ready(http, url), "the gateway's readiness")
        yield process, url
        assert stop(process) == 0
    finally:
        process.kill()


async def _is_ready(http: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with http.get(f"{url}/readyz") as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False


async def typed(on: Bench, *words: str) -> str:
    """What `pantry WORDS` says when it does what it was asked for."""
    status, said, told = await command(on, *words)
    assert status == 0, (words, told)
    return said.strip()


async def mistake(on: Bench, *words: str) -> str:
    """What `pantry WORDS` says of a mistake of the user's."""
    status, _, told = await command(on, *words)
    assert status == 2, (words, told)
    return told


async def command(on: Bench, *words: str) -> tuple[Any, str, str]:
    """A command's exit status and outputs, run in this process: one of its own takes a second to start."""
    environment = {**on.environment, "PANTRY_GATEWAY_SECRET": SECRET}
    with (
        redirect_stdout(StringIO()) as said,
        redirect_stderr(StringIO()) as told,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(sys, "argv", ["pantry", *words])
        for name, value in environment.items():
            patch.setenv(name, value)
        status = await asyncio.to_thread(_status)
    return status, said.getvalue(), told.getvalue()


def _status() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # Cyclopts wonders who reads the command line in a test
            run_command()
    except SystemExit as ended:
        return ended.code
    return 0


def signed(secret: str, body: bytes, id_: str = "msg-1", at: datetime | None = None) -> dict[str, str]:
    """The headers by which a platform with this secret vouches for a body."""
    moment = str(int((at or datetime.now(UTC)).timestamp()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.digest(key, f"{id_}.{moment}.".encode() + body, "sha256")
    return {
        "webhook_id": id_,
        "webhook_timestamp": moment,
        "webhook_signature": f"v1,{base64.b64encode(mac).decode()}",
    }
