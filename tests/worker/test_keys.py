"""`pantry keys` as its user sees it, and what the gateway makes of the keys."""

import asyncio
import subprocess
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deploy.local import LocalServers
from schemas.topics import ENGAGEMENTS
from services.cli.common import gateway_secret_of
from services.gateway.auth.domain import key_fields
from shared.errors import UsageError
from shared.settings import Settings
from tests.builders import data
from tests.gateway import SECRET, events, gateway, mistake, new_key, signed, typed
from tests.harness import PANTRY, Bench, bench, until

_FIELDS = [word for path in (*key_fields.NAMES, "contact.email", "attributes.cuisine") for word in ("--field", path)]


def _pantry(on: Bench, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**on.environment, "PANTRY_GATEWAY_SECRET": SECRET}
    command = [*PANTRY, "keys", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


async def _keys(on: Bench, *words: str) -> str:
    done = await asyncio.to_thread(_pantry, on, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


async def test_a_key_is_shown_once_listed_without_its_secret_rotated_and_revoked(local: LocalServers) -> None:
    async with bench(local) as on, gateway(on) as caller:

        async def status(key: str) -> int:
            return (await caller.post("/v1/leads", data(source="trade_show"), key=key)).status

        old = await _keys(on, "create", "hall-7", "--source", "trade_show", "--scope", "captures:write")
        assert await status(old) == 202
        new = await typed(on, "keys", "rotate", "hall-7", "--overlap-hours", "0")
        assert old != new
        await until(lambda: _is(status, new, 202), "the new secret")
        assert await status(old) == 401
        await typed(on, "keys", "revoke", "hall-7")
        # Through a pipe, as another program reads it: nothing is cut at the width of a terminal that isn't there.
        site = f"https://{'long-name.' * 8}example"
        also = "HTTPS://Shop.Example:443/"
        await typed(on, "keys", "create", "page", "--kind", "form", "--origin", site, "--origin", also, *_FIELDS)
        listed = await _keys(on, "list")
        assert site in listed
        assert "https://shop.example " in listed, "as browsers write it"
        for word in ("hall-7", "trade_show", "revoked", "attributes.cuisine"):
            assert word in listed
        for secret in (old, new):
            assert secret.split("_", 2)[2] not in listed
        await until(lambda: _is(status, new, 401), "the end of the key")


async def test_a_webhooks_secret_as_it_is_shown_signs_what_the_gateway_takes(local: LocalServers) -> None:
    async with bench(local) as on, gateway(on) as caller:
        secret = await typed(on, "keys", "create", "mailer", "--kind", "webhook")
        body = b'{"email": "ana@example.com", "action": "opened_email"}'
        answer = await caller.post("/v1/webhooks/mailer", body, **signed(secret, body, at=datetime.now(UTC)))
        assert (answer.status, answer.json["accepted"]) == (202, 1)
        assert len(await events(on, ENGAGEMENTS)) == 1


async def test_what_can_not_be_is_told_in_a_sentence(local: LocalServers) -> None:
    async with bench(local) as on:
        await new_key(on, "shop")
        for words, told in (
            (("create", "shop"), "the key shop exists already"),
            (("create", "Bad Name"), "name: give lower-case letters"),
            (("create", "other", "--scope", "leads:read-everything"), "--scope: give 'captures:write'"),
            (("create", "page", "--kind", "form", "--scope", "leads:erase"), "no other"),
            (
                ("create", "page", "--kind", "form", "--origin", "blue.example"),
                "--origin blue.example: write scheme, host",
            ),
            (("create", "page", "--kind", "form", "--field", "contact.mail"), "contact.mail: there is no such field"),
            (("create", "page", *_FIELDS), "only a form key"),
            (("create", "page", "--per-minute", "0"), "--per-minute: give 1 or more"),
            (("rotate", "nobody"), "there is no key nobody"),
            (("revoke", "nobody"), "there is no key nobody"),
        ):
            assert told in await mistake(on, "keys", *words)
        assert await on.count("api_keys") == 1


async def _is(status: Callable[[str], Awaitable[int]], key: str, wanted: int) -> bool:
    return await status(key) == wanted


def test_the_secret_that_up_makes_is_whole_private_and_kept(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", gateway_secret=None)
    with pytest.raises(UsageError, match="PANTRY_GATEWAY_SECRET"):
        gateway_secret_of(settings)
    made = gateway_secret_of(settings, create=True)
    assert len(made) >= 16
    assert gateway_secret_of(settings) == gateway_secret_of(settings, create=True) == made
    (file,) = (tmp_path / "data").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
