"""What an earlier commit left in database and topics opens, and goes on.

A dump is kept from before documents changed their shape (`make.py`): this commit's workers take it over, five days
later by the clock, in the midst of what was going on.
"""

import json
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiokafka import TopicPartition

from deploy.local import LocalServers
from schemas.lead import Lead
from schemas.topics import (
    ACTIONS,
    ACTIVITIES,
    CAPTURED,
    CONVERT,
    CONVERTED,
    CREATED,
    DEADLETTER,
    ERASE,
    ERASED,
    MERGED,
    QUALIFY,
    REJECTED,
    SUSPECTED,
    TOPICS,
    UPDATE,
    Topic,
)
from services.composition.workers import TOPICS_OF, WORKERS
from shared.clock import system_clock
from shared.domain.identity.normal_forms import identity_of
from shared.domain.identity.older_forms import older_claims
from shared.domain.identity.suspicion import pair_event_id
from shared.kafka.events import Record
from shared.leads.lead_check import check_leads
from shared.service import WorkerProcess
from tests.builders import data, event
from tests.collection_names import ACTIVITIES as STORED_ACTIVITIES
from tests.collection_names import CAPTURES, IDENTITIES, LEADS, PENDING_EVENTS, STEPS
from tests.gateway import NOTHING_TO_REWRITE, typed
from tests.harness import Bench, bench, capture_key, lead_id, until
from tests.older import store_of_before
from tests.upgrade import cast, keeping
from tests.upgrade.cast import Sent, activity, captured, command, email, engaged, said
from tests.upgrade.keeping import Dump

_DUMP = Path(__file__).parent / "dump-1.jsonl.gz"
_NOW = datetime(2026, 12, 4, 8, 0, tzinfo=UTC)
"""When the workers of today begin: steps of the second to the fifth day are due."""
_TODAY = {"time": "2026-12-04T07:00:00+00:00"}

# It holds what nobody could read back, and is refused today.
_NOT_AGAIN = frozenset({"ref-1"})
_OWN = ("source", "status", "company", "contact", "requirements", "consent", "context", "createdAt", "convertedAt")
_NAMES = (
    *("ana", "ben", "cara", "dan", "eve", "fay", "gus", "hal", "ida", "jon", "kim", "max", "oli", "pam", "many"),
    *("deal", "ned", "dated", "two", "twin", "ref", "lea", "half", "new"),
)
_READ = (LEADS, CAPTURES, STEPS, STORED_ACTIVITIES)
_STATUS = {
    **dict.fromkeys(("ana-1", "ref-1"), "qualified"),
    "ben-1": "contacted",
    "cara-1": "lost",
    **dict.fromkeys(("dan-1", "eve-1", "gus-1", "lea-1", "max-1", "deal-1"), "converted"),
    "fay-1": "unqualified",
    **dict.fromkeys(("hal-1", "ida-1", "jon-1", "many-1", "ned-1", "half-1", "kim-2"), "new"),
    **dict.fromkeys(("kim-1", "oli-1", "pam-1"), None),
}
"""By the id of the lead's first capture; None is erased."""
_CAPTURES_TOLD = {"new-1", "new-2", "ana-3", "ana-4", "hal-2", "kim-2", "lea-1", "ref-2"}
_BANT = {
    "budget": {"confirmed": True},
    "authority": {"isDecisionMaker": True},
    "need": {"painPoints": ["manual ordering"]},
    "timeline": {"urgency": "immediate"},
}


def _later(one: Sent) -> Sent:
    """The same event, of today."""
    return Sent(one.topic, one.key, json.dumps(json.loads(one.value) | _TODAY).encode())


def _first() -> Iterator[Sent]:
    """What comes on the first day with the new workers, of people whom the old ones knew."""
    yield captured("ana", 4, company={"website": "https://www.example.com/ana"})
    yield captured("hal", 2)
    yield captured("kim", 2)
    yield captured("lea")
    yield captured("ref", 2, phone="(202) 555-0199")
    yield command("ref", QUALIFY, "ref-fit", requirements={"painPoints": ["food waste"]})
    yield command("deal", CONVERT, "deal-again")
    yield activity("ben", "ben-call")
    yield said("gus", ACTIVITIES, {"email": email("gus"), "activity": cast.CALL}, "gus-call")
    yield engaged("ned", "unsubscribed", "ned-out")
    yield command("max", QUALIFY, "max-bant", bant=_BANT)
    yield command("eve", CONVERT, "eve-deal", opportunity={"amount": 20_000})
    yield command("gus", CONVERT, "gus-again")
    yield command("cara", UPDATE, "cara-lost", status="lost")
    yield command("oli", ERASE, "oli-gone")


