"""The schedule on real servers: each step once, at its time, for whom it is still meant."""

import json
import signal
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Sized
from collections.abc import Sequence as Several
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from deploy.local import LocalServers
from schemas.topics import ACTIONS, ENROLLED, ERASED, SCORED, TRIGGERED, UPDATED, Topic
from services.cli.commands.nurture import explanation_of
from services.nurture.domain.enrolment import EnrolmentCause, EnrolmentRequest, new_enrolment
from services.nurture.domain.sequences import Sequences
from shared.config import load_config
from shared.domain.consent.contact_permission import ConsentPolicy
from shared.mongo import names
from tests.builders import event, lead
from tests.collection_names import ENROLMENTS, LEADS, STEPS
from tests.harness import Bench, bench, stop, until

SHIPPED_FILE = Path("deploy/config/sequences.yaml")
SHIPPED, SHIPPED_TEXT = load_config(SHIPPED_FILE, Sequences), SHIPPED_FILE.read_text()
OPT_OUT = ConsentPolicy("opt_out", "US")
MINUTE = timedelta(seconds=60)
LEASE, SHORT_LEASE = MINUTE, MINUTE / 4
SCHEDULERS, PAGE, PATIENCE_S = 3, 200, 600.0


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _person(number: int) -> Any:
    contact = {"firstName": f"P{number}", "lastName": "Reyes", "email": f"p{number}@example.com"}
    return lead(_id=f"lead-{number}", contact=contact, score=10)


def _first_step(number: int, due: datetime) -> dict[str, Any]:
    cause = EnrolmentCause(f"cause-{number}", f"event-{number}", f"chain-{number}", "a test wants it")
    step = new_enrolment(EnrolmentRequest(_person(number), SHIPPED.by_id("default"), cause), SHIPPED, due)[1][0]
    return {**step, "dueAt": due, "wakeAt": due}


async def _plan(on: Bench, count: int, over: timedelta) -> None:
    """`count` leads with a step each, due evenly `over` a time that begins when all of this is stored."""
    for start in range(0, count, PAGE):
        await on.storage.insert_new(LEADS, [_person(number) for number in range(start, start + PAGE)])
    begin = _now() + timedelta(seconds=5 + count / 1_000)
    for start in range(0, count, PAGE):
        numbers = range(start, start + PAGE)
        steps = [_first_step(number, begin + over * round(number / count, 4)) for number in numbers]
        await on.storage.insert_new(STEPS, steps)


@asynccontextmanager
async def _published(on: Bench) -> AsyncIterator[tuple[dict[str, datetime], Callable[[int], Awaitable[None]]]]:
    """When each action was published first, and how to wait until a number of them is.

    Asking the database how far it is would cost it as much as the work that is measured.
    """
    published: dict[str, datetime] = {}
    async with on.reading(ACTIONS) as consumer:

        async def until_there(count: int) -> None:
            async def there() -> bool:
                for records in (await consumer.getmany(timeout_ms=100)).values():
                    for record in records:
                        at = datetime.fromtimestamp(record.timestamp / 1_000, UTC)
                        published.setdefault(json.loads(record.value or b"")["data"]["actionId"], at)
                return len(published) >= count

            await until(there, f"{count} actions", PATIENCE_S)

        yield published, until_there


