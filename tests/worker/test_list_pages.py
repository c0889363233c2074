"""Pages of the list on a real database: all that match, in order, once, at a cost that no number of leads raises."""

import csv
import io
import json
import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from deploy.local import LocalServers
from services.gateway.leads import page_queries
from services.gateway.leads.domain.date_ranges import key_bounds
from services.gateway.leads.domain.page_cursors import END
from services.gateway.leads.page_queries import find_page
from services.insights.domain.rollup_changes import rollup_row, words_row
from shared.domain.ids import derive
from shared.domain.listing import Question, key_of
from shared.mongo.storage import Storage
from tests.builders import NOW, lead
from tests.collection_names import LEAD_ROWS, LEAD_WORDS, LEADS
from tests.domain.test_rollups import ZONE
from tests.gateway import gateway, new_key
from tests.harness import Bench, bench

MANY = 3_000
READ_A_PAGE = 700
"""More rows than a page of 50 reads by its levels; far fewer than all."""


def _person(number: int, **more: Any) -> Any:
    return lead(_id=derive("listed", str(number)), createdAt=NOW, **more)


async def _store(on: Bench, leads: Sequence[Any], *, plain: bool = False) -> None:
    """Store leads with their rows and words; `plain`: as without levels."""
    of = {one["_id"]: (rollup_row(one, ZONE), words_row(one)) for one in leads}
    rows: list[dict[str, Any]] = [{"_id": id_, "v": 1, "generation": 1, **row} for id_, (row, _) in of.items()]
    words: list[dict[str, Any]] = [{"_id": id_, "v": 1, **row} for id_, (_, row) in of.items()]
    if plain:
        for row in rows:
            row["terms"] = [one for one in row["terms"] if not one[0].isdigit()]
        for row in words:
            row["prefixes"] = [one for one in row["prefixes"] if "\x1f" not in one]
    await on.storage.insert_new(LEADS, leads)
    await on.storage.insert_new(LEAD_ROWS, rows)
    await on.storage.insert_new(LEAD_WORDS, words)


class _Counting(Storage):
    """Counts the documents that it reads, and keeps the queries."""

    read_ = 0
    asked: list[tuple[str, Mapping[str, object]]]

    async def find(self, collection: Any, query: Any, **options: Any) -> list[Any]:
        found = await super().find(collection, query, **options)
        self.read_ += len(found)
        self.asked = [*getattr(self, "asked", ()), (str(collection), query)]
        return found


async def _pages(storage: Storage, question: Question, most: int) -> list[list[str]]:
    """The ids of all pages."""
    upper: str | None = END
    found = []
    while upper:
        page = await find_page(storage, question, upper, most)
        found.append([str(one["id"]) for one in page.leads])
        upper = page.last
    return found


def _ordered(leads: Iterable[Mapping[str, Any]]) -> list[str]:
    return [one["_id"] for one in sorted(leads, key=lambda one: key_of(one["createdAt"], one["_id"]), reverse=True)]


