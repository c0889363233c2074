"""CPU of each worker's own code per record, without servers: decoding, deciding, encoding, handing over to the client.

`python -m tests.benchmarks.handling [--profile WORKER] [captures]` prints µs of CPU, or where they go. Each round is a
fresh funnel: scoring gets what capture published, nurture what scoring published.
"""

import argparse
import asyncio
import cProfile
import pstats
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from schemas.topics import CREATED, SCORED
from shared.observability.log_setup import configure
from shared.settings import Settings
from tests.benchmarks.doubles import WORKERS_OF_FUNNEL, Funnel
from tests.benchmarks.load import Load, records
from tests.benchmarks.table import Row

SECTION = "Handling: each worker's own code, without servers"
_NEXT = {"capture": CREATED.name, "scoring": SCORED.name}


async def measure(count: int, profile: str | None = None) -> dict[str, float]:
    """Return µs of CPU per record of each worker, in one fresh funnel."""
    funnel, waiting, found = Funnel(), records(Load(count, repeats=0)), dict[str, float]()
    for name in WORKERS_OF_FUNNEL:
        began = time.process_time()
        with _profiled() if name == profile else nullcontext():
            published = await funnel.handle(name, waiting)
        found[name] = (time.process_time() - began) / len(waiting) * 1e6
        waiting = [one for one in published if one.topic == _NEXT.get(name)]
    return found


def measure_rounds(rounds: int, count: int) -> list[Row]:
    """The rows of the table."""
    found = [asyncio.run(measure(count)) for _ in range(rounds)]
    return [Row(SECTION, name, own=[one[name] for one in found]) for name in WORKERS_OF_FUNNEL]


@contextmanager
def _profiled() -> Iterator[None]:
    with cProfile.Profile() as found:
        yield
    pstats.Stats(found).sort_stats("tottime").print_stats(45)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--profile", choices=WORKERS_OF_FUNNEL)
    parser.add_argument("captures", type=int, nargs="?", default=3_000)
    given = parser.parse_args()
    configure(Settings(log_level="error"))
    if given.profile:
        asyncio.run(measure(given.captures, given.profile))
        return
    for row in measure_rounds(5, given.captures):
        print(f"{row.what:<40}{statistics.median(row.own):6.0f} µs of CPU a record")


if __name__ == "__main__":
    main()
