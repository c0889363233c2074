"""Tasks: how commands and leads change them, in any order and any number of times."""

import itertools
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.reasons import RejectionReason
from schemas.tasks import TaskAction, TaskKind
from services.tasks.domain.decide import TaskPlan, TaskView, decide_requests
from services.tasks.domain.task_changes import (
    AUTOMATIC_MAX,
    COMMANDS_MAX,
    TITLE_MAX,
    TaskRequest,
    change_of,
    change_task,
    follow_lead,
    new_task,
)
from shared.domain.task_lists import EVERY, changed_by, following, of_lead, of_owner, task_document_id
from tests.builders import NOW, lead

LEAD = "lead-1"
PLACE = task_document_id(LEAD, "t1")


def request(key: str, action: TaskAction = TaskAction.CREATE, minutes: float = 0, **more: Any) -> TaskRequest:
    at = NOW + timedelta(minutes=minutes)
    given_ = {"title": "Call Ana", "kind": TaskKind.CALL} if action is TaskAction.CREATE else {}
    return TaskRequest(
        key, (at.isoformat(timespec="microseconds"), key), at, LEAD, "t1", action, "sam", **given_ | more
    )


def snooze(key: str, minutes: float, days: int = 1) -> TaskRequest:
    return request(key, TaskAction.SNOOZE, minutes, due_at=NOW + timedelta(days=days))


def reassign(key: str, minutes: float, to: str = "kim") -> TaskRequest:
    return request(key, TaskAction.REASSIGN, minutes, assigned_to=to)


def task(**more: Any) -> Any:
    return new_task(request("c1", **more), lead(), "t1", NOW)


def changed(one: Any, asked: TaskRequest) -> Any:
    """The task after a command that is accepted."""
    after = change_task(one, asked, NOW)
    assert isinstance(after, dict)
    return after


def decided(view: TaskView, *requests: TaskRequest, final: bool = False, now: datetime = NOW) -> TaskPlan:
    return decide_requests(view, requests, frozenset(one.key for one in requests if final), now, patient=True)


def written(view: TaskView, plan: TaskPlan) -> TaskView:
    """What is stored once the plan is written."""
    kept = {place: one for place, one in plan.tasks.items() if place not in plan.gone}
    return replace(view, verdicts={**view.verdicts, **plan.verdicts}, tasks=kept)


EMPTY = TaskView({LEAD: lead()}, {}, {})


def test_a_task_belongs_to_whom_it_is_given_else_to_the_leads_owner_else_to_nobody() -> None:
    owned = lead(assignedTo="kim")
    assert new_task(request("c1", assigned_to="sam"), owned, "t1", NOW)["assignedTo"] == "sam"
    assert new_task(request("c1"), owned, "t1", NOW)["assignedTo"] == "kim"
    nobodys = new_task(request("c1"), lead(), "t1", NOW)
    assert "assignedTo" not in nobodys
    assert nobodys["lists"] == [EVERY, of_owner(None), of_lead(LEAD), following(LEAD)]


def test_a_title_that_is_longer_than_a_task_s_is_cut() -> None:
    assert len(task(title="x" * (TITLE_MAX + 1))["title"]) == TITLE_MAX


@given(st.permutations(range(6)))
def test_snoozes_and_reassignments_reach_one_task_in_any_order(order: list[int]) -> None:
    """The newest by time holds, and at equal times the one with the greater id."""
    commands = [
        *(snooze("s1", 1, 1), snooze("s2", 3, 2), snooze("s3", 3, 3)),
        *(reassign("r1", -5, "ann"), reassign("r2", 2, "kim"), reassign("r3", 1, "sam")),
    ]
    one = task(due_at=NOW)
    for number in order:
        one = changed(one, commands[number])
    assert (one["dueAt"], one["assignedTo"], one["state"]) == (NOW + timedelta(days=3), "kim", "open")
    assert one["lists"] == [EVERY, of_owner("kim"), of_lead(LEAD)]


