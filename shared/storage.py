"""MongoDB, the one module that knows its driver.

Every write here is safe to repeat: an insert under an id derived from its cause, a replacement of a document by the
same, or a compare-and-set. Errors are sorted into two kinds: `Unavailable` (try again, nothing is wrong with the
documents) and whatever else (this document can't be stored, ever).
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bson.codec_options import CodecOptions, DatetimeConversion, TypeDecoder, TypeRegistry
from bson.dbref import DBRef
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import DeleteOne, InsertOne, ReadPreference, ReplaceOne, UpdateOne, WriteConcern
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    DocumentTooLarge,
    ExecutionTimeout,
    InvalidOperation,
    OperationFailure,
    PyMongoError,
    WriteConcernError,
)
from pymongo.read_concern import ReadConcern

from shared.config import ConfigError
from shared.mongo import Mongo

Document = dict[str, Any]

_DUPLICATE_KEY = 11000
# The embedded database compares each document with the whole list: 500 documents come four times as fast in slices.
_VALUES_A_READ = 50
_ROWS_A_PAGE = 1_000
# Codes by which the server says that this very document or update is at fault; anything else may pass with time.
_DOCUMENT_FAULTS = frozenset({2, 9, 14, 28, 40, 52, 55, 56, 57, 66, 121, 10334, 17419, 17420})
# Codes by which the server tells of its own state: no primary, no majority, no room, no right, no time.
_SERVER_STATES = frozenset(
    {6, 7, 13, 18, 24, 46, 50, 64, 79, 89, 91, 100, 133, 134, 189, 202, 262, 9001}
    | {10058, 10107, 11600, 11602, 13388, 13435, 13436, 14031}
)


class _Reference(TypeDecoder):
    """Gives `{"$ref": …, "$id": …}` back as it was stored: a `DBRef` can be neither published nor shown."""

    bson_type = DBRef

    def transform_bson(self, value: DBRef) -> Document:
        """The document that the driver took for a reference."""
        return dict(value.as_doc())


READING: CodecOptions[Document] = CodecOptions(
    tz_aware=True,
    type_registry=TypeRegistry([_Reference()]),
    unicode_decode_error_handler="replace",
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
)
"""How documents are read: one that another program wrote may not fail a page of others."""


class Unavailable(Exception):  # noqa: N818 - the state it tells of, as the caller reads it
    """The database can't answer now; the same call may pass later.

    `by_document`: the server answered, and told of no state of its own. Then it may be this document's fault after all.
    """

    def __init__(self, told: str = "", *, by_document: bool = False) -> None:
        super().__init__(told)
        self.by_document = by_document


@dataclass(frozen=True, slots=True)
class Change:
    """A compare-and-set: `update` is applied to document `id` only while `guard` still holds for it."""

    id: str
    guard: Mapping[str, Any]
    update: Mapping[str, Any]


@asynccontextmanager
async def _sorted_errors() -> AsyncIterator[None]:
    try:
        yield
    except (DocumentTooLarge, InvalidOperation):
        raise
    except BulkWriteError as error:
        if any(fault.get("code") in _DOCUMENT_FAULTS for fault in error.details.get("writeErrors", ())):
            raise
        raise Unavailable(_told(error), by_document=_by_document(error)) from error
    except PyMongoError as error:
        if getattr(error, "code", None) in _DOCUMENT_FAULTS:
            raise
        raise Unavailable(_told(error), by_document=_by_document(error)) from error


def _by_document(error: PyMongoError) -> bool:
    if isinstance(error, BulkWriteError):
        details = error.details or {}
        codes = {fault.get("code") for fault in details.get("writeErrors", ())}
        return not details.get("writeConcernErrors") and not codes & _SERVER_STATES
    if isinstance(error, ConnectionFailure | WriteConcernError | ExecutionTimeout):
        return False
    return not isinstance(error, OperationFailure) or error.code not in _SERVER_STATES


def _told(error: PyMongoError) -> str:
    # The text of a driver's error can quote documents; its class and code can't.
    return f"{type(error).__name__} code={getattr(error, 'code', None)}"


class Storage:
    """The product's database.

    Reads see what a majority has acknowledged, and writes return when a majority has them in its journal. A URL that
    names a write concern of its own (`w=…`) has it; reads then see what the primary has, as a majority may lack it yet.
    Reads go to the primary whatever the URL says: decisions are made on them.
    """

    def __init__(self, mongo: Mongo, database: str, *, timeout_ms: int = 5_000) -> None:
        """Connects on first use; `timeout_ms` bounds each answer and the search for a server. Raises `ConfigError`."""
        patience: Any = {"serverSelectionTimeoutMS": timeout_ms, "socketTimeoutMS": timeout_ms * 6}
        try:
            self._client: Any = AsyncIOMotorClient(mongo.url, appname="pantry", **patience, **mongo.login)
        except (PyMongoError, OSError, ValueError) as error:
            # Its text can quote the URL, and a password in it.
            raise ConfigError(f"PANTRY_MONGO_URL is of no use: {type(error).__name__}") from None
        named = self._client.write_concern.document
        self.read_concern = "majority" if named.get("w", "majority") == "majority" else "local"
        """Which writes a read sees."""
        self._database = self._client.get_database(
            database,
            codec_options=READING,
            write_concern=WriteConcern(**named) if named else WriteConcern(w="majority", j=True),
            read_concern=ReadConcern(self.read_concern),
            read_preference=ReadPreference.PRIMARY,
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    @property
    def write_concern(self) -> Mapping[str, Any]:
        """What a write waits for, in the database's own words: `w`, `j`."""
        return dict(self._database.write_concern.document)

    @property
    def asked_to_read_from(self) -> str:
        """The read preference that the URL names, in its own words. It isn't followed."""
        return str(self._client.read_preference.mongos_mode)

    async def nodes(self) -> int | None:
        """How many nodes the replica set has; 0 where there is none, None where a sharded cluster doesn't tell."""
        async with _sorted_errors():
            told = await self._client.admin.command("hello")
        if told.get("msg") == "isdbgrid":
            return None
        return len(told.get("hosts", ())) if told.get("setName") else 0

    async def ping(self) -> None:
        """Raise `Unavailable` when the database doesn't answer."""
        async with _sorted_errors():
            await self._database.command("ping")

    async def read(
        self, collection: str, ids: Iterable[str], fields: Sequence[str] | None = None
    ) -> dict[str, Document]:
        """The documents with these ids, by id; those that don't exist are absent."""
        return {document["_id"]: document for document in await self.find_in(collection, "_id", ids, fields=fields)}

    async def find_in(
        self, collection: str, field: str, values: Iterable[str], *, fields: Sequence[str] | None = None
    ) -> list[Document]:
        """The documents whose `field`, which must have an index, holds any of these values."""
        wanted = list(dict.fromkeys(values))
        slices = [wanted[start : start + _VALUES_A_READ] for start in range(0, len(wanted), _VALUES_A_READ)]
        found = await asyncio.gather(*(self.find(collection, {field: {"$in": some}}, fields=fields) for some in slices))
        return [document for documents in found for document in documents]

    async def find(
        self,
        collection: str,
        query: Mapping[str, Any],
        *,
        fields: Sequence[str] | None = None,
        sort: Sequence[tuple[str, int]] = (),
        limit: int = 0,
    ) -> list[Document]:
        """The documents that fit `query`, which must be served by an index; `limit` 0 means all."""
        async with _sorted_errors():
            shown = dict.fromkeys(fields, 1) if fields else None
            cursor = self._database[collection].find(query, shown, sort=list(sort) or None, limit=limit)
            return list(await cursor.to_list(None))

    async def insert_new(self, collection: str, documents: Sequence[Document]) -> set[str]:
        """Insert what isn't there yet; return the ids that were there before, untouched."""
        if not documents:
            return set()
        try:
            async with _sorted_errors():
                await self._database[collection].bulk_write([InsertOne(d) for d in documents], ordered=False)
        except Unavailable as unavailable:
            faults = _write_faults(unavailable)
            if not faults or any(fault["code"] != _DUPLICATE_KEY for fault in faults):
                raise
            return {documents[fault["index"]]["_id"] for fault in faults}
        return set()

    async def put(self, collection: str, documents: Sequence[Document]) -> None:
        """Store each document whole under its id, whatever was there."""
        if documents:
            async with _sorted_errors():
                await self._database[collection].bulk_write(
                    [ReplaceOne({"_id": d["_id"]}, d, upsert=True) for d in documents], ordered=False
                )

    async def replace(self, collection: str, documents: Sequence[tuple[Mapping[str, Any], Document]]) -> bool:
        """Replace each document while its guard holds; False when the guard of any didn't (the others are replaced)."""
        if not documents:
            return True
        async with _sorted_errors():
            replacements = [ReplaceOne({"_id": d["_id"], **guard}, d) for guard, d in documents]
            result = await self._database[collection].bulk_write(replacements, ordered=False)
        return bool(result.matched_count == len(documents))

    async def change(self, collection: str, changes: Sequence[Change]) -> bool:
        """Apply the changes; False when the guard of any of them no longer held (the others are applied)."""
        if not changes:
            return True
        async with _sorted_errors():
            result = await self._database[collection].bulk_write(
                [UpdateOne({"_id": c.id, **c.guard}, c.update) for c in changes], ordered=False
            )
        return bool(result.matched_count == len(changes))

    async def change_all(self, collection: str, query: Mapping[str, Any], update: Mapping[str, Any]) -> int:
        """Apply `update` to every document that fits `query` (an index must serve it); return how many fitted."""
        async with _sorted_errors():
            result = await self._database[collection].update_many(query, update)
        return int(result.matched_count)

    async def delete(self, collection: str, ids: Iterable[str]) -> None:
        """Delete the documents with these ids; what isn't there is done already."""
        wanted = list(ids)
        if wanted:
            async with _sorted_errors():
                await self._database[collection].bulk_write([DeleteOne({"_id": one}) for one in wanted], ordered=False)

    async def delete_guarded(self, collection: str, guards: Mapping[str, Mapping[str, Any]]) -> bool:
        """Delete these documents while their guards, by id, hold; False when any wasn't there like that (others go)."""
        if not guards:
            return True
        async with _sorted_errors():
            deletions = [DeleteOne({"_id": id_, **guard}) for id_, guard in guards.items()]
            result = await self._database[collection].bulk_write(deletions, ordered=False)
        return bool(result.deleted_count == len(guards))

    async def delete_all(self, collection: str, query: Mapping[str, Any]) -> int:
        """Delete every document that fits `query` (an index must serve it); return how many."""
        async with _sorted_errors():
            return int((await self._database[collection].delete_many(query)).deleted_count)

    async def pages_in(
        self, collection: str, field: str, values: Iterable[str], *, fields: Sequence[str] | None = None
    ) -> AsyncIterator[list[Document]]:
        """What `find_in` finds, in pages: for rows of which one value can have any number."""
        wanted, shown = list(dict.fromkeys(values)), dict.fromkeys(fields, 1) if fields else None
        for start in range(0, len(wanted), _VALUES_A_READ):
            query = {field: {"$in": wanted[start : start + _VALUES_A_READ]}}
            async with _sorted_errors():
                cursor = self._database[collection].find(query, shown).batch_size(_ROWS_A_PAGE)
                while documents := await cursor.to_list(_ROWS_A_PAGE):
                    yield documents

    async def scan(
        self, collection: str, *, after: str = "", fields: Sequence[str] | None = None, page: int = 200
    ) -> AsyncIterator[list[Document]]:
        """All documents in the order of their ids, from behind `after` on, in pages: for jobs, never for an event."""
        query = {"_id": {"$gt": after}} if after else {}
        async with _sorted_errors():
            found = self._database[collection].find(query, dict.fromkeys(fields, 1) if fields else None)
            cursor = found.sort([("_id", 1)]).batch_size(page)
            while documents := await cursor.to_list(page):
                yield documents

    async def collections(self) -> list[str]:
        """The names of the collections that there are."""
        async with _sorted_errors():
            return sorted(await self._database.list_collection_names())

    async def count(self, collection: str, query: Mapping[str, Any] | None = None) -> int:
        """How many documents fit; for commands and tests, never on the path of an event."""
        async with _sorted_errors():
            return int(await self._database[collection].count_documents(query or {}))

    async def count_up_to(self, collection: str, query: Mapping[str, Any], most: int) -> int:
        """How many documents fit, counted up to `most`; an index must serve `query`."""
        if most < 1:
            return 0  # to the server, a limit of 0 is an error or none at all
        async with _sorted_errors():
            return int(await self._database[collection].count_documents(query, limit=most))

    async def earliest(self, collection: str, field: str, query: Mapping[str, Any]) -> datetime | None:
        """The smallest `field` among the documents that fit, by an index on the query's fields and `field`."""
        found = await self.find(collection, query, fields=(field,), sort=((field, 1),), limit=1)
        value: Any = found[0] if found else {}
        for part in field.split("."):
            value = value.get(part) if value else None
        return value or None

    async def create_index(
        self, collection: str, keys: Sequence[tuple[str, int]], *, sparse: bool = False, expires: bool = False
    ) -> str:
        """Create an index where it is missing; return its name. Nothing else is changed.

        `sparse` leaves out the documents that have none of the fields; those of one that `expires` are deleted by the
        database soon after the time in its field.
        """
        more: dict[str, Any] = {"expireAfterSeconds": 0} if expires else {}
        async with _sorted_errors():
            return str(await self._database[collection].create_index(list(keys), sparse=sparse, **more))

    async def set_role(self, role: Mapping[str, Any]) -> None:
        """Make the role of this `createRole`; one that is there has these privileges from now on, and no others."""
        name, given = role["createRole"], {part: role[part] for part in ("privileges", "roles")}
        async with _sorted_errors():
            there = (await self._database.command("rolesInfo", name))["roles"]
            await self._database.command("updateRole" if there else "createRole", name, **given)

    async def drop(self) -> None:
        """Delete the whole database."""
        async with _sorted_errors():
            await self._client.drop_database(self._database.name)


def _write_faults(unavailable: Unavailable) -> list[dict[str, Any]]:
    cause = unavailable.__cause__
    if not isinstance(cause, BulkWriteError) or cause.details.get("writeConcernErrors"):
        return []
    return list(cause.details.get("writeErrors", ()))
