"""`pantry indexes apply` on real servers: what it says, what it publishes, and where it ends up."""

import json
from pathlib import Path

from deploy.local import LocalServers
from schemas.base import CloudEvent
from schemas.outputs import LeadSuspected
from schemas.topics import SUSPECTED
from shared.domain.identity.suspicion import pair_event_id
from tests.builders import data
from tests.collection_names import IDENTITIES, TIMELINE
from tests.gateway import NOTHING_TO_REWRITE, command, typed
from tests.harness import DEADLINE_S, Bench, bench, until
from tests.older import store_of_before

PHONE = "(212) 555-0142"
MET = (
    data(email="ana@xn--bcher-kva.example", phone=PHONE, company="Fork & Spoon"),
    data(email="ana@example.com", phone=PHONE, company="Fork and Spoon"),
    data(email="ana@b\u00fccher.example", company="Elsewhere"),
)
REWRITTEN = NOTHING_TO_REWRITE.replace("0 claims", "2 claims").replace("0 pairs", "2 pairs")


async def _without_a_broker(on: Bench, tmp_path: Path, bootstrap: str) -> str:
    log = tmp_path / "said"
    assert on.pantry("indexes", "apply", log=log, PANTRY_KAFKA_BOOTSTRAP=bootstrap).wait(DEADLINE_S) == 0
    said = log.read_text()
    log.unlink()
    return said


async def test_each_pair_is_published_once_and_in_the_timeline_of_the_older_lead(
    local: LocalServers, tmp_path: Path
) -> None:
    async with bench(local) as on:
        spoon, and_spoon, typed_ = await store_of_before(on.storage, MET)
        said = await _without_a_broker(on, tmp_path, "")
        assert "rewrote 0 claims, found 0 pairs of leads that look like one person, 2 unpublished" in said
        assert "workers still find them: 2 claims" in said
        assert "set PANTRY_KAFKA_BOOTSTRAP to the broker" in said
        said = await _without_a_broker(on, tmp_path, "127.0.0.1:1")
        assert "2 unpublished" in said
        assert "doesn't answer" in said

        assert await typed(on, "indexes", "apply") == REWRITTEN
        assert await typed(on, "indexes", "apply") == NOTHING_TO_REWRITE
        events = [CloudEvent.model_validate(json.loads(one.value or b"")) for one in await on.records(SUSPECTED)]
        told = {event.id: LeadSuspected.model_validate(event.data) for event in events}
        assert len(events) == 2
        assert told.keys() == {pair_event_id(spoon, and_spoon), pair_event_id(spoon, typed_)}
        assert {event.source for event in events} == {"/commands/indexes"}

        async with on.running("insights"):

            async def placed() -> bool:
                return await on.count(TIMELINE, {"topic": SUSPECTED.name}) == 2

            await until(placed, "both in timelines")
        rows = await on.storage.find(TIMELINE, {})
        assert {row["leadId"] for row in rows} == {one.lead_id for one in told.values()}
        assert {row["details"]["otherId"] for row in rows} == {one.other_id for one in told.values()}


async def test_a_list_of_placeholders_that_is_wrong_ends_no_deployment(local: LocalServers, tmp_path: Path) -> None:
    async with bench(local) as on:
        await store_of_before(on.storage, MET)
        before = await on.storage.find(IDENTITIES, {})
        file = tmp_path / "placeholders.yaml"
        file.write_text("emails: 3")
        log = tmp_path / "said"
        assert on.pantry("indexes", "apply", log=log, PANTRY_PLACEHOLDERS_FILE=str(file)).wait(DEADLINE_S) == 0
        assert "all indexes exist" in log.read_text()
        assert "claims of earlier releases were not rewritten" in log.read_text()
        assert await on.storage.find(IDENTITIES, {}) == before


async def test_running_the_workers_rewrites_nothing(local: LocalServers) -> None:
    async with bench(local) as on:
        await store_of_before(on.storage, MET)
        before = await on.storage.find(IDENTITIES, {})
        async with on.running():
            status, _, _ = await command(on, "lag")
        assert status == 0
        assert await on.storage.find(IDENTITIES, {}) == before
