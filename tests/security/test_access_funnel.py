"""The whole funnel on servers that ask for logins and rights, each process under its own user."""

import asyncio
import re
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from deploy.local import LocalServers
from deploy.local.child_process import free_port
from deploy.local.secured import ADMINISTRATOR, secured_database, secured_kafka
from schemas.topics import TOPICS
from services.composition.permissions import GATEWAY, OPERATIONS, PROCESSES, SETUP, user_of
from services.composition.workers import WORKERS
from services.gateway.auth.domain.principals import Scope
from tests.gateway import NOTHING_TO_REWRITE, SECRET, Caller, typed
from tests.harness import DEADLINE_S, Bench, until
from tests.security.life import live
from tests.security.secured import (
    PASSWORDS,
    certified,
    environment,
    kafka_settings,
    make_users,
    mongo_settings,
    needs_kafka,
)


@dataclass(frozen=True, slots=True)
class Site:
    """Both servers, and processes and commands under users of theirs."""

    local: LocalServers
    ca: Path
    directory: Path

    def settings(self, user: str) -> dict[str, str]:
        servers = self.local.servers
        return kafka_settings(servers.kafka_bootstrap, self.ca, user) | mongo_settings(servers.mongo_url, user)

    def bench(self, user: str) -> Bench:
        """A bench whose connections are this user's."""
        with environment(self.settings(user)):
            return Bench(self.local)

    async def typed(self, process: str, *words: str) -> str:
        """What `pantry WORDS` says to this user."""
        user = user_of(process) if process in PROCESSES else process
        with environment(self.settings(user)):
            return await typed(Bench(self.local), *words)

    def start(self, on: Bench, process: str, *words: str, **more: str) -> subprocess.Popen[bytes]:
        """The process under its own user, whose passwords stand in files."""
        settings, secrets_ = self.settings(user_of(process)), self.directory / process
        secrets_.mkdir()
        for name in ("PANTRY_KAFKA_PASSWORD", "PANTRY_MONGO_PASSWORD"):
            (secrets_ / name.lower()).write_text(settings.pop(name))
        settings |= {
            "PANTRY_SECRETS_DIR": str(secrets_),
            "PANTRY_LOG_LEVEL": "info",
            "PANTRY_LOG_FORMAT": "json",
            **more,
        }
        return on.pantry(*words, log=self.log(process), **settings)

    def log(self, process: str) -> Path:
        return self.directory / f"{process}.log"


@pytest.mark.long
@pytest.mark.thorough
@pytest.mark.usefixtures("over_tls")
async def test_the_whole_funnel_runs_with_each_process_under_its_own_user_and_no_password_in_any_log(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    needs_kafka(request.config)
    files = certified(tmp_path / "files")
    with (
        secured_kafka(tmp_path / "kafka", files, PASSWORDS) as bootstrap,
        secured_database(tmp_path / "database", files, PASSWORDS[ADMINISTRATOR]) as url,
        LocalServers("embedded", tmp_path, kafka_bootstrap=bootstrap, mongo_url=url) as local,
    ):
        site = Site(local, files.ca, tmp_path)
        await _prepare(site)
        on = site.bench(ADMINISTRATOR)
        try:
            key = await site.typed(OPERATIONS, "keys", "create", "shop", *_scopes())
            async with _processes(site, on) as caller:
                lead = await live(on, caller, key)
            await _look_after(site, lead)
        finally:
            await on.storage.close()
    for process in (*WORKERS, GATEWAY):
        said = site.log(process).read_text()
        assert "service.started" in said, process
        assert not [word for word in (*PASSWORDS.values(), SECRET) if word in said], process
        assert not re.findall(r".*(?:uthoriz|uthenticat|code=1[38]|background|rewound|nothing can be).*", said), process


async def _prepare(site: Site) -> None:
    said = await site.typed(ADMINISTRATOR, "access", "apply")
    assert said.endswith(f"{len(PROCESSES)} roles at MongoDB are granted")
    make_users(site.local.servers.mongo_url)
    assert (await site.typed(SETUP, "topics", "apply")).startswith(f"created {len(TOPICS)} of {len(TOPICS)} topics")
    assert await site.typed(SETUP, "indexes", "apply") == NOTHING_TO_REWRITE


def _scopes() -> list[str]:
    return [word for scope in Scope for word in ("--scope", scope.value)]


@asynccontextmanager
async def _processes(site: Site, on: Bench) -> AsyncIterator[Caller]:
    """Every worker and a gateway, each a process under its own user."""
    port = free_port()
    ways = {GATEWAY: ("gateway",), **{name: ("worker", name) for name in WORKERS}}
    more = {GATEWAY: {"PANTRY_GATEWAY_SECRET": SECRET, "PANTRY_HTTP_PORT": str(port)}}
    running = [site.start(on, name, *words, **more.get(name, {})) for name, words in ways.items()]
    try:
        async with aiohttp.ClientSession() as http:
            caller = Caller(http, f"http://127.0.0.1:{port}")
            await until(lambda: _ready(caller), "the gateway's readiness")
            yield caller
        for process in running:
            process.terminate()
        assert [await asyncio.to_thread(process.wait, DEADLINE_S) for process in running] == [0] * len(running)
    finally:
        for process in running:
            process.kill()


async def _ready(caller: Caller) -> bool:
    try:
        return (await caller.call("GET", "/readyz")).status == 200
    except aiohttp.ClientError:
        return False


async def _look_after(site: Site, lead: str) -> None:
    """What who looks after all of it types."""
    assert "no event" not in await site.typed(OPERATIONS, "deadletter", "list")
    for words in ("lag", f"nurture show {lead}", "rules status", "insights verify", "model history", "people list"):
        assert await site.typed(OPERATIONS, *words.split()), words
