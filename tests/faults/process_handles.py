"""Handles of worker processes, forked from one with the product imported.

Each process has its own settings in its environment, its own log file, its own clock, and a `pantry` command to run. A
test changes the product inside a process through `changes`.
"""

import ctypes
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from services.cli import main, server_run
from services.cli.commands import model
from services.composition import process
from services.gateway import app as gateway
from shared.clock import system_clock
from shared.service import WorkerProcess
from tests.swapping import swap

_FORK = multiprocessing.get_context("forkserver")
_FORK.set_forkserver_preload([module.__name__ for module in (main, server_run, gateway, model)])
_PR_SET_PDEATHSIG = 1
_PAGE_B = os.sysconf("SC_PAGE_SIZE")

Change = Callable[[], None]
"""A change of the product inside one process: a module-level function or a partial."""


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """What a process runs: its `pantry` command, settings, log file and changes.

    The file `clock` contains the error of its clock in seconds.
    """

    name: str
    words: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path
    clock: Path
    changes: Sequence[Change] = field(default=())


class ProcessHandle:
    """One process."""

    def __init__(self, birth: ProcessSpec) -> None:
        self.birth, self.began = birth, time.monotonic()
        self._process = _FORK.Process(target=_live, args=(birth,), daemon=True)
        self._process.start()

    @property
    def pid(self) -> int:
        """The process id."""
        return int(self._process.pid or 0)

    @property
    def status(self) -> int | None:
        """The exit status; negative for a signal; None while the process runs."""
        return self._process.exitcode

    def signal(self, number: signal.Signals) -> None:
        """Send the process a signal; does nothing after its end."""
        if self.status is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill the process at once."""
        self.signal(signal.SIGKILL)
        self._process.join()

    def wait(self, seconds: float) -> int | None:
        """Wait for the end at most this long; return the exit status, if any."""
        self._process.join(seconds)
        return self.status

    @property
    def frozen(self) -> bool:
        """Whether the process is stopped by SIGSTOP."""
        return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    def resident(self) -> int | None:
        """Return the process's resident memory in bytes; None after its end."""
        with suppress(OSError, IndexError):
            return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * _PAGE_B
        return None


def _live(birth: ProcessSpec) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    os.environ.update(birth.environment)
    with birth.log.open("ab") as log:
        os.dup2(log.fileno(), sys.stdout.fileno())
        os.dup2(log.fileno(), sys.stderr.fileno())

    def clock() -> datetime:
        return system_clock() + timedelta(seconds=_wrong_by(birth.clock))

    swap(process, WorkerProcess, lambda _: partial(WorkerProcess, clock=clock))
    for change in birth.changes:
        change()
    sys.argv = ["pantry", *birth.words]
    main.main()


def _wrong_by(clock: Path) -> float:
    try:
        return float(clock.read_text() or 0)
    except OSError:
        return 0.0  # the test set no error
