"""What a new user does first."""

import json
import os
import subprocess
import sys
from pathlib import Path

from deploy.local import LocalServers


def test_the_demo_reconciles_every_record_and_ends_with_0(local: LocalServers, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "PANTRY_KAFKA_BOOTSTRAP": local.servers.kafka_bootstrap,
        "PANTRY_MONGO_URL": local.servers.mongo_url,
        "PANTRY_KAFKA_IDEMPOTENCE": str(local.servers.idempotence),
    }
    done = subprocess.run(
        [sys.executable, "-m", "services.cli", "demo", "--leads", "150", "--json"],
        env=environment,
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