def _second() -> Iterator[Sent]:
    """What follows once both are qualified."""
    yield command("max", CONVERT, "max-deal")
    yield command("lea", CONVERT, "lea-deal")


@asynccontextmanager
async def _taken_over(
    local: LocalServers, now: datetime, names: Iterable[str] = tuple(WORKERS)
) -> AsyncIterator[tuple[Bench, Dump]]:
    """Today's workers on what the dump holds, begun at this time."""
    dump, began = keeping.read(_DUMP), system_clock()
    async with bench(local) as on:
        await keeping.restored(on, dump)
        builds = [WORKERS[name] for name in names]
        async with WorkerProcess(on.settings, on.to, builds, clock=lambda: now + (system_clock() - began)):
            yield on, dump


async def _qualified(on: Bench, *names: str) -> bool:
    leads = await on.storage.read(LEADS, map(lead_id, names))
    return [one["status"] for one in leads.values()] == ["qualified"] * len(names)


async def _through(on: Bench, now: datetime) -> None:
    """Wait until nothing is left to do: all records committed, no event waiting, no step due."""
    seen: list[Mapping[TopicPartition, int]] = [{}]

    async def done() -> bool:
        seen.append(keeping.ends(await on.records(*TOPICS.values())))
        for name, topics in TOPICS_OF.items():
            committed = await keeping.committed_by(on, f"pantry.{name}", topics)
            if any(committed.get(place, 0) < end for place, end in seen[-1].items() if place.topic in topics):
                return False
        due = {"wakeAt": {"$lte": now + timedelta(hours=1)}}
        # What was published after the ends were read shows in the next look.
        return seen[-1] == seen[-2] and not await on.count(PENDING_EVENTS) and not await on.count(STEPS, due)

    await until(done, "everything through", every_s=2)


def _captures_again(dump: Dump) -> list[Record]:
    """Every capture that the old workers took."""
    dead = {one.value for one in dump.records if one.topic == DEADLETTER.name}
    captures = [one for one in dump.records if one.topic == CAPTURED.name and one.value not in dead]
    return [one for one in captures if json.loads(one.value or b"")["id"] not in _NOT_AGAIN]


@pytest.mark.usefixtures("quiet")
async def test_the_workers_of_today_go_on_with_what_an_earlier_commit_left(local: LocalServers) -> None:
    async with _taken_over(local, _NOW) as (on, dump):
        await on.publish([one.value for one in _captures_again(dump)], CAPTURED)
        await cast.publish(on, map(_later, _first()))
        await until(lambda: _qualified(on, "max-1", "lea-1"), "both qualified", every_s=0.5)
        await cast.publish(on, map(_later, _second()))
        await _through(on, _NOW)
        records = await on.records(*TOPICS.values())
        found = {name: [one async for page in on.storage.scan(name) for one in page] for name in _READ}
        repaired = {one.id: done async for one, done in check_leads(on.storage, repairing=True)}
        left = [one async for one, _ in check_leads(on.storage, repairing=False)]

    leads = {one["_id"]: one for one in found[LEADS]}
    assert _new_dead_letters(dump, records) == []
    assert {name: leads.get(lead_id(name), {}).get("status") for name in _STATUS} == _STATUS
    assert _captures_told(dump, records) == _CAPTURES_TOLD
    _are_as_they_were(dump, leads)
    _filled_and_kept(leads, Counter(one["leadId"] for one in found[CAPTURES]))
    _judged(records)
    _written_to(dump, records, found[STEPS])
    assert all(Lead.of(one).wire() for one in leads.values())
    assert [one["_id"] for one in leads.values() if one["score"] is None] == []
    assert repaired == {lead_id("ref-1"): True, lead_id("deal-1"): True}
    assert left == []
    of_lea = {one["description"] for one in found[STORED_ACTIVITIES] if one["leadId"] == lead_id("lea-1")}
    assert cast.CALL["description"] in of_lea, "it waited for its lead in the dump"


@pytest.mark.usefixtures("quiet")
async def test_a_step_whose_condition_was_stored_with_a_date_as_text_holds_up_no_other(local: LocalServers) -> None:
    late = datetime(2026, 12, 18, 23, 30, tzinfo=UTC)
    async with _taken_over(local, late, ["nurture"]) as (on, _):

        async def nothing_due() -> bool:
            # A step that a scheduler holds wakes again when its lease ends.
            return not await on.count(STEPS, {"wakeAt": {"$lte": late + timedelta(hours=1)}})

        await until(nothing_due, "every step through that was due", every_s=0.5)
        (dated,) = await on.storage.find(STEPS, {"leadId": lead_id("dated-1"), "stepId": "by_date"})
        (after,) = await on.storage.find(STEPS, {"leadId": lead_id("dated-1"), "stepId": "after"})
    assert dated["conditions"][0]["value"] == "2030-01-01T00:00:00Z", "as the old code stored it"
    assert dated["state"] == "sent", dated.get("why")
    assert after["state"] == "scheduled"


