"""A lead with any number of captures and activities: its page, prediction and erasure take a bounded memory."""

import tracemalloc
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from deploy.local import LocalServers
from services.erasure import store as erasure
from services.gateway.leads import queries
from services.gateway.leads.domain.page_cursors import END
from services.prediction import store as prediction
from services.prediction.domain.learning.features import vector
from shared.domain.consent.contact_permission import ConsentPolicy
from shared.mongo.storage import Storage
from tests.builders import NOW, lead, verdict
from tests.collection_names import ACTIVITIES, CAPTURES, COMMANDS, ERASURE_MARKERS, IDENTITIES, LEADS, TIMELINE
from tests.harness import bench

BOUND_MIB = 64
_BULK = 2_000
ACTIONS = ("clicked_pricing", "opened_email", "Looked_around")


def capture_row(number: int) -> dict[str, Any]:
    claims = ["email:ana@example.com", f"pcn:{number:064}"]
    differed = [{"path": "requirements.timeline", "value": f"{number} " + "soon " * 40}]
    at = NOW + timedelta(seconds=number)
    return {"_id": f"c{number}", "leadId": "lead-1", "claims": claims, "capturedAt": at, "knownAt": at} | {
        "channel": f"/forms/{number % 3}",
        "differed": differed,
        "filled": ["contact.title"] if number == 7 else [],
    }


def activity_row(number: int) -> dict[str, Any]:
    at = NOW + timedelta(seconds=number)
    done = {"type": "email", "engagement": ACTIONS[number % 3]} if number % 2 else {"type": "call"}
    row = {"_id": f"a{number}", "leadId": "lead-1", "at": at, "knownAt": at, "tallied": True, **done}
    return row | {"description": "spoke " * 40, "createdBy": "sam", "completedAt": at}


def timeline_row(number: int) -> dict[str, Any]:
    at = NOW + timedelta(seconds=number)
    told = {"source": "/tests", "eventId": f"e{number}", "topic": "leads.activities"}
    details = {"type": "call", "createdBy": "sam"}
    return {"_id": f"a{number}", "leadId": "lead-1", "key": f"{at.isoformat()} {number}", "at": at, **told} | {
        "details": details
    }


async def fill(storage: Storage, number: int) -> None:
    await storage.insert_new(LEADS, [lead()])
    for start in range(0, number, _BULK):
        some = range(start, min(start + _BULK, number))
        for place, row in ((CAPTURES, capture_row), (ACTIVITIES, activity_row), (TIMELINE, timeline_row)):
            await storage.insert_new(place, [row(one) for one in some])
        claims = [{"_id": f"pcn:{one:064}", "leadIds": ["lead-1"]} for one in some]
        await storage.insert_new(IDENTITIES, claims)


async def mib(work: Callable[[], Awaitable[Any]]) -> tuple[float, Any]:
    """How much memory this process has at most for the work, beside what it has before; and what comes of it."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        found = await work()
        _, peak = tracemalloc.get_traced_memory()
        return (peak - before) / 2**20, found
    finally:
        tracemalloc.stop()


@pytest.mark.long
@pytest.mark.timeout(3_000)
@pytest.mark.usefixtures("quiet")
async def test_a_lead_with_very_many_captures_and_activities_takes_a_bounded_memory(
    local: LocalServers,
    full: bool,  # noqa: FBT001 - a fixture
    figure: Callable[[str], None],
) -> None:
    number = 100_000 if full else 3_000
    bound = BOUND_MIB if full else 6
    async with bench(local) as on:
        # What the embedded database takes long for is no fault of ours.
        storage = Storage(on.to.mongo, "test", timeout_ms=60_000)
        await fill(storage, number)
        page, shown = await mib(
            lambda: queries.find_lead(storage, "lead-1", ConsentPolicy(on.settings.consent_policy, "US"))
        )
        assert len(shown["activities"]) == 100
        timeline, told = await mib(lambda: queries.find_timeline(storage, "lead-1", END, 100))
        assert len(told["events"]) == 100
        as_of = NOW + timedelta(seconds=number // 2)
        leads = await prediction.read_lead_facts(storage, ["lead-1"])
        predicted, known = await mib(lambda: prediction.load_histories(storage, leads, {"lead-1": as_of}))
        found = vector(known["lead-1"], as_of)
        assert found["captures"] == number // 2 + 1
        assert found["salesCalls"] == number // 4 + 1
        assert len(known["lead-1"].captures) + len(known["lead-1"].activities) < 40
        row = verdict("lead-1", NOW, "command")
        await storage.insert_new(COMMANDS, [row])
        erased, _ = await mib(lambda: erasure.erase(storage, [row], "US", "salt"))
        assert await storage.count(CAPTURES, {"erased": True}) == number
        assert await storage.count(ACTIVITIES) == await storage.count(IDENTITIES) == 0
        assert await storage.count(ERASURE_MARKERS) >= number
        assert (await storage.read(COMMANDS, ["command"]))["command"]["done"]
        await storage.close()
    took = {"page": page, "timeline": timeline, "prediction": predicted, "erasure": erased}
    figure(f"a lead with {number:,} captures and activities: " + ", ".join(f"{n} {m:.1f} MiB" for n, m in took.items()))
    assert {name: size for name, size in took.items() if size > bound} == {}
