"""What the oracle takes for one event, without servers."""

import json
from datetime import UTC, datetime, timedelta

from tests.faults.oracle.world import CONVERT, Record, World

_BEGAN = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


def _record(partition: int, at: datetime) -> Record:
    value = {"id": "c1", "source": "/sales", "type": "leads.convert", "data": {"leadId": "lead-1"}}
    return Record(CONVERT, partition, 0, at, b"lead-1", json.dumps(value).encode())


def test_the_first_delivery_counts_although_a_later_one_was_read_before_it() -> None:
    first, later = _record(2, _BEGAN), _record(0, _BEGAN + timedelta(minutes=3))
    world = World({CONVERT: [later, first]}, [], {}, _BEGAN)
    assert world.accepted[CONVERT]["/sales", "c1"].record == first
