"""The collection `configuration`: the configuration files that running processes refuse."""

from datetime import datetime
from typing import TypedDict


class RefusedFileDocument(TypedDict):
    """A file that one process refuses, until it `expiresAt`. That process writes it, the gateway reads it.

    `since` is when it was refused. `faults` are the first ones; `more` counts the others.
    """

    _id: str
    worker: str
    since: datetime
    file: str
    version: str
    faults: list[str]
    more: int
    expiresAt: datetime