@dataclass
class Rush:
    """Schedulers on many steps; `left` are the claims that those which were killed held."""

    on: Bench
    lease: timedelta
    published: Sized
    until_there: Callable[[int], Awaitable[None]]
    left: set[str] = field(default_factory=set)

    def scheduler(self) -> subprocess.Popen[bytes]:
        return self.on.pantry("worker", "nurture", PANTRY_LEASE_S=str(self.lease.total_seconds()))

    async def kill_midway(self, process: subprocess.Popen[bytes], others: Several[subprocess.Popen[bytes]]) -> None:
        """Kill a scheduler while it holds steps: what is claimed while the others are halted, it has claimed."""
        for one in others:
            one.send_signal(signal.SIGSTOP)
        await self.until_there(len(self.published) + 50)  # what they asked of the database before is done by then
        theirs = await self._claims()
        await until(lambda: self._halted_midway(process, theirs), "a scheduler that holds steps", every_s=0.01)
        process.kill()
        process.wait()
        for one in others:
            one.send_signal(signal.SIGCONT)

    async def _halted_midway(self, process: subprocess.Popen[bytes], theirs: AbstractSet[str]) -> bool:
        held = await self._claims() - theirs
        if held:
            process.send_signal(signal.SIGSTOP)
            for _ in range(2):  # what it asked of the database before is done by then
                held &= await self._claims()
            self.left |= held
            if not held:
                process.send_signal(signal.SIGCONT)
        return bool(held)

    async def _claims(self) -> set[str]:
        """Those made in the last quarter of a lease's time, of steps that are still held."""
        fresh = {"$gt": datetime.now(UTC) + self.lease * 0.75}
        held = await self.on.storage.find(STEPS, {"wakeAt": fresh}, fields=("claim",))
        return {one["claim"] for one in held if "claim" in one}


@pytest.mark.parametrize("fault", [{"conditions": 17}, {"decided": {"actionId": 7}}, {"template": None, "action": 3}])
async def test_one_step_that_fails_is_skipped_with_its_reason_and_holds_up_no_other(
    local: LocalServers, fault: dict[str, Any]
) -> None:
    async with bench(local) as on, on.running("nurture"):
        await on.storage.insert_new(LEADS, [_person(number) for number in range(20)])
        steps = [_first_step(number, _now() - MINUTE) for number in range(20)]
        # The poison is due first of all.
        steps[7] |= {**fault, "wakeAt": _now() - 2 * MINUTE}
        await on.storage.insert_new(STEPS, steps)

        async def through() -> bool:
            return await on.count(STEPS, {"state": "sent"}) == 19 and len(await on.records(ACTIONS)) == 19

        await until(through, "the nineteen others")

        async def skipped() -> bool:
            return await on.count(STEPS, {"state": "skipped"}) == 1

        await until(skipped, "the step that can't go")
        (step,) = await on.storage.find(STEPS, {"state": "skipped"})
    assert step["_id"] == steps[7]["_id"]
    assert step["why"]


