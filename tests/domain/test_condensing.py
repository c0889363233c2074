"""Rows of a lead put together say what they said one by one."""

from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.prediction.domain.learning import condensing
from services.prediction.domain.learning.features import History, vector
from services.prediction.domain.training_job import again_at
from tests.builders import NOW, lead

_MOMENTS = st.integers(0, 20).map(lambda days: NOW + timedelta(days=days))
_CAPTURES = st.fixed_dictionaries(
    {"leadId": st.just("lead-1"), "capturedAt": _MOMENTS, "channel": st.sampled_from(["/a", "/b"])},
    optional={"knownAt": _MOMENTS, "filled": st.sampled_from([["contact.title"], ["company.website"]])},
)
_STATED: dict[str, st.SearchStrategy[Any]] = {"at": _MOMENTS, "type": st.sampled_from(["email", "call", "follow_up"])}
_MORE = {
    "knownAt": _MOMENTS,
    "cancelled": st.just(value=True),
    "engagement": st.sampled_from(["Opened_email", "x", "y"]),
}
_ACTIVITIES = st.fixed_dictionaries(
    {"leadId": st.just("lead-1"), **_STATED},
    optional={**_MORE, "earlier": st.lists(st.fixed_dictionaries(_STATED, optional=_MORE), max_size=2)},
)


@given(st.lists(_CAPTURES, max_size=12), st.lists(_ACTIVITIES, max_size=12), _MOMENTS, st.integers(1, 5))
def test_condensed_page_by_page_a_lead_has_the_same_vector(
    captures: list[Any], activities: list[Any], as_of: Any, page: int
) -> None:
    one = lead(createdAt=NOW, contact={"title": "Chef"}, company={"website": "x"})
    at = {"lead-1": as_of}
    kept_captures, kept_activities = list[Any](), list[Any]()
    for start in range(0, 12, page):
        kept_captures = condensing.condense_captures([*kept_captures, *captures[start : start + page]], at)
        kept_activities = condensing.condense_activities([*kept_activities, *activities[start : start + page]], at)
    whole, condensed = History(one, captures, activities), History(one, kept_captures, kept_activities)
    assert vector(condensed, as_of) == vector(whole, as_of)
    if not any(row.get("earlier") for row in activities):
        assert again_at(condensed, as_of) == again_at(whole, as_of)
    assert len(kept_captures) <= 4
