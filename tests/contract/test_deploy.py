"""What can be checked of the deployment files without an engine to run them."""

from pathlib import Path
from typing import Any

import yaml

from services.access import PROCESSES, SETUP, user_of
from services.catalogue import WORKERS
from shared.settings import Settings

DEPLOY = Path("deploy")


def _compose(file: str = "compose.yaml") -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((DEPLOY / file).read_text())
    return loaded["services"]  # type: ignore[no-any-return]


def test_every_worker_is_a_service_of_its_own_that_can_be_scaled() -> None:
    services = _compose()
    for name in WORKERS:
        assert services[name]["command"] == ["worker", name]
        assert "ports" not in services[name], "a fixed port would forbid --scale"
        assert "container_name" not in services[name]


def test_the_gateway_can_be_scaled_and_starts_with_a_secret_only() -> None:
    gateway = _compose()["gateway"]
    assert gateway["command"] == ["gateway"]
    assert gateway["ports"] == ["8080-8089:8080"], "a single fixed port would forbid --scale"
    assert gateway["environment"]["PANTRY_GATEWAY_SECRET"].startswith("${PANTRY_GATEWAY_SECRET:?")


def test_with_logins_each_process_has_its_own_user_and_secrets_by_file_alone() -> None:
    services = _compose("security/compose.yaml")
    commands = {name: ["worker", name] for name in WORKERS} | {"gateway": ["gateway"]}
    commands |= {name: [name, "apply"] for name in ("topics", "indexes")}
    assert {name: service["command"] for name, service in services.items()} == commands
    for name, service in services.items():
        process = name if name in PROCESSES else SETUP
        environment = service["environment"]
        assert environment["PANTRY_KAFKA_USERNAME"] == environment["PANTRY_MONGO_USERNAME"] == user_of(process)
        assert environment["PANTRY_KAFKA_SECURITY"] == "sasl_ssl"
        assert not [one for one in environment if one.endswith(("PASSWORD", "SECRET", "PEPPER"))]
        (volume,) = service["volumes"]
        assert volume.endswith(f"/{process}:{environment['PANTRY_SECRETS_DIR']}:ro")
        assert environment.keys() <= {f"PANTRY_{one.upper()}" for one in Settings.model_fields}
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]


def test_what_is_depended_on_is_there_and_tells_when_it_is_ready() -> None:
    for services in (_compose(), _compose("security/compose.yaml")):
        for service in services.values():
            for name, on in service.get("depends_on", {}).items():
                assert name in services
                if on["condition"] == "service_healthy":
                    assert "healthcheck" in services[name]


def test_the_image_runs_without_root_from_the_hashed_lock() -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    final = dockerfile.rpartition("FROM ")[2]
    assert "USER 10001" in final
    assert "--require-hashes" in dockerfile


def test_the_locks_pin_every_package_with_hashes_and_name_no_host() -> None:
    for lock in (DEPLOY / "lock").glob("*.txt"):
        lines = [line for line in lock.read_text().splitlines() if line and not line.startswith((" ", "#"))]
        assert lines
        assert all("==" in line and line.endswith("\\") for line in lines)
        assert "://" not in lock.read_text()
