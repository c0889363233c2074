"""Options and working directories of the fault tests."""

import gc
import warnings
from collections.abc import Generator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest


def _forgive_leaks() -> None:
    """Ignore connections that a client leaks when its broker is killed during a request."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Generator[None, object, object]:
    """Collect what clients leaked, once the test's loop is closed and its log is cleared."""
    done = yield
    _forgive_leaks()
    return done


@pytest.hookimpl(tryfirst=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Collect leaked objects, which would otherwise fail a run of these tests alone."""
    here = Path(__file__).parent
    if all(Path(one.partition("::")[0]).absolute().is_relative_to(here) for one in config.args):
        _forgive_leaks()


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--seed"))


@pytest.fixture
def minutes(request: pytest.FixtureRequest) -> float:
    return float(request.config.getoption("--minutes"))


@pytest.fixture
def directory() -> Iterator[Path]:
    """Return a directory that is deleted after the test, in memory if there is room."""
    with TemporaryDirectory() as made:
        yield Path(made)
