"""Scores on real servers: they follow time and rules by themselves, once, and in the background."""

import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from structlog.testing import capture_logs

from deploy.local import LocalServers
from schemas.topics import RESCORE, SCORED, Topic
from services.cli.commands.rules import run_simulation
from services.composition.process import run_workers
from services.scoring import store
from services.scoring.domain import rescoring_job
from services.scoring.domain.decide import WINDOW, RuleSet, ScoreCause, decide, rule_set
from services.scoring.rescore_requests import PAGE, AgedScores
from services.scoring.rescoring import Rescoring
from services.scoring.worker import build
from shared.config import Reloading, load_config
from shared.consuming.processor import RecordProcessor
from shared.consuming.worker import Runtime
from shared.domain.stored.work_documents import RescoringDocument
from shared.kafka.client import Publisher
from shared.kafka.events import Outgoing, Record
from shared.service import WorkerProcess
from tests.builders import data, event, lead
from tests.collection_names import LEADS, RESCORING
from tests.harness import Bench, bench, until

RULES = """\
rules:
  - {name: named, points: %d, conditions: [{field: company.name, operator: exists}]}
  - {name: chain, points: 7, conditions: [{field: company.size, operator: equals, value: enterprise}]}
"""
SECOND = timedelta(seconds=1)


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Rules that give every lead 10 points."""
    path = tmp_path / "config" / "rules.yaml"
    path.parent.mkdir()
    return _save(path, 10)


def _save(path: Path, points: int, last_line: str = "") -> Path:
    """Rules that give every lead so many points."""
    path.write_text(f"{RULES % points}{last_line}\n")
    return path


def _version(file: Path) -> str:
    return rule_set(Reloading(file, RuleSet).version)


def _scored(
    document: Any, file: Path, at: datetime, version: str | None = None, *, published: bool = True
) -> dict[str, Any]:
    """The lead as scoring left it then, and published or not: what it can't publish again counts as published."""
    decision = decide(
        document,
        [ScoreCause("planted", "created", "planted", "planted")],
        load_config(file, RuleSet),
        version or _version(file),
        at,
    )
    assert decision.update is not None
    after = {**document, **decision.update["$set"]}
    for change in after["scoring"]["log"] if published else ():
        del change["eventId"]
    return after


async def _plant(on: Bench, documents: Iterable[dict[str, Any]]) -> list[str]:
    planted = list(documents)
    await on.storage.insert_new(LEADS, planted)
    return [one["_id"] for one in planted]


def _people(count: int) -> list[dict[str, Any]]:
    return [lead(_id=f"lead-{number:04}") for number in range(count)]


def _active(number: int, *completed: datetime) -> Any:
    return lead(_id=f"lead-{number:04}", activityStats={"counts": {}, "completedAt": list(completed)})


async def _published(on: Bench, topic: Topic) -> list[dict[str, Any]]:
    """The topic's events, each once."""
    events = [json.loads(record.value or b"") for record in await on.records(topic)]
    return list({one["id"]: one for one in events}.values())


async def _until_scores(on: Bench, ids: Sequence[str], score: int) -> Any:
    async def there() -> bool:
        return all(one["score"] == score for one in (await on.storage.read(LEADS, ids)).values())

    await until(there, f"a score of {score} for {len(ids)} leads")
    return await on.storage.read(LEADS, ids)


async def _until_done(on: Bench, version: str) -> RescoringDocument:
    async def there() -> bool:
        row = await store.read_job(on.storage)
        return row is not None and row["version"] == version and "finishedAt" in row

    await until(there, f"every lead under {version}")
    row = await store.read_job(on.storage)
    assert row is not None
    return row


async def test_a_score_falls_when_an_activity_leaves_the_window_with_no_event_from_outside(
    local: LocalServers, file: Path
) -> None:
    async with bench(local) as on:
        now = _now()
        leaves = {f"lead-{number:04}": now + (4 + number % 3) * SECOND for number in range(30)}
        then = now + timedelta(days=3)
        # One is about to leave, one leaves later, and one is still to come.
        documents = [_active(number, at - WINDOW, then - WINDOW, then) for number, at in enumerate(leaves.values())]
        ids = await _plant(on, [_scored(one, file, now) for one in documents])
        async with (
            on.running("scoring", rules_file=file),
            on.running("scoring", rules_file=file),
        ):
            leads = await _until_scores(on, ids, 15)
        asked, published = await _published(on, RESCORE), await _published(on, SCORED)
    assert {one["scoring"]["agesAt"] for one in leads.values()} == {then}
    assert len(asked) == len(published) == len(ids)
    for one in published:
        facts = {"previousScore": 20, "score": 15, "reason": "activity_aged"}
        assert facts.items() <= one["data"].items()
        assert datetime.fromisoformat(one["time"]) >= leaves[one["subject"]], "never early"
    assert {one["correlationid"] for one in published} == {one["correlationid"] for one in asked}
    assert {one["causationid"] for one in published} == {one["id"] for one in asked}


