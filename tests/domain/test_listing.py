"""The list of leads: what finds a lead, and what doesn't."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.insights.domain.rollup_changes import rollup_row
from shared.domain.listing import Question, key_of, moment_key, search_words
from tests.builders import NOW, lead
from tests.domain.test_rollups import ZONE, leads

ANA = lead(
    contact={"firstName": "Ana", "lastName": "Réyes", "email": "Ana.Reyes@Example.com", "phone": "+13125550100"},
    company={"name": "O'Hara St. Blue-Fork"},
    assignedTo="kim",
    score=73,
)


def finds(question: Question, document: Any) -> bool:
    """Whether the index that the question uses, and then the question, take the lead."""
    row: Any = rollup_row(document, ZONE)
    there = question.prefix in row["prefixes"] if question.prefix else bool(set(question.terms) & set(row["terms"]))
    return there and question.fits(row)


FINDING = "ana|reyes|REYES ana|ohara|blue|fork|ana.reyes@ex|example.com|3125550100|(312) 555-0100|+1 312 555 0100|st"


@pytest.mark.parametrize("text", [*FINDING.split("|"), "an reyes"])
def test_a_lead_is_found_by_the_beginnings_of_its_words(text: str) -> None:
    assert finds(Question(words=search_words(text)), ANA)


@pytest.mark.parametrize("text", ["eyes", "ana miller", "example.org", "312 555 0199", "anabel"])
def test_a_lead_is_not_found_by_what_it_hasnt(text: str) -> None:
    assert not finds(Question(words=search_words(text)), ANA)


@given(leads, leads, st.sampled_from([None, 0, 5, 10, 95]), st.sets(st.sampled_from(["status", "source", "owner"])))
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


def test_keys_order_by_time_then_id_and_a_moment_bounds_them() -> None:
    first, second = key_of(NOW, "a"), key_of(NOW, "b")
    assert moment_key(NOW) < first < second < moment_key(NOW.replace(microsecond=1_000))
