"""The harness of the faults itself: what a step is called, and that what it takes hold of is there."""

import subprocess
import sys
from typing import Any

import pytest

from shared.mongo import leases
from shared.mongo.storage import Change
from tests.faults.bugs import BUGS
from tests.faults.edges import marks, step
from tests.faults.points import STEPS
from tests.swapping import MissingTargetError, swap

_PLANT = """
import os, traceback
from tests.faults.bugs import BUGS
for name, bug in BUGS.items():
    child = os.fork()
    if not child:
        try:
            bug.plant()
        except Exception:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    print(name, os.waitpid(child, 0)[1])
"""
_ROLLUPS = ("change rollups", "change rollups [$unset]", "insert_new timeline [after insert_new unplaced]")


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (Change("a", {}, {"$inc": {"is.x": 1}}), "change rollups"),
        (Change("a", {"is.x": 0}, {"$unset": {"is.x": ""}}), "change rollups [$unset]"),
    ],
)
def test_the_shape_of_a_write_tells_two_steps_of_one_name_apart(change: Change, found: str) -> None:
    assert step("change rollups", marks("change", [change]), _ROLLUPS) == found


@pytest.mark.parametrize(
    ("method", "what", "found"),
    [
        ("change", [Change("a", {"claim": "c"}, {"$set": {"state": "sent"}, "$min": {"at": 1}})], "if claim"),
        ("change", [Change("a", {"claim": "c"}, {"$set": {"state": "sent"}, "$min": {"at": 1}})], "state"),
        ("change", [Change("a", {"claim": "c"}, {"$set": {"state": "sent"}, "$min": {"at": 1}})], "$min at"),
        ("insert_new", [{"_id": "a", "zone": "UTC"}], "zone"),
        ("delete_guarded", {"a": {"revision": 3}}, "if revision"),
    ],
)
def test_a_write_is_known_by_what_it_sets_and_what_it_asks(method: str, what: Any, found: str) -> None:
    assert found in marks(method, what)


def test_what_is_no_step_has_a_name_that_says_what_it_is() -> None:
    assert step("insert_new timeline", frozenset({"leadId", "at"}), _ROLLUPS) == "insert_new timeline [at, leadId]"
    assert step("put leads", frozenset(), _ROLLUPS) == "put leads []"


def test_no_two_steps_of_a_worker_have_one_name() -> None:
    assert {worker: sorted(of) for worker, of in STEPS.items()} == {w: sorted(set(of)) for w, of in STEPS.items()}


def test_who_takes_hold_of_what_is_not_there_is_told() -> None:
    with pytest.raises(MissingTargetError, match="has no"):
        swap(leases, swap, lambda _: None)


def test_every_planted_bug_finds_what_it_is_planted_in() -> None:
    """In one process that has the product imported, and forks for each: a bug stays planted for good."""
    done = subprocess.run([sys.executable, "-c", _PLANT], capture_output=True, text=True, check=True)
    assert done.stdout == "".join(f"{name} 0\n" for name in BUGS), done.stderr
