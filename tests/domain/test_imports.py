"""Importing a module of the product opens, patches, starts and configures nothing."""

import json
import subprocess
import sys

import pytest

_LOOK = """
import importlib, json, logging, pkgutil, signal, sys, threading, warnings
from pathlib import Path

import aiokafka.consumer.fetcher as fetcher
import structlog

packages, root = sys.argv[1].split(), Path.cwd()
seen, current = [], ""
CODE = {".py", ".pyc", ".so"}
ACTS = ("socket.bind", "socket.connect", "subprocess.", "os.exec", "os.fork", "os.mkdir", "os.remove", "os.rename")

def watch(event, args):
    if event == "open" and isinstance(args[0], str):
        path = Path(args[0])
        if path.is_relative_to(root) and ".venv" not in path.parts and path.suffix not in CODE:
            seen.append(f"{current} opens {path.name}")
    elif event.startswith(ACTS):
        seen.append(f"{current}: {event}")

def state():
    return {
        "aiokafka": str(fetcher.MemoryRecords),
        "structlog": structlog.is_configured(),
        "logging": [str(one) for one in logging.getLogger().handlers],
        "signals": [str(signal.getsignal(one)) for one in (signal.SIGINT, signal.SIGTERM)],
        "hooks": [str(sys.excepthook), str(threading.excepthook), str(warnings.showwarning)],
        "threads": [one.name for one in threading.enumerate()],
    }

before = state()
sys.addaudithook(watch)
for package in packages:
    for found in pkgutil.walk_packages(importlib.import_module(package).__path__, package + "."):
        if not found.name.endswith("__main__"):
            current = found.name
            importlib.import_module(current)
after = state()
print(json.dumps([seen, [name for name in before if before[name] != after[name]]]))
"""


def _printed(code: str, *words: str) -> str:
    # The interpreter itself writes the bytecode of modules that nobody imported before, so it may not here.
    return subprocess.run([sys.executable, "-B", "-c", code, *words], check=True, capture_output=True, text=True).stdout


def test_importing_all_modules_opens_starts_and_configures_nothing() -> None:
    assert json.loads(_printed(_LOOK, "schemas shared services deploy")) == [[], []]


@pytest.mark.parametrize("client", ["aiokafka", "faststream", "motor", "pymongo"])
def test_the_setup_of_logging_imports_no_client(client: str) -> None:
    code = "import sys, shared.observability.log_setup; print(sys.argv[1] in sys.modules)"
    assert _printed(code, client) == "False\n"
