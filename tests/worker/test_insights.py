"""Insights on real servers: every lead counts once as it is now, and every event stands in its lead's timeline."""

import json
import random
from collections import Counter
from datetime import timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest

from deploy.local import LocalServers
from schemas.lead import Lead
from schemas.outputs import LeadCreated, LeadRejected, RescoreRequested
from schemas.reasons import RejectionReason
from schemas.topics import (
    ACTIVITIES,
    CAPTURED,
    CONVERT,
    CONVERTED,
    CREATED,
    ENROLLED,
    ERASE,
    ERASED,
    QUALIFIED,
    QUALIFY,
    REJECTED,
    RESCORE,
    UPDATE,
)
from services.gateway.analytics.queries import Figures
from services.insights.rebuild import Verdict, rebuild, verify
from services.insights.rollup_store import apply_shards, count_leads, shard_of
from services.insights.timeline_store import forget_erased, place_events
from shared.clock import system_clock
from shared.domain.rollups import META
from shared.kafka.decoding import decode
from shared.kafka.events import Received, Record, emit
from shared.mongo.names import CollectionName
from shared.mongo.storage import Storage
from tests.builders import data, event, lead
from tests.collection_names import ACTIVITIES as ACTIVITIES_DONE
from tests.collection_names import CAPTURES, INSIGHTS, LEAD_ROWS, LEAD_WORDS, LEADS, ROLLUPS, TIMELINE, TIMELINE_PENDING
from tests.harness import Bench, Killed, Mortal, bench, lead_id, until, until_told

UTC = ZoneInfo("UTC")
BY = {"requestedBy": "sam"}


async def _verdict(on: Bench) -> Verdict:
    try:
        return await verify(on.storage)
    except LookupError:
        return Verdict(0, 0, ("nothing counted",), moving=False)


async def _until_equal(on: Bench, leads: int) -> None:
    """Wait until so many leads are counted as they are; some may be about to change once more."""

    async def equal() -> bool:
        verdict = await _verdict(on)
        return verdict.leads == leads and verdict.equal

    await until(equal, f"{leads} leads counted", every_s=0.5)


async def _topics(on: Bench, lead: str) -> list[str]:
    rows = await on.storage.find(TIMELINE, {"leadId": lead}, sort=(("key", 1),))
    return [row["topic"] for row in rows]


async def test_a_leads_whole_life_stands_in_its_timeline_once(local: LocalServers) -> None:
    who = lead_id("c1")
    async with bench(local) as on, on.running():
        await on.publish([event(data(), event_id="c1")] * 3)
        await until_told(on, ENROLLED, 1)
        call = {
            "type": "call",
            "description": "Talked it over",
            "createdBy": "sam",
            "completedAt": "2026-03-01T10:00:00Z",
        }
        by_mail = event({"email": "ANA@example.com", "activity": call}, ACTIVITIES, "a1")
        await on.publish([by_mail, by_mail], ACTIVITIES)
        await on.publish([event({"leadId": who, **BY, "requirements": {"budget": 5}}, QUALIFY, "q1")], QUALIFY)
        await until_told(on, QUALIFIED, 1)
        await on.publish([event({"leadId": who, **BY}, CONVERT, "v1")] * 2, CONVERT)
        await until_told(on, CONVERTED, 1)
        inputs = {"leads.captured", "leads.activities", "leads.qualify", "leads.convert"}
        outputs = {"leads.created", "leads.scored", "leads.assigned", "nurture.enrolled", "leads.qualified"}

        async def placed() -> bool:
            return {*inputs, *outputs, "leads.converted"} <= set(await _topics(on, who))

        await until(placed, "every event placed")
        await _until_equal(on, 1)
        rows = await on.storage.find(TIMELINE, {"leadId": who})
        assert Counter(row["topic"] for row in rows if row["topic"] in inputs) == dict.fromkeys(inputs, 1)
        ids = {row["eventId"] for row in rows}
        assert all(row["causationId"] in ids for row in rows if "causationId" in row and row["topic"] in outputs)
        assert await on.count(TIMELINE_PENDING) == 0


