"""Worker processes, each a life: begun from a process that has the product imported, so that it takes no seconds.

Each is a process of its own all the same, with its settings in its environment, its log in a file, its own clock, and
a `pantry` command to carry out. What a test does to the product it does in `changes`, from outside.
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

_FORK = multiprocessing.get_context("forkserver")
_FORK.set_forkserver_preload(["services.cli", "services.model_cli"])
_PR_SET_PDEATHSIG = 1
_PAGE_B = os.sysconf("SC_PAGE_SIZE")

Change = Callable[[], None]
"""Something that a test does to the product inside one process; a function at a module's top level, or a partial."""


@dataclass(frozen=True, slots=True)
class Birth:
    """How a life begins: its `pantry` command and settings. It says in `log`; `clock` says how wrong its clock is."""

    name: str
    words: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path
    clock: Path
    changes: Sequence[Change] = field(default=())


class Life:
    """One process."""

    def __init__(self, birth: Birth) -> None:
        self.birth, self.began = birth, time.monotonic()
        self._process = _FORK.Process(target=_live, args=(birth,), daemon=True)
        self._process.start()

    @property
    def pid(self) -> int:
        """The process id."""
        return int(self._process.pid or 0)

    @property
    def status(self) -> int | None:
        """The exit status; below zero the signal that ended it; None while it lives."""
        return self._process.exitcode

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; one that is dead hears none."""
        if self.status is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once, wherever it is."""
        self.signal(signal.SIGKILL)
        self._process.join()

    def wait(self, seconds: float) -> int | None:
        """The exit status within this time, if any."""
        self._process.join(seconds)
        return self.status

    @property
    def frozen(self) -> bool:
        """Whether it is stopped, and can be made to go on."""
        return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    def resident(self) -> int | None:
        """The memory it has in RAM, in bytes, while it lives."""
        with suppress(OSError, IndexError):
            return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * _PAGE_B
        return None


def _live(birth: Birth) -> None:
    from services import cli, running  # noqa: PLC0415 - imported by the process that this one is forked from
    from shared.clock import system_clock  # noqa: PLC0415 - likewise
    from shared.service import Service  # noqa: PLC0415 - likewise

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    os.environ.update(birth.environment)
    with birth.log.open("ab") as log:
        os.dup2(log.fileno(), sys.stdout.fileno())
        os.dup2(log.fileno(), sys.stderr.fileno())

    def clock() -> datetime:
        return system_clock() + timedelta(seconds=_wrong_by(birth.clock))

    vars(running)["Service"] = partial(Service, clock=clock)
    for change in birth.changes:
        change()
    sys.argv = ["pantry", *birth.words]
    cli.main()


def _wrong_by(clock: Path) -> float:
    try:
        return float(clock.read_text() or 0)
    except OSError:
        return 0.0  # nobody set it
