# mypy: disable-error-code="arg-type,dict-item,misc"
# Documents of other releases, and of any shape, come in on purpose.
from dataclasses import replace
from typing import Any

import pytest

from services.capture.domain.decide import decide
from services.capture.domain.decision_log import final_update, was_applied
from services.capture.domain.view import View
from services.engagement.domain.decide import count_on_lead
from shared.domain.activity_documents import activity
from shared.domain.causes import REMEMBERED_MAX, REMEMBERED_MIN, CauseKind, may_have_forgotten, remember, remembered
from shared.domain.stored.identity_documents import CaptureRow
from tests.builders import NOW, capture, data, lead, reading_claims, written


def test_a_lead_forgets_the_oldest_causes_many_at_once_and_names_them() -> None:
    held = list(range(REMEMBERED_MAX))
    assert remember(held[:-1], ["new"]).forgotten == ()
    memory = remember(held, ["new"])
    assert memory.held == [*held[-REMEMBERED_MIN + 1 :], "new"]
    assert memory.forgotten == tuple(held[: REMEMBERED_MAX - REMEMBERED_MIN + 1])


def test_a_write_forgets_none_of_the_causes_that_it_adds_itself() -> None:
    fresh = [f"new{number}" for number in range(REMEMBERED_MAX * 3)]
    memory = remember(["old"], fresh)
    assert (memory.held, memory.forgotten) == (fresh, ("old",))


def test_each_kind_of_cause_is_remembered_by_itself() -> None:
    one = lead(carriedOut=["c"], counted=["a"], decided=[{"key": "k"}])
    assert [remembered(one, kind) for kind in CauseKind] == [{"k"}, {"c"}, {"a"}]


def test_the_one_list_of_older_leads_is_read_for_every_kind_and_stays() -> None:
    old = lead(seen=["old"])
    call = activity("old", "lead-1", "call", NOW, created_by="sam")
    assert all("old" in remembered(old, kind) for kind in CauseKind)
    assert count_on_lead(old, [call], NOW, "US").sets == {}
    fresh = count_on_lead(old, [{**call, "_id": "new"}], NOW, "US").sets
    assert fresh["counted"] == ["new"]
    assert "seen" not in fresh


def test_a_lead_with_a_short_memory_never_forgot() -> None:
    short, long = (["x"] * number for number in (REMEMBERED_MIN - 1, REMEMBERED_MIN))
    assert [may_have_forgotten(lead(counted=one), CauseKind.ACTIVITY) for one in (short, long)] == [False, True]
    assert not may_have_forgotten(lead(), CauseKind.COMMAND)


def _decided(*ordinals: int) -> list[dict[str, Any]]:
    return [{"key": f"k{number}", "ordinal": number, "outcome": "merged", "knownAt": NOW} for number in ordinals]


@pytest.mark.parametrize(
    ("row", "applied"),
    [
        ({"_id": "k90", "ordinal": 90}, True),
        ({"_id": "other", "ordinal": 90}, False),
        ({"_id": "older", "ordinal": 12}, True),
        ({"_id": "never", "ordinal": 101}, False),
        ({"_id": "in the old list", "ordinal": 90}, True),
        ({"_id": "k90", "ordinal": 90, "applied": False}, True),
        ({"_id": "older", "ordinal": 12, "applied": False}, False),
        ({"_id": "older", "ordinal": 90, "applied": True}, True),
    ],
)
def test_a_row_was_applied_if_it_says_so_or_its_lead_remembers_it(row: dict[str, Any], applied: bool) -> None:  # noqa: FBT001 - a parameter
    document = lead(decided=_decided(*range(69, 101)), captureCount=100, seen=["in the old list"])
    assert was_applied(row, document) is applied


def test_what_a_row_says_for_good_takes_away_what_was_decided_otherwise() -> None:
    update = final_update({"key": "k", "outcome": "created", "ordinal": 1, "knownAt": NOW})
    assert update["$set"] == {"outcome": "created", "ordinal": 1, "knownAt": NOW, "applied": True}
    assert {"matchScore", "filled", "reopened"} <= update["$unset"].keys()


def test_a_capture_stays_with_the_lead_that_its_row_names_whatever_matches_better_by_now() -> None:
    phone = "(212) 555-0142"
    view = View({}, {}, {})

    def take(key: str, payload: dict[str, Any]) -> CaptureRow:
        nonlocal view
        one = capture(key, payload)
        view = reading_claims(view, *one.identity.claims)
        plan = decide([one], view, NOW, "US")
        view = written(view, plan)
        return plan.outcomes[0].row

    named = take("a", data(email="a@example.com", phone=phone))["leadId"]
    better = take("b", data(email="b@example.com", company="Elsewhere"))["leadId"]
    both = data(email="b@example.com", phone=phone)
    stored: CaptureRow = {"_id": "c", "leadId": named, "ordinal": 2, "outcome": "merged", "applied": False}
    view = replace(view, rows={**view.rows, "c": stored})
    row = take("c", both)
    assert (row["leadId"], row["outcome"], row["matchScore"]) == (named, "merged", 125)
    assert better in row["otherMatches"]
