"""What a worker reads, writes and publishes for each event, recorded from its own code over doubles.

A bare loop repeats it: so it has the same documents and the same reads as the product of today, without deciding.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from schemas.topics import CAPTURED, CREATED, ENROLLED, MERGED, SCORED, Topic
from shared.kafka.events import Record
from shared.mongo.storage import Change
from tests.benchmarks.doubles import Documents, Funnel
from tests.benchmarks.load import event_id


@dataclass(frozen=True, slots=True)
class Hop:
    """One worker of the funnel. `outputs` tell that it is done: as many come as were recorded."""

    worker: str
    inputs: tuple[Topic, ...]
    outputs: tuple[Topic, ...]


CAPTURE = Hop("capture", (CAPTURED,), (CREATED, MERGED))
HOPS = (
    CAPTURE,
    Hop("scoring", (CREATED, MERGED), (SCORED,)),
    Hop("nurture", (SCORED,), (ENROLLED,)),
)


@dataclass(frozen=True, slots=True)
class Read:
    """A read by `field` of these values; `turn` counts an event's reads of one collection."""

    collection: str
    field: str
    values: tuple[str, ...]
    fields: tuple[str, ...]
    turn: int
    late: bool
    """Whether it follows the first write."""


@dataclass(frozen=True, slots=True)
class Write:
    """A new document, or an update of one under a guard; a replacement is an update of the whole document."""

    collection: str
    id: str
    new: Mapping[str, Any] | None = None
    guard: Mapping[str, Any] = field(default_factory=dict)
    update: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Step:
    """What one event causes."""

    reads: list[Read] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)
    published: list[tuple[str, bytes | None, Any, Any]] = field(default_factory=list)
    """Topic, key, event and headers of each record."""


Plan = dict[str, dict[str, Step]]
"""By worker and id of the event."""


class _Recorder(Documents):
    def __init__(self) -> None:
        super().__init__()
        self.step = Step()

    def _note(self, collection: str, by: str, values: Iterable[str], fields: Sequence[str] | None) -> list[str]:
        wanted = list(dict.fromkeys(values))
        if wanted:
            turn = sum(one.collection == collection for one in self.step.reads)
            read = Read(collection, by, tuple(wanted), tuple(fields or ()), turn, bool(self.step.writes))
            self.step.reads.append(read)
        return wanted

    async def read(self, collection: str, ids: Iterable[str], fields: Sequence[str] | None = None) -> dict[str, Any]:
        return await super().read(collection, self._note(collection, "_id", ids, fields))

    async def find_in(
        self, collection: str, field: str, values: Iterable[str], *, fields: Sequence[str] | None = None
    ) -> list[Any]:
        return await super().find_in(collection, field, self._note(collection, field, values, fields))

    async def insert_new(self, collection: str, documents: Sequence[Any]) -> set[str]:
        existed = await super().insert_new(collection, documents)
        self.step.writes += [Write(collection, one["_id"], dict(one)) for one in documents if one["_id"] not in existed]
        return existed

    async def change(self, collection: str, changes: Sequence[Change]) -> bool:
        self.step.writes += [Write(collection, one.id, None, one.guard, one.update) for one in changes]
        return await super().change(collection, changes)

    async def replace(self, collection: str, documents: Sequence[Any]) -> bool:
        for guard, one in documents:
            update = {"$set": {name: value for name, value in one.items() if name != "_id"}}
            self.step.writes.append(Write(collection, one["_id"], None, guard, update))
        return await super().replace(collection, documents)


async def record(captured: Sequence[Record], hops: Sequence[Hop]) -> Plan:
    """Let the workers handle these captures one by one, hop by hop."""
    documents = _Recorder()
    funnel, waiting, plan = Funnel(documents), list(captured), Plan()
    for hop in hops:
        steps, published = plan.setdefault(hop.worker, {}), list[Record]()
        for one in waiting:
            documents.step = steps[event_id(one.value)] = Step()
            outputs = await funnel.handle(hop.worker, [one])
            documents.step.published = [
                (out.topic, out.key, json.loads(out.value or b""), out.headers) for out in outputs
            ]
            published += outputs
        onwards = {topic.name for topic in hop.outputs}
        waiting = [one for one in published if one.topic in onwards]
    return plan


def outputs_of(plan: Plan, hop: Hop, prefix: str) -> int:
    """How many records a hop publishes on its outputs, whose captures' ids begin like this."""
    counts = Counter(
        topic
        for step in plan[hop.worker].values()
        for topic, _, event, _ in step.published
        if event["correlationid"].startswith(prefix)
    )
    return sum(counts[topic.name] for topic in hop.outputs)
