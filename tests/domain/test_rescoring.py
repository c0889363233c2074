# mypy: disable-error-code="arg-type, list-item, typeddict-item"
# Tests also pass documents of other releases, and parts of documents.
"""The job of bringing leads under changed rules, as its row tells of it."""

from datetime import timedelta
from typing import Any

import pytest

from services.scoring.domain import rescoring_job
from tests.builders import NOW

LEASE = NOW + timedelta(seconds=60)
NEW = rescoring_job.new_job("abc.2", NOW)
TAKEN = rescoring_job.advance_job({**NEW, "total": 500}, "one", LEASE, 0)


@pytest.mark.parametrize(
    ("row", "claim", "later", "free"),
    [
        (NEW, "one", 0, True),
        (TAKEN, "one", 0, True),
        (TAKEN, "other", 0, False),
        (TAKEN, "other", 59, False),
        (TAKEN, "other", 60, True),
        (rescoring_job.finish_job(TAKEN, NOW), "other", 0, True),
    ],
)
def test_a_job_is_its_owner_s_until_the_lease_ends(row: dict[str, Any], claim: str, later: int, *, free: bool) -> None:
    assert rescoring_job.is_free(row, claim, NOW + timedelta(seconds=later)) is free


def test_what_there_is_to_do_is_counted_once_a_job_and_anew_if_there_is_more_after_its_end() -> None:
    assert rescoring_job.is_new(NEW)
    assert not rescoring_job.is_new(TAKEN)
    finished = rescoring_job.finish_job(TAKEN, NOW)
    assert rescoring_job.is_new(finished)
    assert not rescoring_job.is_new(rescoring_job.advance_job({**finished, "total": 3, "done": 0}, "one", LEASE, 0))


def test_progress_adds_up_never_passes_the_total_and_ends_with_it() -> None:
    row = rescoring_job.advance_job(TAKEN, "one", LEASE, 200)
    assert row["done"] == 200
    assert rescoring_job.advance_job(row, "other", LEASE, 400)["done"] == 500
    finished = rescoring_job.finish_job(row, NOW)
    assert (finished["done"], finished["total"], finished["finishedAt"]) == (500, 500, NOW)
    assert "claim" not in finished


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (None, "no rules are in use yet: no scoring worker has run"),
        (NEW, "rules abc.2, in use since 2026-03-02 12:00:00 UTC: no lead has been rescored yet"),
        (
            rescoring_job.advance_job({**TAKEN, "total": 5_000}, "one", LEASE, 1_200),
            "rules abc.2, in use since 2026-03-02 12:00:00 UTC: 1,200 of 5,000 leads have been rescored",
        ),
        (
            rescoring_job.finish_job(TAKEN, NOW),
            "rules abc.2, in use since 2026-03-02 12:00:00 UTC: all scored leads follow them",
        ),
    ],
)
def test_the_job_is_told_in_a_sentence(row: dict[str, Any] | None, words: str) -> None:
    assert rescoring_job.job_summary(row) == words
