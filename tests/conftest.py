"""The servers that the tests run on, chosen by one option."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local import LocalServers


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--backend",
        choices=("embedded", "apache", "docker"),
        default=os.environ.get("PANTRY_TEST_BACKEND", "embedded"),
        help="what runs broker and database; PANTRY_KAFKA_BOOTSTRAP and PANTRY_MONGO_URL name servers, which win",
    )


@pytest.fixture
def local(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LocalServers]:
    """Servers of the test's own: topics, groups and documents of one test are never another's."""
    directory = tmp_path / "servers"
    with LocalServers(
        request.config.getoption("--backend"),
        directory,
        kafka_bootstrap=os.environ.get("PANTRY_KAFKA_BOOTSTRAP"),
        mongo_url=os.environ.get("PANTRY_MONGO_URL"),
    ) as servers:
        yield servers
