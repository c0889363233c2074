"""How a process is let in by Kafka and MongoDB, as the settings say it; without any server."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from services.cli.common import without_login
from shared.config import ConfigError
from shared.kafka.client import Kafka, kafka_of
from shared.mongo.connection import Mongo, mongo_of
from shared.mongo.storage import Storage
from shared.settings import Settings
from tests.harness import PANTRY

SECRET = "a-secret-that-nobody-may-see"  # noqa: S105 - a canary
SASL: dict[str, Any] = {
    "kafka_bootstrap": "kafka:9092",
    "kafka_security": "sasl_plaintext",
    "kafka_username": "capture",
}


def faults(**settings: Any) -> str:
    """What is wrong with these settings."""
    with pytest.raises(ValidationError) as caught:
        Settings(**settings)
    assert SECRET not in str([fault["msg"] for fault in caught.value.errors()])
    return " ".join(f"{fault['loc']} {fault['msg']}" for fault in caught.value.errors())


def test_without_any_setting_kafka_is_asked_in_the_clear_by_nobody() -> None:
    assert kafka_of(Settings(), "kafka:9092") == Kafka("kafka:9092")
    assert Kafka("kafka:9092").options == {"bootstrap_servers": "kafka:9092"}


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "SCRAM-SHA-256"])
def test_user_and_password_reach_the_client_by_the_mechanism_that_is_set(mechanism: Any) -> None:
    settings = Settings(**SASL, kafka_password=SECRET, kafka_sasl_mechanism=mechanism)
    assert kafka_of(settings, "kafka:9092").options == {
        "bootstrap_servers": "kafka:9092",
        "security_protocol": "SASL_PLAINTEXT",
        "ssl_context": None,
        "sasl_mechanism": mechanism,
        "sasl_plain_username": "capture",
        "sasl_plain_password": SECRET,
    }


def test_a_secret_comes_from_a_file_and_the_environment_goes_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("kafka_password", "mongo_password", "gateway_secret", "erasure_pepper"):
        (tmp_path / f"pantry_{name}").write_text(f"{SECRET}-{name}\n")
    monkeypatch.setenv("PANTRY_SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("PANTRY_GATEWAY_SECRET", "the environment's word")
    settings = Settings(**SASL, mongo_url="mongodb://mongo:27017", mongo_username="capture")
    assert settings.kafka_password
    assert settings.kafka_password.get_secret_value() == f"{SECRET}-kafka_password"
    assert mongo_of(settings, "mongodb://mongo:27017").login == {
        "username": "capture",
        "password": f"{SECRET}-mongo_password",
    }
    assert settings.erasure_pepper.get_secret_value() == f"{SECRET}-erasure_pepper"
    assert settings.gateway_secret
    assert settings.gateway_secret.get_secret_value() == "the environment's word"


def test_no_secret_is_in_what_settings_and_connections_say_of_themselves() -> None:
    url = f"mongodb://capture:{SECRET}@mongo:27017/?authSource=admin"
    by_url = Settings(**SASL, kafka_password=SECRET, gateway_secret=SECRET, erasure_pepper=SECRET, mongo_url=url)
    apart = Settings(mongo_url="mongodb://mongo:27017", mongo_username="capture", mongo_password=SECRET)
    said = [by_url, apart, kafka_of(by_url, "kafka:9092"), mongo_of(by_url, url), mongo_of(apart, url)]
    assert SECRET not in f"{said!r} {said}"
    assert without_login(url) == "mongodb://mongo:27017/?authSource=admin"
    assert without_login("mongodb://a:1,b:2/?tlsCAFile=/x@y") == "mongodb://a:1,b:2/?tlsCAFile=/x@y"


def test_a_combination_that_can_not_be_meant_is_told_by_the_names_of_its_settings(tmp_path: Path) -> None:
    file = tmp_path / "file.pem"
    file.touch()
    where: dict[str, Any] = {"kafka_bootstrap": "kafka:9092"}
    assert "PANTRY_KAFKA_USERNAME and PANTRY_KAFKA_PASSWORD" in faults(**SASL)
    assert "PANTRY_KAFKA_BOOTSTRAP" in faults(kafka_security="ssl")
    assert "no use with PANTRY_KAFKA_SECURITY=plaintext" in faults(**where, kafka_password=SECRET)
    assert "no use with PANTRY_KAFKA_SECURITY=sasl_plaintext" in faults(
        **SASL, kafka_password=SECRET, kafka_ca_file=file
    )
    assert "PANTRY_KAFKA_KEY_FILE need each other" in faults(**where, kafka_security="ssl", kafka_certificate_file=file)
    assert "kafka_ca_file" in faults(**where, kafka_security="ssl", kafka_ca_file=tmp_path / "nothing.pem")
    assert "PANTRY_MONGO_PASSWORD need each other" in faults(mongo_url="mongodb://mongo", mongo_username="capture")
    login: dict[str, Any] = {"mongo_username": "capture", "mongo_password": SECRET}
    assert "needs PANTRY_MONGO_URL" in faults(**login)
    assert "both name a user" in faults(**login, mongo_url="mongodb://other:word@mongo")


def test_a_file_that_is_no_certificate_is_told(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("no certificate")
    settings = Settings(kafka_bootstrap="kafka:9092", kafka_security="ssl", kafka_ca_file=file)
    with pytest.raises(ConfigError, match="PANTRY_KAFKA_CA_FILE"):
        kafka_of(settings, "kafka:9092")


def test_the_command_tells_what_is_missing_in_a_sentence_and_no_secret() -> None:
    environment = {"PANTRY_KAFKA_BOOTSTRAP": "kafka:9092", "PANTRY_KAFKA_SECURITY": "sasl_ssl"}
    command = [*PANTRY, "topics", "apply"]
    done = subprocess.run(
        command, env=environment | {"PANTRY_KAFKA_PASSWORD": SECRET}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "PANTRY_KAFKA_SECURITY=sasl_ssl needs PANTRY_KAFKA_USERNAME" in " ".join(done.stderr.split())
    assert SECRET not in done.stdout + done.stderr
    folder = environment | {"PANTRY_SECRETS_DIR": "/nowhere"}
    done = subprocess.run(command, env=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "PANTRY_SECRETS_DIR: " in done.stderr


@pytest.mark.parametrize(
    "url",
    [
        f"mongodb://capture:{SECRET}@mongo:{SECRET}/",
        f"mongodb://cap@ture:{SECRET}@mongo/",
        f"mongodb://capture:{SECRET}@mongo/?tls=true&tlsCAFile=/nowhere/ca.pem",
    ],
)
def test_a_url_of_no_use_is_told_without_what_stands_in_it(url: str) -> None:
    with pytest.raises(ConfigError, match="PANTRY_MONGO_URL") as caught:
        Storage(Mongo(url), "test")
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
