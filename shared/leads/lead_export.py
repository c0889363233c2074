"""All that is kept about a lead, as one JSON document, for the person that it is about.

It has the documents of each collection that an erasure deletes from or strips (`shared.mongo.names`), as they are
stored. So a new collection is in it by being in the registry.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import datetime

from pydantic_core import to_json

from shared.domain.stored.lead_document import LeadDocument
from shared.leads.documents import names_of
from shared.mongo.names import (
    COLLECTIONS,
    IDENTITIES,
    LEAD_ROWS,
    LEAD_WORDS,
    LEADS,
    PENDING_EVENTS,
    AnyCollection,
    ErasureAction,
)
from shared.mongo.storage import Storage

LEFT_OUT: Mapping[str, str] = {
    LEADS: "the document itself, which comes first",
    IDENTITIES: "its names, which the lead, its captures and its edits have",
    LEAD_ROWS: "the lead once more, in the form of the list",
    LEAD_WORDS: "the lead once more, in the form of searches",
}
"""The collections with data of a lead that are not exported, and why."""


def exported() -> Iterator[tuple[AnyCollection, str]]:
    """Yield the collections of the export beside the lead itself, each with the field that names the lead."""
    for one in COLLECTIONS:
        if one.by and one.action is not ErasureAction.KEPT and one.name not in LEFT_OUT:
            yield one.name, one.by


async def export_lead(storage: Storage, lead_id: str, now: datetime) -> AsyncIterator[bytes] | None:
    """Return the export in parts, read while they are taken; None if there is no such lead."""
    lead = (await storage.read(LEADS, [lead_id])).get(lead_id)
    return None if lead is None else _parts(storage, lead, now)


async def _parts(storage: Storage, lead: LeadDocument, now: datetime) -> AsyncIterator[bytes]:
    yield b'{"exportedAt":%s,"lead":%s' % (to_json(now), _json(lead))
    for collection, by in exported():
        yield b',"%s":[' % collection.encode()
        separator = b""
        # Pending events name their lead by its id or its e-mail.
        names = sorted(names_of(lead)) if collection == PENDING_EVENTS else [lead["_id"]]
        async for page in storage.pages_in(collection, by, names):
            for document in page:
                yield separator + _json(document)
                separator = b","
        yield b"]"
    yield b"}\n"


def _json(document: Mapping[str, object]) -> bytes:
    return to_json({name: _readable(value) for name, value in document.items()}, fallback=str)


def _readable(value: object) -> object:
    # A pending event has the record's bytes, which may be no text.
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return [_readable(one) for one in value] if isinstance(value, list | tuple) else value
