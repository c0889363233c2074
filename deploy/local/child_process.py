"""A server as a child process: start, stop, kill, and start again on the same port."""

import ctypes
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from deploy.local.private import UMASK, private_file

_START_S = 180.0
_STOP_S = 20.0
_PR_SET_PDEATHSIG = 1
_PORTS = (20_000, 32_000)


class ServerFailed(RuntimeError):
    """A server did not start. The message has the end of its log."""


def free_port() -> int:
    """Return a free TCP port of 127.0.0.1.

    It is below the ports of outgoing connections, so none of those takes it before the server does.
    """
    while True:
        port = _PORTS[0] + secrets.randbelow(_PORTS[1] - _PORTS[0])
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Process:
    """One server process. Its output goes to the file `log`."""

    def __init__(self, name: str, command: Sequence[str], log: Path, ready: Callable[[], bool]) -> None:
        """`ready` returns whether the server answers. It may raise while the server starts."""
        self.name, self._command, self._log, self._ready = name, list(command), log, ready
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id. Raises `ServerFailed` if the process isn't running."""
        if self._process is None:
            raise ServerFailed(f"{self.name} is not running")
        return self._process.pid

    def start(self) -> None:
        """Start and wait until the server answers. Raises `ServerFailed`."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with open(self._log, "ab", opener=private_file) as log:
            # The server has its own session: Ctrl-C reaches this process only, which stops the server last.
            self._process = subprocess.Popen(  # noqa: S603 - a server of ours
                self._command,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                umask=UMASK,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - two system calls; no lock of ours is taken
            )
        deadline = time.monotonic() + _START_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                tail = "\n".join(self._log.read_text(errors="replace").splitlines()[-15:])
                raise ServerFailed(f"{self.name} did not start; the end of {self._log}:\n{tail}")
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            return self._ready()
        except Exception:  # noqa: BLE001 - while the server starts, any error of a client means "not yet"
            return False

    def stop(self) -> None:
        """Stop the server by SIGTERM; kill it if it doesn't end within 20 s."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill the server by SIGKILL."""
        self._end(signal.SIGKILL)

    def _end(self, with_signal: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(with_signal)
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


def _die_with_parent() -> None:
    os.setsid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
