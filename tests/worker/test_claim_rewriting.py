# mypy: disable-error-code="arg-type,dict-item,misc"
# Documents of other releases, and of any shape, come in on purpose.
"""Claims of earlier releases in today's form: what the command leaves, whatever ends it and whoever writes beside."""

import asyncio
import inspect
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from deploy.local import LocalServers
from services.capture.claim_rewriting import Rewriter, RewritingResult
from services.capture.domain.claims import claims_of, older_of, view_of_claims
from services.capture.domain.decide import decide
from services.capture.store import read_view
from services.erasure.store import erase
from shared.domain.identity.identity_rules import SHARED_MAX, IdentityRules
from shared.domain.identity.normal_forms import identity_of
from shared.domain.identity.placeholders import Placeholders
from shared.domain.identity.suspicion import pair_event_id
from shared.kafka.events import Outgoing
from shared.leads.documents import leads_by_email
from shared.mongo.connection import Mongo
from shared.mongo.storage import Storage
from tests.builders import NOW, data, verdict
from tests.collection_names import CAPTURES, COMMANDS, IDENTITIES, LEADS
from tests.harness import Killed, Mortal, mongo_at
from tests.older import PEPPER, REGION, of_today, older_identity, store_of_before, take

PHONE, OTHER = "(212) 555-0142", "(212) 555-0177"
PUNYCODE, TYPED = "ana@xn--bcher-kva.example", "ana@b\u00fccher.example"
_SALTED = IdentityRules()


def some(usual: int, *, of: int | Sequence[int]) -> list[object]:
    """Parameters of which the first few always run, and the others when this file is named, or with `--full`."""
    values = range(of) if isinstance(of, int) else of
    return [*values[:usual], *(pytest.param(one, marks=pytest.mark.thorough) for one in values[usual:])]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mongo]:
    with LocalServers("embedded", tmp_path_factory.mktemp("servers"), kafka_bootstrap="nowhere:0") as local:
        yield mongo_at(local.servers.mongo_url)


@asynccontextmanager
async def opened(server: Mongo, name: str) -> AsyncIterator[Storage]:
    storage = Storage(server, name)
    try:
        yield storage
    finally:
        await storage.drop()
        await storage.close()


@pytest.fixture
async def storage(server: Mongo, request: pytest.FixtureRequest) -> AsyncIterator[Storage]:
    async with opened(server, request.node.name[:50].replace("[", "").replace("]", "")) as one:
        yield one


class Told:
    """What was published."""

    def __init__(self, *, deaf: bool = False) -> None:
        self.events: list[dict[str, Any]] = []
        self.deaf = deaf

    async def __call__(self, records: Sequence[Outgoing]) -> bool:
        if not self.deaf:
            self.events += [json.loads(one.value or b"") for one in records]
        return not self.deaf

    @property
    def ids(self) -> set[str]:
        return {one["id"] for one in self.events}


async def apply(
    storage: Any, told: Told | None = None, counting: IdentityRules = _SALTED, page: int = 500, *, broker: bool = True
) -> RewritingResult:
    publish = (told or Told()) if broker else None
    return await Rewriter(storage, REGION, counting, lambda: NOW, publish, page).run()


async def erased(storage: Storage, lead_id: str) -> None:
    row = verdict(lead_id, NOW + timedelta(seconds=1), f"er-{lead_id}")
    await storage.insert_new(COMMANDS, [row])
    while not await erase(storage, [row], REGION, PEPPER):
        pass


async def claims(storage: Storage) -> dict[str, list[str]]:
    rows = await storage.find(IDENTITIES, {})
    assert [row for row in rows if "moved" in row] == []
    return {row["_id"]: row["leadIds"] for row in rows}


async def state(storage: Storage) -> tuple[Any, ...]:
    """All that a run may change, but for the order of the leads that joined a claim."""
    held = {name: (leads[0], set(leads)) for name, leads in (await claims(storage)).items()}
    rows = {row["_id"]: row | {"claims": set(row.get("claims", ()))} for row in await storage.find(CAPTURES, {})}
    return held, rows, {lead["_id"]: lead for lead in await storage.find(LEADS, {})}


