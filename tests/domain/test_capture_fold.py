"""A batch of captures is a fold: it changes nothing that it was given, and enters each step once a capture."""

import sys
from collections import Counter
from copy import deepcopy
from pathlib import Path
from types import FrameType
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.capture.domain import decide as deciding
from services.capture.domain.claims import claims_of
from services.capture.domain.decide import decide, decide_one
from services.capture.domain.identifying import DecisionRules
from services.capture.domain.view import Capture, View
from shared.domain.identity.identity_rules import DEFAULT_IDENTITY_RULES, IdentityRules
from tests.builders import NOW, capture, data, reading_claims, written

STEPS = {"match", "erasure", "merge", "decision_log"}
FEW = IdentityRules(names_max=2)
PAYLOADS = st.builds(
    data,
    email=st.sampled_from([None, "a@example.com", "b@example.com"]),
    phone=st.sampled_from([None, "(212) 555-0142", "(212) 555-0143"]),
    company=st.sampled_from(["Blue Fork", "Other"]),
    first=st.sampled_from(["Ana", "Bo"]),
    consent=st.sampled_from([{}, {"email": True}, {"email": False, "phone": True}]),
    context=st.sampled_from([{}, {"booth": 7}, {"note": ["x"]}]),
)


def _captures(payloads: list[dict[str, Any]], start: int = 0) -> list[Capture]:
    return [capture(f"c{start + number}", payload) for number, payload in enumerate(payloads)]


def _erased(view: View) -> View:
    """The view after an erasure of its first lead, whose claims a slow process left."""
    lead_id = next(iter(view.leads))
    leads = {one: lead for one, lead in view.leads.items() if one != lead_id}
    marker: Any = {"_id": "m", "leadId": lead_id, "at": NOW}
    return View(view.rows, view.claims, leads, {f"lead:{lead_id}": marker}, marks=view.marks)


@settings(max_examples=60, deadline=None)
@given(st.lists(PAYLOADS, min_size=1, max_size=4), st.lists(PAYLOADS, max_size=5), st.booleans())
def test_a_decision_changes_nothing_that_it_was_given(
    before: list[dict[str, Any]],
    later: list[dict[str, Any]],
    erased: bool,  # noqa: FBT001 - drawn
) -> None:
    first = _captures(before)
    view = reading_claims(View({}, {}, {}), *claims_of(first))
    view = written(view, decide(first, view, NOW, "US", FEW))
    captures = [*first, *_captures(later, start=len(first))]
    view = reading_claims(_erased(view) if erased else view, *claims_of(captures))
    given_view, given_captures = deepcopy(view), deepcopy(captures)
    decide(captures, view, NOW, "US", FEW)
    assert view == given_view
    assert captures == given_captures


def test_a_capture_enters_each_step_once() -> None:
    one = capture("c1", data(phone="(212) 555-0142"))
    view = reading_claims(View({}, {}, {}), *one.identity.claims)
    assert _entered(view, one) == dict.fromkeys(STEPS, 1)
    view = written(view, decide([one], view, NOW, "US"))
    fills = capture("c2", data(phone="(212) 555-0142", contact={"title": "Chef"}))
    assert _entered(view, fills) == dict.fromkeys(STEPS, 1)
    assert _entered(view, one) == {"match": 1, "decision_log": 1}


def _entered(view: View, one: Capture) -> dict[str, int]:
    """Return how often `decide` calls into each of the steps' modules for this capture."""
    calls: Counter[str] = Counter()

    def note(frame: FrameType, event: str, _: object) -> None:
        caller = frame.f_back
        if event == "call" and caller is not None and caller.f_code.co_filename == deciding.__file__:
            calls[Path(frame.f_code.co_filename).stem] += 1

    sys.setprofile(note)
    try:
        decide_one(view, one, DecisionRules(NOW, "US", DEFAULT_IDENTITY_RULES))
    finally:
        sys.setprofile(None)
    return {module: count for module, count in calls.items() if module in STEPS}
