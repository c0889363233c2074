"""Features as they stood: what came to be known later changes no vector; labels, and who is censored."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.prediction.domain.learning.features import KINDS, SCHEMA, History, vector
from services.prediction.domain.learning.labels import AGES, Life, converted_in_time, is_outcome_known, landmark
from services.prediction.domain.training_job import RETRAIN_OUTCOMES, again_at, is_due, maturing_days
from shared.domain.activity_documents import activity
from tests.builders import NOW, lead

DAY = timedelta(days=1)
HORIZON = 90 * DAY
_ENGAGED = ("clicked_pricing", "Downloaded_Whitepaper", "watched_video")
_PATHS = ("company.size", "company.industry", "contact.phone", "contact.title", "context.campaign")


def _capture(at: datetime, number: int = 1, **more: Any) -> Any:
    row = {"_id": f"c{number}", "leadId": "lead-1", "capturedAt": at, "knownAt": at, "channel": "website"}
    return {**row, "outcome": "created" if number == 1 else "merged", "ordinal": number, **more}


def _engagement(action: str, at: datetime, known: datetime | None = None) -> Any:
    document = activity(f"a{action}{at}", "lead-1", "email", at, created_by="/mailer", completed_at=at)
    return {**document, "engagement": action, "knownAt": known or at}


def _contact(kind: str, at: datetime, known: datetime | None = None) -> Any:
    return {**activity(f"a{kind}{at}", "lead-1", kind, at, created_by="kim"), "knownAt": known or at}


_LEAD = lead(
    status="qualified",
    score=80,
    assignedTo="kim",
    company={"name": "Blue Fork", "size": "large", "industry": "Restaurant", "annualRevenue": 1_000_000},
    contact={"firstName": "Ana", "email": "ana@gmail.com", "phone": "+13125550100", "title": "Executive Chef"},
    context={"campaign": "Spring Show"},
    requirements={"budget": 5},
)


def test_a_vector_says_what_was_known_in_words_and_numbers() -> None:
    rows = [_engagement("clicked_pricing", NOW + DAY), _contact("call", NOW + 2 * DAY)]
    found = vector(History(_LEAD, [_capture(NOW)], rows), NOW + 3 * DAY)
    assert found.keys() == KINDS.keys()
    assert (found["size"], found["industry"], found["role"]) == ("large", "restaurant", "chef")
    assert (found["mail"], found["hasPhone"], found["campaign"]) == ("free", "yes", "spring show")
    assert found["revenue"] == pytest.approx(6)
    assert (found["clickedPricing"], found["salesCalls"], found["salesEmails"]) == (1, 1, 0)
    assert (found["daysSinceEngagement"], found["daysSinceContact"], found["ageDays"]) == (2, 1, 3)
    assert (found["weekday"], found["hour"]) == ("mon", 12)


def test_nothing_that_was_decided_after_contact_nor_who_it_is_stands_in_a_vector() -> None:
    decided: Any = {
        **_LEAD,
        "status": "converted",
        "score": 5,
        "assignedTo": "lee",
        "convertedAt": NOW,
        "requirements": {"budget": 10**6, "timeline": "immediate"},
        "contact": {**_LEAD["contact"], "firstName": "Zyzzyva", "lastName": "Zyzzyva"},
    }
    follow_up = _contact("follow_up", NOW) | {"outcome": "qualified"}
    plain = vector(History(_LEAD, [_capture(NOW)], []), NOW)
    assert vector(History(decided, [_capture(NOW)], [follow_up]), NOW) == plain
    assert "zyzzyva" not in str(plain).casefold()


@given(
    later=st.lists(st.sampled_from(_ENGAGED), max_size=4),
    calls=st.integers(0, 3),
    filled=st.sets(st.sampled_from(_PATHS)),
    told_days_late=st.floats(0.01, 50),
)
def test_what_comes_to_be_known_after_its_time_changes_no_vector(
    later: list[str], calls: int, filled: set[str], told_days_late: float
) -> None:
    as_of = NOW + 5 * DAY
    known = as_of + timedelta(days=told_days_late)
    # What happened before, and was told of afterwards (a scanner that was offline), wasn't known either.
    captures = [_capture(NOW), _capture(NOW + DAY, 2, knownAt=known, filled=sorted(filled), channel="trade_show")]
    rows = [_engagement(action, NOW + DAY, known) for action in later]
    rows += [_contact("call", NOW + (number + 1) * DAY, known) for number in range(calls)]
    before: Any = {**_LEAD, **{section: _without(section, filled) for section in ("company", "contact", "context")}}
    assert vector(History(_LEAD, captures, rows), as_of) == vector(History(before, captures[:1], []), as_of)


def test_an_activity_that_changed_later_counts_as_it_was_stated_then() -> None:
    planned = _contact("meeting", NOW)
    held: Any = {
        **_contact("call", NOW + 2 * DAY),
        "earlier": [{name: planned[name] for name in ("type", "at", "knownAt")}],
    }
    cancelled: Any = {**held, "cancelled": True}
    for row, after in ((held, (0, 1)), (cancelled, (0, 0))):
        found = [vector(History(_LEAD, [_capture(NOW)], [row]), NOW + days * DAY) for days in (-1, 1, 2)]
        assert [(one["salesMeetings"], one["salesCalls"]) for one in found] == [(0, 0), (1, 0), after]


def _without(section: str, paths: set[str]) -> Mapping[str, Any]:
    return {name: value for name, value in _LEAD[section].items() if f"{section}.{name}" not in paths}


def test_rows_that_do_not_say_when_they_came_to_be_known_count_from_when_they_happened() -> None:
    old: Any = {name: value for name, value in _engagement("clicked_pricing", NOW + DAY).items() if name != "knownAt"}
    history = History(_LEAD, [_capture(NOW)], [old])
    assert vector(history, NOW)["clickedPricing"] == 0
    assert vector(history, NOW + DAY)["clickedPricing"] == 1


@given(st.text(min_size=1, max_size=12), st.floats(0.001, 200))
def test_a_lead_is_an_example_at_one_moment_at_which_it_was_open(name: str, closed_days: float) -> None:
    closed = NOW + timedelta(days=closed_days)
    at = landmark(Life(name, NOW, closed, None))
    still_open = landmark(Life(name, NOW, None, None))
    assert still_open is not None
    assert at == (still_open if still_open < closed else None)


def test_the_age_at_which_a_lead_is_an_example_tells_nothing_of_its_outcome() -> None:
    # All convert on the eighth day, or never: those that are examples at an age must convert as often as all open then.
    lives = [Life(f"lead-{n}", NOW, *([NOW + 8 * DAY] * 2 if n % 4 == 0 else [None] * 2)) for n in range(4_000)]
    found = [(at - NOW, converted_in_time(life, at, HORIZON)) for life in lives if (at := landmark(life))]
    for age in set(AGES):
        converted = [won for at, won in found if at.days == age]
        assert sum(converted) / len(converted) == pytest.approx(0.25 if age < 8 else 0, abs=0.06), age
        assert len(converted) > 300


def test_a_lead_whose_outcome_is_to_come_is_censored_be_it_converted_or_not() -> None:
    assert not is_outcome_known(NOW, HORIZON, NOW + 89 * DAY)
    assert is_outcome_known(NOW, HORIZON, NOW + 90 * DAY)


def test_only_a_conversion_within_the_horizon_counts() -> None:
    for days, converted in ((1, True), (90, True), (90.1, False)):
        life = Life("lead-1", NOW, NOW + days * DAY, NOW + days * DAY)
        assert converted_in_time(life, NOW, HORIZON) is converted
    assert not converted_in_time(Life("lead-1", NOW, NOW + DAY, None), NOW, HORIZON)


def test_a_lead_is_looked_at_again_each_day_and_seldomer_the_longer_it_is_silent() -> None:
    fresh = History(lead(createdAt=NOW), [], [])
    assert again_at(fresh, NOW + DAY) == NOW + 2 * DAY
    assert again_at(fresh, NOW + 100 * DAY) == NOW + 110 * DAY
    spoke = History(lead(createdAt=NOW), [], [{"at": NOW + 99 * DAY}])
    assert again_at(spoke, NOW + 100 * DAY) == NOW + 101 * DAY


def test_a_model_is_trained_daily_or_for_enough_outcomes_or_another_horizon() -> None:
    row: Any = {"trainedAt": NOW, "horizonDays": 90, "schema": SCHEMA}
    assert is_due({}, 90, NOW, 0)
    assert not is_due(row, 90, NOW + DAY / 2, RETRAIN_OUTCOMES - 1)
    assert is_due(row, 90, NOW + DAY, 0)
    assert is_due(row, 90, NOW, RETRAIN_OUTCOMES)
    assert is_due(row, 30, NOW, 0)
    assert is_due(row | {"schema": "older"}, 90, NOW, 0)
    assert not is_due(row | {"claim": "x", "wakeAt": NOW + DAY}, 90, NOW, RETRAIN_OUTCOMES)


def test_outcomes_that_came_to_be_known_are_those_of_the_days_whose_horizon_ended_since() -> None:
    assert maturing_days(NOW, NOW + DAY / 4, 10 * DAY) == []
    assert [str(day) for day in maturing_days(NOW, NOW + 2 * DAY, 10 * DAY)] == ["2026-02-21", "2026-02-22"]
