"""A server as a child process: started on a free port, awaited, killed, restarted on the same port, stopped."""

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

_START_S = 60.0
_STOP_S = 20.0
_PR_SET_PDEATHSIG = 1
_PORTS = (20_000, 32_000)


class ServerFailed(RuntimeError):  # noqa: N818 - it reads as what happened
    """A server did not come up; the message carries the tail of its log."""


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on now.

    Below the ports that systems give to outgoing connections: none of those takes it before its server does.
    """
    while True:
        port = _PORTS[0] + secrets.randbelow(_PORTS[1] - _PORTS[0])
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Process:
    """One server process; its output goes to `log`."""

    def __init__(self, name: str, command: Sequence[str], log: Path, ready: Callable[[], bool]) -> None:
        """`ready` says whether the server answers; it may raise while it doesn't."""
        self.name, self._command, self._log, self._ready = name, list(command), log, ready
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id, while it runs."""
        if self._process is None:
            raise ServerFailed(f"{self.name} is not running")
        return self._process.pid

    def start(self) -> None:
        """Start and wait until the server answers. Raises `ServerFailed`."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            # A session of its own: Ctrl-C reaches us first, and we stop the servers last.
            self._process = subprocess.Popen(  # noqa: S603 - a server of ours
                self._command,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
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
        except Exception:  # noqa: BLE001 - whatever a client raises while the server comes up, it means "not yet"
            return False

    def stop(self) -> None:
        """Ask the server to end; kill it if it doesn't."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the server as a power cut would."""
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
