"""Configuration files that running workers refused, for the admins who can fix them."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import TypedDict

from schemas.base import Model, Moment
from shared.domain.stored.configuration_documents import RefusedFileDocument


class RefusedFile(Model):
    """A configuration file that a worker's processes refused. They use the last valid version.

    `since` is when the first of these `processes` refused it. `faults` give the places; `more` counts further ones.
    """

    file: str
    worker: str
    since: Moment
    processes: int
    version: str
    faults: tuple[str, ...]
    more: int


class ConfigurationState(Model):
    """The files that are refused now. Empty if all files are in use as saved."""

    refused: tuple[RefusedFile, ...]


class _Entry(TypedDict):
    """A `RefusedFile` as JSON has it."""

    file: str
    worker: str
    since: datetime
    version: str
    faults: list[str]
    more: int
    processes: int


def state(rows: Iterable[RefusedFileDocument]) -> dict[str, list[_Entry]]:
    """Return one entry per worker and file from the processes' rows.

    Processes of a worker that refused the same share an entry.
    """
    alike: dict[tuple[str, str, tuple[str, ...]], list[RefusedFileDocument]] = defaultdict(list)
    for row in rows:
        alike[row["file"], row["worker"], tuple(row["faults"])].append(row)
    return {"refused": [_entry(alike[key]) for key in sorted(alike)]}


def _entry(rows: list[RefusedFileDocument]) -> _Entry:
    first = min(rows, key=lambda row: (row["since"], row["_id"]))
    return {
        "file": first["file"],
        "worker": first["worker"],
        "since": first["since"],
        "version": first["version"],
        "faults": first["faults"],
        "more": first["more"],
        "processes": len(rows),
    }
