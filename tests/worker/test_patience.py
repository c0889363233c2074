"""Commands that only the present status of their lead forbids: they wait for another status, and for nothing else."""

import asyncio
import statistics
import time
from collections.abc import Callable
from typing import Any

import pytest

from deploy.local import LocalServers
from schemas.topics import CONVERT, CONVERTED, ERASE, QUALIFY, REJECTED, UPDATE, UPDATED, Topic
from tests.builders import data, event, lead
from tests.collection_names import COMMANDS, LEADS, PENDING_EVENTS
from tests.harness import DEADLINE_S, Bench, bench, lead_id, told, until, until_told

SALES = {"requestedBy": "sam"}
FIT = {"requirements": {"painPoints": ["waste"]}}
PATIENCE_S = 3.0


def command(topic: Topic, of: str, id_: str, **more: Any) -> tuple[Topic, bytes]:
    return topic, event({"leadId": of, **SALES, **more}, topic, id_)


async def say(on: Bench, *commands: tuple[Topic, bytes]) -> None:
    """Publish commands of one topic."""
    await on.publish([value for _, value in commands], commands[0][0])


async def leads(on: Bench, number: int, **fields: Any) -> list[str]:
    """Leads that are stored."""
    ids = [f"l{n}" for n in range(number)]
    await on.storage.insert_new(LEADS, [lead(_id=one, **fields) for one in ids])
    return ids


async def none_waits(on: Bench) -> None:
    async def empty() -> bool:
        return await on.count(PENDING_EVENTS) == 0

    await until(empty, "nothing waits any more", 600)


async def test_a_convert_right_behind_its_qualify_gets_through(
    local: LocalServers, figure: Callable[[str], None]
) -> None:
    async with bench(local) as on, on.running("qualification", "conversion"):
        ids, seconds = await leads(on, 20), []
        for one in ids:
            began = time.monotonic()
            await say(on, command(QUALIFY, one, f"q{one}", **FIT))
            await say(on, command(CONVERT, one, f"v{one}"))

            async def converted(one: str = one) -> bool:
                return bool((await on.storage.read(LEADS, [one]))[one]["status"] == "converted")

            await until(converted, f"{one} converted")
            seconds.append(time.monotonic() - began)
        await until_told(on, CONVERTED, 20)
        await none_waits(on)
        assert await told(on, REJECTED) == []
        assert await on.count(COMMANDS, {"done": True, "reason": None}) == 40
    figure(f"convert right behind its qualify: p50 {statistics.median(seconds):.2f} s, slowest {max(seconds):.2f} s")


async def test_converts_and_qualifies_that_come_before_their_leads_get_through(local: LocalServers) -> None:
    async with bench(local) as on, on.running("capture", "qualification", "conversion"):
        ids = [lead_id(f"c{n}") for n in range(10)]
        await say(on, *(command(CONVERT, one, f"v{one}") for one in ids))
        await say(on, *(command(QUALIFY, one, f"q{one}", **FIT) for one in ids))

        async def all_wait() -> bool:
            return await on.count(PENDING_EVENTS) == 20

        await until(all_wait, "twenty commands that wait")
        await on.publish([event(data(email=f"p{n}@example.com"), event_id=f"c{n}") for n in range(10)])
        await until_told(on, CONVERTED, 10)
        await none_waits(on)
        assert await told(on, REJECTED) == []


@pytest.mark.parametrize("patience", [0.0, 1.0])
async def test_a_command_that_stays_forbidden_is_rejected_at_the_end_of_its_patience(
    local: LocalServers, patience: float
) -> None:
    async with bench(local) as on, on.running("qualification", "conversion", command_patience=patience):
        await on.storage.insert_new(
            LEADS, [lead(_id="n"), lead(_id="l", status="lost"), lead(_id="q", status="qualified")]
        )
        await say(on, command(CONVERT, "n", "v1"), command(CONVERT, "l", "v2"))
        await say(on, command(UPDATE, "q", "u1", status="contacted"))
        rejected = await until_told(on, REJECTED, 3)
        await none_waits(on)
        at = {one["_id"]: one["at"] for one in await on.storage.find(COMMANDS, {})}
        received = [seconds async for seconds in _times(on, CONVERT)]
    assert {(one["commandId"], one["reason"]) for one in rejected} == {
        ("v1", "lead_not_qualified"),
        ("v2", "lead_lost"),
        ("u1", "invalid_transition"),
    }
    assert len(at) == 3
    assert min(at.values()).timestamp() - min(received) >= patience


async def test_what_no_status_can_change_is_rejected_at_once(local: LocalServers) -> None:
    async with bench(local) as on, on.running("qualification", "conversion", command_patience=600.0):
        await leads(on, 1, status="converted", convertedToOpportunityId="o")
        await say(on, command(CONVERT, "l0", "v1"))
        (rejected,) = await until_told(on, REJECTED, 1)
        assert rejected["reason"] == "already_converted"
        assert await on.count(PENDING_EVENTS) == 0


