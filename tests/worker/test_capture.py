"""The capture worker on real servers: one lead a person, whatever happens to the processes."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable

import pytest

from deploy.local import Backend, LocalServers
from schemas.topics import CREATED, MERGED
from tests.builders import data, event
from tests.collection_names import CAPTURES, LEADS
from tests.harness import Bench, bench, capture_key, stop, until

EACH = 5


def _captures(people: int) -> list[tuple[str, bytes]]:
    rng = random.Random(42)
    captures = []
    for number in range(people * EACH):
        person = number % people
        email = f"person.{person}@example.com"
        payload = data(email=rng.choice((email, email.upper(), f"  {email} ")), last=f"No{person}")
        captures.append((f"capture-{number}", event(payload, event_id=f"capture-{number}", source="/scanners/7")))
    rng.shuffle(captures)
    return captures


@pytest.mark.long
async def test_five_captures_of_each_person_by_three_processes_one_killed_midway_make_one_lead_each(
    local: LocalServers, figure: Callable[[str], None], *, full: bool
) -> None:
    people = 2_000 if full else 150
    captures = _captures(people)
    async with bench(local) as on:
        workers = [on.process("capture") for _ in range(3)]
        try:
            # Any key will do: the records of one person are spread over partitions, and so over processes.
            await on.publish([value for _, value in captures])

            async def midway() -> bool:
                return await on.count("captures") > len(captures) // 10

            await until(midway, "a tenth of the captures")
            killed_at = await on.count("captures")
            workers[1].kill()
            workers[1].wait()
            workers[1] = on.process("capture")

            async def all_through() -> bool:
                return await on.count("captures") == len(captures) == await _told(on)

            await until(all_through, "every capture stored and told", every_s=0.5)
            assert [stop(worker) for worker in workers] == [0, 0, 0]
        finally:
            for worker in workers:
                worker.kill()
        figure(f"killed at {killed_at} of {len(captures)} captures on {local.servers.broker}")

        leads = await on.storage.find(LEADS, {})
        rows = await on.storage.find(CAPTURES, {})
        assert len(leads) == people
        assert len({lead["contact"]["email"].strip().casefold() for lead in leads}) == people
        assert {row["_id"] for row in rows} == {capture_key("/scanners/7", event_id) for event_id, _ in captures}
        per_lead = Counter(row["leadId"] for row in rows)
        assert set(per_lead) == {lead["_id"] for lead in leads}
        assert {lead["_id"]: lead["captureCount"] for lead in leads} == per_lead


async def _told(on: Bench) -> int:
    return len({json.loads(record.value or b"")["causationid"] for record in await on.records(CREATED, MERGED)})


async def test_a_database_that_is_killed_and_comes_back_loses_nothing(own: LocalServers) -> None:
    if own.database is None:
        pytest.skip("a database that somebody else runs is not ours to kill")
    async with bench(own) as on, on.running("capture"):
        await on.publish([event(data(email=f"before.{n}@example.com")) for n in range(200)])

        async def some() -> bool:
            return await on.count("captures") > 0

        await until(some, "the first captures")
        own.database.kill()
        await on.publish([event(data(email=f"after.{n}@example.com")) for n in range(200)])
        own.database.start()

        async def everything() -> bool:
            return await on.count("leads") == 400

        await until(everything, "all 400 leads")
        assert await on.count("captures") == 400


async def test_a_broker_that_is_killed_and_comes_back_loses_nothing(own: LocalServers) -> None:
    if own.broker is None or own.servers.broker is not Backend.APACHE:
        pytest.skip("the embedded broker keeps all in memory; only Apache Kafka comes back (--backend apache)")
    async with bench(own) as on, on.running("capture"):
        await on.publish([event(data(email=f"b{n}@example.com")) for n in range(2_000)])

        async def some() -> bool:
            return await on.count("captures") > 0

        await until(some, "the first captures")
        own.broker.kill()
        await asyncio.to_thread(own.broker.start)

        async def everything() -> bool:
            return await on.count("captures") == 2_000 and await _told(on) == 2_000

        await until(everything, "all 2,000 captures stored and told", every_s=0.5)
        assert await on.count("leads") == 2_000