async def test_a_changed_rules_file_reaches_every_lead_while_live_leads_get_through(
    local: LocalServers, file: Path
) -> None:
    async with bench(local) as on:
        old = _version(file)
        ids = await _plant(on, [_scored(one, file, _now()) for one in _people(600)])
        async with (
            on.running("capture", "scoring", rules_file=file),
            on.running("scoring", rules_file=file),
        ):
            assert (await _until_done(on, old))["total"] == 0
            _save(file, 30)
            await on.publish([event(data(email=f"p{number}@example.com")) for number in range(200)])
            leads = await _until_scores(on, ids, 30)
            new = _version(file)

            async def live() -> bool:
                return await on.count(LEADS, {"captureCount": 1, "scoring.ruleSet": new}) == 800

            await until(live, "600 old and 200 live leads under the new rules")
            row = await _until_done(on, new)
        published = await _published(on, SCORED)
    assert row["done"] == row["total"] >= 600
    assert {one["scoring"]["breakdown"][0]["points"] for one in leads.values()} == {30}
    changed = [one for one in published if one["subject"] in leads]
    assert len(changed) == 600
    assert {(one["data"]["score"], one["data"]["previousScore"]) for one in changed} == {(30, 10)}
    assert {one["data"]["reason"] for one in changed} == {"rules_changed"}
    assert len({one["subject"] for one in published} - set(ids)) == 200


async def test_a_change_made_while_nothing_ran_is_followed_and_a_dead_process_s_job_is_taken_over(
    local: LocalServers, file: Path
) -> None:
    async with bench(local) as on:
        now = _now()
        ids = await _plant(on, [_scored(one, file, now) for one in _people(50)])
        # The same rules in other words: nothing to tell, but every score stands on them now.
        same = await _plant(
            on, [_scored({**one, "_id": f"same-{one['_id']}"}, file, now, "zzz") for one in _people(50)]
        )
        other = _save(file.with_name("same.yaml"), 10, "# as before")
        _save(file, 40)
        row: Any = rescoring_job.new_job(_version(other), now) | {
            "claim": "dead",
            "wakeAt": now + 3 * SECOND,
            "total": 300,
            "done": 200,
        }
        await on.storage.insert_new(RESCORING, [row])
        async with on.running("scoring", rules_file=other):
            done = await _until_done(on, _version(other))
        assert (done["done"], done["total"], await _published(on, SCORED)) == (300, 300, [])
        async with on.running("scoring", rules_file=file):
            for points in (40, 20, 40):  # what comes back is asked for anew
                _save(file, points)
                leads = await _until_scores(on, [*ids, *same], points)
                done = await _until_done(on, _version(file))
                assert (done["done"], done["total"]) == (100, 100)
                assert {one["scoring"]["ruleSet"] for one in leads.values()} == {_version(file)}


@asynccontextmanager
async def _idle(on: Bench) -> AsyncIterator[WorkerProcess]:
    """Connections, with no worker that would answer."""
    async with run_workers(on.settings, on.to, ()) as service:
        yield service


def _runtime(on: Bench, service: WorkerProcess, now: datetime) -> Runtime:
    return Runtime(on.settings, service.storage, service.publisher, lambda: now)


class Killed(Publisher):
    """Publishes nothing: the process ends before the broker has it."""

    def __init__(self) -> None:
        """It needs no broker."""

    async def publish(self, worker: str, records: Sequence[Outgoing]) -> None:
        raise ConnectionError(f"{worker} was killed with {len(records)} records")


