"""Enrolment by a worker that is killed between writing and telling."""

import json
from typing import cast

from deploy.local import LocalServers
from schemas.topics import ACTIONS, ENROLLED, SCORED
from services.composition.workers import WORKERS
from shared.clock import system_clock
from shared.consuming.worker import Runtime
from shared.kafka.client import Publisher
from shared.kafka.decoding import decode
from shared.kafka.events import Outgoing, Received
from shared.mongo.storage import Change
from tests.builders import data, event
from tests.collection_names import LEADS, STEPS
from tests.harness import Bench, bench, lead_id, until

_CONVERTED = {"status": "converted", "convertedAt": system_clock(), "convertedToOpportunityId": "opp-1"}


async def _first_score(on: Bench) -> Received:
    """The first score of a lead that nurture has not heard of yet."""
    async with on.running("capture", "scoring"):
        await on.publish([event(data(consent={"email": True}), event_id="c1")])

        async def scored() -> bool:
            return bool(await on.records(SCORED))

        await until(scored, "the first score")
    (record, *_) = await on.records(SCORED)
    received = decode(record, "US")
    assert isinstance(received, Received)
    return received


async def test_a_lead_that_ends_between_its_enrolment_and_the_telling_has_both_told_and_nothing_after(
    local: LocalServers,
) -> None:
    async with bench(local) as on:
        received = await _first_score(on)
        # The scheduler, which publishes, doesn't run here.
        runtime = Runtime(on.settings, on.storage, cast("Publisher", None), system_clock)
        before = [one for one in await WORKERS["nurture"](runtime).handle([received]) if isinstance(one, Outgoing)]
        await on.storage.change(LEADS, [Change(lead_id("c1"), {}, {"$set": _CONVERTED})])
        again = [one for one in await WORKERS["nurture"](runtime).handle([received]) if isinstance(one, Outgoing)]
        steps = await on.storage.find(STEPS, {"leadId": lead_id("c1")})
    assert [one.topic for one in again] == [ENROLLED.name, ACTIONS.name]
    assert [json.loads(one.value or b"") for one in again] == [json.loads(one.value or b"") for one in before]
    assert sorted(step["state"] for step in steps) == ["cancelled", "cancelled", "sent"]


async def test_a_lead_that_ended_before_anything_was_written_is_not_enrolled(local: LocalServers) -> None:
    async with bench(local) as on:
        received = await _first_score(on)
        await on.storage.change(LEADS, [Change(lead_id("c1"), {}, {"$set": _CONVERTED})])
        runtime = Runtime(on.settings, on.storage, cast("Publisher", None), system_clock)
        assert await WORKERS["nurture"](runtime).handle([received]) == []
        assert await on.count(STEPS) == 0