@pytest.mark.long
async def test_steps_of_a_rush_go_out_once_and_never_early_though_a_scheduler_is_killed_twice(
    local: LocalServers, figure: Callable[[str], None], *, full: bool
) -> None:
    count, over, lease = 20_000, MINUTE, LEASE
    if not full:  # as dense, and over sooner
        count, over, lease = count // 10, over / 10, SHORT_LEASE
    async with bench(local) as on, _published(on) as (published, until_there):
        rush = Rush(on, lease, published, until_there)
        schedulers = [rush.scheduler() for _ in range(SCHEDULERS)]
        try:
            await _plan(on, count, over)
            for part in (5, 2):
                await until_there(count // part)
                await rush.kill_midway(schedulers[1], schedulers[::2])
                schedulers[1] = rush.scheduler()
            await until_there(count)
            await until(lambda: _nothing_to_come(on), "every step marked as sent", PATIENCE_S)
            assert [stop(one) for one in schedulers] == [0] * SCHEDULERS
        finally:
            for one in schedulers:
                one.kill()
        actions = [json.loads(record.value or b"") for record in await on.records(ACTIONS)]
        steps = await on.storage.find(STEPS, {}, fields=("state",))
    assert {step["state"] for step in steps} == {"sent"}
    assert {one["data"]["actionId"] for one in actions} == {step["_id"] for step in steps}
    assert len({one["id"] for one in actions}) == count
    figure(_report(rush, published, actions, over))
    assert min(_after_due(one, datetime.fromisoformat(one["time"])) for one in actions) >= 0


async def _nothing_to_come(on: Bench) -> bool:
    # What is killed between the acknowledgement and the mark is sent again once the lease is over.
    return await on.storage.earliest(STEPS, "wakeAt", {"wakeAt": {"$lte": _now() + timedelta(days=1)}}) is None


def _after_due(action: dict[str, Any], moment: datetime) -> float:
    return (moment - datetime.fromisoformat(action["data"]["dueAt"])).total_seconds()


def _report(rush: Rush, published: dict[str, datetime], actions: Several[dict[str, Any]], over: timedelta) -> str:
    again = len(actions) - len(published)
    moments = {one["data"]["actionId"]: datetime.fromisoformat(one["time"]) for one in actions}
    waited = sum(published[name] - moment > rush.lease / 2 for name, moment in moments.items())
    first = {one["data"]["actionId"]: one for one in actions}.values()
    decided = sorted(_after_due(one, datetime.fromisoformat(one["time"])) for one in first)
    out = sorted(_after_due(one, published[one["data"]["actionId"]]) for one in first)
    return (
        f"{len(published)} steps due within {over.seconds} s, {SCHEDULERS} schedulers, one killed twice holding"
        f" {len(rush.left)} batches, on {rush.on.local.servers.broker}: {again} delivered twice (same id),"
        f" {waited} held by the killed one until its lease of {rush.lease.seconds} s was over;"
        f" after due: decided {_spread(decided)}; published {_spread(out)}"
    )


def _spread(late: Several[float]) -> str:
    marks = {f"p{share}": late[len(late) * share // 100] for share in (50, 90, 99)}
    return ", ".join(f"{name} {seconds:.2f} s" for name, seconds in {**marks, "max": late[-1]}.items())


async def _tell(on: Bench, topic: Topic, data: dict[str, Any], event_id: str) -> None:
    await on.publish([event(data, topic, event_id)], topic, [data["leadId"].encode()])


async def _until_steps(on: Bench, count: int, **query: Any) -> list[dict[str, Any]]:
    async def there() -> bool:
        return await on.count(STEPS, query) == count

    await until(there, f"{count} steps with {query}")
    return await on.storage.find(STEPS, query)


def _scored(lead_id: str) -> dict[str, Any]:
    return {"leadId": lead_id, "score": 10, "breakdown": [], "reason": "created"}


def _triggered(lead_id: str, trigger: str) -> dict[str, Any]:
    return {"leadId": lead_id, "trigger": trigger, "action": "clicked"}


async def test_triggers_enrol_once_a_bounce_stops_mail_only_and_an_erased_lead_gets_nothing(
    local: LocalServers,
) -> None:
    async with bench(local) as on, on.running("nurture"):
        phoned = {"firstName": "Ana", "lastName": "Reyes", "email": "a@example.com", "phone": "+13125550100"}
        await on.storage.insert_new(LEADS, [lead(_id=one, contact=phoned, score=10) for one in ("a", "b", "c")])
        for one in ("a", "b", "c"):
            await _tell(on, SCORED, _scored(one), f"scored {one}")
        await _until_steps(on, 3, state="sent")
        for number in range(3):  # `default`, which it is in already, and then `high_value`
            await _tell(on, TRIGGERED, _triggered("a", "website_engagement"), f"visit {number}")
        await _tell(on, TRIGGERED, _triggered("a", "high_intent_detected"), "click")
        await _until_steps(on, 2, leadId="a", state="sent")
        assert await on.count(STEPS, {"leadId": "a"}) == 6
        assert len(await on.records(ENROLLED)) == 4

        refusal = {"reason": "bounced", "address": "a@example.com"}
        refused = lead(_id="a", contact=phoned, score=10, refusals=[refusal], consent={"email": False})
        await on.storage.put(LEADS, [refused])
        changed = {"consent.email": {"from": None, "to": False}}
        await _tell(on, UPDATED, {"leadId": "a", "changed": changed, "by": "mailer", "reason": "bounced"}, "bounce")
        cancelled = await _until_steps(on, 3, leadId="a", state="cancelled")
        assert {step["why"] for step in cancelled} == {"mail to the address bounced"}
        (still,) = await on.storage.find(STEPS, {"leadId": "a", "state": "scheduled"})
        assert still["stepId"] == "second_call"

        await on.storage.delete(LEADS, ["b"])
        await _tell(on, ERASED, {"leadId": "b"}, "erased")
        assert await _until_steps(on, 0, leadId="b") == []
        gone = [{"reason": "unsubscribed", "address": "a@example.com"}]
        await on.storage.put(LEADS, [lead(_id="c", contact=phoned, refusals=gone, consent={"email": False})])
        await _tell(on, UPDATED, {"leadId": "c", "changed": changed, "by": "c", "reason": "unsubscribed"}, "left")
        left = await _until_steps(on, 2, leadId="c", state="cancelled")
        assert {step["why"] for step in left} == {"the lead unsubscribed"}
        consent, stories = await explanation_of(on.to.mongo, "test", "a", OPT_OUT) or ([], [])
        assert consent == [
            "mail: not allowed, mail to the address bounced",
            "calls: allowed, nothing was stated; calls may be made (opt-out policy)",
        ]
        assert [story.heading.partition(" (")[0] for story in stories] == [
            "Getting to know each other",
            "A person calls, soon",
        ]
        assert await explanation_of(on.to.mongo, "test", "nobody", OPT_OUT) is None


async def test_an_event_whose_handler_was_killed_between_steps_and_enrolment_comes_out_right(
    local: LocalServers,
) -> None:
    async with bench(local) as on:
        await on.storage.insert_new(LEADS, [lead(_id="a", score=10)])
        async with on.running("nurture"):
            await _tell(on, SCORED, _scored("a"), "scored")
            before = await _until_steps(on, 1, state="sent")
        (told,) = await on.records(ENROLLED)
        await on.storage.delete(ENROLMENTS, [one["_id"] for one in await on.storage.find(ENROLMENTS, {})])
        # By now the lead would be picked for another sequence, which its first score has done already.
        await on.storage.put(LEADS, [lead(_id="a", score=10, company={"name": "Blue Fork", "size": "enterprise"})])
        async with on.running("nurture"):
            await _tell(on, TRIGGERED, _triggered("a", "website_engagement"), "visit")
            await _tell(on, SCORED, _scored("a"), "scored")

            async def told_again() -> bool:
                return len(await on.records(ENROLLED)) == 2

            await until(told_again, "the enrolment told again")
        again = (await on.records(ENROLLED))[-1]
        first, second = (json.loads(one.value or b"") for one in (told, again))
        assert (first["id"], first["data"]) == (second["id"], second["data"])
        (enrolment,) = await on.storage.find(ENROLMENTS, {})
        assert (enrolment["round"], enrolment["sequenceId"], len(enrolment["causes"])) == (1, "default", 2)
        assert await on.count(STEPS) == 3
        assert (await on.storage.find(STEPS, {"state": "sent"}))[0]["decidedAt"] == before[0]["decidedAt"]


_OLD_DATE = {"field": "createdAt", "operator": "less_than", "value": "2030-01-01T00:00:00"}
_UNKNOWN = {"field": "x", "operator": "resembles", "value": 1}


async def test_a_step_that_cannot_be_read_is_skipped_alone_with_its_reason(local: LocalServers) -> None:
    due = _now() - timedelta(minutes=5)
    decided = {"decided": {"actionId": 7}, "why": "w", "decidedAt": due, "causationId": "c", "correlationId": "c"}
    broken: dict[str, tuple[dict[str, Any], str]] = {
        "no action": ({"action": None}, "the step can't be read"),
        "no due time": ({"dueAt": None}, "the step can't be read"),
        "unknown operator": ({"conditions": [_UNKNOWN]}, "condition can't be read: operator"),
        "decided by another version": (decided, "the decided step can't be read"),
    }
    async with bench(local) as on:
        await on.storage.insert_new(LEADS, [_person(number) for number in range(5)])
        early, text_date, late = _first_step(0, due), _first_step(1, due), _first_step(2, due)
        bad = [
            {**_first_step(3, due), "_id": name, "leadId": "lead-4", "wakeAt": due, **fields}
            for name, (fields, _) in broken.items()
        ]
        bare = {name: value for name, value in bad[0].items() if name not in ("leadId", "source", "personalization")}
        rows = [early, *bad, {**bare, "_id": "bare"}, {**text_date, "conditions": [_OLD_DATE]}, late]
        await on.storage.insert_new(STEPS, rows)
        async with on.running("nurture"):
            await _until_steps(on, 3, state="sent")
            await until(lambda: _nothing_to_come(on), "all steps through")
        held = {row["_id"]: row for row in await on.storage.find(STEPS, {})}
        assert {name: held[name]["state"] for name in broken} == dict.fromkeys(broken, "skipped")
        assert [name for name, (_, why) in broken.items() if why not in held[name]["why"]] == []
        assert held["bare"]["state"] == "cancelled"
        assert len(await on.records(ACTIONS)) == 3


async def test_steps_that_came_due_while_everything_was_down_go_out_late_in_order_and_not_in_a_burst(
    local: LocalServers,
) -> None:
    async with bench(local) as on:
        await on.storage.insert_new(LEADS, [_person(1)])
        cause = EnrolmentCause("c", "e", "chain", "a test wants it")
        wish = EnrolmentRequest(_person(1), SHIPPED.by_id("default"), cause)
        enrolment, steps = new_enrolment(wish, SHIPPED, _now() - timedelta(days=30))
        await on.storage.insert_new(names.ENROLMENTS, [enrolment])
        await on.storage.insert_new(names.STEPS, list(reversed(steps)))
        async with (
            on.running("nurture"),
            on.running("nurture"),
        ):
            await _until_steps(on, 1, state="sent", stepId="welcome")

            async def spaced() -> bool:
                (guide,) = await on.storage.find(STEPS, {"leadId": "lead-1", "stepId": "guide"})
                return bool(guide["wakeAt"] > _now() + timedelta(hours=23))

            await until(spaced, "the second late step a day away")
            _, stories = await explanation_of(on.to.mongo, "test", "lead-1", OPT_OUT) or ([], [])
        assert len(await on.records(ACTIONS)) == 1
        words = {line.step: line.words for line in stories[0].lines}
        assert words["welcome"].endswith("30 days late")
        assert "waits: the last step went out late, and this one follows at least 1 day after it" in words["guide"]


async def test_a_changed_file_takes_newcomers_another_way_and_leaves_those_in_it_alone(
    local: LocalServers, tmp_path: Path
) -> None:
    file = tmp_path / "config" / "sequences.yaml"
    file.parent.mkdir()
    file.write_text(SHIPPED_TEXT)
    async with bench(local) as on, on.running("nurture", sequences_file=file):
        await on.storage.insert_new(LEADS, [_person(number) for number in range(200)])
        await _tell(on, SCORED, _scored("lead-0"), "scored 0")
        await _until_steps(on, 1, leadId="lead-0", state="sent")
        before = await on.storage.find(STEPS, {"leadId": "lead-0"})
        file.write_text(SHIPPED_TEXT.replace("delay: 10\n", "delay: 11\n"))
        numbers = iter(range(1, 200))

        async def taken() -> bool:
            number = next(numbers)
            await _tell(on, SCORED, _scored(f"lead-{number}"), f"scored {number}")
            await _until_steps(on, 1, leadId=f"lead-{number}", state="sent")
            (step,) = await on.storage.find(STEPS, {"leadId": f"lead-{number}", "stepId": "check_in"})
            return bool(step["gap"] == timedelta(days=8).total_seconds())

        await until(taken, "a newcomer under the new file")
        assert await on.storage.find(STEPS, {"leadId": "lead-0"}) == before
