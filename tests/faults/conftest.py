"""What the tests of faults are told on the command line, and where they keep their files."""

import gc
import warnings
from collections.abc import Generator, Iterator
from pathlib import Path
from shutil import disk_usage
from tempfile import TemporaryDirectory

import pytest

_ROOM_B = 4 * 2**30


def _forgive_leaks() -> None:
    """A client whose broker is killed amid its words can leave a connection open: that is no fault of a test's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Generator[None, object, object]:
    """Once the test's loop is closed, and what was logged of its clients is forgotten."""
    done = yield
    _forgive_leaks()
    return done


@pytest.hookimpl(tryfirst=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """What something held on to until the end of a run of these tests alone, which would fail for it."""
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
def directory(tmp_path: Path) -> Iterator[Path]:
    """In memory where that can be: a process that is killed takes no file along, and disks that sync are slow."""
    shared = Path("/dev/shm")  # noqa: S108 - a folder of the test's own is made in it
    roomy = shared.is_dir() and disk_usage(shared).free > _ROOM_B
    with TemporaryDirectory(dir=shared if roomy else tmp_path) as made:
        yield Path(made)
