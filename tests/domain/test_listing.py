"""The list of leads: what finds a lead, and what doesn't."""

from itertools import pairwise, product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.insights.domain.rollup_changes import rollup_row, words_row
from shared.domain.ids import derive
from shared.domain.listing import (
    LENGTHS,
    LEVELS,
    PREFIXES_MAX,
    SAMPLED,
    Question,
    at_level,
    key_of,
    moment_key,
    on_levels,
    search_words,
)
from tests.builders import NOW, lead
from tests.domain.test_rollups import ZONE, leads

ANA = lead(
    contact={"firstName": "Ana", "lastName": "Réyes", "email": "Ana.Reyes@Example.com", "phone": "+13125550100"},
    company={"name": "O'Hara St. Blue-Fork"},
    assignedTo="kim",
    score=73,
)


def finds(question: Question, document: Any) -> bool:
    """Whether the question takes the lead; then each term and prefix that it may look up must find the lead."""
    row, words = rollup_row(document, ZONE), words_row(document)
    fits = question.fits(row["counts"]) and question.names(words["words"])
    assert question.terms
    assert not fits or {*question.terms} <= {*row["terms"]}
    assert not fits or {*question.prefixes} <= {*words["prefixes"]}
    return fits


FINDING = "ana|reyes|REYES ana|ohara|blue|fork|ana.reyes@ex|example.com|3125550100|(312) 555-0100|+1 312 555 0100|st"


@pytest.mark.parametrize(
    "text", [*FINDING.split("|"), "an reyes", "ana.reyes@example.com", "Ana Reyes O'Hara Blue Fork"]
)
def test_a_lead_is_found_by_the_beginnings_of_its_words(text: str) -> None:
    assert finds(Question(words=search_words(text)), ANA)


@pytest.mark.parametrize(
    "text", ["eyes", "ana miller", "example.org", "312 555 0199", "anabel", "ana.reyes@example.comx"]
)
def test_a_lead_is_not_found_by_what_it_hasnt(text: str) -> None:
    assert not finds(Question(words=search_words(text)), ANA)


def test_every_beginning_of_a_word_finds_it_and_one_letter_more_does_not() -> None:
    for length in range(LENGTHS[0], max(LENGTHS) + 4):
        word = "bcdefghijklmnopqrstuvwxyz"[:length]
        held = lead(contact={"lastName": word, "email": "a@example.com"})
        for begin in range(LENGTHS[0], length + 1):
            assert finds(Question(words=(word[:begin],)), held), (word, begin)
        assert not finds(Question(words=(word + "x",)), held)
        assert not finds(Question(words=(word[1:],)), held)


def test_at_most_so_many_words_are_looked_up_the_longest_ones() -> None:
    words = ("bo", "anabelle", "reyes", "blu")
    assert len(words) > PREFIXES_MAX
    assert Question(words=words).prefixes == ("anabelle", "rey", "blu")
    assert Question(words=words[:3]).prefixes == ("anabelle", "rey")
    assert Question(words=("reyes", "reyna")).prefixes == ("rey",)
    assert Question(words=("st", "bo")).prefixes == ("st",)


@given(
    leads,
    leads,
    st.sampled_from([None, 0, 5, 10, 24, 25, 26, 50, 75, 90, 95, 100]),
    st.sets(st.sampled_from(["status", "source", "owner"])),
)
def test_filters_find_those_and_only_those_that_they_say(
    one: dict[str, Any], other: dict[str, Any], least: int | None, by: set[str]
) -> None:
    question = Question(
        other["status"] if "status" in by else None,
        other["source"] if "source" in by else None,
        (other.get("assignedTo") or "(none)") if "owner" in by else None,
        least,
    )
    wanted = (
        ("status" not in by or one["status"] == other["status"])
        and ("source" not in by or one["source"] == other["source"])
        and ("owner" not in by or one.get("assignedTo") == other.get("assignedTo"))
        and (least is None or (one["score"] is not None and one["score"] >= least))
    )
    assert finds(question, one) == wanted
    assert question.filters == (bool(by) or least is not None)


def test_a_lead_has_few_terms() -> None:
    """Each is an index entry, and the embedded database writes all of a row's at each change of it."""
    ids = [derive("many", str(number)) for number in range(2_000)]
    terms = [len(rollup_row(lead(_id=one, score=30, assignedTo="kim"), ZONE)["terms"]) for one in ids]
    assert min(terms) == 7
    assert sum(terms) / len(terms) < 7.7


def test_each_level_has_a_small_part_of_the_one_below_it() -> None:
    number = 4 * SAMPLED**3
    found = [on_levels(derive("many", str(one)), ["t"]) for one in range(number)]
    sizes = [sum(at_level("t", level) in one for one in found) for level in range(LEVELS + 1)]
    assert sizes[0] == number
    assert all(above <= below for below, above in pairwise(sizes))
    assert all(0.9 < SAMPLED * above / below < 1.1 for below, above in pairwise(sizes[:3]))
    assert all(one == [at_level("t", level) for level in range(len(one))] for one in found)


def test_no_term_of_one_level_is_one_of_another() -> None:
    question = Question(status="new", source="website")
    forms = [at_level(term, level) for term, level in product(question.terms, range(LEVELS + 1))]
    assert len({*forms}) == len(forms)


def test_keys_order_by_time_then_id_and_a_moment_bounds_them() -> None:
    first, second = key_of(NOW, "a"), key_of(NOW, "b")
    assert moment_key(NOW) < first < second < moment_key(NOW.replace(microsecond=1_000))
