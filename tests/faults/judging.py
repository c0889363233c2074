"""Ask the oracle, a process that shares no code with the product."""

import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Verdict:
    """The oracle's `violations`, each with its law, and its counts."""

    violations: list[Mapping[str, Any]]
    counts: Mapping[str, Any]


async def judge(bootstrap: str, mongo_url: str, database: str, ledger: Path, *more: str) -> Verdict:
    """Return the oracle's verdict. Raises `AssertionError` if it could not read everything."""
    flags = ["--kafka", bootstrap, "--mongo", mongo_url, "--database", database, "--ledger", str(ledger), *more]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.faults.oracle", *flags),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    told, complaints = await process.communicate()
    assert process.returncode in (0, 1), f"the oracle could not look:\n{complaints.decode()[-3_000:]}"
    verdict = json.loads(told)
    assert bool(verdict["violations"]) == bool(process.returncode)
    return Verdict(verdict["violations"], verdict["counts"])
