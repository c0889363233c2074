# mypy: disable-error-code="arg-type,dict-item,misc"
# Documents of other releases, and of any shape, come in on purpose.
"""What capture knows of the claims that it makes, whatever the database answers at that moment."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from deploy.local import LocalServers
from services.capture.domain.decide import decide
from services.capture.domain.plan import CapturePlan
from services.capture.domain.view import Capture
from services.capture.store import _claim, read_view, save
from services.erasure.store import erase
from shared.domain.identity.identity_rules import IdentityRules
from shared.domain.identity.normal_forms import identity_of
from shared.domain.identity.older_forms import older_claims
from shared.domain.ids import derive
from shared.domain.stored.untyped import Document
from shared.leads.documents import leads_by_email
from shared.leads.erasure_markers import erased, marker_id
from shared.mongo.connection import Mongo
from shared.mongo.names import CollectionName
from shared.mongo.storage import Storage
from tests.builders import NOW, capture, data, verdict
from tests.collection_names import CAPTURES, COMMANDS, ERASURE_MARKERS, IDENTITIES, LEADS
from tests.harness import mongo_at


@pytest.fixture
def mongo(tmp_path: Path) -> Iterator[Mongo]:
    with LocalServers("embedded", tmp_path, kafka_bootstrap="nowhere:0") as local:
        yield mongo_at(local.servers.mongo_url)


async def test_a_capture_that_was_applied_to_a_lead_which_is_gone_does_not_stick(mongo: Mongo) -> None:
    storage, one = Storage(mongo, "gone"), capture("c")
    await storage.put(CAPTURES, [{"_id": "c", "leadId": "gone", "ordinal": 1, "outcome": "created", "applied": True}])
    plan = decide([one], await read_view(storage, [one], (), "salt"), NOW, "US")
    assert await save(storage, plan, "salt")
    (lead,) = await storage.find(LEADS, {})
    assert (await storage.read(CAPTURES, ["c"]))["c"]["leadId"] == lead["_id"]
    again = decide([one], await read_view(storage, [one], (), "salt"), NOW, "US")
    assert (again.redecided, again.inserts, again.sets) == ([], {}, {})
    await storage.close()


class _Lagging:
    """A way to the database on which the row of a claim isn't found once: it was released, or reads lag."""

    def __init__(self, storage: Storage) -> None:
        self._storage, self.lags = storage, 1

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    async def read(self, collection: CollectionName[Document], ids: Any, **more: Any) -> Any:
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
    await storage.close()


async def test_a_join_of_a_claim_that_was_released_meanwhile_is_decided_anew(mongo: Mongo) -> None:
    storage = Storage(mongo, "joins")
    assert not await save(storage, CapturePlan(joins=[("pcn:released", "mine")]), "salt")
    await storage.put(IDENTITIES, [{"_id": "pcn:held", "leadIds": ["another's"]}])
    assert await save(storage, CapturePlan(joins=[("pcn:held", "mine")]), "salt")
    assert (await storage.read(IDENTITIES, ["pcn:held"]))["pcn:held"]["leadIds"] == ["another's", "mine"]
    await storage.close()


async def _erased_while_one_waits(storage: Storage, name: str) -> CapturePlan:
    """The plan of a capture that read a reserved lead, which was then stored by its own capture and erased."""
    first, slow = capture("first"), capture(name)
    lead_id = derive("lead", "first")
    await storage.put(IDENTITIES, [{"_id": "email:ana@example.com", "leadIds": [lead_id]}])
    plan = decide([slow], await read_view(storage, [slow], (), "salt"), NOW, "US")
    assert list(plan.inserts) == [lead_id]
    assert await save(storage, decide([first], await read_view(storage, [first], (), "salt"), NOW, "US"), "salt")
    row = verdict(lead_id, NOW + timedelta(seconds=1), "er")
    await storage.put(COMMANDS, [row])
    assert await erase(storage, [row], "US", "salt")
    return plan


async def test_a_slow_process_does_not_bring_an_erased_lead_back_under_its_reserved_id(mongo: Mongo) -> None:
    storage = Storage(mongo, "slow")
    plan = await _erased_while_one_waits(storage, "slow")
    assert not await save(storage, plan, "salt"), "it was erased: all is to be decided anew"
    assert await storage.find(LEADS, {}) == []
    again = [capture("slow")]
    assert await save(storage, decide(again, await read_view(storage, again, (), "salt"), NOW, "US"), "salt")
    assert await storage.find(LEADS, {}) == []
    assert (await storage.read(CAPTURES, ["slow"]))["slow"]["erased"]
    await storage.close()


