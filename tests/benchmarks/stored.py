"""The cost of a capture at different numbers of stored leads."""

import asyncio
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from services.capture.domain.decide import decide
from services.capture.domain.plan import CapturePlan
from services.capture.domain.view import Capture, View
from shared.domain.identity.normal_forms import identity_of
from tests.benchmarks.contenders import ours
from tests.benchmarks.load import Load, person
from tests.benchmarks.load import records as records_of
from tests.benchmarks.race import Arena, Figure, Task, row_of, run
from tests.benchmarks.recording import CAPTURE
from tests.benchmarks.table import Row, compared
from tests.builders import NOW
from tests.collection_names import CAPTURES, IDENTITIES, LEADS
from tests.harness import Bench, capture_key

_PAGE = 1_000
_WARM_FIRST = 10_000_000


def stored_rows(arena: Arena, levels: Sequence[int], count: int, rounds: int) -> list[Row]:
    """Measure capture at each level in turn, and compare with the lowest."""
    section = f"Stored: {count:,} captures at so many stored leads, 30 % repeat one of them or of each other"
    found: dict[int, list[Figure]] = {level: [] for level in levels}
    for level in levels:
        seconds = asyncio.run(_load(arena, level))
        print(f"  stored {level:,} leads in {seconds:.0f} s", flush=True)
    tasks = {level: _task(level, count) for level in levels}
    for number in range(rounds):
        for level, task in tasks.items():
            # Each run begins with so many leads, not with those of the run before too.
            copy = shutil.copytree(_folder(arena, level), arena.folder / "copy")
            found[level] += asyncio.run(run(arena, ours([CAPTURE]), task, copy))
            shutil.rmtree(copy)
            print(f"  round {number + 1}/{rounds}: at {level:,}", flush=True)
    rows = [row_of(section, f"{level:,}", figures) for level, figures in found.items()]
    return [rows[0], *(compared(row, rows[0], f"it ÷ {levels[0]:,}") for row in rows[1:])]


def _task(level: int, count: int) -> Task:
    warm = Load(300, first=_WARM_FIRST, name="warm", stored=level)
    load = Load(count, first=level, stored=level)
    return Task(records_of(warm), records_of(load), [(warm.count, load.count)], level + warm.persons + load.persons)


def _folder(arena: Arena, level: int) -> Path:
    return arena.folder / f"stored-{level}"


async def _load(arena: Arena, level: int) -> float:
    """Store so many leads as the worker would have; return the seconds that it took."""
    async with arena.servers(_folder(arena, level)) as (on, _, _):
        began = time.monotonic()
        for plan in _plans(level):
            await _store(on, plan)
        return time.monotonic() - began


def _plans(level: int) -> Iterator[CapturePlan]:
    for first in range(0, level, _PAGE):
        captures = [_capture(number) for number in range(first, min(first + _PAGE, level))]
        view = View({}, {claim: () for one in captures for claim in one.identity.claims}, {})
        yield decide(captures, view, NOW, "US")


def _capture(number: int) -> Capture:
    payload: Any = person(number)
    event_id = f"stored-{number}"
    return Capture(capture_key("/tests", event_id), "/tests", event_id, NOW, payload, identity_of(payload, "US"))


async def _store(on: Bench, plan: CapturePlan) -> None:
    claims: list[Any] = [{"_id": one, "leadIds": [lead]} for one, lead in plan.claims.items()]
    for one in claims:
        if one["_id"] in plan.marks:
            one["names"] = list(plan.marks[one["_id"]])
    rows: list[Any] = list(plan.rows)
    leads: list[Any] = list(plan.inserts.values())
    for collection, documents in ((IDENTITIES, claims), (CAPTURES, rows), (LEADS, leads)):
        await on.storage.insert_new(collection, documents)
