"""An erasure that comes in the middle of an enrolment leaves nothing of it, wherever the middle is."""

from pathlib import Path

import pytest

from deploy.local import Backend, LocalServers
from schemas import topics
from shared.mongo.storage import Storage
from tests.builders import NOW, data
from tests.harness import lead_id, mongo_at
from tests.model.rig import Accident, Rig

_STEPS_MAX = 30


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("dies", [False, True], ids=["paused", "killed"])
async def test_a_lead_erased_between_any_two_steps_of_its_enrolment_keeps_no_nurture(
    directory: Path,
    dies: bool,  # noqa: FBT001 - a parameter
) -> None:
    with LocalServers(Backend.EMBEDDED, directory, kafka_bootstrap="nowhere:0") as local:
        at, met = 1, True
        while met:
            met = await _erased_at(Rig(Storage(mongo_at(local.servers.mongo_url), f"late{at}")), at, dies=dies)
            at += 1
    assert 5 < at < _STEPS_MAX


async def _erased_at(rig: Rig, at: int, *, dies: bool) -> bool:
    """Erase the lead before this step of its enrolment; whether there is such a step."""
    await rig.open()
    try:
        await rig.say("form", topics.CAPTURED, data(consent={"email": True}), NOW)
        for name in ("capture", "scoring"):
            await rig.run(name, list(rig.pending[name]))
        await rig.run("nurture", list(rig.pending["nurture"]), Accident(at, pauses=True))
        if not rig.paused:
            return False
        (job,) = rig.paused
        await rig.say("erase", topics.ERASE, {"leadId": lead_id("form"), "requestedBy": "desk"}, rig.now)
        await rig.run("erasure", list(rig.pending["erasure"]))
        # Its partitions have moved, and another process hears of the erasure first.
        rig.move(job)
        await rig.run("nurture", [n for n in rig.pending["nurture"] if n not in job.numbers])
        await rig.resume(job, Accident(2) if dies else None)
        await rig.settle()
        stored = await rig.stored()
        left = {name: stored.get(name, []) for name in ("nurture_steps", "enrolments", "leads")}
        assert left == {"nurture_steps": [], "enrolments": [], "leads": []}, f"erased before step {at}"
        assert rig.faults == []
    finally:
        await rig.close()
    return True
