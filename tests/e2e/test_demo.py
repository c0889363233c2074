"""What a new user does first."""

import asyncio
import io
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from rich.console import Console

from deploy.local import LocalServers
from schemas.topics import DEADLETTER
from services.composition.workers import WORKERS
from services.demo.command import run_demo
from tests.harness import DEADLINE_S, PANTRY, bench, until


def _environment(local: LocalServers) -> dict[str, str]:
    return {
        **os.environ,
        "PANTRY_KAFKA_BOOTSTRAP": local.servers.kafka_bootstrap,
        "PANTRY_MONGO_URL": local.servers.mongo_url,
        "PANTRY_KAFKA_IDEMPOTENCE": str(local.servers.idempotence),
        "PANTRY_MONGO_DATABASE": "test",
        "PANTRY_HTTP_PORT": "0",
    }


def test_ctrl_c_stops_everything_though_the_demo_is_under_way(local: LocalServers, tmp_path: Path) -> None:
    command = [*PANTRY, "up", "--demo"]
    with subprocess.Popen(
        command, env=_environment(local), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as up:
        assert up.stdout is not None
        told = next(line for line in up.stdout if line.startswith("Ctrl-C"))
        file = tmp_path / ".pantry" / "up.env"
        assert file.exists()
        up.send_signal(signal.SIGINT)
        assert up.wait(DEADLINE_S) == 0
    assert told == f"Ctrl-C stops everything. In another terminal, first run `. {file}`, or paste this line:\n"
    assert not file.exists()


@pytest.mark.long
def test_the_demo_reconciles_every_record_and_ends_with_0(local: LocalServers, tmp_path: Path) -> None:
    done = subprocess.run(
        [*PANTRY, "demo", "--leads", "150", "--json"],
        env=_environment(local),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    account = json.loads(done.stdout)
    assert account["reconciled"]
    assert {line["what"] for line in account["lines"] if not line["expected"]} == {"events still waiting for a lead"}
    assert set(account["bad_by_reason"]) == {
        "not_json",
        "not_cloudevent",
        "invalid_data",
        "unsupported_version",
        "too_large",
        "lead_not_found",
    }


async def test_on_a_machine_so_slow_that_events_wait_too_long_for_their_leads_the_demo_still_reconciles(
    local: LocalServers,
) -> None:
    async with bench(local) as on:
        settings = on.settings.model_copy(update={"orphan_ttl": 0.5})
        async with on.running("engagement", orphan_ttl=0.5), asyncio.TaskGroup() as group:
            told = io.StringIO()
            demo = group.create_task(
                run_demo(settings, on.to, leads=40, seed=1, console=Console(file=told), as_json=True)
            )

            async def too_late() -> bool:
                return len(await on.records(DEADLETTER)) > 1  # one is of a stray, which nobody ever knows

            await until(too_late, "a dead letter of an event that waited for its lead")
            async with on.running(*(name for name in WORKERS if name != "engagement"), orphan_ttl=0.5):
                assert await demo
    account = json.loads(told.getvalue())
    assert account["reconciled"]
    assert account["bad_by_reason"]["lead_not_found"] > 1
    assert account["late"] == account["bad_by_reason"]["lead_not_found"] - 1
