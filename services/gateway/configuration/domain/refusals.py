"""Configuration files that running workers refused, for the admins who can fix them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from schemas.base import Model, Moment


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


def state(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return one entry per worker and file from the processes' rows.

    Processes of a worker that refused the same share an entry.
    """
    alike: dict[tuple[Any, ...], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        alike[row["file"], row["worker"], tuple(row["faults"])].append(row)
    return {"refused": [_entry(alike[key]) for key in sorted(alike)]}


def _entry(rows: list[Mapping[str, Any]]) -> dict[str, Any]:
    first = min(rows, key=lambda row: (row["since"], row["_id"]))
    kept = {name: first[name] for name in ("file", "worker", "since", "version", "faults", "more")}
    return {**kept, "processes": len(rows)}
