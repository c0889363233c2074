"""The storage on a real database, by each driver: what it acknowledged is there, whatever becomes of its process."""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import get_args
from unittest.mock import AsyncMock, Mock

import bson
import pytest
from bson.datetime_ms import DatetimeMS
from pymongo.errors import AutoReconnect, BulkWriteError, OperationFailure

from deploy.local import LocalServers
from shared.domain.stored.untyped import Document
from shared.mongo import storage as storage_module
from shared.mongo.connection import Mongo
from shared.mongo.drivers import close_client, is_embedded, open_client
from shared.mongo.names import CollectionName
from shared.mongo.storage import READING, Change, Storage, Unavailable
from shared.settings import MongoDriver
from tests.collection_names import LEADS
from tests.harness import PYMONGO_DROPS_SOCKETS
from tests.operations import CountedMongo

COUNT = 100
_ODD = CollectionName[Document]("odd")

pytestmark = pytest.mark.filterwarnings(PYMONGO_DROPS_SOCKETS)


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Collect what PyMongo dropped within the test that expects it."""
    yield
    gc.collect()


@pytest.fixture(params=get_args(MongoDriver))
def driver(request: pytest.FixtureRequest) -> MongoDriver:
    found: MongoDriver = request.param
    return found


@asynccontextmanager
async def opened(mongo: Mongo, *, timeout_ms: int = 5_000) -> AsyncIterator[Storage]:
    one = Storage(mongo, "test", timeout_ms=timeout_ms)
    try:
        yield one
    finally:
        await one.close()


@pytest.fixture
async def storage(local: LocalServers, driver: MongoDriver) -> AsyncIterator[Storage]:
    async with opened(Mongo(local.servers.mongo_url, driver=driver)) as one:
        yield one


@pytest.mark.parametrize(
    ("options", "reads", "asked", "writes"),
    [
        ("", "majority", "primary", {"w": "majority", "j": True}),
        ("readPreference=secondaryPreferred", "majority", "secondaryPreferred", {"w": "majority", "j": True}),
        ("readPreference=secondaryPreferred&w=1", "local", "secondaryPreferred", {"w": 1}),
        ("w=majority&journal=true", "majority", "primary", {"w": "majority", "j": True}),
    ],
)
async def test_reads_that_decide_are_from_the_primary_whatever_the_url_says(
    options: str, reads: str, asked: str, writes: dict[str, object], driver: MongoDriver
) -> None:
    storage = Storage(Mongo(f"mongodb://localhost:1/?{options}", driver=driver), "test")
    database = storage._database
    assert database.read_preference.mongos_mode == "primary"
    assert database["leads"].read_preference.mongos_mode == "primary"
    assert (database.read_concern.level, storage.read_concern, storage.asked_to_read_from) == (reads, reads, asked)
    assert storage.write_concern == writes
    await storage.close()


async def test_what_was_acknowledged_survives_the_sigkill_of_the_database(
    own: LocalServers, driver: MongoDriver
) -> None:
    if own.database is None:
        pytest.skip("a database that somebody else runs is not ours to kill")
    ids = [str(number) for number in range(COUNT)]
    for round_ in range(3):
        name = CollectionName[Document](f"round{round_}")
        async with opened(Mongo(own.servers.mongo_url, driver=driver)) as storage:
            await storage.insert_new(name, [{"_id": id_, "state": "inserted"} for id_ in ids])
            changes = [Change(id_, {"state": "inserted"}, {"$set": {"state": "changed"}}) for id_ in ids]
            await storage.change(name, changes)
            await storage.put(name, [{"_id": "replaced"}])
            await storage.delete(name, ids[:1])
            own.database.kill()
            own.database.start()
        async with opened(Mongo(own.servers.mongo_url, driver=driver)) as after:
            found = {document["_id"]: document.get("state") for document in await after.find(name, {})}
        assert found == {**dict.fromkeys(ids[1:], "changed"), "replaced": None}


async def test_what_the_driver_takes_for_more_than_it_is_comes_back_as_it_was_stored(
    storage: Storage,
) -> None:
    reference = {"$ref": "a", "$id": "b"}
    stored: list[Document] = [
        {"_id": "one", "context": {"x": reference}},
        {"_id": "two", "context": {"x": [{"$ref": "a", "$id": reference, "$db": "c", "more": reference}]}},
        {"_id": "three", "context": {"x": {"$ref": 1, "$id": 2}, "y": {"$id": "alone"}}},
    ]
    await storage.insert_new(_ODD, stored)
    found = await storage.read(_ODD, ["one", "two", "three"])
    assert found == {one["_id"]: one for one in stored}
    assert "DBRef" not in repr(found)


def test_a_date_of_no_calendar_and_bytes_that_are_no_text_fail_no_page_of_others() -> None:
    odd = bson.encode({"at": DatetimeMS(2**60), "text": "HERE"}).replace(b"HERE", b"a\xff\xffb")
    assert bson.decode(odd, READING) == {"at": DatetimeMS(2**60), "text": "a\ufffd\ufffdb"}


async def test_documents_are_counted_up_to_a_bound_and_a_bound_of_none_counts_none(storage: Storage) -> None:
    await storage.insert_new(LEADS, [{"_id": str(number)} for number in range(3)])
    assert [await storage.count_up_to("leads", {}, most) for most in (0, 2, 3, 9)] == [0, 2, 3, 3]


async def test_small_and_large_slices_of_values_find_the_same(
    local: LocalServers, driver: MongoDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [f"{number:04}" for number in range(COUNT + 20)]
    commands = []
    for embedded in (True, False):
        monkeypatch.setattr(storage_module, "is_embedded", AsyncMock(return_value=embedded))
        mongo = CountedMongo(local.servers.mongo_url, driver=driver)
        async with opened(mongo) as storage:
            await storage.insert_new(_ODD, [{"_id": id_} for id_ in ids[1:]])
            pages = [one["_id"] async for page in storage.pages_in(_ODD, "_id", [*ids, *ids]) for one in page]
            assert sorted(pages) == sorted(await storage.read(_ODD, [*ids, *ids])) == ids[1:]
        commands.append(mongo.counter.commands)
    small, large = commands
    assert small == {("odd", "insert"): 1, ("odd", "find"): 2 * 3}
    assert large == {("odd", "insert"): 1, ("odd", "find"): 2 * 1}


async def test_the_embedded_database_is_known_by_what_it_says(tmp_path: Path, driver: MongoDriver) -> None:
    with LocalServers("embedded", tmp_path, kafka_bootstrap="nowhere:0") as servers:
        client = open_client(driver, servers.servers.mongo_url)
        assert await is_embedded(client)
        await close_client(client)


async def test_a_server_that_does_not_say_what_it_is_counts_as_the_embedded_one() -> None:
    client = Mock()
    client.admin.command = AsyncMock(side_effect=OperationFailure("not authorized", 13))
    assert await is_embedded(client)
    client.admin.command = AsyncMock(return_value={"version": "8.2.11", "ok": 1})
    assert not await is_embedded(client)
    client.admin.command = AsyncMock(side_effect=AutoReconnect("away"))
    with pytest.raises(AutoReconnect):
        await is_embedded(client)


async def test_each_call_of_a_server_that_is_away_is_unavailable_and_the_storage_still_closes(
    driver: MongoDriver,
) -> None:
    many = [str(number) for number in range(COUNT)]
    away = Mongo("mongodb://localhost:1/?directConnection=true", driver=driver)
    async with opened(away, timeout_ms=50) as storage:
        calls: list[Callable[[], Awaitable[object]]] = [
            storage.ping,
            storage.nodes,
            storage.collections,
            storage.drop,
            lambda: storage.read(LEADS, ["one"]),
            lambda: storage.read(LEADS, many),
            lambda: storage.insert_new(LEADS, [{"_id": "one"}]),
            lambda: storage.change("leads", [Change("one", {}, {"$set": {"seen": True}})]),
            lambda: storage.delete_all("leads", {}),
            lambda: storage.count("leads"),
            lambda: storage.create_index("leads", [("seen", 1)]),
        ]
        errors = await asyncio.gather(*(call() for call in calls), return_exceptions=True)
    assert [type(error) for error in errors] == [Unavailable] * len(calls)
    assert not any(error.by_record for error in errors if isinstance(error, Unavailable))


async def test_a_write_that_its_caller_gives_up_is_there_or_not_and_the_next_calls_pass(storage: Storage) -> None:
    documents: list[Document] = [{"_id": str(number), "text": "x" * 1_000} for number in range(COUNT)]
    await storage.ping()
    for steps in range(30):
        writing = asyncio.create_task(storage.put(_ODD, documents))
        for _ in range(steps):
            await asyncio.sleep(0)
        writing.cancel()
        await asyncio.wait([writing])
        assert {document["text"] for document in await storage.find(_ODD, {})} <= {"x" * 1_000}
    await storage.put(_ODD, documents)
    assert await storage.count("odd") == COUNT


async def test_documents_that_exist_and_documents_at_fault_are_told_apart(storage: Storage) -> None:
    assert await storage.insert_new(_ODD, [{"_id": "one"}, {"_id": "two"}]) == set()
    assert await storage.insert_new(_ODD, [{"_id": "two"}, {"_id": "three"}, {"_id": "one"}]) == {"one", "two"}
    with pytest.raises(BulkWriteError):
        await storage.change("odd", [Change("one", {}, {"$set": {"_id": "two"}})])
    assert await storage.count("odd") == 3
