"""Measures, and prints one table: `deploy/run python -m tests.benchmarks --help`. Nothing is asserted."""

import asyncio
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from deploy.local import LocalServers
from shared.observability.log_setup import configure
from shared.settings import Settings
from tests.benchmarks import capture, finding, gateway, handling, publishing, stored, waiting
from tests.benchmarks.machine import about
from tests.benchmarks.options import Options, options
from tests.benchmarks.race import Arena
from tests.benchmarks.table import Row, rich_table

_WIDTH = 170
_FOUND_AMONG, _FINDING_ROUNDS = 20_000, 30


def parts(given: Options, arena: Arena) -> dict[str, Callable[[], list[Row]]]:
    """Return how to measure each part that is wanted, in their order."""
    backend, rounds, count = given.backend, given.rounds, given.captures
    peers = "peers" in given.only
    every: dict[str, Callable[[], list[Row]]] = {
        # Peers run in turn with ours and the loops.
        "capture": lambda: capture.capture_rows(arena, count, rounds, with_peers=peers),
        "drivers": lambda: capture.driver_rows(arena, count, given.slow_rounds),
        "hops": lambda: capture.hop_rows(arena, count, given.slow_rounds),
        "stored": lambda: stored.stored_rows(arena, given.stored, count, given.slow_rounds),
        "latency": lambda: waiting.latency_rows(backend, given.samples),
        "gateway": lambda: gateway.gateway_rows(backend, rounds, given.requests),
        "handling": lambda: handling.measure_rounds(rounds, count),
        "demo": lambda: waiting.demo(backend, given.slow_rounds, given.leads),
        "finding": lambda: _finding(arena.folder),
    }
    wanted = {*given.only, *(["capture"] if peers else [])}
    return {name: measure for name, measure in every.items() if name in wanted}


def _finding(folder: Path) -> list[Row]:
    """Print what finding leads takes: its figures have a table of their own."""
    with LocalServers("embedded", folder / "finding") as servers:
        asyncio.run(finding.main(_FOUND_AMONG, _FINDING_ROUNDS, servers))
    return []


def measure(given: Options, console: Console, done: Callable[[Sequence[Row]], None]) -> list[str]:
    """Measure all that is wanted, and tell the rows after each section; return the sections that failed."""
    rows: list[Row] = []
    failed: list[str] = []
    with tempfile.TemporaryDirectory() as folder, Arena(given.backend, Path(folder)) as arena:
        for name, part in parts(given, arena).items():
            began = time.monotonic()
            console.print(f"{name}…")
            try:
                rows += part()
            except Exception:  # noqa: BLE001 - the other sections take minutes, and are worth having
                console.print_exception()
                failed.append(name)
            console.print(f"{name} took {time.monotonic() - began:.0f} s")
            done(rows)
    return failed


def main(words: Sequence[str] | None = None) -> int:
    """Run and print; return the exit status."""
    given = options(words)
    configure(Settings(log_level="error"))
    logging.disable(logging.ERROR)  # the Kafka client's, while the broker prepares itself
    console = Console(width=_WIDTH)
    known, rows = about(given.backend), list[Row]()
    folder = given.out or Path(tempfile.mkdtemp(prefix="benchmarks-"))

    def done(so_far: Sequence[Row]) -> None:
        rows[:] = so_far
        publishing.write(rows, known, folder)

    failed = measure(given, console, done)
    console.print(rich_table(rows, "Medians of all rounds"))
    console.print(publishing.about_text(known), markup=False, highlight=False)
    console.print(f"results and plots: {folder}", soft_wrap=True)
    if failed:
        console.print(f"[red]failed: {', '.join(failed)}[/]")
    elif given.publish:
        publishing.publish(rows, known)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
