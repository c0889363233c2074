"""The servers that the tests run on, chosen by one option."""

import asyncio
import gc
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import disk_usage

import pytest
import structlog
from hypothesis import settings
from pymongo import MongoClient

from deploy.local import Backend, LocalServers
from tests.harness import DATABASE, PYMONGO_DROPS_SOCKETS, empty, wipe

# How long an example takes says how busy the machine is.
settings.register_profile("tests", deadline=None)
settings.load_profile("tests")

_MEMORY, _ROOM_B = Path("/dev/shm"), 4 * 2**30  # noqa: S108 - folders of the tests' own are made in it
_SYSTEM = {"admin", "config", "local"}
_NAMED = (os.environ.get("PANTRY_KAFKA_BOOTSTRAP"), os.environ.get("PANTRY_MONGO_URL"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--backend",
        choices=("embedded", "apache", "docker"),
        default=os.environ.get("PANTRY_TEST_BACKEND", "embedded"),
        help="what runs broker and database; named servers (PANTRY_KAFKA_BOOTSTRAP, PANTRY_MONGO_URL) win",
    )
    parser.addoption("--seed", type=int, default=1, help="of the load and of what is broken; the same replays it")
    parser.addoption("--minutes", type=float, default=0.25, help="how long the tests of faults break things")
    parser.addoption("--full", action="store_true", help="the loads of the published figures, not a part of them")


_STEPS_DRAWN = 4


@pytest.fixture
def full(request: pytest.FixtureRequest) -> bool:
    """Whether a load is to be as large as that of the published figures."""
    return bool(request.config.getoption("--full"))


@pytest.fixture(autouse=True)
def log_setup() -> Iterator[None]:
    """Restore the log's setup after each test: a command run in this process binds the log to its own `sys.stderr`."""
    usual = structlog.get_config()
    yield
    structlog.configure(**usual)


@pytest.fixture
def quiet(log_setup: None) -> None:  # noqa: ARG001 - it restores what this changes
    """Without the log of what runs in this process, where it would be the slowest of all."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))


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


def _use_memory() -> None:
    """Put temporary files into memory where there is room: the databases sync their journals at each write.

    A killed process loses no file there either.
    """
    if "TMPDIR" not in os.environ and _MEMORY.is_dir() and disk_usage(_MEMORY).free > _ROOM_B:
        os.environ["TMPDIR"] = tempfile.tempdir = str(_MEMORY)


def pytest_configure(config: pytest.Config) -> None:
    _use_memory()
    if os.environ.get("PANTRY_MONGO_DRIVER") == "pymongo":
        config.addinivalue_line("filterwarnings", PYMONGO_DROPS_SOCKETS)
    config.addinivalue_line("markers", "thorough: runs only when it is named, or with --full")
    config.addinivalue_line("markers", "long: takes ten seconds of CPU or more, and so begins before others")
    config.option.maxschedchunk = config.option.maxschedchunk or 1
    # As in a process of the product's own: standard output is what a command says, and tests read it. A line for each
    # event that a worker gets would cost a twentieth of the run.
    info = structlog.make_filtering_bound_logger("info")
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.__stderr__), wrapper_class=info)
    # What imports and the collection of tests make lives to the end: the garbage collector would only walk over it.
    gc.disable()


def pytest_collection_finish() -> None:
    """Begin to collect garbage, but never look at what was there before the first test."""
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Long tests begin first: one that began last would run on alone. The thorough ones run only when they are named.

    Each process is given two tests at first and one by one from then on, so every second test is a long one.
    """
    if not config.getoption("--full"):
        left = {one.nodeid for one in items if not _is_drawn(one, config.getoption("--seed"))}
        config.hook.pytest_deselected(items=[one for one in items if one.nodeid in left])
        items[:] = [one for one in items if one.nodeid not in left]
    rest = [one for one in items if one.get_closest_marker("long") is None]
    long = [one for one in items if one.get_closest_marker("long") is not None]
    pairs = [one for pair in zip(long, rest, strict=False) for one in pair]
    items[:] = [*pairs, *long[len(rest) :], *rest[len(long) :]]
    for item in items:
        thorough = item.get_closest_marker("thorough") is not None
        if thorough and not config.getoption("--full") and not any(_names(word, item) for word in config.args):
            item.add_marker(pytest.mark.skip(reason="takes minutes: name its file or folder, or say --full"))


def _is_drawn(item: pytest.Item, seed: int) -> bool:
    """Whether a test at one step of a process runs without --full: one step in four does, by the seed."""
    step = item.callspec.params.get("step") if isinstance(item, pytest.Function) and hasattr(item, "callspec") else None
    return not isinstance(step, int) or step % _STEPS_DRAWN == seed % _STEPS_DRAWN


def _names(word: str, item: pytest.Item) -> bool:
    """Whether a word of the command names this test's file, or the folder that it is in."""
    named = Path(word.partition("::")[0]).absolute()
    return named in (item.path, item.path.parent)


@contextmanager
def _servers(config: pytest.Config, directory: Path, mongo: str | None = None) -> Iterator[LocalServers]:
    bootstrap, url = _NAMED
    backend = config.getoption("--backend")
    with LocalServers(backend, directory, kafka_bootstrap=bootstrap, mongo_url=url or mongo) as servers:
        try:
            yield servers
        finally:
            # Nobody reads what they hold any more, so nobody waits for them to close it in good order.
            for one in (servers.broker, servers.database):
                if one is not None:
                    one.kill()


@pytest.fixture(scope="session")
def _shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServers]:
    with _servers(request.config, tmp_path_factory.mktemp("shared") / "servers") as servers:
        yield servers


@pytest.fixture
def own(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LocalServers]:
    """Servers of the test's own, which it may kill and start again."""
    with _servers(request.config, tmp_path / "servers") as servers:
        if any(_NAMED):
            asyncio.run(wipe(servers))
        yield servers


@pytest.fixture(scope="session")
def _database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an embedded database for all tests of this process: to start one takes it a second of its own.

    Nobody kills it, so a write need not wait for its journal, which takes milliseconds on a disk.
    """
    directory = tmp_path_factory.mktemp("database")
    with LocalServers(Backend.EMBEDDED, directory, kafka_bootstrap="nowhere:0") as servers:
        yield servers.servers.mongo_url.replace("&journal=true", "")
        if servers.database is not None:
            servers.database.kill()


@pytest.fixture
def mongo(request: pytest.FixtureRequest) -> str:
    """The URL of a server without any database of before, not to be killed; of one that is named, without ours."""
    _, named = _NAMED
    url: str = named or request.getfixturevalue("_database")
    with MongoClient[dict[str, object]](url) as client:
        for name in [DATABASE] if named else set(client.list_database_names()) - _SYSTEM:
            client.drop_database(name)
    return url


@pytest.fixture
def local(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LocalServers]:
    """Empty servers, not to be killed: topics, groups and documents of one test are never another's."""
    if any(_NAMED):
        yield request.getfixturevalue("own")
    elif request.config.getoption("--backend") == Backend.EMBEDDED:
        # An embedded broker starts faster than its groups are emptied.
        with _servers(request.config, tmp_path / "servers", request.getfixturevalue("mongo")) as servers:
            yield servers
    else:
        shared: LocalServers = request.getfixturevalue("_shared")
        asyncio.run(empty(shared))
        yield shared
