"""Nurture decides on a batch without changing what it was given, and again as before."""

from copy import deepcopy
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.nurture.domain.decide import (
    NurtureEvent,
    NurturePlan,
    NurtureRules,
    NurtureView,
    as_read,
    decide_batch,
    repeated_steps,
    started_by_cause,
)
from services.nurture.domain.sequences import Sequences
from shared.config import load_config
from shared.domain.consent.contact_permission import ConsentPolicy
from tests.builders import NOW, lead

SHIPPED = load_config(Path("deploy/config/sequences.yaml"), Sequences)
RULES = NurtureRules(SHIPPED, ConsentPolicy("opt_out", "US"), UTC)
TRIGGERS = sorted({trigger for one in SHIPPED.sequences for trigger in one.triggers})
LEADS = ("a", "b")

events = st.builds(
    lambda key, lead_id, kind: NurtureEvent(f"{key} {lead_id} {kind}", lead_id, f"event {key}", "chain", **dict(kind)),
    st.sampled_from("xyz"),
    st.sampled_from([*LEADS, "nobody"]),
    st.one_of(
        st.sampled_from([10, 90]).map(lambda score: (("first_score", score),)),
        st.sampled_from(TRIGGERS).map(lambda trigger: (("trigger", trigger),)),
        st.booleans().map(lambda changed: (("changes_mail_consent", changed),)),
    ),
)
batches = st.lists(st.lists(events, min_size=1, max_size=6, unique_by=lambda one: one.key), min_size=1, max_size=5)
statuses = st.sampled_from(["new", "new", "contacted", "converted", "lost"])
consents = st.sampled_from([{}, {"consent": {"email": False}}])
people = st.fixed_dictionaries({one: st.tuples(statuses, consents) for one in LEADS}).map(
    lambda found: {one: lead(_id=one, status=status, **more) for one, (status, more) in found.items()}
)


class Stored:
    """The documents of earlier batches."""

    def __init__(self) -> None:
        self.enrolments: dict[str, Any] = {}
        self.steps: dict[str, Any] = {}

    def view(self, leads: dict[str, Any], batch: list[NurtureEvent]) -> NurtureView:
        enrolments, steps = list(self.enrolments.values()), list(self.steps.values())
        repeated = {step_id: self.steps[step_id] for step_id in repeated_steps(enrolments, batch)}
        return NurtureView(leads, as_read(enrolments, steps), started_by_cause(steps), repeated)

    def save(self, plan: NurturePlan) -> None:
        for one in plan.enrolments:
            self.enrolments[one.enrolment["_id"]] = one.enrolment
            self.steps |= {step["_id"]: step for step in one.steps}

    def finish_steps(self) -> None:
        self.steps = {step_id: {**step, "state": "sent", "decidedAt": NOW} for step_id, step in self.steps.items()}


@given(people, batches, st.sets(st.integers(0, 4)))
def test_a_batch_changes_nothing_that_it_was_given(
    leads: dict[str, Any], found: list[list[NurtureEvent]], finished_after: set[int]
) -> None:
    stored = Stored()
    for number, batch in enumerate(found):
        view = stored.view(leads, batch)
        before = deepcopy((view, batch))
        plan = decide_batch(view, batch, NOW + number * timedelta(days=1), RULES)
        assert (view, batch) == before
        assert plan == decide_batch(view, batch, NOW + number * timedelta(days=1), RULES)
        stored.save(plan)
        if number in finished_after:
            stored.finish_steps()


@given(people, batches)
def test_a_redelivered_batch_writes_nothing_and_has_the_same_rounds(
    leads: dict[str, Any], found: list[list[NurtureEvent]]
) -> None:
    stored = Stored()
    for batch in found:
        first = decide_batch(stored.view(leads, batch), batch, NOW, RULES)
        stored.save(first)
        again = decide_batch(stored.view(leads, batch), batch, NOW + timedelta(hours=1), RULES)
        assert [one for one in again.enrolments if one.changed] == []
        assert [_rounds(one) for one in again.outcomes] == [_rounds(one) for one in first.outcomes]


def _rounds(outcome: Any) -> list[Any]:
    return [(one.enrolment["_id"], one.at, one.steps) for one in outcome.rounds]


@given(people, batches)
def test_a_lead_that_ended_is_not_enrolled(leads: dict[str, Any], found: list[list[NurtureEvent]]) -> None:
    for batch in found:
        plan = decide_batch(Stored().view(leads, batch), batch, NOW, RULES)
        over = {lead_id for lead_id, one in leads.items() if one["status"] in ("converted", "lost")}
        assert plan.ended.keys() == over & {one.lead_id for one in batch}
        assert not over & {one.enrolment["leadId"] for one in plan.enrolments}
        assert not over & plan.unmailable.keys()