@pytest.mark.long
async def test_figures_are_exact_whoever_is_killed_and_whatever_comes_again(own: LocalServers) -> None:
    rng = random.Random(7)
    people = 40
    captures = [event(data(email=f"p{n}@example.com"), event_id=f"c{n}") for n in range(people)]
    others = ("capture", "scoring", "assignment", "engagement", "qualification", "conversion", "nurture", "erasure")
    async with bench(own) as on, on.running(*others):
        crews = [on.process("insights"), on.process("insights")]
        try:
            for round_ in range(4):
                await on.publish(_shuffled(captures[: 10 * (round_ + 1)] * 2, rng))
                await _commands(on, range(10 * round_, 10 * (round_ + 1)), rng)
                await _until_counting(on, 10 * round_ + 1)
                crews[round_ % 2].kill()
                crews[round_ % 2].wait()
                crews[round_ % 2] = on.process("insights")
            await until_told(on, CONVERTED, people // 2)
            await _until_equal(on, people)
            won = sum(row["is"]["status"].get("converted", 0) for row in await on.storage.find(ROLLUPS, {}))
            assert won == people // 2 * 2  # a day's bucket, and its week's
        finally:
            for one in crews:
                one.kill()
                one.wait()


async def _until_counting(on: Bench, leads: int) -> None:
    async def begun() -> bool:
        return await on.count(LEAD_ROWS) >= leads

    await until(begun, f"{leads} leads counted at least")


def _shuffled(values: list[bytes], rng: random.Random) -> list[bytes]:
    rng.shuffle(values)
    return values


async def _commands(on: Bench, numbers: range, rng: random.Random) -> None:
    """Qualify each of these leads, and convert every second one, twice each and in any order."""
    ids = [lead_id(f"c{n}") for n in numbers]
    fit = [event({"leadId": one, **BY, "requirements": {"budget": 5}}, QUALIFY, f"q{one}") for one in ids]
    await on.publish(_shuffled(fit * 2, rng), QUALIFY)
    await until_told(on, QUALIFIED, numbers.stop)
    even = [one for number, one in zip(numbers, ids, strict=True) if number % 2 == 0]
    await on.publish(_shuffled([event({"leadId": one, **BY}, CONVERT, f"v{one}") for one in even] * 2, rng), CONVERT)


async def test_an_erased_lead_leaves_the_count_and_no_word_and_late_events_bring_nothing_back(
    local: LocalServers,
) -> None:
    who = lead_id("c1")
    # One's own words for an industry, with what paths of a document mean something else by; and one who shares a part.
    industry = {"industry": "$zyzzyva.of %2E $set"}
    captured = event(data(email="ana@example.com", last="Zyzzyva", company=industry), event_id="c1")
    async with bench(local) as on, on.running():
        await on.publish([captured, event(data(email="bo@example.com", company={"industry": "$set"}), event_id="c2")])
        await until_told(on, ENROLLED, 2)
        await _until_equal(on, 2)
        await on.publish([event({"leadId": who, "requestedBy": "desk"}, ERASE, "x1")], ERASE)
        await until_told(on, ERASED, 1)
        await on.publish([captured])
        await on.publish([event({"leadId": who, **BY, "status": "lost"}, UPDATE, "u1")], UPDATE)
        await _until_equal(on, 1)

        async def clean() -> bool:
            rows = {name: await on.storage.find(name, {}) for name in await on.storage.collections()}
            held = (LEAD_ROWS, LEAD_WORDS, TIMELINE, TIMELINE_PENDING, INSIGHTS, ROLLUPS)
            text = json.dumps({name: rows[name] for name in held}, default=str)
            timeline = [row for row in rows[TIMELINE] if row["leadId"] == who]
            gone = [row for row in rows[LEAD_ROWS] if row["_id"] == who]
            bare = [row.keys() for row in rows[LEAD_WORDS] if row["_id"] == who] == [{"_id", "v"}]
            left = "zyzzyva" in text.casefold()
            return not timeline and not left and [one.get("gone") for one in gone] == [True] and bare

        await until(clean, "nothing left of the erased lead")
        everything = {name: await on.storage.find(name, {}) for name in await on.storage.collections()}
        assert "zyzzyva" not in json.dumps(everything, default=str).casefold()
        names = {name for row in everything[ROLLUPS] for name in row["is"].get("industry", {})}
        assert names == {"%24set"}


async def test_a_rebuild_mends_what_was_spoilt_while_leads_come_and_go(local: LocalServers) -> None:
    async with bench(local) as on, on.running():
        await on.publish([event(data(email=f"p{n}@example.com"), event_id=f"c{n}") for n in range(40)])
        await until_told(on, ENROLLED, 40)
        await _until_equal(on, 40)
        (bucket, *_) = await on.storage.find(ROLLUPS, {})
        await on.storage.change_all(ROLLUPS, {"_id": bucket["_id"]}, {"$inc": {"is.source.website.n": 3}})
        await on.storage.change_all(LEAD_WORDS, {"_id": lead_id("c3")}, {"$set": {"words": " spoilt "}})
        await on.storage.delete(LEAD_WORDS, [lead_id("c4")])
        spoilt = await verify(on.storage)
        assert [one.partition(":")[0].split()[0] for one in spoilt.differences] == ["words", "words", "bucket"]
        await on.publish([event(data(email=f"late{n}@example.com"), event_id=f"d{n}") for n in range(40)])
        assert [done async for done in rebuild(on.storage, UTC)][-1] >= 40
        await until_told(on, ENROLLED, 80)
        await _until_equal(on, 80)
        assert {row["_id"][:6] for row in await on.storage.find(ROLLUPS, {})} == {"000002"}


async def test_days_are_those_of_the_zone_and_another_zone_waits_for_a_rebuild(local: LocalServers) -> None:
    async with bench(local) as on:
        async with on.running("capture", "scoring", "insights"):
            await on.publish([event(data(), event_id="c1")])
            await _until_equal(on, 1)
        far = ZoneInfo("Pacific/Kiritimati")
        await on.storage.change_all(LEADS, {}, {"$set": {"createdAt": system_clock().replace(hour=23, minute=30)}})
        async with on.running("capture", "scoring", "insights", timezone=far.key):
            await on.publish([event(data(email="bo@example.com"), event_id="c2")])

            async def created() -> bool:
                return await on.count(LEADS) == 2

            await until(created, "two leads")
            assert (await on.storage.read(INSIGHTS, [META]))[META]["zone"] == "UTC"
            assert [done async for done in rebuild(on.storage, far)] == [1, 2]
            await _until_equal(on, 2)
        row = (await on.storage.read(LEAD_ROWS, [lead_id("c1")]))[lead_id("c1")]
        assert row["counts"]["day"] == (system_clock() + timedelta(days=1)).date().isoformat()


async def test_counting_that_is_killed_at_any_step_is_brought_to_its_end_by_the_next(local: LocalServers) -> None:
    async with bench(local) as on:
        leads = [lead(_id=f"lead-{n}", score=10 * (n % 11)) for n in range(60)]
        await on.storage.insert_new(LEADS, leads)
        step, killed = 1, True
        while killed:
            killed = await _killed_at(on, step, [one["_id"] for one in leads], score=step)
            # Another process counts one lead of each shard, as its next event would have it.
            await count_leads(on.storage, _one_of_each_shard(leads), UTC)
            await count_leads(on.storage, [one["_id"] for one in leads], UTC)
            verdict = await verify(on.storage)
            assert verdict.equal, (step, verdict.differences[:3])
            step += 1
        assert step > 8


async def test_a_frozen_process_that_writes_late_brings_no_words_of_an_erased_lead_back(local: LocalServers) -> None:
    async with bench(local) as on:
        who = "lead-1"
        await on.storage.insert_new(LEADS, [lead(_id=who)])
        frozen: list[Any] = []

        class Freezing(Mortal):
            """Keeps what a process was about to apply."""

            async def insert_new(self, collection: CollectionName[Any], documents: list[Any]) -> set[str]:
                if collection == LEAD_WORDS:
                    frozen.extend(await on.storage.find(INSIGHTS, {"_id": shard_of(who)}))
                return await on.storage.insert_new(collection, documents)

        for last in ("Reyes", "Moreno"):
            await on.storage.change_all(LEADS, {}, {"$set": {"contact.lastName": last}})
            await count_leads(cast("Storage", Freezing(on.storage, 99)), [who], UTC)
        assert [len(one["pending"]["words"]) for one in frozen] == [1, 1]
        await apply_shards(on.storage, frozen[:1])
        (words,) = await on.storage.find(LEAD_WORDS, {})
        assert "moreno" in words["words"]
        await on.storage.delete(LEADS, [who])
        await count_leads(on.storage, [who], UTC)
        await apply_shards(on.storage, frozen)
        assert [row.keys() for row in await on.storage.find(LEAD_WORDS, {})] == [{"_id", "v"}]
        assert [row["gone"] for row in await on.storage.find(LEAD_ROWS, {})] == [True]


@pytest.mark.parametrize("counted", [False, True])
@pytest.mark.parametrize("erased", [False, True])
async def test_a_process_frozen_before_its_first_write_stores_nothing_that_others_know_better(
    local: LocalServers, *, counted: bool, erased: bool
) -> None:
    """Meanwhile the lead is erased, or returns to its earlier state. `counted`: it had a row before."""
    async with bench(local) as on:
        who, earlier = "lead-1", {"$set": {"contact": lead()["contact"]}}
        await on.storage.insert_new(LEADS, [lead(_id=who)])
        if counted:
            await count_leads(on.storage, [who], UTC)
        await on.storage.change_all(LEADS, {}, {"$set": {"contact.lastName": "Moreno"}})

        class Frozen(Mortal):
            """Sleeps before its first write of a shard, and another process takes its events over."""

            slept = False

            async def change(self, collection: str, changes: Any) -> bool:
                if collection == INSIGHTS and not self.slept:
                    self.slept = True
                    await on.storage.change_all(LEADS, {}, earlier)
                    if erased:
                        await on.storage.delete(LEADS, [who])
                    await count_leads(on.storage, [who], UTC)
                return await on.storage.change(collection, changes)

        await count_leads(cast("Storage", Frozen(on.storage, 99)), [who], UTC)
        assert (await verify(on.storage)).differences == ()
        assert "moreno" not in json.dumps(await on.storage.find(LEAD_WORDS, {}))


async def test_words_are_written_only_when_they_change(local: LocalServers) -> None:
    async with bench(local) as on:
        await on.storage.insert_new(LEADS, [lead(_id="lead-1")])
        versions = []
        for change in ({"status": "new"}, {"status": "lost"}, {"score": 70}, {"contact.lastName": "Moreno"}):
            await on.storage.change_all(LEADS, {}, {"$set": change})
            await count_leads(on.storage, ["lead-1"], UTC)
            (words,), (row,) = await on.storage.find(LEAD_WORDS, {}), await on.storage.find(LEAD_ROWS, {})
            versions.append((row["v"], words["v"]))
        assert versions == [(1, 1), (2, 1), (3, 1), (4, 4)]


async def test_a_rebuild_gives_rows_of_earlier_releases_their_words(local: LocalServers) -> None:
    async with bench(local) as on:
        leads = [lead(_id=f"lead-{n}") for n in range(30)]
        await on.storage.insert_new(LEADS, leads)
        await count_leads(on.storage, [one["_id"] for one in leads], UTC)
        earlier: dict[str, object] = {"words": ["reyes"], "prefixes": ["rey"]}
        await on.storage.change_all(LEAD_ROWS, {}, {"$set": earlier, "$unset": {"named": ""}})
        await on.storage.delete(LEAD_WORDS, [one["_id"] for one in leads])
        await on.storage.delete(LEADS, ["lead-7"])
        assert len((await verify(on.storage)).differences) > 30
        assert [done async for done in rebuild(on.storage, UTC)][-1] == 29
        assert (await verify(on.storage)).differences == ()
        assert await on.count(LEAD_ROWS, {"words": {"$exists": True}}) == 0
        assert await on.count(LEAD_WORDS, {"words": {"$exists": True}}) == 29


async def test_a_rebuild_deletes_the_words_that_an_earlier_releases_erasure_left(local: LocalServers) -> None:
    """Its workers know neither `named` nor `lead_words`."""
    async with bench(local) as on:
        await on.storage.insert_new(LEADS, [lead(_id="lead-1")])
        await count_leads(on.storage, ["lead-1"], UTC)
        await on.storage.delete(LEADS, ["lead-1"])
        known = dict.fromkeys(("key", "terms", "counts"), "")
        await on.storage.change_all(LEAD_ROWS, {}, {"$set": {"gone": True}, "$unset": known})
        await on.storage.delete_all(ROLLUPS, {})
        assert (await verify(on.storage)).differences == ("words lead-1: its lead is no more",)
        assert [done async for done in rebuild(on.storage, UTC)] == []
        assert [row.keys() for row in await on.storage.find(LEAD_WORDS, {})] == [{"_id", "v"}]
        assert [row.keys() for row in await on.storage.find(LEAD_ROWS, {})] == [{"_id", "v", "generation", "gone"}]


async def test_who_reads_figures_while_they_change_reads_the_new_ones_afterwards(local: LocalServers) -> None:
    async with bench(local) as on:
        figures = Figures(on.storage, system_clock, "UTC", looks_apart_s=0)

        class Watched(Mortal):
            """Between any two calls, somebody looks."""

            def __getattr__(self, name: str) -> Any:
                made = super().__getattr__(name)

                async def call(*args: Any, **kwargs: Any) -> Any:
                    try:
                        return await made(*args, **kwargs)
                    finally:
                        await figures.leads("week")

                return call

        for number in (1, 2, 3):
            await on.storage.insert_new(LEADS, [lead(_id=f"lead-{number}", createdAt=system_clock())])
            await count_leads(cast("Storage", Watched(on.storage, 99)), [f"lead-{number}"], UTC)
            assert (await figures.leads("week"))["totalLeads"] == number


async def _killed_at(on: Bench, step: int, ids: list[str], *, score: int) -> bool:
    """Change every lead and its name, and count them until this step; whether it came to that."""
    await on.storage.change_all(LEADS, {}, {"$set": {"score": score, "contact.lastName": f"Reyes{score}"}})
    try:
        await count_leads(cast("Storage", Mortal(on.storage, step)), ids, UTC)
    except Killed:
        return True
    return False


def _one_of_each_shard(leads: list[dict[str, Any]]) -> list[str]:
    return list({shard_of(one["_id"]): one["_id"] for one in leads}.values())


async def test_what_a_killed_process_placed_of_an_erased_lead_goes_when_its_event_comes_again(
    local: LocalServers,
) -> None:
    who = lead()["_id"]
    call = {"type": "call", "description": "Talked it over", "createdBy": "sam"}
    told = event({"email": "ana@example.com", "activity": call}, ACTIVITIES, "a1")
    received = _decoded(Record(ACTIVITIES.name, 0, 0, b"", told))
    key = received.key
    async with bench(local) as on:
        await on.storage.insert_new(LEADS, [lead()])
        await on.storage.insert_new(ACTIVITIES_DONE, [{"_id": received.key, "leadId": who}])

        class Late(Mortal):
            """Held up before its first write, until the lead is erased; killed right after it."""

            async def insert_new(
                self, collection: CollectionName[dict[str, Any]], documents: list[dict[str, Any]]
            ) -> None:
                await on.storage.delete(LEADS, [who])
                await on.storage.delete(ACTIVITIES_DONE, [key])
                await on.storage.insert_new(collection, documents)
                raise Killed

        with pytest.raises(Killed):
            await place_events(cast("Storage", Late(on.storage, 99)), [received], system_clock())
        assert await on.count(TIMELINE) == 1
        await forget_erased(on.storage, await place_events(on.storage, [received], system_clock()), system_clock())
        assert await on.count(TIMELINE) == 0


async def test_the_timeline_of_a_lead_that_is_stored_meanwhile_is_left_alone(local: LocalServers) -> None:
    """An activity names a lead that is not there; the lead comes, with an event of its own in another process."""
    who = lead()["_id"]
    early = {"leadId": who, "activity": {"type": "call", "description": "spoke", "createdBy": "sam"}}
    received = _decoded(Record(ACTIVITIES.name, 0, 0, b"", event(early, ACTIVITIES, "a1")))
    async with bench(local) as on:

        class Slow:
            """Held up before it deletes anything, until the lead is stored and its event has its place."""

            def __getattr__(self, name: str) -> Any:
                return getattr(on.storage, name)

            async def delete_all(self, collection: str, query: Any) -> int:
                await on.storage.insert_new(LEADS, [lead()])
                await on.storage.insert_new(TIMELINE, [{"_id": "created", "leadId": who}])
                return await on.storage.delete_all(collection, query)

        slow = cast("Storage", Slow())
        await forget_erased(slow, await place_events(slow, [received], system_clock()), system_clock())
        await on.storage.insert_new(LEADS, [lead()])
        await on.storage.insert_new(TIMELINE, [{"_id": "created", "leadId": who}])
        assert await on.count(TIMELINE, {"leadId": who}) == 1


async def test_a_rejection_of_a_lead_that_is_yet_to_come_puts_nothing_aside_and_takes_nothing_away(
    local: LocalServers,
) -> None:
    """The lead comes between the rejection and its forgetting: its timeline stays whole."""
    who = lead()["_id"]
    asked = _decoded(Record(CONVERT.name, 0, 0, b"", event({"leadId": who, **BY}, CONVERT, "q1")))
    no = LeadRejected(
        lead_id=who, command=CONVERT.name, command_id="q1", reason=RejectionReason.LEAD_NOT_FOUND, detail="no lead"
    )
    told = emit(REJECTED, no, cause=asked.cause, key=who, source="/services/conversion", at=system_clock())
    rejected = _decoded(Record(told.topic, 0, 0, told.key, told.value))
    async with bench(local) as on:
        placed = await place_events(on.storage, [asked, rejected], system_clock())
        await on.storage.insert_new(LEADS, [lead()])
        await on.storage.insert_new(TIMELINE, [{"_id": "created", "leadId": who}])
        await on.storage.delete(LEADS, [who])
        await forget_erased(on.storage, placed, system_clock())
        assert await on.count(TIMELINE, {"leadId": who}) == 1


@pytest.mark.parametrize("reason", [RejectionReason.LEAD_LOST, RejectionReason.LEAD_NOT_FOUND])
async def test_a_rejection_that_a_killed_process_placed_of_an_erased_lead_goes_when_it_comes_again(
    local: LocalServers, reason: RejectionReason
) -> None:
    who = lead()["_id"]
    asked = _decoded(Record(CONVERT.name, 0, 0, b"", event({"leadId": who, **BY}, CONVERT, "q1")))
    no = LeadRejected(lead_id=who, command=CONVERT.name, command_id="q1", reason=reason, detail="no")
    told = emit(REJECTED, no, cause=asked.cause, key=who, source="/services/conversion", at=system_clock())
    rejected = _decoded(Record(told.topic, 0, 0, told.key, told.value))
    async with bench(local) as on:
        await on.storage.insert_new(LEADS, [lead()])

        class Late(Mortal):
            """Writes its first rows after the lead is erased, and is killed right after it."""

            async def insert_new(self, collection: CollectionName[Any], documents: list[Any]) -> None:
                await on.storage.delete(LEADS, [who])
                await on.storage.insert_new(collection, documents)
                raise Killed

        with pytest.raises(Killed):
            await place_events(cast("Storage", Late(on.storage, 99)), [rejected], system_clock())
        assert await on.count(TIMELINE) == 1
        await forget_erased(on.storage, await place_events(on.storage, [rejected], system_clock()), system_clock())
        assert await on.count(TIMELINE) == 0


async def test_an_activity_and_an_erasure_that_both_come_before_their_lead_lose_no_row(local: LocalServers) -> None:
    who = lead()["_id"]
    call = {"leadId": who, "activity": {"type": "call", "description": "spoke", "createdBy": "sam"}}
    early = _decoded(Record(ACTIVITIES.name, 0, 0, b"", event(call, ACTIVITIES, "a1")))
    erase = _decoded(Record(ERASE.name, 0, 0, b"", event({"leadId": who, **BY}, ERASE, "e1")))
    async with bench(local) as on:
        await forget_erased(on.storage, await place_events(on.storage, [early, erase], system_clock()), system_clock())
        assert (await on.count(TIMELINE), await on.count(TIMELINE_PENDING)) == (0, 1)


async def test_of_an_erased_lead_neither_an_activity_nor_its_effect_in_one_batch_stays(local: LocalServers) -> None:
    who = lead()["_id"]
    call = {"leadId": who, "activity": {"type": "call", "description": "spoke", "createdBy": "sam"}}
    received = _decoded(Record(ACTIVITIES.name, 0, 0, b"", event(call, ACTIVITIES, "a1")))
    effect = RescoreRequested(lead_id=who, reason="activity_recorded")
    told = emit(RESCORE, effect, cause=received.cause, key=who, source="/services/engagement", at=system_clock())
    rescore = _decoded(Record(told.topic, 0, 0, told.key, told.value))
    async with bench(local) as on:
        await forget_erased(
            on.storage, await place_events(on.storage, [received, rescore], system_clock()), system_clock()
        )
        assert await on.count(TIMELINE) == await on.count(TIMELINE_PENDING) == 0
        await on.storage.insert_new(LEADS, [lead()])
        await forget_erased(
            on.storage, await place_events(on.storage, [received, rescore], system_clock()), system_clock()
        )
        assert sorted(await _topics(on, who)) == ["leads.activities", "leads.rescore"]


async def test_a_capture_that_is_seen_while_its_lead_is_being_stored_stands_in_the_timeline(
    local: LocalServers,
) -> None:
    who = lead()["_id"]
    captured = _decoded(Record(CAPTURED.name, 0, 0, b"", event(data(), event_id="c1")))
    news = LeadCreated(lead=Lead.of(lead()))
    told = emit(CREATED, news, cause=captured.cause, key=who, source="/services/capture", at=system_clock())
    created = _decoded(Record(told.topic, 0, 0, told.key, told.value))
    async with bench(local) as on:
        await on.storage.insert_new(CAPTURES, [{"_id": captured.key, "leadId": who}])
        await place_events(on.storage, [captured], system_clock())
        await on.storage.insert_new(LEADS, [lead()])
        await place_events(on.storage, [created], system_clock())
        assert sorted(await _topics(on, who)) == ["leads.captured", "leads.created"]
        assert await on.count(TIMELINE_PENDING) == 0


def _decoded(record: Record) -> Received:
    received = decode(record, "US")
    assert isinstance(received, Received)
    return received
