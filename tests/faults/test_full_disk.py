"""The disk that the dead letter lies on is full: its records wait in their topic, and go there once there is room."""

import asyncio
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from schemas.topics import CAPTURED, DEADLETTER
from shared.kafka.client import Kafka
from shared.kafka.reading import read_all
from tests.builders import data, event
from tests.faults.cluster import Cluster, cluster
from tests.faults.offset_watcher import OffsetWatcher
from tests.faults.running import needs_kafka, prepared
from tests.faults.transport import Letter, Sender
from tests.harness import until

_BAD, _BYTES = 60, 200_000
_ROOM = 4 * 2**20


class Disk:
    """A disk in memory, whose size can be changed."""

    def __init__(self, place: Path) -> None:
        self._place = place

    def resize(self, size: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={size}", self._place], check=True)

    def leave(self, room: int) -> None:
        """Make it so small that this much is left."""
        self.resize(sum(one.stat().st_blocks * 512 for one in self._place.rglob("*")) + room)


@contextmanager
def disk(place: Path) -> Iterator[Disk]:
    """Skips the test where we may not mount one."""
    place.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1g", "tmpfs", place], capture_output=True, check=False)
    if made.returncode:
        pytest.skip(f"may not mount a small disk: {made.stderr.decode().strip()}")
    try:
        yield Disk(place)
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


@pytest.mark.long
@pytest.mark.thorough
async def test_a_dead_letter_without_room_commits_nothing_and_loses_nothing(tmp_path: Path) -> None:
    needs_kafka()
    bad = [b"not json %d " % number + b"x" * _BYTES for number in range(_BAD)]
    good = [event(data(email=f"d{number}@example.com"), event_id=f"d{number}") for number in range(20)]
    with (
        disk(tmp_path / "kafka") as small,
        cluster(tmp_path, PANTRY_BREAKER_SHARE="1", PANTRY_BREAKER_IN_A_ROW="0") as one,
    ):
        await prepared(one)
        sender = Sender(one.bootstrap)
        await sender.deliver([Letter(CAPTURED.name, b"%d" % n, value) for n, value in enumerate([*bad, *good])])
        await sender.close()
        small.leave(_ROOM)
        worker = one.start("capture")
        await until(lambda: _is_dead(one), "the broker's end on a full disk")
        assert worker.status is None, "the worker waits"
        small.resize(2**30)
        await asyncio.to_thread(one.broker.start)
        async with OffsetWatcher(one.bootstrap) as watch:
            await watch.through("capture", await watch.ends("capture"))
        assert await _letters(one) == Counter(bad)
        assert worker.status is None


async def _is_dead(one: Cluster) -> bool:
    return one.broker._process is None or one.broker._process.poll() is not None


async def _letters(one: Cluster) -> Counter[bytes]:
    """What is in the dead letter; of one record, however often it was told, once."""
    places = {}
    async for record in read_all(Kafka(one.bootstrap), [DEADLETTER.name]):
        headers = dict(record.headers)
        places[headers["x-partition"], headers["x-offset"]] = record.value or b""
    return Counter(places.values())