async def test_what_was_taken_and_never_asked_for_is_asked_for_again_under_the_same_id(
    local: LocalServers, file: Path
) -> None:
    async with bench(local) as on, _idle(on) as service:
        now, rules = _now(), Reloading(file, RuleSet)
        await _plant(on, [_scored(_active(0, now - WINDOW), file, now - SECOND)])
        killed = AgedScores(Runtime(on.settings, service.storage, Killed(), lambda: now), "scoring", rules)
        with pytest.raises(ConnectionError):
            await killed.request_page()
        asked = [await AgedScores(_runtime(on, service, now + 10 * SECOND), "scoring", rules).request_page()]
        assert (asked, await on.records(RESCORE)) == ([0], [])
        asked += [
            await AgedScores(_runtime(on, service, now + after * SECOND), "scoring", rules).request_page()
            for after in (31, 62)
        ]
        requests = await on.records(RESCORE)
    assert asked == [0, 1, 1]
    assert len({json.loads(one.value or b"")["id"] for one in requests}) == 1
    assert len(requests) == 2


async def test_a_score_by_rules_that_no_process_has_any_more_follows_time_too(local: LocalServers, file: Path) -> None:
    """The process that loaded the current rules ended; the others loaded theirs before."""
    async with bench(local) as on, _idle(on) as service:
        now, rules = _now(), Reloading(file, RuleSet)
        versions = ("!", "!!", "~", "~~", _version(file))
        planted = await _plant(
            on, [_scored(_active(n, now - WINDOW), file, now - SECOND, one) for n, one in enumerate(versions)]
        )
        found = [await AgedScores(_runtime(on, service, now), "scoring", rules).request_page() for _ in range(6)]
        assert found == [1, 1, 1, 1, 1, 0]
        asked = [json.loads(one.value or b"")["data"]["leadId"] for one in await on.records(RESCORE)]
    assert sorted(asked) == planted


async def test_a_change_that_a_killed_process_stored_is_told_by_whoever_scores_the_lead_next_and_then_no_more(
    local: LocalServers, file: Path
) -> None:
    async with bench(local) as on, _idle(on) as service:
        now = _now()
        await _plant(on, [_scored(lead(), file, now, published=False)])
        settings = on.settings.model_copy(update={"rules_file": file})
        worker = build(Runtime(settings, service.storage, service.publisher, lambda: now + SECOND))
        passage = RecordProcessor(worker, service.publisher, lambda: now, "US")
        for number in range(3):
            asked = event({"leadId": "lead-1", "reason": "asked"}, RESCORE, str(number))
            received, _ = passage.decode([Record(RESCORE.name, 0, number, b"lead-1", asked)])
            await passage.publish(await passage.worker.handle(received))
        (published,) = [json.loads(one.value or b"") for one in await on.records(SCORED)]
    assert (published["causationid"], published["data"]["score"], published["data"]["reason"]) == (
        "planted",
        10,
        "created",
    )


async def test_a_job_asks_for_the_next_page_only_when_the_last_one_is_through(local: LocalServers, file: Path) -> None:
    async with bench(local) as on, _idle(on) as service:
        now, old = _now(), _version(file)
        await _plant(on, [_scored(one, file, now) for one in _people(2 * PAGE + 50)])
        _save(file, 30)
        rules = Reloading(file, RuleSet)
        rescoring = Rescoring(_runtime(on, service, now), "scoring", rules)
        for _ in range(5):
            await rescoring.step()
        assert len(await on.records(RESCORE)) == PAGE
        for pages in (1, 2):
            await _answer(on, rules, now)
            await rescoring.step()
            row = await store.read_job(on.storage)
            assert row is not None
            assert (row["done"], row["total"]) == (pages * PAGE, 2 * PAGE + 50)
        await _answer(on, rules, now)
        await rescoring.step()
        row = await store.read_job(on.storage)
        assert row is not None
        assert await on.count(LEADS, {"scoring.ruleSet": old}) == 0
        assert len(await on.records(RESCORE)) == 2 * PAGE + 50
    assert "finishedAt" in row


async def _answer(on: Bench, rules: Reloading[RuleSet], now: datetime) -> None:
    """Score what was asked for, as the worker does."""
    ids = {json.loads(record.value or b"")["data"]["leadId"] for record in await on.records(RESCORE)}
    leads: Mapping[str, Any] = await on.storage.read(LEADS, ids)
    asked = ScoreCause("asked", "rules_changed", "asked", "asked")
    decisions = [decide(one, [asked], rules.current, rule_set(rules.version), now) for one in leads.values()]
    updates: list[Any] = [{"_id": one.lead_id, **one.update["$set"]} for one in decisions if one.update]
    await on.storage.put(LEADS, [{**leads[one["_id"]], **one} for one in updates])