def today(payload: dict[str, Any]) -> tuple[str, ...]:
    return identity_of(payload, REGION).claims


# Two people whom the earlier release took for four, and one of its own spelling; each has one of today's too.
TWICE = (
    data(email=PUNYCODE, phone=PHONE, company="Fork & Spoon"),
    data(email="ana@example.com", phone=PHONE, company="Fork and Spoon"),
    data(email=TYPED, phone=OTHER, company="Elsewhere"),
)


async def test_leads_of_two_older_spellings_are_one_claim_after_it_and_are_told_to_look_like_one_person(
    storage: Storage,
) -> None:
    spoon, and_spoon, typed = await store_of_before(storage, TWICE)
    assert len({spoon, and_spoon, typed}) == 3, "they missed each other"
    told = Told()
    done = await apply(storage, told)
    person, address = today(TWICE[0])
    held = await claims(storage)
    assert (held[person], held[address]) == ([and_spoon, spoon], [typed, spoon])
    assert set(held) == {*today(TWICE[0]), *today(TWICE[1]), *today(TWICE[2])}
    assert told.ids == {pair_event_id(spoon, and_spoon), pair_event_id(spoon, typed)}
    by_pair = {frozenset((one["data"]["leadId"], one["data"]["otherId"])): one["data"] for one in told.events}
    assert by_pair[frozenset((spoon, and_spoon))]["reasons"] == ["phone_same", "name_similar", "company_similar"]
    assert by_pair[frozenset((spoon, typed))]["reasons"] == ["email_similar", "name_similar"]
    assert (done.rewritten, len(done.pairs), done.unpublished, done.kept) == (2, 2, set(), set())
    assert {one["subject"] for one in told.events} == {one["data"]["leadId"] for one in told.events}


async def test_a_second_run_finds_nothing_to_do(storage: Storage) -> None:
    await store_of_before(storage, TWICE)
    await apply(storage)
    before, told = await state(storage), Told()
    assert await apply(storage, told) == RewritingResult()
    assert (await state(storage), told.events) == (before, [])


async def test_without_a_broker_leads_that_meet_stay_apart_and_all_else_is_rewritten(storage: Storage) -> None:
    alone = data(email="bo@xn--caf-dma.example", first="Bo", company="Alone")
    spoon, and_spoon, typed, _ = await store_of_before(storage, [*TWICE, alone])
    before = await claims(storage)
    done = await apply(storage, broker=False)
    pairs = {tuple(sorted(pair)) for pair in ((spoon, and_spoon), (spoon, typed))}
    assert (done.rewritten, done.pairs, done.unpublished, len(done.kept)) == (1, set(), pairs, 2)
    held = await claims(storage)
    assert held == {name: leads for name, leads in before.items() if "caf" not in name} | {today(alone)[0]: [_]}
    told = Told()
    assert (await apply(storage, told)).rewritten == 2
    assert told.ids == {pair_event_id(*pair) for pair in pairs}


async def test_a_broker_that_takes_nothing_is_as_good_as_none(storage: Storage) -> None:
    await store_of_before(storage, TWICE)
    before = await claims(storage)
    done = await apply(storage, Told(deaf=True))
    assert (done.rewritten, done.pairs, len(done.unpublished)) == (0, set(), 2)
    assert await claims(storage) == before


async def test_several_pages_are_rewritten_as_one_is(storage: Storage, server: Mongo) -> None:
    many = [data(email=f"a{n}@xn--bcher-kva.example", phone=f"212555{n:04}", company="R & B") for n in range(23)]
    await store_of_before(storage, many)
    async with opened(server, "one_page") as other:
        await store_of_before(other, many)
        assert (await apply(storage, page=5)).rewritten == (await apply(other)).rewritten == 46
        assert await state(storage) == await state(other)
    assert set(await claims(storage)) == {name for one in many for name in today(one)}


