"""What capture knows of the claims that it makes, whatever the database answers at that moment."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from deploy.local import LocalServers
from services.capture.domain import decide
from services.capture.plan import Plan
from services.capture.store import _claim, load, save
from services.erasure.store import erase
from shared.domain.ids import derive
from shared.mongo import Mongo
from shared.storage import Storage
from tests.builders import NOW, capture


@pytest.fixture
def mongo(tmp_path: Path) -> Iterator[Mongo]:
    with LocalServers("embedded", tmp_path, kafka_bootstrap="nowhere:0") as local:
        yield Mongo(local.servers.mongo_url)


async def test_a_capture_that_was_applied_to_a_lead_which_is_gone_does_not_stick(mongo: Mongo) -> None:
    storage, one = Storage(mongo, "gone"), capture("c")
    await storage.put("captures", [{"_id": "c", "leadId": "gone", "ordinal": 1, "outcome": "created", "applied": True}])
    plan = decide([one], await load(storage, [one], (), "salt"), NOW, "US")
    assert await save(storage, plan, "salt")
    (lead,) = await storage.find("leads", {})
    assert (await storage.read("captures", ["c"]))["c"]["leadId"] == lead["_id"]
    again = decide([one], await load(storage, [one], (), "salt"), NOW, "US")
    assert (again.redecided, again.inserts, again.sets) == ([], {}, {})
    await asyncio.to_thread(storage.close)


class _Lagging:
    """A way to the database on which the row of a claim isn't found once: it was released, or reads lag."""

    def __init__(self, storage: Storage) -> None:
        self._storage, self.lags = storage, 1

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    async def read(self, collection: str, ids: Any, **more: Any) -> Any:
        if collection == "identities" and self.lags:
            return {}
        return await self._storage.read(collection, ids, **more)


async def test_a_claim_that_is_not_found_on_reading_back_is_nobodys_own(mongo: Mongo) -> None:
    storage = Storage(mongo, "claims")
    lagging: Any = _Lagging(storage)
    claims = {"email:ana@example.com": "mine"}
    assert await _claim(lagging, claims)
    assert not await _claim(lagging, claims), "it was there, and isn't found: nobody knows whose it is"
    lagging.lags = 0
    assert await _claim(lagging, claims)
    assert not await _claim(lagging, {"email:ana@example.com": "another's"})
    await asyncio.to_thread(storage.close)


async def test_a_join_of_a_claim_that_was_released_meanwhile_is_decided_anew(mongo: Mongo) -> None:
    storage = Storage(mongo, "joins")
    assert not await save(storage, Plan(joins=[("pcn:released", "mine")]), "salt")
    await storage.put("identities", [{"_id": "pcn:held", "leadIds": ["another's"]}])
    assert await save(storage, Plan(joins=[("pcn:held", "mine")]), "salt")
    assert (await storage.read("identities", ["pcn:held"]))["pcn:held"]["leadIds"] == ["another's", "mine"]
    await asyncio.to_thread(storage.close)


async def _erased_while_one_waits(storage: Storage, name: str) -> Plan:
    """The plan of a capture that read a reserved lead, which was then stored by its own capture and erased."""
    first, slow = capture("first"), capture(name)
    lead_id = derive("lead", "first")
    await storage.put("identities", [{"_id": "email:ana@example.com", "leadIds": [lead_id]}])
    plan = decide([slow], await load(storage, [slow], (), "salt"), NOW, "US")
    assert list(plan.inserts) == [lead_id]
    assert await save(storage, decide([first], await load(storage, [first], (), "salt"), NOW, "US"), "salt")
    row = {"_id": "er", "leadId": lead_id, "at": NOW + timedelta(seconds=1)}
    await storage.put("commands", [row])
    assert await erase(storage, [row], "US", "salt")
    return plan


async def test_a_slow_process_does_not_bring_an_erased_lead_back_under_its_reserved_id(mongo: Mongo) -> None:
    storage = Storage(mongo, "slow")
    plan = await _erased_while_one_waits(storage, "slow")
    assert not await save(storage, plan, "salt"), "it was erased: all is to be decided anew"
    assert await storage.find("leads", {}) == []
    again = [capture("slow")]
    assert await save(storage, decide(again, await load(storage, again, (), "salt"), NOW, "US"), "salt")
    assert await storage.find("leads", {}) == []
    assert (await storage.read("captures", ["slow"]))["slow"]["erased"]
    await asyncio.to_thread(storage.close)


async def test_what_a_killed_process_stored_after_an_erasure_goes_when_its_capture_comes_again(mongo: Mongo) -> None:
    storage = Storage(mongo, "killed")
    plan = await _erased_while_one_waits(storage, "killed")
    await storage.insert_new("captures", plan.rows)
    await storage.insert_new("leads", list(plan.inserts.values()))
    again = [capture("killed")]
    assert await save(storage, decide(again, await load(storage, again, (), "salt"), NOW, "US"), "salt")
    assert await storage.find("leads", {}) == []
    assert (await storage.read("captures", ["killed"]))["killed"]["erased"]
    await asyncio.to_thread(storage.close)
