"""Name each write, publish and commit of a worker, independent of modules and functions.

A step's name says what happens to what: `change leads`, `publish leads.scored`, `commit`. It survives moves and renames
of the code. If a worker does the same to the same thing twice, a mark distinguishes the steps: a written field
(`[scoring.agesAt]`), an operator (`[$min]`), a field of the guard (`[if claim]`), or what the same task did before
(`[after insert_new unplaced]`).
"""

import asyncio
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import wraps
from typing import Any
from weakref import WeakKeyDictionary

from aiokafka import AIOKafkaConsumer

from shared.consuming.consumer import BatchConsumer
from shared.kafka.client import Publisher
from shared.kafka.events import Outgoing
from shared.mongo.storage import Change, Storage
from tests.swapping import swap

_OF_MANY = (
    Storage.insert_new,
    Storage.put,
    Storage.replace,
    Storage.change,
    Storage.delete,
    Storage.delete_guarded,
)
OF_MANY = frozenset(write.__name__ for write in _OF_MANY)
"""Writes of several documents; without documents they do not call the database."""
WRITES = {write.__name__: write for write in (*_OF_MANY, Storage.change_all, Storage.delete_all)}
"""All methods of `Storage` that write a document, by name."""
PUBLISH, COMMIT = "publish", "commit"
_CHANGE, _DELETE_GUARDED = Storage.change.__name__, Storage.delete_guarded.__name__
_OF_DOCUMENTS = frozenset(write.__name__ for write in (Storage.insert_new, Storage.put))

_STEP = re.compile(r"(?P<what>[^\[]+?)(?: \[(?P<mark>.+)\])?")


def on_write(method: Callable[..., Any], make: Callable[[Any], Any]) -> None:
    """Replace a write of `Storage` by what `make` returns for the current one."""
    name = method.__name__
    swap(Storage, getattr(Storage, name), lambda original: wraps(original)(make(original)))


def on_publish(make: Callable[[Any], Any]) -> None:
    """Replace the function that publishes every record of a process."""
    swap(Publisher, Publisher.publish, make)


def on_commit(make: Callable[[Any], Any]) -> None:
    """Replace the function that commits a process's offsets."""
    swap(AIOKafkaConsumer, AIOKafkaConsumer.commit, make)


def on_batch(make: Callable[[Any], Any]) -> None:
    """Replace the function that processes a fetched batch.

    The new one has the signature of the old: FastStream gives the message to a parameter of that type.
    """
    swap(BatchConsumer, BatchConsumer.process, lambda original: wraps(original)(make(original)))


class Before:
    """What each task of this process did last."""

    def __init__(self) -> None:
        self._last: WeakKeyDictionary[asyncio.Task[Any], str] = WeakKeyDictionary()

    def then(self, what: str) -> frozenset[str]:
        """Return the mark of what this task did before, and remember `what`."""
        task = asyncio.current_task()
        if task is None:
            return frozenset()
        before, self._last[task] = self._last.get(task), what
        return frozenset() if before is None else frozenset({f"after {before}"})


def marks(method: str, what: Any) -> frozenset[str]:
    """Return the marks of a write, from its arguments."""
    return frozenset(_marks(method, what))


def _marks(method: str, what: Any) -> Iterator[str]:
    if method == _CHANGE:
        for change in what:
            yield from _guarded(change.guard)
            yield from _updated(change)
    elif method == _DELETE_GUARDED:
        for guard in what.values():
            yield from _guarded(guard)
    elif method in _OF_DOCUMENTS:
        for document in what:
            yield from document


def _guarded(guard: Mapping[str, Any]) -> Iterator[str]:
    return (f"if {path}" for path in guard)


def _updated(change: Change) -> Iterator[str]:
    for operator, fields in change.update.items():
        yield operator
        for path in fields:
            yield path if operator == "$set" else f"{operator} {path}"


def step(what: str, marked: frozenset[str], known: Iterable[str]) -> str:
    """Return the matching step of `known`; without a match, a name with all details."""
    of_it = {mark: one for one in known for thing, mark in [parts(one)] if thing == what}
    for mark, one in of_it.items():
        if mark in marked:
            return one
    return of_it.get(None) or f"{what} [{', '.join(sorted(marked))}]"


def parts(step_: str) -> tuple[str, str | None]:
    """Return what a step does to what, and its mark."""
    found = _STEP.fullmatch(step_)
    assert found, f"no step is called {step_!r}"
    return found["what"], found["mark"]


def topics(records: Sequence[Outgoing]) -> list[str]:
    """Return the topics of these records, each once, in the records' order."""
    return list(dict.fromkeys(record.topic for record in records))
