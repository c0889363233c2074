"""What a new user does first."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from deploy.local import LocalServers


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
    command = [sys.executable, "-m", "services.cli", "up", "--demo"]
    with subprocess.Popen(
        command, env=_environment(local), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as up:
        assert up.stdout is not None
        told = next(line for line in up.stdout if line.startswith("Ctrl-C"))
        up.send_signal(signal.SIGINT)
        assert up.wait(60) == 0
    assert told == (
        "Ctrl-C stops everything. For commands in another terminal (pantry keys create makes a key for the gateway):\n"
    )


def test_the_demo_reconciles_every_record_and_ends_with_0(local: LocalServers, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "services.cli", "demo", "--leads", "150", "--json"],
        env=_environment(local),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=170,
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
