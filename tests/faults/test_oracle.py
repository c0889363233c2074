"""The oracle itself: it shares nothing with what it judges, a healthy run satisfies it, and planted bugs do not."""

import ast
import asyncio
import json
import random
import secrets
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deploy.local import LocalServers
from schemas.topics import CONVERTED
from services.composition.workers import WORKERS
from tests.collection_names import LEADS
from tests.faults.bugs import BUGS, Bug
from tests.faults.judging import Verdict, judge
from tests.faults.load import Feeder
from tests.gateway import gateway, new_key
from tests.harness import DEADLINE_S, Bench, bench, stop, until

_ORACLE = Path(__file__).parent / "oracle"
_FOREIGN = {"aiokafka", "pymongo"}
_PEOPLE = 30
_SHARE = 1
_TTL_S = 3.0
# Records a second: so slow that what is done comes after what it is done with, in batches of its own.
_PACE = 80.0
# Longer than a killed process keeps its partitions.
_QUIET_S = 8.0
# A machine under load may stand still for long, and go on; only for planted bugs must the wait end early.
_PATIENCE_S = 200.0
_CRASHES = (
    "capture, before insert_new leads",
    "scoring, after publish leads.scored",
    "nurture, after publish nurture.enrolled",
    "engagement, after change leads",
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """All bugs and crashes with --full, else some of them: others each day, and with each --seed."""
    for name, everything in (("bug", sorted(BUGS)), ("crash", _CRASHES)):
        if name in metafunc.fixturenames:
            full, seed = (metafunc.config.getoption(option) for option in ("--full", "--seed"))
            rng = random.Random(f"{seed}/{datetime.now(UTC).date()}")
            some = everything if full else rng.sample(everything, _SHARE)
            metafunc.parametrize(name, some)


def test_the_oracle_shares_no_code_with_the_product() -> None:
    for path in _ORACLE.glob("*.py"):
        for name in _imported(ast.parse(path.read_text())):
            top = name.partition(".")[0]
            own = name == "tests.faults.oracle" or name.startswith("tests.faults.oracle.")
            assert own or top in _FOREIGN or top in sys.stdlib_module_names, f"{path.name} imports {name}"


def _imported(tree: ast.AST) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [one.name for one in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "an import that doesn't say from where"
            found.append(f"{node.module}")
    return found


@pytest.mark.long
async def test_a_healthy_run_is_lawful_and_what_is_then_lost_or_doubled_is_noticed(
    local: LocalServers, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    async with bench(local) as on, on.running(orphan_ttl=_TTL_S), gateway(on) as http:
        for seed in (1, 2):
            async with Feeder(local.servers.kafka_bootstrap, seed, _PEOPLE, ledger) as feeder:
                await feeder.settled()
        verdict = await _judged(on, ledger, http.url, doubt_s=_PATIENCE_S)
        assert verdict.violations == []
        lost, doubled = await _lose(on), await _double(on)
        noticed = [one["detail"] for one in (await _judged(on, ledger, http.url, doubt_s=1.0)).violations]
    assert {id_ for id_ in (lost, doubled) if any(id_ in detail for detail in noticed)} == {lost, doubled}
    assert verdict.counts["documents"]["leads"] == 2 * _PEOPLE - verdict.counts["erased"]
    assert verdict.counts["records"]["leads.captured"] >= 2 * _PEOPLE
    assert verdict.counts["unlistedRecords"] == 0


async def _lose(on: Bench) -> str:
    """Delete a lead's document behind everybody's back; return its id."""
    lead = next(one["_id"] for one in await on.storage.find(LEADS, {}, sort=[("_id", 1)]))
    await on.storage.delete(LEADS, [lead])
    return str(lead)


async def _double(on: Bench) -> str:
    """Publish a conversion once more, as another event; return its id."""
    told = json.loads((await on.records(CONVERTED))[0].value or b"")
    await on.publish([json.dumps(told | {"id": "doubled"}).encode()], CONVERTED, [told["subject"].encode()])
    return "doubled"


@pytest.mark.long
@pytest.mark.thorough
async def test_a_worker_that_is_killed_breaks_no_law(local: LocalServers, tmp_path: Path, crash: str) -> None:
    worker, _, point = crash.partition(", ")
    none = Bug("none", "", (worker,), lambda: None, point, late=True)
    assert (await _run(local, tmp_path, none)).violations == []


@pytest.mark.long
@pytest.mark.thorough
async def test_a_planted_bug_is_caught(
    local: LocalServers, tmp_path: Path, bug: str, figure: Callable[[str], None]
) -> None:
    planted = BUGS[bug]
    verdict = await _run(local, tmp_path, planted)
    laws = Counter(one["law"] for one in verdict.violations)
    (tmp_path / "violations.json").write_text(json.dumps(verdict.violations, indent=1))
    figure(f"{planted.says} Caught by: {'; '.join(laws)}" if laws else f"{planted.says} NOT CAUGHT")
    assert laws


async def _run(local: LocalServers, tmp_path: Path, of: Bug) -> Verdict:
    """The verdict on a small load through the bug's workers, and all others without it."""
    ledger, healthy = tmp_path / "ledger", [name for name in WORKERS if name not in of.workers]
    alive, feeder = tmp_path / "alive", Feeder(local.servers.kafka_bootstrap, 1, _PEOPLE, ledger, again=0.5)
    async with bench(local) as on, on.running(*healthy, orphan_ttl=_TTL_S), gateway(on) as http:
        if of.late:
            async with feeder:
                if of.crash:
                    async with _planted(on, tmp_path / "killed", of, "--crash", of.crash) as process:
                        assert await asyncio.to_thread(process.wait, DEADLINE_S) == -signal.SIGKILL
                async with _planted(on, alive, of) as process:
                    return await _end(on, of, feeder, process, ledger, http.url)
        feeder.pace = _PACE
        async with _planted(on, alive, of) as process, feeder:
            return await _end(on, of, feeder, process, ledger, http.url)


async def _end(on: Bench, of: Bug, feeder: Feeder, process: subprocess.Popen[bytes], ledger: Path, url: str) -> Verdict:
    await feeder.quiet(_QUIET_S, unless_done=not of.crash)
    verdict = await _judged(on, ledger, url, doubt_s=6.0 if of.name in BUGS else _PATIENCE_S)
    assert await asyncio.to_thread(stop, process) == 0
    return verdict


@asynccontextmanager
async def _planted(on: Bench, log: Path, of: Bug, *flags: str) -> AsyncIterator[subprocess.Popen[bytes]]:
    """A process with the bug, once it runs."""
    process = _begun(on, log, [of.name, *flags, *of.workers], of.settings)

    async def started() -> bool:
        return _says(log, b"service.started") or process.poll() is not None

    try:
        await until(started, "the process with the bug running")
        yield process
    finally:
        process.kill()
        process.wait()


def _begun(on: Bench, log: Path, words: Sequence[str], settings: Mapping[str, str]) -> subprocess.Popen[bytes]:
    more = {"PANTRY_ORPHAN_TTL": str(_TTL_S), "PANTRY_LOG_LEVEL": "info", **settings}
    command = [sys.executable, "-m", "tests.faults.planted_bugs", *words]
    with log.open("wb") as told:
        return subprocess.Popen(command, env=on.environment | more, stdout=told, stderr=told)


def _says(log: Path, words: bytes) -> bool:
    return words in log.read_bytes()


async def _judged(on: Bench, ledger: Path, url: str, doubt_s: float) -> Verdict:
    servers, key = on.local.servers, await new_key(on, name=secrets.token_hex(4))
    flags = ["--gateway", url, "--token", key, "--orphan-ttl", str(_TTL_S), "--quiet", "6", "--doubt", f"{doubt_s}"]
    flags += ["--patience", f"{_PATIENCE_S}"]
    inexact = [] if servers.idempotence else ["--no-lag"]
    return await judge(servers.kafka_bootstrap, servers.mongo_url, "test", ledger, *flags, *inexact)
