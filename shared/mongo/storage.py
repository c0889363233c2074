"""MongoDB. Only this module and `drivers` know its client libraries.

Every write is safe to repeat: an insert under a derived id, a replacement by the same document, or a compare-and-set.
`Unavailable` means that the same call may pass later. Any other error means that this document can never be stored.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bson.codec_options import CodecOptions, DatetimeConversion, TypeDecoder, TypeRegistry
from bson.dbref import DBRef
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
from shared.domain.operations.server_rights import RoleDocument
from shared.domain.stored.untyped import Document
from shared.errors import Transient
from shared.mongo.connection import Mongo
from shared.mongo.drivers import close_client, is_embedded, open_client
from shared.mongo.names import AnyCollection, CollectionName, D

_DUPLICATE_KEY, _FORBIDDEN = 11000, 13
# No such collection, no such index.
_NO_SUCH_INDEX = frozenset({26, 27})
# Most values of one `$in`. The embedded database compares each document with the whole list: there, slices make 500
# documents four times as fast. MongoDB needs one round trip for each slice.
_VALUES_A_READ, _VALUES_A_READ_EMBEDDED = 1_000, 50
# MongoDB's first answer has 101 documents unless a query asks for more.
_ROWS_A_PAGE = 1_000
# The server's codes for a fault of this document or update. Any other error may pass later.
_DOCUMENT_FAULTS = frozenset({2, 9, 14, 28, 40, 52, 55, 56, 57, 66, 121, 10334, 17419, 17420})
# The server's codes for its own state: no primary, no majority, no space, no right, no time.
_SERVER_STATES = frozenset(
    {6, 7, 13, 18, 24, 46, 50, 64, 79, 89, 91, 100, 133, 134, 189, 202, 262, 9001}
    | {10058, 10107, 11600, 11602, 13388, 13435, 13436, 14031}
)


class _Reference(TypeDecoder):
    """Decodes `{"$ref": …, "$id": …}` as a document: a `DBRef` has no JSON form."""

    bson_type = DBRef

    def transform_bson(self, value: DBRef) -> Document:
        """Return the document that the driver decoded as a reference."""
        return dict(value.as_doc())


READING: CodecOptions[Document] = CodecOptions(
    tz_aware=True,
    type_registry=TypeRegistry([_Reference()]),
    unicode_decode_error_handler="replace",
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
)
"""How documents are decoded: a document of another program must not fail a whole page."""


class Unavailable(Transient):
    """The database can't answer now. The same call may pass later.

    `by_record`: the server answered with no state of its own, so this document may be at fault after all.
    `forbidden`: this user has no right to the call.
    """

    server = "the database in PANTRY_MONGO_URL"

    def __init__(self, message: str = "", *, by_record: bool = False, forbidden: bool = False) -> None:
        super().__init__(message)
        self.by_record, self.forbidden = by_record, forbidden


@dataclass(frozen=True, slots=True)
class Change:
    """A compare-and-set: applies `update` to document `id` only while `guard` matches it."""

    id: str
    guard: Mapping[str, object]
    update: Mapping[str, Mapping[str, object]]


def replacement(document: Mapping[str, object], gone: Iterable[str] = ()) -> dict[str, dict[str, object]]:
    """Return the update that sets all fields of the document, but its id, and removes `gone`."""
    update: dict[str, dict[str, object]] = {"$set": {name: value for name, value in document.items() if name != "_id"}}
    removed: dict[str, object] = dict.fromkeys(gone, "")
    return update | ({"$unset": removed} if removed else {})


@asynccontextmanager
async def _sorted_errors() -> AsyncIterator[None]:
    try:
        yield
    except (DocumentTooLarge, InvalidOperation):
        raise
    except BulkWriteError as error:
        if any(fault.get("code") in _DOCUMENT_FAULTS for fault in error.details.get("writeErrors", ())):
            raise
        raise Unavailable(_describe(error), by_record=_by_record(error)) from error
    except PyMongoError as error:
        if getattr(error, "code", None) in _DOCUMENT_FAULTS:
            raise
        forbidden = getattr(error, "code", None) == _FORBIDDEN
        raise Unavailable(_describe(error), by_record=_by_record(error), forbidden=forbidden) from error
    except OSError as error:
        raise Unavailable(type(error).__name__) from error


def _by_record(error: PyMongoError) -> bool:
    if isinstance(error, BulkWriteError):
        details = error.details or {}
        codes = {fault.get("code") for fault in details.get("writeErrors", ())}
        return not details.get("writeConcernErrors") and not codes & _SERVER_STATES
    if isinstance(error, ConnectionFailure | WriteConcernError | ExecutionTimeout):
        return False
    return not isinstance(error, OperationFailure) or error.code not in _SERVER_STATES


def _describe(error: PyMongoError) -> str:
    # The text of a driver's error may quote documents; its class and code don't.
    return f"{type(error).__name__} code={getattr(error, 'code', None)}"


class Storage:
    """The product's database.

    Reads see what a majority has acknowledged. Writes return when a majority has them in its journal. If the URL names
    a write concern (`w=…`), writes use that, and reads see what the primary has. Reads always go to the primary,
    whatever the URL says: workers decide by them.
    """

    def __init__(self, mongo: Mongo, database: str, *, timeout_ms: int = 5_000) -> None:
        """Connect on first use. `timeout_ms` bounds the search for a server. Raises `ConfigError`."""
        # The driver's types know no options by name.
        patience: Any = {"serverSelectionTimeoutMS": timeout_ms, "socketTimeoutMS": timeout_ms * 6}
        try:
            self._client = open_client(mongo.driver, mongo.url, appname="pantry", **patience, **mongo.login)
        except (PyMongoError, OSError, ValueError) as error:
            # The error's text may quote the URL with its password.
            raise ConfigError(f"PANTRY_MONGO_URL can't be used: {type(error).__name__}") from None
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
        self._values_a_read: int | None = None

    async def close(self) -> None:
        """Close the connections."""
        await close_client(self._client)

    @property
    def write_concern(self) -> Mapping[str, object]:
        """What a write waits for, as MongoDB's options `w` and `j`."""
        return dict(self._database.write_concern.document)

    @property
    def asked_to_read_from(self) -> str:
        """The read preference of the URL. `Storage` does not follow it."""
        return str(self._client.read_preference.mongos_mode)

    async def nodes(self) -> int | None:
        """Return the replica set's number of nodes; 0 without one, None for a sharded cluster."""
        async with _sorted_errors():
            hello = await self._client.admin.command("hello")
        if hello.get("msg") == "isdbgrid":
            return None
        return len(hello.get("hosts", ())) if hello.get("setName") else 0

    async def ping(self) -> None:
        """Raise `Unavailable` if the database doesn't answer."""
        async with _sorted_errors():
            await self._database.command("ping")

    async def read(
        self, collection: CollectionName[D], ids: Iterable[str], fields: Sequence[str] | None = None
    ) -> dict[str, D]:
        """Return the documents with these ids, by id, as far as they exist.

        With `fields`, a document lacks all others, whatever its type says.
        """
        return {
            str(document["_id"]): document for document in await self.find_in(collection, "_id", ids, fields=fields)
        }

    async def find_in(
        self, collection: CollectionName[D], field: str, values: Iterable[str], *, fields: Sequence[str] | None = None
    ) -> list[D]:
        """Return the documents whose `field` has any of these values. An index must serve `field`."""
        slices = await self._slices(values)
        found = await asyncio.gather(*(self.find(collection, {field: {"$in": some}}, fields=fields) for some in slices))
        return [document for documents in found for document in documents]

    async def _slices(self, values: Iterable[str]) -> list[list[str]]:
        wanted = list(dict.fromkeys(values))
        if len(wanted) <= _VALUES_A_READ_EMBEDDED:
            return [wanted] if wanted else []
        if self._values_a_read is None:
            async with _sorted_errors():
                embedded = await is_embedded(self._client)
            self._values_a_read = _VALUES_A_READ_EMBEDDED if embedded else _VALUES_A_READ
        size = self._values_a_read
        return [wanted[start : start + size] for start in range(0, len(wanted), size)]

    async def find(
        self,
        collection: CollectionName[D],
        query: Mapping[str, object],
        *,
        fields: Sequence[str] | None = None,
        sort: Sequence[tuple[str, int]] = (),
        limit: int = 0,
    ) -> list[D]:
        """Return the documents that match `query`; `limit` 0: all. An index must serve `query`."""
        async with _sorted_errors():
            shown = dict.fromkeys(fields, 1) if fields else None
            found = self._database[collection].find(query, shown, sort=list(sort) or None, limit=limit)
            return list(await found.batch_size(_ROWS_A_PAGE).to_list(None))

    async def insert_new(self, collection: CollectionName[D], documents: Sequence[D]) -> set[str]:
        """Insert documents; return the ids that existed before, which stay untouched."""
        if not documents:
            return set()
        try:
            async with _sorted_errors():
                await self._database[collection].bulk_write([InsertOne(d) for d in documents], ordered=False)
        except Unavailable as unavailable:
            faults = _write_faults(unavailable)
            if not faults or any(fault["code"] != _DUPLICATE_KEY for fault in faults):
                raise
            return {str(documents[fault["index"]]["_id"]) for fault in faults}
        return set()

    async def put(self, collection: CollectionName[D], documents: Sequence[D]) -> None:
        """Store each document under its id; replace one that exists."""
        if documents:
            async with _sorted_errors():
                await self._database[collection].bulk_write(
                    [ReplaceOne({"_id": d["_id"]}, d, upsert=True) for d in documents], ordered=False
                )

    async def replace(self, collection: CollectionName[D], documents: Sequence[tuple[Mapping[str, object], D]]) -> bool:
        """Replace each document whose guard matches; return whether all guards did."""
        if not documents:
            return True
        async with _sorted_errors():
            replacements = [ReplaceOne({"_id": d["_id"], **guard}, d) for guard, d in documents]
            result = await self._database[collection].bulk_write(replacements, ordered=False)
        return bool(result.matched_count == len(documents))

    async def change(self, collection: str, changes: Sequence[Change]) -> bool:
        """Apply each change whose guard matches; return whether all guards did."""
        if not changes:
            return True
        async with _sorted_errors():
            result = await self._database[collection].bulk_write(
                [UpdateOne({"_id": c.id, **c.guard}, c.update) for c in changes], ordered=False
            )
        return bool(result.matched_count == len(changes))

    async def change_all(
        self, collection: str, query: Mapping[str, object], update: Mapping[str, Mapping[str, object]]
    ) -> int:
        """Apply `update` to all documents that match `query`, by an index; return their number."""
        async with _sorted_errors():
            result = await self._database[collection].update_many(query, update)
        return int(result.matched_count)

    async def delete(self, collection: str, ids: Iterable[str]) -> None:
        """Delete the documents with these ids, as far as they exist."""
        wanted = list(ids)
        if wanted:
            async with _sorted_errors():
                await self._database[collection].bulk_write([DeleteOne({"_id": one}) for one in wanted], ordered=False)

    async def delete_guarded(self, collection: str, guards: Mapping[str, Mapping[str, object]]) -> bool:
        """Delete each document whose guard (by id) matches; return whether all guards did."""
        if not guards:
            return True
        async with _sorted_errors():
            deletions = [DeleteOne({"_id": id_, **guard}) for id_, guard in guards.items()]
            result = await self._database[collection].bulk_write(deletions, ordered=False)
        return bool(result.deleted_count == len(guards))

    async def delete_all(self, collection: str, query: Mapping[str, object]) -> int:
        """Delete all documents that match `query`, by an index; return how many."""
        async with _sorted_errors():
            return int((await self._database[collection].delete_many(query)).deleted_count)

    async def pages_in(
        self, collection: CollectionName[D], field: str, values: Iterable[str], *, fields: Sequence[str] | None = None
    ) -> AsyncIterator[list[D]]:
        """Yield the documents of `find_in` in pages: one value may have any number of documents."""
        shown = dict.fromkeys(fields, 1) if fields else None
        for some in await self._slices(values):
            async with _sorted_errors():
                cursor = self._database[collection].find({field: {"$in": some}}, shown).batch_size(_ROWS_A_PAGE)
                while documents := await cursor.to_list(_ROWS_A_PAGE):
                    yield documents

    async def scan(
        self,
        collection: CollectionName[D],
        query: Mapping[str, object] | None = None,
        *,
        after: str = "",
        fields: Sequence[str] | None = None,
        page: int = 200,
    ) -> AsyncIterator[list[D]]:
        """Yield all documents that match `query`, in pages, by id, from behind `after`. For jobs.

        No index needs to serve `query`.
        """
        wanted = {**(query or {}), **({"_id": {"$gt": after}} if after else {})}
        async with _sorted_errors():
            found = self._database[collection].find(wanted, dict.fromkeys(fields, 1) if fields else None)
            cursor = found.sort([("_id", 1)]).batch_size(page)
            while documents := await cursor.to_list(page):
                yield documents

    async def collections(self) -> list[CollectionName[Document]]:
        """Return the names of the collections that exist."""
        async with _sorted_errors():
            return [CollectionName(name) for name in sorted(await self._database.list_collection_names())]

    async def count(self, collection: str, query: Mapping[str, object] | None = None) -> int:
        """Return how many documents match. For commands and tests, not for handlers."""
        async with _sorted_errors():
            return int(await self._database[collection].count_documents(query or {}))

    async def count_up_to(self, collection: str, query: Mapping[str, object], most: int) -> int:
        """Return how many documents match `query`, `most` at most. An index must serve `query`."""
        if most < 1:
            return 0  # for the server, a limit of 0 is an error or no limit
        async with _sorted_errors():
            return int(await self._database[collection].count_documents(query, limit=most))

    async def earliest(self, collection: AnyCollection, field: str, query: Mapping[str, object]) -> datetime | None:
        """Return the least `field` of matching documents. An index must serve `query` and `field`."""
        found = await self.find(collection, query, fields=(field,), sort=((field, 1),), limit=1)
        value: object = found[0] if found else None
        for part in field.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        return value if isinstance(value, datetime) else None

    async def create_index(
        self, collection: str, keys: Sequence[tuple[str, int]], *, sparse: bool = False, expires: bool = False
    ) -> str:
        """Create an index if it is missing; return its name.

        `sparse` leaves out documents without these fields. `expires`: the database deletes each document soon after
        the time in its field.
        """
        # The driver's types know no options by name.
        more: Any = {"expireAfterSeconds": 0} if expires else {}
        async with _sorted_errors():
            return str(await self._database[collection].create_index(list(keys), sparse=sparse, **more))

    async def drop_index(self, collection: str, keys: Sequence[tuple[str, int]]) -> None:
        """Delete the index with these keys, if it is there."""
        async with _sorted_errors():
            try:
                await self._database[collection].drop_index(list(keys))
            except OperationFailure as error:
                if error.code not in _NO_SUCH_INDEX:
                    raise

    async def set_role(self, role: RoleDocument) -> None:
        """Create the role of this `createRole`, or replace the privileges of an existing one."""
        name, privileges, roles = role["createRole"], role["privileges"], role["roles"]
        async with _sorted_errors():
            existing = (await self._database.command("rolesInfo", name))["roles"]
            await self._database.command(
                "updateRole" if existing else "createRole", name, privileges=privileges, roles=roles
            )

    async def drop(self) -> None:
        """Delete the whole database."""
        async with _sorted_errors():
            await self._client.drop_database(self._database.name)


def _write_faults(unavailable: Unavailable) -> list[Document]:
    cause = unavailable.__cause__
    if not isinstance(cause, BulkWriteError) or cause.details.get("writeConcernErrors"):
        return []
    return list(cause.details.get("writeErrors", ()))