@given(st.permutations(["c1", "s1", "r1", "d1"]), st.lists(st.sampled_from(["c1", "s1", "r1", "d1"]), max_size=6))
def test_redeliveries_change_nothing_and_say_the_same(order: list[str], again: list[str]) -> None:
    by_key = {
        "c1": request("c1"),
        "s1": snooze("s1", 1),
        "r1": reassign("r1", 2),
        "d1": request("d1", TaskAction.COMPLETE, 3, outcome="sold"),
    }
    view, said = EMPTY, dict[str, object]()
    for key in (*order, *again, *order):
        plan = decided(view, by_key[key], final=True)
        view = written(view, plan)
        place = plan.places.get(key)
        outcome = change_of(plan.tasks[place], key) if place else plan.verdicts[key]["reason"]
        assert said.setdefault(key, outcome) == outcome


@given(st.permutations(range(3)))
def test_the_first_command_that_closes_a_task_closes_it_for_good(order: list[int]) -> None:
    closings = [
        request("d1", TaskAction.COMPLETE, 5, outcome="sold"),
        request("x1", TaskAction.CANCEL, 1, outcome="not needed"),
        request("d2", TaskAction.COMPLETE, 3),
    ]
    first, *others = [closings[number] for number in order]
    one = changed(task(), first)
    assert (one["state"], one.get("outcome")) == ("cancelled" if first.key == "x1" else "done", first.outcome)
    assert one["lists"] == []
    assert "key" not in one
    for other in (*others, snooze("s1", 9), reassign("r1", 9)):
        assert change_task(one, other, NOW) == (
            RejectionReason.INVALID_TRANSITION,
            f"the task is {one['state']} already",
        )


def test_commands_that_come_before_their_task_wait_and_are_then_rejected() -> None:
    early = decided(EMPTY, snooze("s1", 1))
    assert (early.early, early.verdicts) == (["s1"], {})
    late = decided(EMPTY, snooze("s1", 1), final=True)
    assert late.verdicts["s1"]["reason"] == "unknown_task"
    # The task comes at last: the verdict stays.
    view = written(written(EMPTY, late), decided(written(EMPTY, late), request("c1")))
    again = decided(view, snooze("s1", 1))
    assert again.verdicts["s1"]["reason"] == "unknown_task"
    assert again.places == {}


def test_in_one_batch_commands_change_the_task_that_the_batch_creates() -> None:
    plan = decided(EMPTY, request("c1"), snooze("s1", 1), request("d1", TaskAction.COMPLETE, 2), reassign("r1", 3))
    assert plan.tasks[PLACE]["state"] == "done"
    assert {key: row["reason"] for key, row in plan.verdicts.items()} == {
        **dict.fromkeys(("c1", "s1", "d1")),
        "r1": "invalid_transition",
    }


def test_a_task_takes_so_many_commands_and_can_then_only_be_closed() -> None:
    one = task()
    for number in range(COMMANDS_MAX - 1):
        one = changed(one, snooze(f"s{number:03}", number))
    assert len(one["changes"]) == COMMANDS_MAX
    assert change_task(one, snooze("more", 999), NOW) == (
        RejectionReason.TOO_LARGE,
        f"the task was changed {COMMANDS_MAX} times; it can only be closed",
    )
    assert changed(one, request("d1", TaskAction.COMPLETE, 999))["state"] == "done"


def test_two_sources_may_use_one_event_id_for_tasks_of_one_lead() -> None:
    view = written(EMPTY, decided(EMPTY, request("c1", title="One")))
    plan = decided(view, request("c2", title="Two"))
    assert {one["taskId"]: one["title"] for one in plan.tasks.values()} == {"t1": "One", "c2": "Two"}
    assert decided(written(view, plan), request("c2", title="Two")).changed == set()
    assert decided(written(view, plan), request("c1", title="One")).changed == set()


