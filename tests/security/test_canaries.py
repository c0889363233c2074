"""Canaries in everything that comes in, and in every secret: none of them in a log, a metric, an error or a reason."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import aiohttp
import pytest

from deploy.local import LocalServers
from deploy.local.child_process import free_port
from schemas.topics import DEADLETTER
from services.composition.workers import WORKERS
from shared.domain.ids import loggable_id
from shared.kafka.dead_letter import DeadLetterRecord
from shared.mongo import names
from tests.builders import event
from tests.faults.malformed import INPUTS
from tests.gateway import Caller
from tests.harness import Bench, bench, lead_id, until
from tests.security.canaries import (
    BIRD,
    EMAIL,
    SECRETS,
    clean,
    person,
    quotes_nothing,
)
from tests.security.feeding import (
    MALFORMED,
    call_rightly,
    call_wrongly,
    feed,
    seed_secrets,
    until_ready,
    until_says,
    until_stored,
)

LOUD = {
    "PANTRY_LOG_LEVEL": "debug",
    "PANTRY_LOG_FORMAT": "json",
    "PANTRY_ACK_TIMEOUT_S": "1",
    "PANTRY_HTTP_BODY_MAX": "65536",
    "PANTRY_BREAKER_SHARE": "1",
    "PANTRY_BREAKER_IN_A_ROW": "0",
    "PANTRY_ORPHAN_TTL": "5",
    "PYTHONWARNINGS": "default",
}
TOLD_BY_WORKERS = {
    *(
        "event.received",
        "batch.failed",
        "record.dead_lettered",
        "background.failed",
        "pending.handled",
    ),
    *("library.log", "library.warned", "thread.failed", "unraisable.failed", "process.talks"),
}


@contextmanager
def talkative(on: Bench, log: Path, *words: str, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
    """`pantry WORDS` with all that can go wrong; `log` has what it says, on both streams."""
    command = [sys.executable, "-m", "tests.security.talkative", *words]
    with log.open("ab") as file:
        process = subprocess.Popen(command, env=on.environment | LOUD | SECRETS | settings, stdout=file, stderr=file)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def break_servers(on: Bench, own: LocalServers, caller: Caller, tokens: dict[str, str], log: Path) -> None:
    """The database goes and comes back, the broker goes, each with canaries under way."""
    assert own.database
    assert own.broker
    own.database.kill()
    await on.publish([event(person(7), event_id=f"away {EMAIL}")])
    quotes_nothing("a read without a database", await caller.call("GET", f"/v1/leads/{BIRD}", key=tokens["shop"]))
    await until_says(log, "batch.retrying")
    own.database.start()
    await until_stored(on, names.LEADS, 1, {"contact.email": EMAIL.replace("mail", "mail7")})
    own.broker.kill()
    away = await caller.post("/v1/leads", person(8), key=tokens["shop"], Idempotency_Key=f"8.{EMAIL}")
    assert away.status == 503
    quotes_nothing("a write without a broker", away)


async def went_through(on: Bench) -> None:
    """The canaries are where they belong: else there would be nothing to find elsewhere."""
    lead = lead_id(f"{BIRD}-0@example.com")
    address = EMAIL.replace("mail", "mail0")
    await until_stored(on, names.LEADS, 1, {"_id": lead, "contact.email": address})
    await until_stored(on, names.ACTIVITIES, 1, {"leadId": lead, "description": BIRD})
    await until_stored(on, names.STEPS, 1, {"leadId": lead, "decided.to.email": address})


async def dead_letters(on: Bench) -> None:
    """All that is malformed and each trap are there, byte for byte; no reason quotes them."""

    async def letters() -> list[DeadLetterRecord]:
        return [DeadLetterRecord(record) for record in await on.records(DEADLETTER)]

    async def there() -> bool:
        reasons = Counter(one.header("x-reason") for one in await letters())
        return reasons.total() >= MALFORMED + len(INPUTS) - 1 and reasons["handler_failed"] >= len(INPUTS) - 1

    await until(there, "all the malformed and the traps in the dead letter", every_s=0.5)
    found = await letters()
    assert sum(BIRD.encode() in (one.record.value or b"") for one in found) > MALFORMED / 4
    clean("a dead letter's reason", "\n".join(one.header("x-detail") for one in found))


@pytest.mark.long
async def test_no_canary_is_in_any_log_metric_refusal_or_reason(own: LocalServers, tmp_path: Path) -> None:
    logs = {name: tmp_path / f"{name}.log" for name in ("workers", "gateway")}
    ports = {name: free_port() for name in logs}
    async with bench(own) as on, aiohttp.ClientSession() as http:
        tokens = await seed_secrets(on)
        with ExitStack() as running:
            for name, words in (("workers", ("worker", *WORKERS)), ("gateway", ("gateway",))):
                running.enter_context(talkative(on, logs[name], *words, PANTRY_HTTP_PORT=str(ports[name])))
            workers, gateway = (Caller(http, f"http://127.0.0.1:{port}") for port in ports.values())
            await until_ready(workers)
            await until_ready(gateway)
            await feed(on)
            await call_rightly(gateway, tokens)
            await call_wrongly(gateway, tokens)
            await dead_letters(on)
            await went_through(on)
            for told in TOLD_BY_WORKERS:
                await until_says(logs["workers"], told)
            for caller in (workers, gateway):
                clean("the metrics", (await caller.call("GET", "/metrics")).text)
            await break_servers(on, own, gateway, tokens, logs["workers"])
    for name, log in logs.items():
        assert all(json.loads(line)["event"] for line in log.read_text().splitlines()), "each line is one of ours"
        clean(f"the log of the {name}", log.read_text())


ENDINGS: dict[str, tuple[tuple[str, ...], dict[str, str], str]] = {
    "a bug": (("crash",), {}, "process.crashed"),
    "a secret too short": (("gateway",), {"PANTRY_GATEWAY_SECRET": BIRD}, "PANTRY_GATEWAY_SECRET"),
    "a password with a slash": (("indexes", "apply"), {"PANTRY_MONGO_URL": f"mongodb://kim:{BIRD}/x@127.0.0.1:9/"}, ""),
    "a password with an @": (
        ("indexes", "apply"),
        {"PANTRY_MONGO_URL": f"mongodb://kim:{BIRD}@{BIRD}@127.0.0.1:9/"},
        "",
    ),
    "no database behind a login": (
        ("keys", "list"),
        {"PANTRY_MONGO_URL": f"mongodb://kim:{BIRD}@127.0.0.1:9/"},
        "PANTRY_MONGO_URL",
    ),
    "no broker behind a login": (
        ("lag",),
        {
            "PANTRY_KAFKA_BOOTSTRAP": "127.0.0.1:9",
            "PANTRY_KAFKA_SECURITY": "sasl_plaintext",
            "PANTRY_KAFKA_USERNAME": "kim",
            "PANTRY_KAFKA_PASSWORD": BIRD,
        },
        "",
    ),
}


def _endings() -> dict[str, tuple[int, str]]:
    """The exit status and words of each command that ends badly, all run at once."""
    environment = {"PATH": "/usr/bin:/bin", **LOUD, **SECRETS, "PANTRY_KAFKA_BOOTSTRAP": "127.0.0.1:9"}

    def end(words: tuple[str, ...], settings: dict[str, str]) -> tuple[int, str]:
        command = [sys.executable, "-m", "tests.security.talkative", *words]
        done = subprocess.run(command, env=environment | settings, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    with ThreadPoolExecutor() as pool:
        running = {name: pool.submit(end, words, settings) for name, (words, settings, _) in ENDINGS.items()}
    return {name: one.result() for name, one in running.items()}


def test_a_command_that_ends_badly_quotes_neither_a_lead_nor_a_secret() -> None:
    for name, (status, said) in _endings().items():
        assert status in {1, 2}, name
        assert said.strip(), name
        assert ENDINGS[name][2] in said, name
        clean(name, said)


@pytest.mark.parametrize("id_", ["order-17", "0198c0de-1f4e-7c39-9c0c-6b1c6f1f7a11", "msg:17/2", "a.b_c", "x" * 200])
def test_an_id_that_is_one_is_logged_as_it_is(id_: str) -> None:
    assert loggable_id(id_) == id_


@pytest.mark.parametrize("id_", [EMAIL, "+13125559876", "Ana Reyes", "Blue\nFork", "zoë", "a\0", ""])
def test_an_id_that_somebody_s_name_number_or_address_was_taken_for_is_not(id_: str) -> None:
    assert loggable_id(id_) == "(not shown)"
