"""The storage on a real database: what it acknowledged is there, whatever becomes of the database's process."""

import bson
import pytest
from bson.datetime_ms import DatetimeMS

from deploy.local import LocalServers
from shared.domain.stored.untyped import Document
from shared.mongo.connection import Mongo
from shared.mongo.names import CollectionName
from shared.mongo.storage import READING, Change, Storage
from tests.collection_names import LEADS

COUNT = 100
_ODD = CollectionName[Document]("odd")


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
    options: str, reads: str, asked: str, writes: dict[str, object]
) -> None:
    storage = Storage(Mongo(f"mongodb://localhost:1/?{options}"), "test")
    database = storage._database
    assert database.read_preference.mongos_mode == "primary"
    assert database["leads"].read_preference.mongos_mode == "primary"
    assert (database.read_concern.level, storage.read_concern, storage.asked_to_read_from) == (reads, reads, asked)
    assert storage.write_concern == writes
    storage.close()


async def test_what_was_acknowledged_survives_the_sigkill_of_the_database(own: LocalServers) -> None:
    if own.database is None:
        pytest.skip("a database that somebody else runs is not ours to kill")
    ids = [str(number) for number in range(COUNT)]
    for round_ in range(3):
        storage, name = Storage(Mongo(own.servers.mongo_url), "test"), CollectionName[Document](f"round{round_}")
        await storage.insert_new(name, [{"_id": id_, "state": "inserted"} for id_ in ids])
        await storage.change(name, [Change(id_, {"state": "inserted"}, {"$set": {"state": "changed"}}) for id_ in ids])
        await storage.put(name, [{"_id": "replaced"}])
        await storage.delete(name, ids[:1])
        own.database.kill()
        own.database.start()
        storage.close()  # takes five seconds where there is no database to tell
        after = Storage(Mongo(own.servers.mongo_url), "test")
        found = {document["_id"]: document.get("state") for document in await after.find(name, {})}
        after.close()
        assert found == {**dict.fromkeys(ids[1:], "changed"), "replaced": None}


async def test_what_the_driver_takes_for_more_than_it_is_comes_back_as_it_was_stored(local: LocalServers) -> None:
    reference = {"$ref": "a", "$id": "b"}
    stored: list[Document] = [
        {"_id": "one", "context": {"x": reference}},
        {"_id": "two", "context": {"x": [{"$ref": "a", "$id": reference, "$db": "c", "more": reference}]}},
        {"_id": "three", "context": {"x": {"$ref": 1, "$id": 2}, "y": {"$id": "alone"}}},
    ]
    storage = Storage(Mongo(local.servers.mongo_url), "test")
    try:
        await storage.insert_new(_ODD, stored)
        found = await storage.read(_ODD, ["one", "two", "three"])
    finally:
        storage.close()
    assert found == {one["_id"]: one for one in stored}
    assert "DBRef" not in repr(found)


def test_a_date_of_no_calendar_and_bytes_that_are_no_text_fail_no_page_of_others() -> None:
    odd = bson.encode({"at": DatetimeMS(2**60), "text": "HERE"}).replace(b"HERE", b"a\xff\xffb")
    assert bson.decode(odd, READING) == {"at": DatetimeMS(2**60), "text": "a\ufffd\ufffdb"}


async def test_documents_are_counted_up_to_a_bound_and_a_bound_of_none_counts_none(local: LocalServers) -> None:
    storage = Storage(Mongo(local.servers.mongo_url), "test")
    await storage.insert_new(LEADS, [{"_id": str(number)} for number in range(3)])
    assert [await storage.count_up_to("leads", {}, most) for most in (0, 2, 3, 9)] == [0, 2, 3, 3]
    storage.close()
