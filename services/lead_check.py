"""Leads that were stored in a form nobody can read back: found, and repaired where renaming is all it takes.

Producers could once send names that begin with `$`. MongoDB's tools and drivers take those for operators or types.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from schemas.lead import Lead
from shared.collections import ACTIVITIES, CAPTURES, COMMANDS, LEADS, TIMELINE
from shared.leads import revised
from shared.storage import Change, Document, Storage

PLACES = (LEADS, CAPTURES, ACTIVITIES, COMMANDS, TIMELINE)
"""The collections that keep what producers fill with fields of their own."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A document with names that have to change (`paths`), or a lead that can't be shown for another reason."""

    collection: str
    id: str
    paths: tuple[str, ...] = ()
    why: str | None = None


def bad_names(value: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    """The paths of the names that begin with `$`, are empty or hold NUL, at any depth."""
    if isinstance(value, Mapping):
        for name, part in value.items():
            if name != _renamed(name):
                yield ".".join((*path, name))
            yield from bad_names(part, (*path, name))
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from bad_names(part, (*path, str(number)))


def repaired(value: Any) -> Any:
    """The same value with names that can be kept; two names never become one."""
    if isinstance(value, list):
        return [repaired(one) for one in value]
    if not isinstance(value, Mapping):
        return value
    taken = {name for name in value if name == _renamed(name)}
    result: Document = {}
    for name, part in value.items():
        new = _renamed(name)
        while new != name and new in taken:
            new += "_"
        taken.add(new)
        result[new] = repaired(part)
    return result


def _renamed(name: str) -> str:
    plain = name.replace("\0", "_")
    return "_" + plain.removeprefix("$") if plain.startswith("$") or not plain else plain


def inspect(collection: str, document: Document) -> Finding | None:
    """What is wrong with a stored document, if anything is. Values are never quoted."""
    paths = tuple(bad_names(document))
    why = _unshowable(document) if collection == LEADS else None
    return Finding(collection, document["_id"], paths, why) if paths or why else None


def _unshowable(document: Document) -> str | None:
    try:
        Lead.of(document).wire()
    except ValidationError as error:
        return ", ".join(".".join(map(str, one["loc"])) for one in error.errors(include_input=False, include_url=False))
    except (ValueError, TypeError, KeyError) as error:
        return type(error).__name__
    return None


async def check(storage: Storage, *, repairing: bool) -> AsyncIterator[tuple[Finding, bool]]:
    """Each finding, and whether it was repaired. A lead that changes meanwhile stays, and the next run finds it."""
    for collection in PLACES:
        async for page in storage.scan(collection):
            for document in page:
                finding = inspect(collection, document)
                if finding is None:
                    continue
                done = bool(repairing and finding.paths) and await repair(storage, collection, document)
                yield finding, done


async def repair(storage: Storage, collection: str, document: Document) -> bool:
    """Rename what has to be renamed in this document; False when it is no longer as it was read."""
    fields = {name: repaired(value) for name, value in document.items() if any(bad_names(value))}
    if collection == LEADS:
        return await storage.change(LEADS, [revised(document, {"$set": fields})])
    # What an erasure took away in between may not come back.
    guard = {name: {"$exists": True} for name in fields}
    return await storage.change(collection, [Change(document["_id"], guard, {"$set": fields})])
