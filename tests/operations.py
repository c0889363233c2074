"""Counts a worker's operations on the database: documents read, inserted, updated and deleted."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from shared.mongo.connection import Mongo

_WRITES = {"insert": "documents", "update": "updates", "delete": "deletes"}


class OperationCounter(CommandListener):
    """Counts operations by collection and kind; an empty answer is one read.

    One operation is one document that is read, inserted, updated or deleted.
    """

    def __init__(self) -> None:
        self.counts = Counter[tuple[str, str]]()
        self.commands = Counter[tuple[str, str]]()
        self._asked: dict[int, tuple[str, int]] = {}

    def started(self, event: CommandStartedEvent) -> None:
        kind = event.command_name
        if kind in ("find", "getMore", "aggregate", "count", *_WRITES):
            collection = str(event.command["collection" if kind == "getMore" else kind])
            statements = event.command.get(_WRITES[kind], ()) if kind in _WRITES else ()
            self._asked[event.request_id] = (collection, len(statements))

    def succeeded(self, event: CommandSucceededEvent) -> None:
        asked = self._asked.pop(event.request_id, None)
        if asked is None:
            return
        (collection, statements), kind = asked, event.command_name
        cursor: dict[str, Any] = event.reply.get("cursor", {})
        found = len(cursor.get("firstBatch", cursor.get("nextBatch", ())))
        number = max(statements, int(event.reply.get("n", 0))) if kind in _WRITES else max(found, kind != "getMore")
        self.counts[collection, kind] += number
        self.commands[collection, kind] += 1

    def failed(self, event: CommandFailedEvent) -> None:
        self._asked.pop(event.request_id, None)


@dataclass(frozen=True, slots=True)
class CountedMongo(Mongo):
    """A MongoDB whose clients tell `counter` of each command."""

    counter: OperationCounter = field(default_factory=OperationCounter)

    @property
    def login(self) -> dict[str, Any]:
        return {**Mongo.login.fget(self), "event_listeners": [self.counter]}  # type: ignore[attr-defined]
