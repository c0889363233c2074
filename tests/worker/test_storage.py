"""The storage on a real database: what it acknowledged is there, whatever becomes of the database's process."""

import pytest

from deploy.local import LocalServers
from shared.mongo import Mongo
from shared.storage import Change, Storage

COUNT = 100


async def test_what_was_acknowledged_survives_the_sigkill_of_the_database(own: LocalServers) -> None:
    if own.database is None:
        pytest.skip("a database that somebody else runs is not ours to kill")
    ids = [str(number) for number in range(COUNT)]
    for round_ in range(3):
        storage, name = Storage(Mongo(own.servers.mongo_url), "test"), f"round{round_}"
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