async def test_a_text_that_only_a_capture_has_is_rewritten_too(storage: Storage) -> None:
    lead, again = await store_of_before(
        storage,
        [
            data(email="ana@example.com", phone=PHONE),
            data(email="ana@example.com", phone=OTHER, company="Fork & Spoon"),
        ],
    )
    assert lead == again
    (name,) = (one for one in today(data(phone=OTHER, company="Fork & Spoon")) if one.startswith("pcn"))
    assert (await apply(storage)).rewritten == 1
    assert (await claims(storage))[name] == [lead]
    assert name in (await storage.read(CAPTURES, ["c1"]))["c1"]["claims"]
    assert name not in (await storage.read(CAPTURES, ["c0"]))["c0"]["claims"], "it is the other capture's"
    await erased(storage, lead)
    assert await claims(storage) == {}


async def test_a_name_that_is_todays_of_another_text_of_the_lead_stays(storage: Storage) -> None:
    spoons = [data(email="ana@example.com", phone=PHONE, company=name) for name in ("Fork & Spoon", "Fork Spoon")]
    lead, _ = await store_of_before(storage, spoons)
    assert len(await claims(storage)) == 2, "to the earlier release both were one"
    await apply(storage)
    held = await claims(storage)
    assert set(held) == {*today(spoons[0]), *today(spoons[1])}
    assert set(map(tuple, held.values())) == {(lead,)}
    assert await apply(storage) == RewritingResult()


async def test_each_lead_of_a_shared_claim_goes_where_its_own_text_says(storage: Storage) -> None:
    spoons = [
        data(email=f"a{n}@example.com", phone=PHONE, company=f"Fork {sign}Spoon") for n, sign in enumerate(("& ", ""))
    ]
    older = older_identity(spoons[0]).person_claim or ""
    await storage.put(LEADS, [{"_id": f"l{n}", "createdAt": NOW, **one} for n, one in enumerate(spoons)])
    await storage.put(CAPTURES, [{"_id": f"c{n}", "leadId": f"l{n}", "claims": [older]} for n in range(2)])
    await storage.put(IDENTITIES, [{"_id": older, "leadIds": ["l0", "l1"]}])
    told = Told()
    await apply(storage, told)
    assert await claims(storage) == {today(spoons[0])[0]: ["l0"], older: ["l1"]}
    assert older == today(spoons[1])[0]
    assert told.events == [], "they have met before"


async def _shared(storage: Storage, count: int) -> tuple[str, str, list[str]]:
    """So many leads under one older name, a tenth of them under today's too; both names, and the leads."""
    payload = data(phone=PHONE, company="Fork & Spoon")
    ids = [f"l{number:02}" for number in range(count)]
    older, name = older_identity(payload).person_claim or "", identity_of(payload, REGION).person_claim or ""
    await storage.put(LEADS, [{"_id": one, "createdAt": NOW, **payload} for one in ids])
    await storage.put(CAPTURES, [{"_id": f"c-{one}", "leadId": one, "claims": [older]} for one in ids])
    return older, name, ids


@pytest.mark.parametrize("more", [0, 1])
async def test_a_claim_takes_in_as_many_leads_as_it_may_have_and_else_both_stay(storage: Storage, more: int) -> None:
    older, name, ids = await _shared(storage, SHARED_MAX + more)
    await storage.put(IDENTITIES, [{"_id": name, "leadIds": ids[:2]}, {"_id": older, "leadIds": ids[1:]}])
    told = Told()
    done = await apply(storage, told)
    if more:
        assert await claims(storage) == {name: ids[:2], older: ids[1:]}
        assert (done.rewritten, done.kept, told.events) == (0, {older}, [])
        return
    assert await claims(storage) == {name: ids}
    met = {pair_event_id(ids[0], one) for one in ids[2:]}
    assert told.ids == met, "the others shared the older claim, and have met before"
    assert len(told.events) == len(met)


