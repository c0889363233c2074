"""Measures, and prints one table: `deploy/run python -m tests.benchmarks --help`. Nothing is asserted."""

import asyncio
import logging
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


def measure(given: Options, console: Console) -> list[Row]:
    """Measure all that is wanted."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder, Arena(given.backend, Path(folder)) as arena:
        for name, part in parts(given, arena).items():
            began = time.monotonic()
            console.print(f"{name}…")
            rows += part()
            console.print(f"{name} took {time.monotonic() - began:.0f} s")
    return rows


def main(words: Sequence[str] | None = None) -> None:
    """Run and print."""
    given = options(words)
    configure(Settings(log_level="error"))
    logging.disable(logging.ERROR)  # the Kafka client's, while the broker prepares itself
    console = Console(width=_WIDTH)
    known = about(given.backend)
    rows = measure(given, console)
    console.print(rich_table(rows, "Medians of all rounds"))
    console.print(publishing.about_text(known), markup=False, highlight=False)
    folder = given.out or Path(tempfile.mkdtemp(prefix="benchmarks-"))
    publishing.write(rows, known, folder)
    console.print(f"results and plots: {folder}", soft_wrap=True)
    if given.publish:
        publishing.publish(rows, known)


if __name__ == "__main__":
    main()
