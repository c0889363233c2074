"""One process whose database is slow is slow itself, and troubles nobody: its group is not shuffled over and over."""

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiokafka.consumer.group_coordinator import GroupCoordinator

from schemas.topics import CAPTURED
from tests.builders import data, event
from tests.faults.cluster import SESSION_S, Cluster, cluster
from tests.faults.offset_watcher import OffsetWatcher
from tests.faults.process_handles import ProcessHandle
from tests.faults.proxy import Mode
from tests.faults.running import needs_kafka, prepared
from tests.faults.transport import Letter, Sender
from tests.harness import until

_LATE_S = 0.8
_RECORDS = 600
_ELSEWHERE = "gateway"


def count_joins(file: Path) -> None:
    """Note each time that this process's consumers are given their partitions."""
    original: Callable[..., Awaitable[Any]] = GroupCoordinator._on_join_complete

    async def noted(self: Any, *args: Any) -> Any:
        with file.open("a") as notes:
            notes.write(".")
        return await original(self, *args)

    setattr(GroupCoordinator, "_on_join_complete", noted)  # noqa: B010 - mypy wants a method left alone


@pytest.mark.long
@pytest.mark.thorough
async def test_a_slow_database_of_one_process_causes_no_rebalance(directory: Path) -> None:
    needs_kafka()
    slow, quick = directory / "slow.joins", directory / "quick.joins"
    with cluster(directory, PANTRY_BATCH_MAX="50") as one:
        await prepared(one)
        lives = [_begin(one, slow, "capture"), _begin(one, quick, _ELSEWHERE)]
        await until(lambda: _both_in(slow, quick), "both processes in the group")
        before = slow.read_text(), quick.read_text()
        one.proxies.turn("capture", Mode.SLOW, _LATE_S)
        await _feed(one)
        async with OffsetWatcher(one.bootstrap) as watch:
            ends = await watch.ends("capture")
            await until(lambda: _is_slow(one), "a batch that took longer than a session")
            one.proxies.heal()
            await watch.through("capture", ends)
        assert (slow.read_text(), quick.read_text()) == before
        assert [life.status for life in lives] == [None, None]


def _begin(one: Cluster, joins: Path, way: str) -> ProcessHandle:
    """A capture process that reaches the database by this way."""
    joins.touch()
    return one.start("capture", [partial(count_joins, joins)], PANTRY_MONGO_URL=one.url_by(way))


async def _both_in(*joins: Path) -> bool:
    """The second to come made the first join again."""
    return sorted(len(file.read_text()) for file in joins) == [1, 2]


async def _feed(one: Cluster) -> None:
    sender = Sender(one.bootstrap)
    values = [event(data(email=f"s{number}@example.com"), event_id=f"s{number}") for number in range(_RECORDS)]
    await sender.deliver([Letter(CAPTURED.name, b"%d" % number, value) for number, value in enumerate(values)])
    await sender.close()


async def _is_slow(one: Cluster) -> bool:
    done = [line for line in (one.directory / "capture.log").read_text().splitlines() if "batch.done" in line]
    return any(_ms(line) > 2 * SESSION_S * 1_000 for line in done)


def _ms(line: str) -> float:
    return float(line.partition('"ms": ')[2].partition(",")[0])