async def test_a_lead_that_a_capture_reserved_and_has_not_stored_yet_is_left_alone(storage: Storage) -> None:
    spoon, and_spoon, _ = await store_of_before(storage, TWICE)
    (lead,) = (await storage.read(LEADS, [spoon])).values()
    await storage.delete(LEADS, [spoon])
    before = await claims(storage)
    done = await apply(storage)
    assert await claims(storage) == before
    assert (done.rewritten, done.pairs) == (0, set())
    await storage.put(LEADS, [lead])
    assert (await apply(storage)).rewritten == 2
    assert and_spoon in (await claims(storage))[today(TWICE[0])[0]]


async def test_a_pair_with_a_lead_that_is_not_stored_is_told_once_it_is(storage: Storage) -> None:
    spoon, and_spoon, _ = await store_of_before(storage, TWICE[:2] + TWICE[:1])
    (other,) = (await storage.read(LEADS, [and_spoon])).values()
    await storage.delete(LEADS, [and_spoon])
    told = Told()
    await apply(storage, told)
    assert told.events == []
    await storage.put(LEADS, [other])
    await apply(storage, told)
    assert told.ids == {pair_event_id(spoon, and_spoon)}


async def test_what_identifies_nobody_makes_no_pair(storage: Storage) -> None:
    listed = IdentityRules(Placeholders(emails=(TYPED,), phones=(PHONE,)))
    await store_of_before(storage, TWICE)
    before, told = await claims(storage), Told()
    assert (await apply(storage, told, listed)).rewritten == 0
    assert (await claims(storage), told.events) == (before, [])


async def test_an_address_of_too_many_names_makes_no_pair(storage: Storage) -> None:
    spoon, _, typed = await store_of_before(storage, TWICE)
    address = today(TWICE[2])[1]
    few = IdentityRules(names_max=2)
    await storage.put(IDENTITIES, [{"_id": address, "leadIds": [typed], "names": ["a", "b", "c"]}])
    told = Told()
    await apply(storage, told, few)
    assert pair_event_id(spoon, typed) not in told.ids
    assert (await claims(storage))[address] == [typed, spoon]


def _people(rng: random.Random) -> list[dict[str, Any]]:
    """Captures of few people in many spellings: the earlier release took some for others, and some others for one."""
    return [
        data(
            email=rng.choice((PUNYCODE, TYPED, PUNYCODE.title(), "ana@example.com", "bo@example.com", None)),
            phone=rng.choice((PHONE, "+1 212-555-0142", OTHER)),
            company=rng.choice(("Fork & Spoon", "Fork and Spoon", "Fork Spoon", "O\u2019Brien")),
            first=rng.choice(("Ana", "\u00c1na")),
            last=rng.choice(("S\u00f8rensen", "Sorensen", "O\u2019Neil", "O'Neil")),
        )
        for _ in range(9)
    ]


def _in_one_spelling(rng: random.Random) -> list[dict[str, Any]]:
    """Captures of few people, each text in one spelling alone, and many of them in one that was stored otherwise."""
    return [
        data(
            email=rng.choice((PUNYCODE, "\uff42o@example.com", "cy@example.com", None)),
            phone=rng.choice((PHONE, OTHER)),
            company=rng.choice(("Fork & Spoon", "Elsewhere")),
            last=rng.choice(("S\u00f8rensen", "O\u2019Neil")),
        )
        for _ in range(9)
    ]


async def _found(storage: Storage, payload: dict[str, Any]) -> set[str]:
    """The leads that a capture of today with these texts finds."""
    one = of_today("look", payload)
    names, older = claims_of([one]), older_of([one])
    stored = await storage.read(IDENTITIES, [*names, *older])
    view = view_of_claims(names, older, dict(stored))
    return {lead for name in names for lead in view.claims[name]}


@pytest.mark.parametrize("seed", some(1, of=3))
async def test_killed_after_any_call_and_run_again_it_ends_as_one_run_does(
    server: Mongo,
    seed: int,
    full: bool,  # noqa: FBT001 - pytest names it
) -> None:
    people = _people(random.Random(seed))
    async with opened(server, f"clean{seed}") as clean:
        leads = await store_of_before(clean, people)
        told = Told()
        await apply(clean, told, page=4)
        end = await state(clean)
        for lead, one in zip(leads, people, strict=True):
            assert lead in await _found(clean, one)
    at, killed = 1, True
    while killed:
        async with opened(server, f"killed{seed}") as storage:
            await store_of_before(storage, people)
            mortal, heard, killed = Mortal(storage, at), Told(), False
            try:
                await apply(mortal, heard, page=4)
            except Killed:
                killed = True
            await apply(storage, heard, page=4)
            assert (await state(storage), heard.ids) == (end, told.ids), at
        at += 1 if full else 3
    assert at > 10


