"""What a run measures: the command line."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

USUAL = ("capture", "peers", "drivers", "hops", "stored", "latency", "gateway", "handling", "demo")
SECTIONS = (*USUAL, "finding")


@dataclass(frozen=True, slots=True)
class Options:
    """The sections, their servers and sizes. `publish`: write the results into the pages too."""

    only: tuple[str, ...] = USUAL
    backend: str = "embedded"
    rounds: int = 5
    captures: int = 3_000
    stored: tuple[int, ...] = (1_000, 100_000)
    samples: int = 100
    requests: int = 2_000
    leads: int = 1_000
    out: Path | None = None
    publish: bool = False

    @property
    def slow_rounds(self) -> int:
        """How often what takes long is repeated."""
        return min(self.rounds, 3)


_QUICK = {"rounds": 1, "captures": 200, "stored": (100, 1_000), "samples": 5, "requests": 100, "leads": 50}


def options(words: Sequence[str] | None = None) -> Options:
    """Return what the command line says. Ends the process with status 2 for a mistake in it."""
    usual = Options()
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Measure, and print one table.")
    parser.add_argument("--only", help=f"sections, of {','.join(SECTIONS)}; default: all but finding")
    parser.add_argument("--backend", choices=("embedded", "apache"), default=usual.backend, help="the broker")
    parser.add_argument("--rounds", type=int, help=f"of each program in turn; default: {usual.rounds}")
    parser.add_argument("--captures", type=int, help=f"of a round; default: {usual.captures:,}")
    parser.add_argument("--stored", help="leads stored before, such as 1000,100000,1000000: a million takes long")
    parser.add_argument("--quick", action="store_true", help="one round of little: only shows that all works")
    parser.add_argument(
        "--out", type=Path, help="folder of results.json, results.txt and the plots; default: a new one"
    )
    parser.add_argument("--publish", action="store_true", help="write the results into tests/benchmarks and README.md")
    given = parser.parse_args(words)
    sections = tuple(given.only.split(",")) if given.only else USUAL
    if unknown := set(sections) - set(SECTIONS):
        parser.error(f"there is no section {', '.join(sorted(unknown))}")
    sizes: dict[str, Any] = dict(_QUICK if given.quick else {})
    sizes |= {name: getattr(given, name) for name in ("rounds", "captures") if getattr(given, name)}
    if given.stored:
        sizes["stored"] = tuple(sorted(int(one) for one in given.stored.split(",")))
    return Options(only=sections, backend=given.backend, out=given.out, publish=given.publish, **sizes)
