"""Ours beside bare loops and peers, all with the same captures in turn; and each hop of the funnel."""

import asyncio
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from shared.settings import MongoDriver
from tests.benchmarks.contenders import bare_loop, ours, ours_in_one, peer, peers, with_driver
from tests.benchmarks.load import Load, records
from tests.benchmarks.race import Arena, Task, in_turn, row_of
from tests.benchmarks.recording import CAPTURE, HOPS, Hop, outputs_of, record
from tests.benchmarks.table import Row, compared

WANTED = {
    "bare loop": "≤ 2.5",
    "bare loop with the same reads": "≤ 1.6",
    "Quix Streams as taught": "≥ 3",
    "Faust as taught": "≥ 8",
    "Faust tuned": "≥ 1.5",
    "FastStream as taught": "≥ 8",
}
_WARM_FIRST = 10_000_000


def capture_rows(arena: Arena, count: int, rounds: int, *, with_peers: bool) -> list[Row]:
    """Compare capture with the bare loops, and with the peers."""
    section = f"Capture: {count:,} captures, of which 30 % repeat a person"
    task, plan = _prepared(arena, count, [CAPTURE])
    hop = [CAPTURE]
    contenders = [ours(hop), bare_loop(hop, plan), bare_loop(hop, plan, reads=True)]
    if with_peers:
        contenders += [peer(program) for program in peers()]
    found = in_turn(arena, contenders, task, rounds)
    rows = {name: row_of(section, name, [one[0] for one in figures]) for name, figures in found.items()}
    return [rows["ours"], *(_beside(row, rows["ours"]) for name, row in rows.items() if name != "ours")]


def _beside(row: Row, ours_: Row) -> Row:
    of = "ours ÷ it" if row.what.startswith("bare loop") else "it ÷ ours"
    return compared(row, ours_, of, WANTED[row.what])


def driver_rows(arena: Arena, count: int, rounds: int) -> list[Row]:
    """Compare the drivers of MongoDB, in our worker and in the bare loop."""
    section = f"Drivers of MongoDB: {count:,} captures"
    task, plan = _prepared(arena, count, [CAPTURE])
    programs = [ours([CAPTURE]), bare_loop([CAPTURE], plan, reads=True)]
    contenders = [with_driver(one, driver) for one in programs for driver in get_args(MongoDriver)]
    found = in_turn(arena, contenders, task, rounds)
    rows = [row_of(section, name, [one[0] for one in figures]) for name, figures in found.items()]
    half = len(rows) // len(programs)
    return [
        row if row is first else compared(row, first, "it ÷ first")
        for first, row in ((rows[place - place % half], row) for place, row in enumerate(rows))
    ]


def hop_rows(arena: Arena, count: int, rounds: int) -> list[Row]:
    """Compare each worker of the funnel with a loop that has its documents; then all workers in one process."""
    section = f"Hops: {count:,} captures through the funnel, CPU a capture"
    task, plan = _prepared(arena, count, HOPS)
    found = in_turn(arena, [ours(HOPS), bare_loop(HOPS, plan)], task, rounds)
    rows = []
    for place, hop in enumerate(HOPS):
        mine = row_of(section, hop.worker, [one[place] for one in found["ours"]])
        loop = row_of(section, f"{hop.worker}: bare loop", [one[place] for one in found["bare loop"]])
        rows += [mine, compared(loop, mine, "ours ÷ it")]
    one_task = Task(task.warmup, task.load, task.outputs[-1:], task.leads)
    (name, figures), *_ = in_turn(arena, [ours_in_one(HOPS)], one_task, rounds).items()
    return [*rows, row_of(section, f"all three, {name}", [one[0] for one in figures])]


def _prepared(arena: Arena, count: int, hops: Sequence[Hop]) -> tuple[Task, Path]:
    """Return the task, and the file of what each event causes."""
    warm = Load(min(300, count), first=_WARM_FIRST, name="warm")
    load = Load(count)
    plan = asyncio.run(record([*records(warm), *records(load)], hops))
    file = arena.folder / f"plan-{len(hops)}"
    file.write_bytes(pickle.dumps(plan))
    outputs = [(outputs_of(plan, hop, warm.name), outputs_of(plan, hop, load.name)) for hop in hops]
    return Task(records(warm), records(load), outputs, warm.persons + load.persons), file