async def test_what_a_killed_process_stored_after_an_erasure_goes_when_its_capture_comes_again(mongo: Mongo) -> None:
    storage = Storage(mongo, "killed")
    plan = await _erased_while_one_waits(storage, "killed")
    await storage.insert_new(CAPTURES, plan.rows)
    await storage.insert_new(LEADS, list(plan.inserts.values()))
    again = [capture("killed")]
    assert await save(storage, decide(again, await read_view(storage, again, (), "salt"), NOW, "US"), "salt")
    assert await storage.find(LEADS, {}) == []
    assert (await storage.read(CAPTURES, ["killed"]))["killed"]["erased"]
    await storage.close()


async def _taken(storage: Storage, one: Capture, counting: IdentityRules) -> CapturePlan:
    while True:
        plan = decide([one], await read_view(storage, [one], (), "salt"), NOW, "US", counting)
        if await save(storage, plan, "salt"):
            return plan


async def test_two_processes_at_an_email_s_bound_leave_it_with_its_marks_and_its_captures_apart(mongo: Mongo) -> None:
    storage, few = Storage(mongo, "shared"), IdentityRules(names_max=2)
    people = [capture(f"c{number}", data(first=f"First{number}", company=f"Company {number}")) for number in range(5)]
    await _taken(storage, people[0], few)
    await _taken(storage, people[1], few)
    # Both read two names. Each adds a third.
    plans = [decide([one], await read_view(storage, [one], (), "salt"), NOW, "US", few) for one in people[2:4]]
    assert await save(storage, plans[0], "salt")
    assert not await save(storage, plans[1], "salt"), "the claim is full: all is to be decided anew"
    for one in [*people[2:], *people]:
        await _taken(storage, one, few)
    (claim,) = await storage.find(IDENTITIES, {})
    assert (claim["leadIds"], len(claim["names"])) == ([derive("lead", "c0")], 3)
    assert not {"First0", "Reyes"} & set(str(claim["names"]).split("'"))
    assert {lead["captureCount"] for lead in await storage.find(LEADS, {})} == {2, 1}
    assert await storage.count("leads") == 4
    await storage.close()


async def test_an_erasure_forgets_the_marks_with_the_claim_and_knows_it_in_every_form(mongo: Mongo) -> None:
    storage, typed = Storage(mongo, "forms"), data(email="ana@b\u00fccher.example", company="Fork & Spoon")
    typed["contact"]["phone"] = "2125550142"
    identity = identity_of(typed, "US")
    one = Capture("c", "/forms", "c", NOW, typed, identity, older_claims(identity, typed, "US"))
    (row,) = (await _taken(storage, one, IdentityRules())).rows
    # As an earlier release left it: claims of the lead and of its capture in that form.
    older = [{"_id": form, "leadIds": [row["leadId"]]} for form in one.older]
    await storage.put(IDENTITIES, older)
    await storage.put(CAPTURES, [row | {"claims": [one["_id"] for one in older]}])
    command = verdict(row["leadId"], NOW + timedelta(seconds=1), "er")
    await storage.put(COMMANDS, [command])
    assert await erase(storage, [command], "US", "salt")
    assert await storage.count("identities") == 0
    stones = await erased(storage, identity.claims, "salt")
    assert stones.keys() == set(identity.claims)
    again = await _taken(storage, Capture("late", "/forms", "late", NOW, typed, identity, one.older), IdentityRules())
    assert again.outcomes[0].lead is None
    await storage.close()


async def test_an_erasure_of_before_the_upgrade_holds_for_a_late_capture_in_any_form(mongo: Mongo) -> None:
    storage, typed = Storage(mongo, "before"), data(email="Ana@xn--bcher-kva.example")
    identity = identity_of(typed, "US")
    stone = {"_id": marker_id("email:ana@xn--bcher-kva.example", "salt"), "leadId": "gone", "at": NOW}
    await storage.put(ERASURE_MARKERS, [stone])
    late = Capture("late", "/forms", "late", NOW, typed, identity, older_claims(identity, typed, "US"))
    assert (await _taken(storage, late, IdentityRules())).outcomes[0].lead is None
    assert (await erased(storage, ["email:ana@b\u00fccher.example"], "salt")).keys() == {identity.email_claim}
    await storage.close()


async def test_an_event_finds_by_any_form_of_an_email_the_lead_whose_claim_is_in_an_older_one(mongo: Mongo) -> None:
    storage = Storage(mongo, "leads_by_email")
    await storage.put(IDENTITIES, [{"_id": "email:ana@xn--bcher-kva.example", "leadIds": ["l"]}])
    asked = ["Ana@B\u00dcCHER.example", "ana@xn--bcher-kva.example", None, "bo@example.com"]
    assert await leads_by_email(storage, asked) == {"ana@b\u00fccher.example": "l"}
    await storage.put(IDENTITIES, [{"_id": "email:ana@b\u00fccher.example", "leadIds": ["today's"]}])
    assert await leads_by_email(storage, asked) == {"ana@b\u00fccher.example": "today's"}
    await storage.close()
