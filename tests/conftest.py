"""The servers that the tests run on, chosen by one option."""

import asyncio
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.local import LocalServers
from tests.harness import wipe

_NAMED = (os.environ.get("PANTRY_KAFKA_BOOTSTRAP"), os.environ.get("PANTRY_MONGO_URL"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--backend",
        choices=("embedded", "apache", "docker"),
        default=os.environ.get("PANTRY_TEST_BACKEND", "embedded"),
        help="what runs broker and database; named servers (PANTRY_KAFKA_BOOTSTRAP, PANTRY_MONGO_URL) win",
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


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Servers that are named are shared by all tests: those take their turns, and each begins by emptying them."""
    if not any(_NAMED):
        return
    if os.environ.get("PANTRY_TEST_WIPES") != "yes":
        told = "tests delete the topics and the database `test` of servers that are named: say PANTRY_TEST_WIPES=yes"
        raise pytest.UsageError(told)
    config.option.numprocesses = 0


@pytest.fixture
def local(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LocalServers]:
    """Servers of the test's own: topics, groups and documents of one test are never another's."""
    bootstrap, url = _NAMED
    with LocalServers(
        request.config.getoption("--backend"), tmp_path / "servers", kafka_bootstrap=bootstrap, mongo_url=url
    ) as servers:
        if any(_NAMED):
            asyncio.run(wipe(servers))
        yield servers