@pytest.mark.parametrize("seed", some(4, of=12))
async def test_captures_and_erasures_before_amid_and_after_it_come_to_the_same(server: Mongo, seed: int) -> None:
    rng = random.Random(seed)
    people, later = _in_one_spelling(rng), _in_one_spelling(rng)
    deeds: list[int | None] = [*range(len(later)), None]
    rng.shuffle(deeds)
    ends, gone = [], ""
    for applied_at in (0, rng.randrange(1, len(deeds)), len(deeds)):
        async with opened(server, f"order{seed}") as storage:
            gone = (await store_of_before(storage, people))[0]
            for place, deed in enumerate(deeds):
                if place == applied_at:
                    await apply(storage)
                await (erased(storage, gone) if deed is None else take(storage, of_today(f"t{deed}", later[deed])))
            await apply(storage)
            held, rows, stored = await state(storage)
            ends.append(({name: those for name, (_, those) in held.items()}, rows, stored))
            assert not [name for name, those in ends[-1][0].items() if gone in those]
    assert ends[0] == ends[1] == ends[2]


@pytest.mark.parametrize("seed", some(2, of=4))
async def test_a_capture_is_decided_alike_before_and_after_it(server: Mongo, seed: int) -> None:
    rng = random.Random(seed)
    people = _in_one_spelling(rng)
    async with opened(server, f"alike{seed}") as storage:
        await store_of_before(storage, people)
        captures = [of_today(f"t{number}", one) for number, one in enumerate([*people, *_in_one_spelling(rng)])]
        before = [await _decision(storage, one) for one in captures]
        await apply(storage)
        assert [await _decision(storage, one) for one in captures] == before


async def _decision(storage: Storage, one: Any) -> tuple[Any, ...]:
    plan = decide([one], await read_view(storage, [one], (), PEPPER), NOW, REGION)
    return plan.outcomes[0].row, plan.inserts, plan.sets


@pytest.mark.parametrize("seed", some(2, of=4))
async def test_whom_one_spelling_found_all_that_are_equal_today_find_after_it(server: Mongo, seed: int) -> None:
    people = _people(random.Random(seed))
    async with opened(server, f"equal{seed}") as storage:
        leads = await store_of_before(storage, people)
        await apply(storage)
        for one in people:
            person = today(one)[0]
            equal = {lead for lead, other in zip(leads, people, strict=True) if today(other)[0] == person}
            assert equal <= await _found(storage, one)


class Beside:
    """A way to the database on which something else happens before one call, and which may end at another."""

    def __init__(self, storage: Storage, at: int, deed: Callable[[], Awaitable[Any]], ends: int = 10**6) -> None:
        self._storage, self._at, self._deed, self._ends = storage, at, deed, ends
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._storage, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            await self._step()
            return await method(*args, **kwargs)

        async def pages(*args: Any, **kwargs: Any) -> Any:
            await self._step()
            async for page in method(*args, **kwargs):
                yield page
                await self._step()

        return pages if inspect.isasyncgenfunction(method) else call

    async def _step(self) -> None:
        self.calls += 1
        if self.calls == self._at:
            await self._deed()
        if self.calls == self._ends:
            raise Killed


RARE = (
    data(email=PUNYCODE, phone=PHONE),
    data(email=PUNYCODE, phone=OTHER, company="Fork & Spoon"),
    data(email="bo@example.com", phone=OTHER, company="Fork and Spoon"),
)
"""A lead with an older claim that only its second capture explains, and another lead that it meets there."""