async def test_the_rules_that_were_loaded_last_hold_and_a_process_with_others_says_so_and_asks_nothing(
    local: LocalServers, file: Path
) -> None:
    async with bench(local) as on, _idle(on) as service:
        now, other = _now(), _save(file.with_name("other.yaml"), 30)
        await _plant(on, [_scored(one, file, now) for one in _people(5)])
        held, newer = (Reloading(path, RuleSet) for path in (file, other))
        first, second = (Rescoring(_runtime(on, service, now), "scoring", rules) for rules in (held, newer))
        await first.step()
        await second.step()
        with capture_logs() as logs:
            await first.step()
            await first.step()
        assert [one["event"] for one in logs] == ["rules.outdated"]
        assert len(await on.records(RESCORE)) == 5
        row = await store.read_job(on.storage)
        assert row is not None
        assert row["version"] == _version(other)
        _save(file, 20)
        assert held.refresh()
        await first.step()
        row = await store.read_job(on.storage)
        assert row is not None
        assert row["version"] == _version(file)
        assert len(await on.records(RESCORE)) == 10


LOOKS = {
    "what its creation carries": "{field: requirements.painPoints, operator: equals, value: WASTE}",
    "what its creation carries not": "{field: captureCount, operator: equals, value: 1}",
    "what comes later": "{field: assignedTo, operator: exists}",
}


@pytest.mark.parametrize("looks", LOOKS.values(), ids=LOOKS.keys())
async def test_a_new_lead_has_the_score_that_its_stored_document_has_whatever_a_rule_looks_at(
    local: LocalServers, file: Path, looks: str
) -> None:
    _save(file, 10, f"  - {{name: looks, points: 5, conditions: [{looks}]}}")
    async with bench(local) as on, on.running("capture", "scoring", "assignment", rules_file=file):
        needs = {"painPoints": ["Waste", "Cost"]}
        await on.publish([event(data(email=f"p{number}@example.com", requirements=needs)) for number in range(20)])

        async def scored() -> bool:
            return await on.count(LEADS, {"score": 15}) == 20

        await until(scored, "20 leads with 15 points")
        published = await _published(on, SCORED)
    assert len({one["subject"] for one in published if "previousScore" not in one["data"]}) == 20


async def test_simulating_rules_tells_what_they_would_change_and_changes_nothing(
    local: LocalServers, file: Path
) -> None:
    async with bench(local) as on:
        chains = [lead(_id=f"chain-{n}", company={"name": "Fork", "size": "enterprise"}) for n in range(4)]
        await _plant(on, [_scored(one, file, _now()) for one in (*_people(250), *chains)])
        fax = "  - {name: fax, points: 1, conditions: [{field: context.fax, operator: exists}]}"
        new = _save(file.with_name("new.yaml"), 66, fax)
        settings = on.settings.model_copy(update={"rules_file": file})
        before = await on.storage.read(LEADS, ["chain-0", "lead-0000"])
        found = await run_simulation(settings, on.to.mongo, load_config(new, RuleSet))
        assert await on.storage.read(LEADS, ["chain-0", "lead-0000"]) == before
    assert (found.leads, found.changed) == (254, 254)
    assert (found.before[1], found.after[6], found.after[7]) == (254, 250, 4)
    assert [(one.value, one.rise, one.fall) for one in found.crossings if one.rise] == [(70.0, 4, 0)]
    assert (found.never, found.errors) == (("fax",), {})
    assert sum(one.after for one in found.owners) == 254


async def test_one_index_takes_the_place_of_the_two_of_an_earlier_release(local: LocalServers) -> None:
    async with bench(local) as on:
        for field in ("scoring.agesAt", "scoring.ruleSet"):
            await on.storage.create_index(LEADS, [(field, 1)], sparse=True)
        for _ in range(2):
            await store.create_indexes(on.storage)
        with MongoClient[dict[str, Any]](on.to.mongo.url) as client:
            names = client[on.settings.mongo_database][LEADS].index_information().keys()
    assert set(names) == {"_id_", "scoring.ruleSet_1_scoring.agesAt_1"}
