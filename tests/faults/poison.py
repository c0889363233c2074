"""Poison for every topic: invalid records, oddly valid ones, and records that hit a bug."""

import json
import random
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from schemas import export
from schemas.topics import Topic
from shared.consuming.worker import Build, Runtime, Worker
from shared.kafka.events import Received, Result
from shared.mongo.retries import Contention
from shared.mongo.storage import Unavailable

_EXAMPLES = Path(export.__file__).parent / "examples"
FAILURES: Mapping[str, Exception] = {
    "OSError": OSError("no such file"),
    "TimeoutError": TimeoutError(),
    "Contention": Contention("for ever"),
    "Unavailable": Unavailable("BulkWriteError code=1", by_record=True),
    "RecursionError": RecursionError(),
    "MemoryError": MemoryError(),
    "KeyError": KeyError("email"),
    "ZeroDivisionError": ZeroDivisionError(),
}
"""What a handler raises on an event whose id ends with the name."""

_EXTENDED_JSON: tuple[Any, ...] = (
    {"$ref": "a", "$id": "b"},
    {"$ref": "a", "$id": "b", "$db": "c"},
    {"$oid": "5f43a1b2c3d4e5f6a7b8c9d0"},
    {"$date": "2026-01-01T00:00:00Z"},
    {"$date": {"$numberLong": "1"}},
    {"$numberLong": "9223372036854775807"},
    {"$numberDecimal": "NaN"},
    {"$numberDouble": "Infinity"},
    {"$binary": {"base64": "AA==", "subType": "00"}},
    {"$regularExpression": {"pattern": "(a+)+b", "options": ""}},
    {"$timestamp": {"t": 1, "i": 1}},
    {"$symbol": "a"},
    {"$code": "while (true) {}", "$scope": {}},
    {"$minKey": 1},
    {"$undefined": True},
    {"$dbPointer": {"$ref": "a", "$id": "b"}},
    {"$uuid": "00000000-0000-0000-0000-000000000000"},
)
_ODD_VALUES: tuple[Any, ...] = (
    *_EXTENDED_JSON,
    *({"$where": "1"}, {"$set": {"status": "lost"}}, {"a": {"b": {"$inc": 1}}}, {"": 1}, {"a.b": 1}, {"a\0b": 1}),
    *(10**400, -(2**63), 2**63, 2**31, -0.0, 1e308, -1, 0, True, None, [], {}, "", " ", "\0", "\ud800", "\udc00\ud800"),
    *("a" * 5_000, "\u202eevil", "<script>alert(1)</script>", "{{ 7 * 7 }}", "{% raise %}", "../../etc/passwd"),
    *("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"),
    *("NaN", "1e999", [[[[]]]], ["a"] * 2_000, {str(number): number for number in range(200)}),
)


def _example(topic: Topic, number: int, lead_id: str) -> dict[str, Any]:
    """Return a valid event of this topic about this lead."""
    event: dict[str, Any] = json.loads((_EXAMPLES / f"{topic.event_type}.json").read_text())
    data = event["data"]
    if "leadId" in data:
        data["leadId"] = lead_id
    if "lead" in data:
        data["lead"]["id"] = lead_id
    return event | {"id": f"poison-{number}", "source": "/poison", "specversion": "1.0"}


def _paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in parts:
        yield (*at, name)
        yield from _paths(part, (*at, name))


def _odd(topic: Topic, number: int, lead_id: str, rng: random.Random) -> bytes:
    event = _example(topic, number, lead_id)
    path = rng.choice([*_paths({"data": event["data"]}), *((name,) for name in event if name != "id")])
    holder: Any = event
    for name in path[:-1]:
        holder = holder[name]
    holder[path[-1]] = rng.choice(_ODD_VALUES)
    return json.dumps(event).encode()


def poison(topic: Topic, lead_id: str, rng: random.Random, failures: Sequence[str], odd: int) -> list[bytes | None]:
    """Return poison of every kind for this topic, shuffled.

    `failures` hit a planted bug; `odd` is how many records contain an odd value.
    """
    whole = json.dumps(_example(topic, 0, lead_id)).encode()
    deep = whole.replace(b'"data":', b'"deep": ' + b"[" * 5_000 + b"]" * 5_000 + b', "data":', 1)
    records: list[bytes | None] = [None, b"", b"null", b"[]", b"{", b"\xff\xfe\x00", whole[:-1], deep]
    records += [b'{"pad": "' + b"x" * 300 * 1024 + b'"}', whole.replace(b'"poison-0"', b"1e999", 1)]
    records += [_odd(topic, number, lead_id, rng) for number in range(odd)]
    for failure in failures:
        event = _example(topic, 0, lead_id) | {"id": f"{topic.name}-{failure}"}
        records.append(json.dumps(event).encode())
    rng.shuffle(records)
    return records


def with_bug(build: Build, topics: Collection[str]) -> Build:
    """Return the worker with a handler that fails on events named after one of `FAILURES`."""

    def built(runtime: Runtime) -> Worker:
        worker = build(runtime)
        return replace(worker, handle=_failing(worker.handle, topics))

    return built


def _failing(
    handle: Callable[[Sequence[Received]], Awaitable[Sequence[Result]]], topics: Collection[str]
) -> Callable[[Sequence[Received]], Awaitable[Sequence[Result]]]:
    async def failing(received: Sequence[Received]) -> Sequence[Result]:
        for one in received:
            kind = one.event.id.rpartition("-")[2]
            if one.event.source == "/poison" and kind in FAILURES and one.record.topic in topics:
                raise FAILURES[kind]
        return await handle(received)

    return failing