_ANA = data(email="ana@xn--bcher-kva.example", phone="(212) 555-0142", company="Fork & Spoon", last="S\u00f8rensen")
_TWIN = data(email="twin@example.com", phone="(212) 555-0142", company="Fork and Spoon", last="Sorensen")
_BO = data(email="\uff42o@example.com", company="Bo", first="Bo")
"""People in spellings that the release before stored otherwise; the first two are one to today's."""


def _of(name: str, payload: Mapping[str, Any], **contact: str) -> Sent:
    """A capture of today of one of these people."""
    spelled = {**payload, "contact": {**payload["contact"], **contact}}
    return Sent(CAPTURED, b"", event(spelled, CAPTURED, name, **_TODAY))


@pytest.mark.usefixtures("quiet")
async def test_claims_in_the_forms_of_the_release_before_are_rewritten_and_the_workers_go_on(
    local: LocalServers,
) -> None:
    dump = keeping.read(_DUMP)
    async with bench(local) as on:
        await keeping.restored(on, dump)
        ana, twin, bo = await store_of_before(on.storage, [_ANA, _TWIN, _BO])
        older = _older_in(dump)
        said = await typed(on, "indexes", "apply")
        rewritten = len(older) + 3
        assert (
            said == f"all indexes exist\nrewrote {rewritten} claims, found 1 pair of leads that look like one person,"
            " 0 unpublished"
        )
        assert await typed(on, "indexes", "apply") == NOTHING_TO_REWRITE
        held = {row["_id"]: row["leadIds"] for row in await on.storage.find(IDENTITIES, {})}
        expected = {older.get(row["_id"], row["_id"]): row["leadIds"] for row in dump.documents[IDENTITIES]}
        assert {name: held.get(name) for name in expected} == expected
        assert held.keys().isdisjoint(older)
        (pair,) = _events(await on.records(SUSPECTED), SUSPECTED)
        assert (pair["id"], {pair["data"]["leadId"], pair["data"]["otherId"]}) == (
            pair_event_id(ana, twin),
            {ana, twin},
        )

        async with on.running("capture", "engagement", "erasure"):
            await cast.publish(
                on,
                [
                    _of("typed", _ANA, email="ana@b\u00fccher.example", phone="(202) 555-0111"),
                    _of("by-person", _TWIN | {"company": {"name": "FORK AND SPOON, Inc."}}, email="new@example.com"),
                    _of("bo-again", _BO, email="Bo@Example.com"),
                    Sent(
                        ACTIVITIES, b"", event({"email": "bo@example.com", "activity": cast.CALL}, ACTIVITIES, "call")
                    ),
                ],
            )

            keys = {name: _key(name) for name in ("typed", "by-person", "bo-again")}

            async def all_in() -> bool:
                return len(await on.storage.read(CAPTURES, keys.values())) == len(keys)

            await until(all_in, "three captures taken in", every_s=0.5)
            rows = await on.storage.read(CAPTURES, keys.values())
            assert {rows[key]["outcome"] for key in keys.values()} == {"merged"}
            assert [rows[keys[name]]["leadId"] for name in ("typed", "bo-again")] == [ana, bo]
            assert rows[keys["by-person"]]["leadId"] in {ana, twin}

            async def called() -> bool:
                return bool(await on.count(STORED_ACTIVITIES, {"leadId": bo}))

            await until(called, "the call at the lead that its address names", every_s=0.5)
            await cast.publish(on, [Sent(ERASE, b"", event({"leadId": ana, **cast.BY}, ERASE, "gone"))])

            async def gone() -> bool:
                return ana in {one["subject"] for one in _events(await on.records(ERASED), ERASED)}

            await until(gone, "the lead erased", every_s=0.5)
        left = await on.storage.find(IDENTITIES, {})
        assert [row for row in left if ana in row["leadIds"] or "moved" in row] == []


def _older_in(dump: Dump) -> dict[str, str]:
    """The claims of the dump that are in an older form, with today's."""
    there = {row["_id"] for row in dump.documents[IDENTITIES]}
    older = [older_claims(identity_of(one, "US"), one, "US") for one in dump.documents[LEADS]]
    found = {form: name for forms in older for form, name in forms.items() if form in there}
    assert len(found) == 10
    return found


