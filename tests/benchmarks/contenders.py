"""The programs that are compared: ours, the bare loops, and peers in environments of their own."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from deploy.local.child_process import _die_with_parent
from tests.benchmarks.recording import CAPTURE, Hop
from tests.harness import PANTRY, Bench

_LOOP = (sys.executable, "-m", "tests.benchmarks.bare_loop")
PEERS = Path(__file__).with_name("peers")
_SESSION_MS, _SHORT_MS, _LONGER_MS = 60_000, 3_000, 15_000
"""A program that is stopped until its load is there stays a member of its group. The embedded broker lets a group begin
only after a session's time."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A program for each of some hops, with settings. `ends` says that it stops by SIGTERM; others are killed."""

    name: str
    hops: tuple[Hop, ...]
    commands: tuple[tuple[str, ...], ...]
    ends: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)

    def start(self, on: Bench, place: int, group: str, log: Path) -> subprocess.Popen[bytes]:
        """Start the program of one hop on these servers."""
        environment = {
            **on.environment,
            "PANTRY_SESSION_TIMEOUT_MS": str(self._session_ms(on)),
            "BENCHMARK_GROUP": group,
            **self.settings,
        }
        with log.open("ab") as file:
            return subprocess.Popen(
                self.commands[place],
                env=environment,
                stdout=file,
                stderr=file,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - two system calls; no lock of ours is taken
            )

    def _session_ms(self, on: Bench) -> int:
        if on.to.idempotence:
            return _SESSION_MS
        return _SHORT_MS if len(self.hops) == 1 else _LONGER_MS


def ours(hops: Sequence[Hop]) -> Contender:
    """A worker process for each hop."""
    return Contender("ours", tuple(hops), tuple((*PANTRY, "worker", hop.worker) for hop in hops), ends=True)


def ours_in_one(hops: Sequence[Hop]) -> Contender:
    """All these workers in one process: it is done when the last one is."""
    whole = Hop(hops[-1].worker, hops[0].inputs, hops[-1].outputs)
    return Contender("ours in one process", (whole,), ((*PANTRY, "worker", *(hop.worker for hop in hops)),), ends=True)


def bare_loop(hops: Sequence[Hop], plan: Path, *, reads: bool = False) -> Contender:
    """A bare loop for each hop."""
    more = ("--reads",) if reads else ()
    commands = tuple(
        (*_LOOP, hop.worker, *(one.name for one in hop.inputs), "--plan", str(plan), *more) for hop in hops
    )
    return Contender("bare loop with the same reads" if reads else "bare loop", tuple(hops), commands)


def with_driver(contender: Contender, driver: str) -> Contender:
    """The same program with another driver of MongoDB."""
    settings = {**contender.settings, "PANTRY_MONGO_DRIVER": driver}
    return replace(contender, name=f"{contender.name}, {driver}", settings=settings)


def peer(program: Path) -> Contender:
    """A peer's program, in its environment, which is made the first time. Raises `CalledProcessError`."""
    title = program.read_text().removeprefix('"""').partition(":")[0]
    python = str(environment(program.parent) / "bin" / "python")
    return Contender(title, (CAPTURE,), ((python, str(program)),))


def peers() -> list[Path]:
    """The peers' programs."""
    return sorted(PEERS.glob("*/*.py"))


def environment(folder: Path) -> Path:
    """Return the environment of the lock in this folder; make it in the cache if it is missing."""
    lock = folder / "requirements.txt"
    cache = Path(os.environ.get("PANTRY_CACHE", Path.home() / ".cache" / "pantry"))
    stamp = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()[:12]
    made = cache / f"peer-{folder.name}-{stamp}"
    if not (made / "complete").exists():
        uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
        index = os.environ.get("PIP_INDEX_URL")
        settings = {"UV_SYSTEM_CERTS": "1", **({"UV_DEFAULT_INDEX": index} if index else {}), **os.environ}
        install = (uv, "pip", "install", "--quiet", "--compile-bytecode", "--require-hashes", "-r", str(lock))
        for command in (
            (uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(made)),
            (*install, "--python", str(made / "bin" / "python")),
        ):
            subprocess.run(command, check=True, env=settings)
        (made / "complete").touch()
    return made
