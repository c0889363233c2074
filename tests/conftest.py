"""The servers that the tests run on, chosen by one option."""

import os
from collections.abc import Callable, Iterator
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
def figure(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Tell a figure of this test: it is printed at the end of the run, whichever process the test ran in."""
    return lambda text: record_property("figure", text)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures that tests told."""
    reports = [one for one in terminalreporter.getreports("passed") if one.when == "call"]
    told = [(one.nodeid, text) for one in reports for name, text in one.user_properties if name == "figure"]
    if told:
        terminalreporter.section("figures")
    for test, text in told:
        terminalreporter.line(f"{test.partition('::')[2]}\n    {text}")


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