async def test_other_commands_on_its_lead_and_on_others_pass_a_command_that_waits(local: LocalServers) -> None:
    async with bench(local) as on, on.running("qualification", "conversion", command_patience=600.0):
        await leads(on, 1)
        await on.storage.insert_new(LEADS, [lead(_id="q", status="qualified")])
        await say(on, command(UPDATE, "q", "u0", status="contacted"), command(UPDATE, "q", "u1", assignedTo="kim"))
        await say(on, command(CONVERT, "l0", "v1"), command(CONVERT, "q", "v2"))
        (updated,) = await until_told(on, UPDATED, 1)
        (converted,) = await until_told(on, CONVERTED, 1)
        assert (updated["leadId"], converted["lead"]["id"]) == ("q", "q")
        # The lead's end allows neither: both wait to this day.
        assert await on.count(PENDING_EVENTS) == 2


@pytest.mark.parametrize("allowed", [True, False])
async def test_a_command_that_waits_has_its_outcome_though_all_processes_die(
    local: LocalServers,
    allowed: bool,  # noqa: FBT001 - pytest names it
) -> None:
    """The row outlives them; at the end of its patience the next process judges it."""
    async with bench(local) as on:
        await leads(on, 1)
        async with on.running("conversion", command_patience=2.0):
            await say(on, command(CONVERT, "l0", "v1"))

            async def waits() -> bool:
                return await on.count(PENDING_EVENTS) == 1

            await until(waits, "the command waits")
        assert await on.count(COMMANDS) == 0
        if allowed:
            await on.storage.put(LEADS, [lead(_id="l0", status="qualified")])
        async with on.running("conversion", command_patience=2.0):
            await until_told(on, CONVERTED if allowed else REJECTED, 1)
            await none_waits(on)
            assert await told(on, REJECTED if allowed else CONVERTED) == []


async def test_a_command_that_comes_again_while_it_waits_has_one_outcome_and_no_longer_wait(
    local: LocalServers,
) -> None:
    async with bench(local) as on, on.running("qualification", "conversion", command_patience=2.0):
        await leads(on, 2)
        for _ in range(4):
            await say(on, command(CONVERT, "l0", "v0"), command(CONVERT, "l1", "v1"))
            await asyncio.sleep(0.2)
        await say(on, command(QUALIFY, "l0", "q0", **FIT))
        await until_told(on, CONVERTED, 1)
        (rejected,) = await until_told(on, REJECTED, 1)
        await none_waits(on)
        assert rejected["commandId"] == "v1"
        assert await on.count(COMMANDS) == 3


@pytest.mark.timeout(900)
@pytest.mark.usefixtures("quiet")
async def test_a_flood_of_forbidden_commands_delays_no_other(
    local: LocalServers,
    full: bool,  # noqa: FBT001 - pytest names it
    figure: Callable[[str], None],
) -> None:
    # More leads than a process remembers (shared.leads.status_watch.LEADS_MAX), even in the small run.
    number = 10_000 if full else 1_200
    async with bench(local) as on, on.running("qualification", "conversion", command_patience=5.0):
        ids = await leads(on, number)
        await on.storage.insert_new(LEADS, [lead(_id=f"good{n}", status="qualified") for n in range(50)])
        began = time.monotonic()
        await say(on, *(command(CONVERT, one, f"v{one}") for one in ids))
        seconds = []
        for n in range(50):
            sent = time.monotonic()
            await say(on, command(CONVERT, f"good{n}", f"good{n}"))

            async def converted(one: str = f"good{n}") -> bool:
                return bool((await on.storage.read(LEADS, [one]))[one]["status"] == "converted")

            await until(converted, f"{n} converted")
            seconds.append(time.monotonic() - sent)
        lasted = time.monotonic() - began
        await none_waits(on)
        assert await on.count(COMMANDS, {"reason": "lead_not_qualified"}) == number
        judged = time.monotonic() - began
    figure(
        f"{number} forbidden converts, judged within {judged:.0f} s; 50 good ones meanwhile, in {lasted:.0f} s:"
        f" p50 {statistics.median(seconds):.2f} s, slowest {max(seconds):.2f} s"
    )
    assert statistics.median(seconds) < PATIENCE_S


async def _times(on: Bench, topic: Topic) -> Any:
    async with on.reading(topic) as consumer:
        for _ in range(2):
            record = await asyncio.wait_for(anext(aiter(consumer)), DEADLINE_S)
            yield record.timestamp / 1000


async def test_a_command_that_waits_for_a_status_is_rejected_when_its_lead_is_erased(local: LocalServers) -> None:
    async with bench(local) as on, on.running("conversion", "erasure", command_patience=600.0):
        (one,) = await leads(on, 1)
        await say(on, command(CONVERT, one, "v"))

        async def waits() -> bool:
            return await on.count(PENDING_EVENTS) == 1

        await until(waits, "the convert that waits")
        await say(on, command(ERASE, one, "e"))
        await until_told(on, REJECTED, 1)
        (rejected,) = await told(on, REJECTED)
        assert (rejected["commandId"], rejected["reason"]) == ("v", "lead_not_found")
        await none_waits(on)