async def _nothing_left(storage: Storage, lead: str) -> None:
    assert not [name for name, leads in (await claims(storage)).items() if lead in leads]
    rows = await storage.find(CAPTURES, {"leadId": lead})
    assert rows
    assert [row for row in rows if row.keys() != {"_id", "leadId", "erased"}] == []


@pytest.mark.parametrize("survives", some(2, of=(10**6, 2, 1, 3, 5)))
async def test_an_erasure_at_any_moment_of_it_leaves_nothing_of_the_lead(server: Mongo, survives: int) -> None:
    """Killed so many calls after the erasure; the next run puts it right."""
    at, calls = 0, 1
    while at < calls:
        at += 1
        async with opened(server, f"erased{survives}") as storage:
            lead, _, other = await store_of_before(storage, RARE)
            beside: Any = Beside(storage, at, partial(erased, storage, lead), at + survives)
            try:
                await apply(beside)
                calls = beside.calls
            except Killed:
                calls = beside.calls + 1
            await apply(storage)
            await _nothing_left(storage, lead)
            assert (await claims(storage))[today(RARE[2])[0]] == [other]


async def test_it_leaves_nothing_of_a_lead_whose_erasure_it_interrupts_anywhere(server: Mongo) -> None:
    at, calls = 0, 1
    while at < calls:
        at += 1
        async with opened(server, "interrupted") as storage:
            lead, *_ = await store_of_before(storage, RARE)
            row = verdict(lead, NOW + timedelta(seconds=1), "er")
            await storage.put(COMMANDS, [row])
            beside: Any = Beside(storage, at, partial(apply, storage))
            while not await erase(beside, [row], REGION, PEPPER):
                pass
            calls = beside.calls
            await _nothing_left(storage, lead)


async def test_a_capture_at_any_moment_of_it_finds_its_lead(server: Mongo) -> None:
    at, calls = 0, 1
    while at < calls:
        at += 1
        async with opened(server, "captured") as storage:
            lead, *_ = await store_of_before(storage, RARE)
            beside: Any = Beside(storage, at, partial(take, storage, of_today("again", RARE[0])))
            await apply(beside)
            calls = beside.calls
            assert (await storage.read(CAPTURES, ["again"]))["again"]["leadId"] == lead
            assert await storage.count(LEADS) == 2


class Slow(Beside):
    """A way to the database on which each call takes its time."""

    def __init__(self, storage: Storage, rng: random.Random) -> None:
        super().__init__(storage, 0, lambda: asyncio.sleep(0))
        self._rng = rng

    async def _step(self) -> None:
        await asyncio.sleep(self._rng.random() / 500)


@pytest.mark.parametrize("seed", some(3, of=8))
async def test_two_runs_captures_and_erasures_at_once_keep_every_lead_found_and_no_erased_one(
    server: Mongo, seed: int
) -> None:
    rng = random.Random(seed)
    people, later = _people(rng), _people(rng)
    async with opened(server, f"at_once{seed}") as storage:
        leads = await store_of_before(storage, people)
        slow: Any = Slow(storage, rng)
        told = Told()
        gone = leads[0]
        await asyncio.gather(
            apply(slow, told, page=3),
            apply(slow, told, page=4),
            erased(slow, gone),
            *(take(slow, of_today(f"t{number}", one)) for number, one in enumerate(later)),
        )
        await apply(storage, told)
        await _nothing_left(storage, gone)
        for lead, one in zip(leads, people, strict=True):
            assert lead == gone or lead in await _found(storage, one)
        stored = {lead["_id"] for lead in await storage.find(LEADS, {})}
        # A claim may also name a lead that a capture reserved and never stored: the capture met another lead meanwhile.
        assert [name for name, those in (await claims(storage)).items() if stored.isdisjoint(those)] == []


async def test_an_event_that_names_an_address_finds_the_same_lead_before_and_after(storage: Storage) -> None:
    await store_of_before(storage, TWICE)
    asked = [PUNYCODE, TYPED, "ANA@B\u00dcCHER.example"]
    before = await leads_by_email(storage, asked)
    await apply(storage)
    assert await leads_by_email(storage, asked) == before
