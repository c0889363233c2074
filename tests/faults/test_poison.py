"""Whatever one record holds, its neighbours have their outcome within a minute: on every topic that a worker reads."""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

import pytest

from deploy.local import LocalServers
from schemas.topics import (
    ACTIVITIES,
    CAPTURED,
    CONVERT,
    DEADLETTER,
    ENGAGEMENTS,
    ERASE,
    QUALIFY,
    TOPICS,
    UPDATE,
    Topic,
)
from services.composition import process as composition
from services.composition.process import run_workers
from services.composition.workers import TOPICS_OF, WORKERS
from shared.kafka.reading import lag
from tests.builders import data, event
from tests.collection_names import COMMANDS, LEADS, STEPS, TIMELINE
from tests.faults.poison import FAILURES, poison, with_bug
from tests.harness import DEADLINE_S, Bench, bench, capture_key, lead_id, until, until_ready

_MINUTE_S = 60.0
_SALES = {"requestedBy": "sam"}
# A dead letter is no event: nothing in it can be poison.
_READ = {name for names in TOPICS_OF.values() for name in names} - {DEADLETTER.name}
_OTHERS_READ = {name for worker, names in TOPICS_OF.items() if worker != "insights" for name in names} - {CAPTURED.name}
# Insights reads every topic: where others read it too, the bug is theirs.
_FAILING_ON = TOPICS_OF | {"insights": tuple(_READ - _OTHERS_READ)}


@pytest.mark.long
async def test_whatever_records_hold_their_neighbours_have_their_outcome_within_a_minute(
    local: LocalServers, monkeypatch: pytest.MonkeyPatch, figure: Callable[[str], None], *, full: bool
) -> None:
    workers = {name: with_bug(build, _FAILING_ON[name]) for name, build in WORKERS.items()}
    monkeypatch.setattr(composition, "WORKERS", workers)
    rng = random.Random(4)
    people, odd = (_People(100), 24) if full else (_People(25), 6)
    # Other tests run beside this one: then the machine decides how long a minute's work takes.
    deadline_s = _MINUTE_S if full else DEADLINE_S
    async with bench(local) as on:
        async with run_workers(on.settings, on.to, tuple(WORKERS)) as service:
            await on.publish(people.captures("old"))
            await until(lambda: _scored(on, people.count), "the leads that there are before", every_s=0.5)
            count = 0
            failures = cycle(FAILURES)
            for name in sorted(_READ):
                of_topic = tuple(FAILURES) if TOPICS[name] is CAPTURED else tuple(islice(failures, 1))
                records = poison(TOPICS[name], lead_id("old0"), rng, of_topic, odd)
                count += len(records)
                await on.publish(records, TOPICS[name])
            began = time.monotonic()
            for topic, values in people.neighbours().items():
                await on.publish(values, topic)
            await until(lambda: _have_outcomes(on, people), "the outcomes of all neighbours", deadline_s, every_s=1)
            seconds = time.monotonic() - began
            await until(lambda: _all_read(on), "every topic read to its end, by everybody who reads it", every_s=1)
            await until_ready(service)
            assert await service.stuck() == {}
        letters = await on.records(DEADLETTER)
    reasons = {dict(one.headers)["x-reason"].decode() for one in letters}
    assert reasons >= {"not_json", "not_cloudevent", "invalid_data", "too_large", "handler_failed"}
    failed = [dict(one.headers) for one in letters if dict(one.headers)["x-reason"] == b"handler_failed"]
    planted = {kind for one in failed for kind in FAILURES if one["x-detail"].decode().startswith(kind)}
    assert planted == set(FAILURES)
    figure(f"{count} poison records on {len(_READ)} topics; neighbours through after {seconds:.0f} s")


@dataclass(frozen=True, slots=True)
class _People:
    """As many old leads, which are erased, as new ones, of which half are converted."""

    count: int

    def captures(self, prefix: str) -> list[bytes]:
        names = [f"{prefix}{number}" for number in range(self.count)]
        return [
            event(data(email=f"{name}@example.com", company=f"{name} Inc", last=name), event_id=name) for name in names
        ]

    def leads(self, prefix: str) -> list[str]:
        return [lead_id(f"{prefix}{number}") for number in range(self.count)]

    @property
    def converted(self) -> list[str]:
        return self.leads("new")[: self.count // 2]

    def about(self, topic: Topic) -> list[tuple[str, str]]:
        """The events on this topic that are neighbours of the poison: their ids, each with its lead's."""
        leads = self.leads("old") if topic is ERASE else self.converted if topic is CONVERT else self.leads("new")
        return [(f"{topic.name}-{lead}", lead) for lead in leads]

    def neighbours(self) -> Mapping[Topic, list[bytes]]:
        call = {"type": "call", "description": "spoke", "createdBy": "sam", "completedAt": "2026-03-01T10:00:00Z"}
        says: Mapping[Topic, Mapping[str, Any]] = {
            ACTIVITIES: {"activity": call},
            ENGAGEMENTS: {"action": "clicked_pricing"},
            UPDATE: {**_SALES, "assignedTo": "kim"},
            QUALIFY: {**_SALES, "requirements": {"painPoints": ["waste"]}},
            CONVERT: _SALES,
            ERASE: _SALES,
        }
        return {CAPTURED: self.captures("new")} | {
            topic: [event({"leadId": lead, **payload}, topic, event_id) for event_id, lead in self.about(topic)]
            for topic, payload in says.items()
        }


async def _scored(on: Bench, count: int) -> bool:
    return await on.count(LEADS, {"scoring.seq": {"$gte": 1}}) == count


async def _have_outcomes(on: Bench, people: _People) -> bool:
    """The old leads are erased; the new are scored and have an owner, and all that was said of them has its outcome."""
    ids, old = people.leads("new"), people.leads("old")
    leads = await on.storage.read(LEADS, [*ids, *old])
    done = [
        one
        for one in leads.values()
        if one.get("score") is not None and one.get("assignedTo")
        if one.get("activityStats", {}).get("counts", {}).get("call") == 1
    ]
    said = [event_id for topic in (UPDATE, QUALIFY, CONVERT) for event_id, _ in people.about(topic)]
    rows = await on.storage.read(COMMANDS, [capture_key("/tests", one) for one in said], fields=("done", "reason"))
    told = {one["leadId"] for one in await on.storage.find_in(TIMELINE, "leadId", ids)}
    judged = len(rows) == len(said) and all(row["done"] or row["reason"] for row in rows.values())
    # A lead that was converted before its first score was told is enrolled no more.
    nurtured = {one["leadId"] for one in await on.storage.find_in(STEPS, "leadId", ids)} | {*people.converted}
    return leads.keys() == told == nurtured == set(ids) and len(done) == people.count and judged


async def _all_read(on: Bench) -> bool:
    behind = [await lag(on.to.kafka, f"pantry.{name}", topics) for name, topics in TOPICS_OF.items()]
    return not any(sum(one.values()) for one in behind)
