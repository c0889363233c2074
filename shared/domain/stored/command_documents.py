"""The collections `commands` and `orphans`: verdicts on commands, and events that wait for a lead."""

from collections.abc import Mapping
from datetime import datetime
from typing import NotRequired, TypedDict


class VerdictDocument(TypedDict):
    """The verdict on one command, by the command's key. Its worker writes it; insights reads its `leadId`.

    `reason` and `detail` are of a rejection. `done`: the worker carried it out. `note` has facts of the lead before the
    command, as the worker's events need them.
    """

    _id: str
    leadId: str
    at: datetime
    done: bool
    reason: str | None
    detail: str
    note: Mapping[str, object]


class PendingWait(TypedDict):
    """What a pending event waits for, until when, and when a process looks at it next.

    `source` is of an event that waits for a lead: a source may have so many. `claim` is of the process that leased it.
    `historical` events wait for a status as long as for a lead.
    """

    waitsFor: str
    source: NotRequired[str]
    historical: NotRequired[bool]
    endsAt: datetime
    wakeAt: datetime
    claim: NotRequired[str]


class PendingEventDocument(PendingWait):
    """An event that waits for the lead `name`, or for its status.

    The worker that consumed it writes and reads it; erasure ends or deletes it. `place` has the record's topic,
    partition and offset; `key`, `value` and `headers` are the record's bytes.
    """

    _id: str
    worker: str
    name: str
    at: datetime
    place: tuple[str, int, int]
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]
