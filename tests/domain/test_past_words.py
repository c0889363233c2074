"""Exports of the past: their columns, words and dates, and what they tell of a lead."""

from datetime import UTC, datetime, timedelta

import pytest

from schemas.commands import UpdateLead
from schemas.lead import ActivityType, Status
from services.ingest.domain.history.past_activities import (
    PastActivity,
    activity_columns,
    read_activity,
    unknown_kinds,
)
from services.ingest.domain.history.past_outcomes import (
    PastOutcome,
    explained_statuses,
    furthest,
    outcome_events,
    past_columns,
    read_outcome,
)
from services.ingest.domain.history.past_words import past_words
from services.ingest.domain.tables.table import read_csv
from services.ingest.domain.values.moment_reading import DateOrder

NOW = datetime(2026, 11, 30, tzinfo=UTC)


def outcomes(text: str, *explained: str, dates: DateOrder | None = None) -> list[PastOutcome]:
    table = read_csv(text.encode())
    columns = past_columns(table, dates, explained_statuses(explained))
    return [read_outcome(table, row, columns, UTC) for row in table.rows]


def activities(text: str) -> list[PastActivity | str]:
    table = read_csv(text.encode())
    return [read_activity(table, row, activity_columns(table, None), UTC, NOW) for row in table.rows]


def test_a_word_has_one_status_and_one_kind() -> None:
    assert set(past_words().statuses.values()) == set(Status)
    assert set(past_words().types.values()) == set(ActivityType)
    for words, meaning in (
        ("Closed - Converted;GEWONNEN;Closed Won;gagné", Status.CONVERTED),
        ("Perdido", Status.LOST),
    ):
        assert {outcomes(f"Email,Status\n,{word}")[0].status for word in words.split(";")} == {meaning}


@pytest.mark.parametrize(
    ("cells", "status", "at", "known"),
    [
        ("Status,Closed On\nSampling,2026-03-01", Status.NEW, None, False),
        ("Email,Status\na@b.example,(none)", Status.NEW, None, True),
        ("Stage,Won\nSampling,yes", Status.CONVERTED, None, True),
        ("Stage,Won\nNegotiation,no", Status.QUALIFIED, None, True),
        # An open deal has a closing date that is only expected.
        ("Stage,Close Date\nNegotiation,2026-03-01", Status.QUALIFIED, None, True),
        ("Stage,Close Date,Last Modified\nWon,,2026-03-02", Status.CONVERTED, datetime(2026, 3, 2, tzinfo=UTC), True),
        ("Stage,Close Date\nLost,soon", Status.LOST, None, True),
    ],
)
def test_a_row_tells_what_became_of_its_lead(cells: str, status: Status, at: datetime | None, *, known: bool) -> None:
    (found,) = outcomes(cells)
    assert (found.status, found.at, found.known) == (status, at, known)


def test_the_user_explains_words_and_may_mean_no_other_status() -> None:
    assert outcomes("Email,Status\n,  SAMPLING", "Sampling=contacted")[0].status is Status.CONTACTED
    assert outcomes("Email,Status\n,Won", "won=lost")[0].status is Status.LOST
    for wrong in ("Sampling=tasted", "=lost", "Sampling"):
        with pytest.raises(ValueError, match=wrong):
            explained_statuses([wrong])


def test_dates_that_can_be_read_in_two_ways_are_asked_for() -> None:
    table = read_csv(b"Status,Closed On\nWon,03/04/2026")
    assert past_columns(table, None, {}).undecided == ("Closed On",)
    assert past_columns(table, DateOrder.DAY_FIRST, {}).undecided == ()
    (read,) = outcomes("Status,Closed On\nWon,03/04/2026", dates=DateOrder.DAY_FIRST)
    assert read.at == datetime(2026, 4, 3, tzinfo=UTC)
    # Another column of dates shows the order.
    (read,) = outcomes("Status,Closed On,Created\nWon,03/04/2026,02/28/2026")
    assert read.at == datetime(2026, 3, 4, tzinfo=UTC)


def test_the_furthest_status_counts_then_the_latest() -> None:
    lost, early, late = (PastOutcome(status, NOW + timedelta(days=days)) for status, days in TOLD)
    assert furthest([lost, early, late]) is late
    assert furthest([lost]) is lost


TOLD = ((Status.LOST, 9), (Status.CONTACTED, 1), (Status.CONTACTED, 2))


@pytest.mark.parametrize("status", list(Status))
def test_commands_bring_a_lead_to_its_outcome_no_earlier_than_it_came(status: Status) -> None:
    told = PastOutcome(status, NOW - timedelta(days=1), "x" * 4_000, "k" * 200)
    found = list(outcome_events("lead-1", told, NOW, ["price"]))
    assert {one.at for one in found} == {NOW}
    names = {Status.NEW: [], Status.CONVERTED: ["qualified", "converted"]}.get(status, [status.value])
    assert [one.name for one in found] == ["owner", *names]


def test_a_reason_of_loss_is_a_known_word_or_a_text() -> None:
    for text, known in (("Price", "price"), ("they moved", None), (None, None)):
        (event,) = outcome_events("lead-1", PastOutcome(Status.LOST, NOW, text), NOW, ["price"])
        assert isinstance(event.payload, UpdateLead)
        assert (event.payload.lost_reason, event.payload.reason) == (known, text)


def test_cells_that_are_too_long_are_cut() -> None:
    (read,) = outcomes(f"Status,Lost Reason,Owner\nLost,{'x' * 4_001},{'k' * 201}")
    assert list(outcome_events("lead-1", read, NOW, []))
    (one,) = activities(
        f"Email,Date,Subject,Outcome,Owner\na@b.example,2026-01-02,{'x' * 4_001},{'y' * 4_001},{'k' * 201}"
    )
    assert isinstance(one, PastActivity)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (",2026-01-02,Call", "has no e-mail address: it doesn't say whose activity it is"),
        ("nobody,2026-01-02,Call", "has no e-mail address: it doesn't say whose activity it is"),
        ("a@b.example,soon,Call", "has no readable date"),
        ("a@b.example,2026-12-01,Call", "is planned, not past"),
    ],
)
def test_a_row_that_is_no_past_activity_says_why(row: str, why: str) -> None:
    assert activities(f"Email,Date,Type\n{row}") == [why]


def test_the_same_activity_has_one_id_and_an_unknown_kind_is_a_follow_up() -> None:
    rows = ("A@b.example,2026-01-02,Tasting,x", "a@B.example,2026-01-02,TASTING,x", "a@b.example,2026-01-02,Fax,y")
    table = "\n".join(("Email,Date,Type,Subject", *rows))
    first, second, other = activities(table)
    assert isinstance(first, PastActivity)
    assert isinstance(second, PastActivity)
    assert isinstance(other, PastActivity)
    assert (first.id, first.email) == (second.id, second.email)
    assert first.event("lead-1").activity.type is ActivityType.DEMO
    assert (other.event("lead-1").activity.type, other.id != first.id) == (ActivityType.FOLLOW_UP, True)
    read = read_csv(table.encode())
    assert unknown_kinds(read, activity_columns(read, None)) == ["Fax"]
    assert activity_columns(read_csv(b"Who,What\na,b"), None).missing == ("email", "at")
