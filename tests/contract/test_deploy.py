"""What can be checked of the deployment files without an engine to run them."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from services.composition.permissions import PROCESSES, SETUP, user_of
from services.composition.workers import WORKERS
from shared.settings import Settings

DEPLOY = Path("deploy")
FOLLOWED = ("rules_file", "sequences_file", "triggers_file", "assignment_file", "placeholders_file", "attributes_file")


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


def test_no_container_begins_without_a_pepper_for_erased_names() -> None:
    for name in (*WORKERS, "gateway"):
        assert _compose()[name]["environment"]["PANTRY_ERASURE_PEPPER"].startswith("${PANTRY_ERASURE_PEPPER:?")


@pytest.mark.parametrize("file", ["compose.yaml", "security/compose.yaml"])
def test_each_process_reads_the_configuration_from_the_host_where_a_saved_change_is_seen(file: str) -> None:
    followed = [value.default for name, value in Settings.model_fields.items() if name in FOLLOWED]
    for process in (*WORKERS, "gateway"):
        service = _compose(file)[process]
        source, target, mode = service["volumes"][-1].split(":")
        assert (DEPLOY / file).parent.joinpath(source).resolve() == (DEPLOY / "config").resolve()
        assert (target, mode) == ("/srv/pantry/deploy/config", "ro"), "where the image has its files"
        assert not {f"PANTRY_{name.upper()}" for name in FOLLOWED} & service["environment"].keys()
    assert {path.parent for path in followed} == {(DEPLOY / "config").resolve()}


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
        assert service["volumes"][0].endswith(f"/{process}:{environment['PANTRY_SECRETS_DIR']}:ro")
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


def test_health_and_metrics_have_a_port_of_their_own_which_no_compose_file_publishes() -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    assert "PANTRY_OPS_PORT=8081" in dockerfile
    assert "PANTRY_OPS_PORT" in dockerfile.partition("HEALTHCHECK")[2]
    for services in (_compose(), _compose("security/compose.yaml")):
        for name in ("gateway", *WORKERS):
            assert services[name]["environment"]["PANTRY_OPS_PORT"] == 8081
            assert services[name].get("ports", ["8080-8089:8080"]) == ["8080-8089:8080"]
        assert "PANTRY_PUBLIC_URL" in services["gateway"]["environment"]


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
