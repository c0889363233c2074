"""Define planted bugs, and plant them at an edge or in a public function of the product."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from schemas.topics import Topic
from services.composition.workers import WORKERS
from shared.consuming.worker import Handler, Runtime, Worker
from shared.domain.stored.untyped import Document
from shared.kafka.client import Publisher
from shared.kafka.events import Outgoing
from shared.mongo.storage import Change, Storage
from tests.faults.edges import on_publish, on_write
from tests.swapping import swap


@dataclass(frozen=True, slots=True)
class Bug:
    """A bug of `workers`; `crash` is the crash point it needs to show, if any.

    `settings` are environment variables that make it show in a small load. A `late` process starts after all is fed,
    since some bugs show only in large batches. See `tests.faults.points`.
    """

    name: str
    says: str
    workers: tuple[str, ...]
    plant: Callable[[], None]
    crash: str | None = None
    late: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)


BUGS: dict[str, Bug] = {}
"""All bugs by name."""


def bug(
    *workers: str, crash: str | None = None, late: bool = False, settings: Mapping[str, str] | None = None
) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Register a function that plants the bug of its name in these workers."""

    def register(plant: Callable[[], None]) -> Callable[[], None]:
        name = plant.__name__
        BUGS[name] = Bug(name, plant.__doc__ or "", workers, plant, crash, late or crash is not None, settings or {})
        return plant

    return register


def handling(worker: str, make: Callable[[Runtime, Handler], Handler]) -> None:
    """Replace this worker's handler by what `make` returns for it."""
    build = WORKERS[worker]

    def built(runtime: Runtime) -> Worker:
        one = build(runtime)
        return replace(one, handle=make(runtime, one.handle))

    WORKERS[worker] = built


def publishing(make: Callable[[Outgoing], Iterable[Outgoing]]) -> None:
    """Replace each published record by what `make` returns for it."""

    def around(publish: Any) -> Any:
        async def published(self: Publisher, worker: str, records: Sequence[Outgoing]) -> None:
            await publish(self, worker, [other for one in records for other in make(one)])

        return published

    on_publish(around)


def telling(topic: Topic, make: Callable[[dict[str, Any]], object]) -> None:
    """Let `make` change each published envelope of this topic."""

    def changed(record: Outgoing) -> Iterator[Outgoing]:
        if record.topic != topic.name:
            yield record
            return
        event = json.loads(record.value or b"")
        make(event)
        yield replace(record, value=json.dumps(event).encode())

    publishing(changed)


def without(topic: Topic) -> None:
    """Publish no event of this topic."""
    publishing(lambda record: () if record.topic == topic.name else (record,))


def changing(collection: str, make: Callable[[Change], Change]) -> None:
    """Replace each change of this collection by what `make` returns for it."""

    def around(change: Any) -> Any:
        async def changed(self: Storage, of: str, changes: Sequence[Change]) -> bool:
            return bool(await change(self, of, [make(one) if of == collection else one for one in changes]))

        return changed

    on_write(Storage.change, around)


def inserting(collection: str, make: Callable[[Document], Iterable[Document]]) -> None:
    """Replace each new document of this collection by what `make` returns for it."""

    def around(insert_new: Any) -> Any:
        async def inserted(self: Storage, of: str, documents: Sequence[Document]) -> Any:
            rows = [row for one in documents for row in (make(one) if of == collection else (one,))]
            return await insert_new(self, of, rows)

        return inserted

    on_write(Storage.insert_new, around)


def leaving(method: Callable[..., Any], collection: str) -> None:
    """Skip this write of `Storage` on this collection."""

    def around(write: Any) -> Any:
        async def written(self: Storage, of: str, what: Any) -> Any:
            return 0 if of == collection else await write(self, of, what)

        return written

    on_write(method, around)


def reading(collection: str, make: Callable[[Document], Document]) -> None:
    """Replace each read document of this collection by what `make` returns for it."""

    def around(find: Any) -> Any:
        async def found(self: Storage, of: str, *args: Any, **more: Any) -> Any:
            rows = await find(self, of, *args, **more)
            return [make(row) for row in rows] if of == collection else rows

        return found

    swap(Storage, Storage.find, around)
