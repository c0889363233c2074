"""Finds stored leads that can't be read back, and repairs those whose names are at fault.

Producers could once send names that begin with `$`. MongoDB's tools and drivers take those for operators or types.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from pydantic import ValidationError

from schemas.lead import Lead
from shared.domain.stored.lead_document import LeadDocument
from shared.domain.stored.untyped import Document
from shared.leads.documents import revised
from shared.mongo.names import ACTIVITIES, CAPTURES, COMMANDS, LEADS, TIMELINE, AnyCollection
from shared.mongo.storage import Change, Storage

PLACES: tuple[AnyCollection, ...] = (LEADS, CAPTURES, ACTIVITIES, COMMANDS, TIMELINE)
"""The collections that keep free parts: objects whose fields the producer names.

Their documents are checked whatever their type is.
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """A document whose `paths` need other names, or a lead that can't be shown (`why`)."""

    collection: AnyCollection
    id: str
    paths: tuple[str, ...] = ()
    why: str | None = None


def bad_names(value: object, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield the paths of names that begin with `$`, are empty or hold NUL, at any depth."""
    if isinstance(value, Mapping):
        for name, part in value.items():
            if name != _renamed(name):
                yield ".".join((*path, name))
            yield from bad_names(part, (*path, name))
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from bad_names(part, (*path, str(number)))


def repaired(value: object) -> object:
    """Return the value with names that MongoDB takes. Two names never become one."""
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


def inspect(collection: AnyCollection, document: Mapping[str, object]) -> Finding | None:
    """Return what is wrong with a stored document, or None. Quotes no value."""
    paths = tuple(bad_names(document))
    why = _unshowable(document) if collection == LEADS else None
    return Finding(collection, str(document["_id"]), paths, why) if paths or why else None


def _unshowable(document: Mapping[str, object]) -> str | None:
    try:
        Lead.of(document).wire()
    except ValidationError as error:
        return ", ".join(".".join(map(str, one["loc"])) for one in error.errors(include_input=False, include_url=False))
    except (ValueError, TypeError, KeyError) as error:
        return type(error).__name__
    return None


async def check_leads(storage: Storage, *, repairing: bool) -> AsyncIterator[tuple[Finding, bool]]:
    """Yield each finding, and whether it was repaired. The next run finds a lead that changed."""
    for collection in PLACES:
        async for page in storage.scan(collection):
            for document in page:
                finding = inspect(collection, document)
                if finding is None:
                    continue
                done = bool(repairing and finding.paths) and await repair(storage, collection, document)
                yield finding, done


async def repair(storage: Storage, collection: AnyCollection, document: Mapping[str, object]) -> bool:
    """Rename the bad names in this document; False if another writer changed it first."""
    fields = {name: repaired(value) for name, value in document.items() if any(bad_names(value))}
    if collection == LEADS:
        # The scan of this collection found it.
        return await storage.change(LEADS, [revised(cast("LeadDocument", document), {"$set": fields})])
    # An erasure may have removed fields in between: this must not write them again.
    guard = {name: {"$exists": True} for name in fields}
    return await storage.change(collection, [Change(str(document["_id"]), guard, {"$set": fields})])