async def test_thousands_of_one_name_and_one_millisecond_are_on_one_page_each_and_a_page_reads_few_of_them(
    local: LocalServers,
) -> None:
    leads = [_person(n, contact={"lastName": "Smith", "email": f"p{n}@example.com"}) for n in range(MANY)]
    leads[MANY // 2]["contact"]["lastName"] = "Smith Zubrowska"
    async with bench(local) as on:
        await _store(on, leads)
        storage = _Counting(on.to.mongo, "test", timeout_ms=60_000)
        for question in (Question(), Question(words=("smith",)), Question(status="new")):
            pages = await _pages(storage, question, 200)
            assert [one for page in pages for one in page] == _ordered(leads), question
            assert {len(page) for page in pages} == {200}, question
        for question in (Question(), Question(words=("smith",)), Question(words=("smith", "zubrowska"))):
            storage.read_ = 0
            await find_page(storage, question, END, 50)
            assert storage.read_ < READ_A_PAGE, question
        found = await find_page(storage, Question(words=("smith", "zubrowska")), END, 50)
        assert ([one["id"] for one in found.leads], found.last) == ([leads[MANY // 2]["_id"]], None)
        await storage.close()


@pytest.mark.parametrize("plain", [False, True])
async def test_pages_have_what_the_leads_themselves_say_whatever_is_asked(local: LocalServers, *, plain: bool) -> None:
    """Few values of each field, and few times: many leads tie. `plain`: as rows of earlier releases, without levels."""
    rng = random.Random(5)
    async with bench(local) as on:
        leads = [_anybody(rng, number) for number in range(900)]
        await _store(on, leads, plain=plain)
        for question in _questions(rng, 60):
            wanted = _ordered(one for one in leads if _matches(question, one))
            most = rng.choice((1, 7, 50, 200)) if len(wanted) < 100 else 200
            pages = await _pages(on.storage, question, most)
            assert [one for page in pages for one in page] == wanted, question
            assert all(len(page) == most for page in pages[:-1]), question
            assert len(pages[-1]) == (len(wanted) - 1) % most + 1 if wanted else pages == [[]], question


async def test_an_index_serves_every_read_of_a_page(local: LocalServers) -> None:
    async with bench(local) as on:
        await _store(on, [_person(number, assignedTo="kim", score=80) for number in range(40)])
        storage = _Counting(on.to.mongo, "test")
        for question in _questions(random.Random(1), 60):
            await find_page(storage, question, END, 7)
        await storage.close()
        asked = {(name, *query): (name, query) for name, query in storage.asked}
        assert {name for name, *_ in asked} == {LEAD_ROWS, LEAD_WORDS, LEADS}
        client: MongoClient[dict[str, Any]] = MongoClient(on.to.mongo.url)
        with client:
            plans = {key: _stages(client["test"], *one) for key, one in asked.items()}
        assert {key: stages for key, stages in plans.items() if not stages & {"IXSCAN", "IDHACK"}} == {}
        assert {key: stages for key, stages in plans.items() if "COLLSCAN" in stages} == {}


def _stages(database: Database[dict[str, Any]], collection: str, query: Mapping[str, object]) -> set[str]:
    """The stages of the plan by which the database carries out a query."""
    plan = database.command("explain", {"find": collection, "filter": query})["queryPlanner"]["winningPlan"]
    return set(re.findall(r'"stage": "(\w+)"', json.dumps(plan, default=str)))


async def test_a_page_that_finds_little_ends_early_and_the_next_ones_go_on(
    local: LocalServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the leads have each name, and two leads both: no name is rare."""
    names, both = ("Moreno", "Reyes"), {301, 1_200}
    leads = [_person(n, contact={"lastName": "Moreno Reyes" if n in both else names[n % 2]}) for n in range(1_500)]
    question = Question(words=("moreno", "reyes"))
    async with bench(local) as on:
        await _store(on, leads)
        assert await _pages(on.storage, question, 50) == [_ordered(leads[one] for one in both)]
        monkeypatch.setattr(page_queries, "_SEEN_MAX", 200)
        storage = _Counting(on.to.mongo, "test", timeout_ms=60_000)
        await find_page(storage, question, END, 50)
        assert storage.read_ < READ_A_PAGE
        pages = await _pages(storage, question, 50)
        assert [one for page in pages for one in page] == _ordered(leads[one] for one in both)
        assert 2 < len(pages) < 9
        assert await _pages(storage, Question(words=("reyes",)), 200) == await _pages(
            on.storage, Question(words=("reyes",)), 200
        )
        await storage.close()


async def test_a_page_ends_with_the_last_lead_and_one_more_begins_another(local: LocalServers) -> None:
    async with bench(local) as on:
        await _store(on, [_person(number) for number in range(8)])
        assert [len(page) for page in await _pages(on.storage, Question(), 8)] == [8]
        assert [len(page) for page in await _pages(on.storage, Question(), 7)] == [7, 1]
        assert await _pages(on.storage, Question(words=("nobody",)), 7) == [[]]


async def test_a_lead_whose_words_or_row_are_not_there_yet_is_left_out_of_searches_that_need_them(
    local: LocalServers,
) -> None:
    leads = [_person(n, contact={"lastName": "Reyes", "email": f"p{n}@example.com"}) for n in range(3)]
    async with bench(local) as on:
        await _store(on, leads)
        await on.storage.delete(LEAD_WORDS, [leads[0]["_id"]])
        await on.storage.delete(LEAD_ROWS, [leads[1]["_id"]])
        assert await _pages(on.storage, Question(words=("reyes",)), 9) == [_ordered(leads[1:])]
        assert await _pages(on.storage, Question(status="new"), 9) == [_ordered([leads[0], leads[2]])]
        assert await _pages(on.storage, Question(status="new", words=("reyes",)), 9) == [[leads[2]["_id"]]]


async def test_a_row_with_words_of_an_earlier_release_is_found_by_the_leads_words(local: LocalServers) -> None:
    """A worker of an earlier release writes such rows during an upgrade."""
    leads = [_person(n, status="lost" if n else "new", contact={"lastName": "Reyes"}) for n in range(300)]
    async with bench(local) as on:
        await _store(on, leads)
        await on.storage.change_all(LEAD_ROWS, {}, {"$set": {"words": ["reyes"], "prefixes": ["rey"]}})
        assert await _pages(on.storage, Question(status="new", words=("reyes",)), 9) == [[leads[0]["_id"]]]


async def test_a_range_of_days_begins_and_ends_in_the_zone_and_every_page_keeps_to_it(local: LocalServers) -> None:
    hours = [timedelta(hours=one) for one in range(-60, 60)]
    leads = [lead(_id=derive("listed", str(one)), createdAt=NOW + one, contact={"lastName": "Smith"}) for one in hours]
    lower, upper = key_bounds("2026-03-02", "2026-03-03", ZoneInfo("Europe/Vienna"))
    begin, end = datetime(2026, 3, 1, 23, tzinfo=UTC), datetime(2026, 3, 3, 23, tzinfo=UTC)
    wanted = [one["_id"] for one in reversed(leads) if begin <= one["createdAt"] < end]
    async with bench(local) as on:
        await _store(on, leads)
        for question in (Question(), Question(words=("smith",)), Question(status="new", words=("smith",))):
            found, following = list[str](), upper
            while True:
                page = await find_page(on.storage, question, following, 7, lower)
                found += [str(one["id"]) for one in page.leads]
                if page.last is None:
                    break
                following = page.last
            assert found == wanted
    assert len(wanted) == 48


async def test_the_list_as_a_file_has_every_lead_of_the_selection_and_no_formula(local: LocalServers) -> None:
    async with bench(local) as on, gateway(on) as caller:
        many = [
            _person(number, contact={"firstName": "=1+1", "lastName": "Li", "email": f"{number}@b.de"})
            for number in range(450)
        ]
        others = [_person(number, status="lost", lostReason="price") for number in range(450, 460)]
        await _store(on, [*many, *others])
        key = await new_key(on)
        answer = await caller.call("GET", "/v1/leads.csv?status=new", key=key)
        assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
        assert answer.text.startswith("\ufeffLead ID,Created At,Status")
        rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
        assert {row["Lead ID"] for row in rows} == {one["_id"] for one in many}
        assert len(rows) == len(many)
        assert {row["First Name"] for row in rows} == {"'=1+1"}
        lost = await caller.call("GET", "/v1/leads.csv?status=lost&from=2026-03-02&to=2026-03-02", key=key)
        assert [row["Lost Reason"] for row in csv.DictReader(io.StringIO(lost.text.removeprefix("\ufeff")))] == [
            "price"
        ] * 10
        none = await caller.call("GET", "/v1/leads.csv?to=2026-03-01", key=key)
        assert len(none.text.splitlines()) == 1
        for wrong in ("from=yesterday", "to=2026-03-02T10:00", "from=2026-02-30", "from=9999-12-31T23:59:59-23:59"):
            refused = await caller.call("GET", f"/v1/leads?{wrong}", key=key)
            assert (refused.status, refused.json["errors"][0]["path"]) == (422, wrong.partition("=")[0]), wrong
        assert (await caller.call("GET", "/v1/leads.csv?cursor=x", key=key)).status == 422
        assert (await caller.call("GET", "/v1/leads.csv")).status == 401


def _anybody(rng: random.Random, number: int) -> Any:
    person = _person(
        number,
        status=rng.choice(("new", "contacted", "lost")),
        source=rng.choice(("website", "referral")),
        score=rng.choice((None, 0, 24, 25, 89, 90, 100)),
        contact={"firstName": rng.choice("ab"), "lastName": "".join(rng.choices("ab", k=rng.randrange(1, 12)))},
        company={"name": rng.choice(("Abba", "Baab Ab"))},
        **({"assignedTo": owner} if (owner := rng.choice(("kim", "sam", None))) else {}),
    )
    return person | {"createdAt": NOW + timedelta(milliseconds=rng.randrange(3))}


def _questions(rng: random.Random, number: int) -> Iterator[Question]:
    for _ in range(number):
        yield Question(
            rng.choice((None, None, "new", "qualified")),
            rng.choice((None, None, "referral")),
            rng.choice((None, None, "kim", "(none)")),
            rng.choice((None, None, 0, 25, 90, 91)),
            tuple("".join(rng.choices("ab", k=rng.choice((1, 2, 3, 4, 9)))) for _ in range(rng.choice((0, 0, 1, 2)))),
        )


def _matches(question: Question, one: Mapping[str, Any]) -> bool:
    """Whether the lead itself says so. A short word that is looked up alone must be a whole word."""
    contact, score = one["contact"], one["score"]
    words = [*f"{contact['firstName']} {contact['lastName']} {one['company']['name']}".casefold().split()]
    short = all(len(word) < 3 for word in question.words)
    whole = max(question.words, key=len, default="")
    return (
        question.status in (None, one["status"])
        and question.source in (None, one["source"])
        and question.owner in (None, one.get("assignedTo", "(none)"))
        and (question.min_score is None or (score is not None and score >= question.min_score))
        and all(any(word.startswith(asked) for word in words) for asked in question.words)
        and (not short or not whole or whole in words)
    )