def _key(event_id: str) -> str:
    return capture_key("/tests", event_id)


def _new_dead_letters(dump: Dump, records: Sequence[Record]) -> list[bytes | None]:
    old = Counter(one.value for one in dump.records if one.topic == DEADLETTER.name)
    return list((Counter(one.value for one in records if one.topic == DEADLETTER.name) - old).elements())


def _captures_told(dump: Dump, records: Sequence[Record]) -> set[str]:
    """The captures of which more was told than the dump had: by which lead, and how."""
    old = {one["id"] for one in _events(dump.records, CREATED, MERGED)}
    return {f"{one['causationid']}" for one in _events(records, CREATED, MERGED) if one["id"] not in old}


def _are_as_they_were(dump: Dump, leads: Mapping[str, Mapping[str, Any]]) -> None:
    """Nothing happened to the strangers but that all their captures came once more."""
    named = {lead_id(f"{name}-{number}") for name in _NAMES for number in (1, 2)}
    strangers = {one["_id"]: one for one in dump.documents[LEADS] if one["_id"] not in named}
    assert len(strangers) > 50
    before, after = ({key: {n: of.get(key, {}).get(n) for n in _OWN} for key in strangers} for of in (strangers, leads))
    assert after == before


def _filled_and_kept(leads: Mapping[str, Any], rows: Mapping[str, int]) -> None:
    ana, gus = leads[lead_id("ana-1")], leads[lead_id("gus-1")]
    named = {"firstName": "Ana", "lastName": "Reyes", "email": email("ana")}
    assert ana["contact"] == {**named, "title": "Owner", "phone": "(202) 555-0123"}
    assert ana["company"]["website"] == "https://www.example.com/ana"
    assert leads[lead_id("ref-1")]["contact"]["phone"] == "(202) 555-0199"
    # Of two captures that nobody had read, either may make the lead.
    (new,) = [one for one in leads.values() if one["contact"].get("email", "").lower() == email("new")]
    assert new["contact"]["phone"] == "(202) 555-0177"
    names = ("ana-1", "ben-1", "half-1", "many-1", "kim-2")
    assert [rows[lead_id(name)] for name in names] == [4, 3, 1, 1, 1]
    assert rows[new["_id"]] == 2
    assert [leads[lead_id(f"{n}-1")]["consent"]["email"] for n in ("ida", "jon", "max", "ned")] == [False] * 4
    assert gus["convertedToOpportunityId"] == "409513ee-7e4a-5070-aa3c-e6bcfa97ad08"


def _judged(records: Sequence[Record]) -> None:
    """Each command has one verdict."""
    rejected = {one["data"]["commandId"]: one["data"]["reason"] for one in _events(records, REJECTED)}
    ours = {name: reason for name, reason in rejected.items() if name.partition("-")[0] in _NAMES}
    assert ours == {
        "oli-early": "lead_not_qualified",
        "fay-deal": "lead_not_qualified",
        "gus-again": "already_converted",
        "deal-again": "already_converted",
    }
    converted = Counter(one["subject"] for one in _events(records, CONVERTED))
    assert {name: converted[lead_id(f"{name}-1")] for name in _NAMES if converted[lead_id(f"{name}-1")]} == {
        "dan": 1,
        "eve": 1,
        "gus": 1,
        "lea": 1,
        "max": 1,
    }


def _written_to(dump: Dump, records: Sequence[Record], steps: Sequence[Mapping[str, Any]]) -> None:
    """Steps that came due since went out once each, to whom mail may go."""
    old = {one["id"] for one in _events(dump.records, ACTIONS)}
    new = [one for one in _events(records, ACTIONS) if one["id"] not in old]
    assert len(new) > 30
    assert len({one["data"]["actionId"] for one in new}) == len(new)
    not_to = {lead_id(f"{name}-1") for name in ("ida", "jon", "kim", "gus")}
    mails = [one for one in new if one["data"]["action"] in ("email", "content")]
    assert [one for one in mails if one["subject"] in not_to] == []
    to_cara = [one["state"] for one in steps if one["leadId"] == lead_id("cara-1") and one["dueAt"] > _NOW]
    assert to_cara
    assert set(to_cara) == {"cancelled"}
    dated = {one["stepId"]: one["state"] for one in steps if one["sequenceId"] == "dated"}
    assert dated == {"hello": "sent", "by_date": "scheduled", "after": "scheduled"}


def _events(records: Iterable[Record], *topics: Topic) -> list[dict[str, Any]]:
    """What these topics say, each event once."""
    names = {topic.name for topic in topics}
    events = [json.loads(one.value or b"") for one in records if one.topic in names]
    return list({one["id"]: one for one in events}.values())