def test_an_unknown_lead_makes_commands_wait_and_then_be_rejected_and_leaves_nothing_of_nurture() -> None:
    nobody = TaskView({}, {}, {})
    assert decided(nobody, request("c1")).unknown == ["c1"]
    assert decided(nobody, request("c1"), final=True).verdicts["c1"]["reason"] == "lead_not_found"
    plan = decided(nobody, request("n1", action_id="a1"))
    assert (plan.unknown, plan.verdicts, plan.tasks) == ([], {}, {})


def test_a_task_that_was_stored_while_its_lead_was_erased_goes_with_the_redelivery() -> None:
    left = TaskView({}, {}, {PLACE: task()})
    assert decided(left, request("c1")).gone == [PLACE]
    assert decided(left, snooze("s1", 1)).gone == [PLACE]


@pytest.mark.parametrize("status", ["converted", "lost"])
def test_a_lead_that_ends_cancels_what_nurture_planned_and_nothing_that_people_did(status: str) -> None:
    ended = lead(status=status)
    planned = task(action_id="a1")
    after = follow_lead(planned, ended, "k1", "conversion", NOW)
    assert after is not None
    assert (after["state"], after["outcome"], after["by"]) == ("cancelled", f"the lead is {status}", "conversion")
    # A redelivery of the lead's event finds the task, to publish its change again.
    assert after["lists"] == [changed_by("k1")]
    assert follow_lead(after, ended, "k2", "conversion", NOW) is None
    assert follow_lead(task(), ended, "k1", "conversion", NOW) is None
    # People may have changed its person: it is nurture's all the same.
    assert follow_lead(changed(planned, reassign("r1", 1)), ended, "k1", "conversion", NOW) is not None
    assert decided(TaskView({LEAD: ended}, {}, {}), request("n1", action_id="a1")).tasks == {}


def test_a_task_follows_the_owner_until_somebody_assigns_it() -> None:
    one = follow_lead(task(), lead(assignedTo="kim"), "k1", "assignment", NOW)
    assert one is not None
    assert one["assignedTo"] == "kim"
    assert follow_lead(one, lead(assignedTo="kim"), "k2", "assignment", NOW) is None
    moved = follow_lead(one, lead(assignedTo="sam"), "k2", "boss", NOW)
    assert moved is not None
    assert moved["assignedTo"] == "sam"
    by_hand = changed(moved, reassign("r1", 1, "ann"))
    assert follow_lead(by_hand, lead(assignedTo="kim"), "k3", "boss", NOW) is None
    assert follow_lead(task(assigned_to="ann"), lead(assignedTo="kim"), "k1", "boss", NOW) is None


def test_a_task_remembers_its_newest_automatic_changes_and_all_commands() -> None:
    one = task()
    for number, owner in zip(range(AUTOMATIC_MAX + 5), itertools.cycle(["kim", "sam"]), strict=False):
        after = follow_lead(one, lead(assignedTo=owner), f"k{number}", "boss", NOW)
        assert after is not None
        one = after
    kept = [change["key"] for change in one["changes"]]
    assert kept == ["c1", *(f"k{number}" for number in range(5, AUTOMATIC_MAX + 5))]
    assert one["lists"][-AUTOMATIC_MAX:] == [changed_by(key) for key in kept[1:]]


@given(st.permutations(["assigned", "created", "lost"]))
def test_a_task_of_nurture_ends_alike_whatever_its_lead_does_meanwhile(order: list[str]) -> None:
    """The task reads its lead after it is stored: it misses no change that came before."""
    now, one = lead(), None
    for step in order:
        if step == "assigned":
            now = {**now, "assignedTo": "kim"}
        elif step == "lost":
            now = {**now, "status": "lost"}
        else:
            plan = decided(TaskView({LEAD: now}, {}, {}), request("n1", action_id="a1"))
            one = plan.tasks.get(PLACE)
        if one is not None:
            one = follow_lead(one, now, f"k {step}", "boss", NOW) or one
    assert one is None or one["state"] == "cancelled"
