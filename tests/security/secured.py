"""Servers that let nobody in without a name, and the product's processes as the users of theirs."""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from deploy.local.child_process import ServerFailed
from deploy.local.secured import ADMINISTRATOR, Certificates, certificates
from services.composition.permissions import PROCESSES, user_of
from shared.kafka.client import Kafka, kafka_of
from shared.settings import Settings

DATABASE = "test"
PASSWORDS = {user: f"word-{secrets.token_hex(8)}" for user in (ADMINISTRATOR, *map(user_of, PROCESSES))}
"""Of every user there is."""


def needs_kafka(config: pytest.Config) -> None:
    """Skip, and say so, in a run that is not on Apache Kafka: it takes Java, and a broker of its own to start."""
    if config.getoption("--backend") != "apache":
        pytest.skip("logins and ACLs are Apache Kafka's: say --backend apache")


def certified(directory: Path) -> Certificates:
    """Certificates for servers of this machine, where it can make any."""
    try:
        return certificates(directory)
    except ServerFailed as error:
        pytest.skip(str(error))


def kafka_settings(bootstrap: str, ca: Path, user: str) -> dict[str, str]:
    """The settings of a process that shows itself to Kafka as this user."""
    return {
        "PANTRY_KAFKA_BOOTSTRAP": bootstrap,
        "PANTRY_KAFKA_SECURITY": "sasl_ssl",
        "PANTRY_KAFKA_CA_FILE": str(ca),
        "PANTRY_KAFKA_USERNAME": user,
        "PANTRY_KAFKA_PASSWORD": PASSWORDS[user],
    }


def mongo_settings(url: str, user: str) -> dict[str, str]:
    """The settings of a process that shows itself to MongoDB as this user."""
    return {
        "PANTRY_MONGO_URL": url,
        "PANTRY_MONGO_DATABASE": DATABASE,
        "PANTRY_MONGO_USERNAME": user,
        "PANTRY_MONGO_PASSWORD": PASSWORDS[user],
    }


def kafka_as(user: str, bootstrap: str, ca: Path, **others: Any) -> Kafka:
    """Kafka, as this user meets it; `others` are settings in place of the right ones."""
    right = {name[len("PANTRY_") :].lower(): one for name, one in kafka_settings(bootstrap, ca, user).items()}
    settings: Any = {name: one for name, one in (right | others).items() if one is not None}
    return kafka_of(Settings(**settings), bootstrap)


def make_users(url: str) -> None:
    """Each process's user at MongoDB, who has the role of its name and no other."""
    with MongoClient[dict[str, Any]](url, username=ADMINISTRATOR, password=PASSWORDS[ADMINISTRATOR]) as client:
        for user in map(user_of, PROCESSES):
            client.admin.command("createUser", user, pwd=PASSWORDS[user], roles=[{"role": user, "db": DATABASE}])


@contextmanager
def environment(settings: Mapping[str, str]) -> Iterator[None]:
    """These settings in this process's own environment."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        yield
