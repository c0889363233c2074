"""Every crash point of every worker, by name; `edges` defines the names of steps.

A step is a write, a publish, or the commit. A process is killed before a step, after it, and amid a step that goes out
in parts: a group of records, or a request with an answer. A run compares the list with what its workers reach. A test
compares it with all writes in the sources.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from schemas.topics import DEADLETTER
from tests.faults.edges import COMMIT, PUBLISH

_BURIES = f"{PUBLISH} {DEADLETTER.name}"
_WAITS = (
    "insert_new orphans",
    "change orphans [claim]",
    "change orphans",
    "delete orphans",
)
_CARRIES_OUT = (
    "insert_new commands",
    "change leads",
    "insert_new activities",
    "change commands",
)

STEPS: Mapping[str, tuple[str, ...]] = {
    "capture": (
        "insert_new identities",
        "change identities",
        "insert_new captures",
        "replace captures",
        "insert_new leads",
        "change leads",
        "delete_guarded leads",
        "publish leads.created",
        "publish leads.merged",
        "publish leads.updated",
        _BURIES,
        COMMIT,
        # Last, since the leads to erase must exist.
        "delete_guarded identities",
        "change identities [leadIds]",
    ),
    "scoring": (
        "insert_new rescoring",
        "change rescoring",
        "change leads",
        "change leads [if scoring.agesAt]",
        "publish leads.rescore",
        "publish leads.scored",
        COMMIT,
    ),
    "assignment": (
        "change leads",
        "change leads [assignment.account]",
        "insert_new owners",
        "change owners",
        "publish leads.assigned",
        COMMIT,
    ),
    "engagement": (
        *_WAITS,
        "insert_new activities",
        "change leads",
        "change activities",
        "delete activities",
        "publish leads.rescore",
        "publish leads.triggered",
        "publish leads.updated",
        _BURIES,
        COMMIT,
    ),
    "qualification": (
        *_WAITS,
        *_CARRIES_OUT,
        "publish leads.qualified",
        "publish leads.disqualified",
        "publish leads.updated",
        "publish leads.rejected",
        _BURIES,
        COMMIT,
    ),
    "nurture": (
        "insert_new nurture_steps",
        "insert_new enrolments",
        "change enrolments",
        "change_all nurture_steps",
        "delete_all nurture_steps",
        "delete_all enrolments",
        "change nurture_steps",
        "publish nurture.actions [after change nurture_steps]",
        "change nurture_steps [if claim]",
        "publish nurture.enrolled",
        "publish nurture.actions",
        COMMIT,
    ),
    "tasks": (
        *_WAITS,
        "insert_new commands",
        "change commands [if reason]",
        "insert_new tasks",
        "replace tasks",
        "delete tasks",
        "change commands",
        "publish tasks.created",
        "publish tasks.updated",
        "publish leads.activities",
        "publish leads.rejected",
        _BURIES,
        COMMIT,
    ),
    "conversion": (*_WAITS, *_CARRIES_OUT, "publish leads.converted", "publish leads.rejected", _BURIES, COMMIT),
    "erasure": (
        *_WAITS,
        "insert_new commands",
        "insert_new tombstones",
        "change tombstones",
        "delete_guarded leads",
        "delete_guarded identities",
        "change identities",
        "change orphans [endsAt]",
        "delete orphans [after change orphans]",
        "put outcomes",
        "delete_all activities",
        "delete_all edits",
        "delete_all enrolments",
        "delete_all notes",
        "delete_all nurture_steps",
        "delete_all predictions",
        "delete_all tasks",
        "delete_all timeline",
        "change lead_rows",
        "change lead_words",
        "put captures",
        "change commands",
        "publish leads.erased",
        "publish leads.rejected",
        _BURIES,
        COMMIT,
    ),
    "insights": (
        "insert_new outcomes",
        "change outcomes",
        "put outcomes",
        "insert_new insights [zone]",
        "change insights [aliveAt]",
        "insert_new insights",
        "change insights",
        "insert_new lead_rows",
        "change lead_rows",
        "insert_new lead_words",
        "change lead_words",
        "insert_new rollups",
        "change rollups",
        "change rollups [$unset]",
        "change insights [done]",
        "insert_new timeline",
        "insert_new unplaced",
        "insert_new timeline [after insert_new unplaced]",
        "delete unplaced",
        "delete_all timeline",
        "delete_all unplaced",
        COMMIT,
    ),
    "prediction": (
        "delete predictions",
        "change predictions [if version]",
        "insert_new predictions",
        "delete predictions [after insert_new predictions]",
        "change predictions [claim]",
        "delete predictions [after change predictions]",
        "change predictions",
        "insert_new models",
        "change models",
        "put models",
        COMMIT,
    ),
}
"""Each worker's steps, about in the order of a batch, with those of background loops."""

SITES: Mapping[str, int] = {
    "change activities": 2,
    "change api_keys": 1,
    "change captures": 2,
    "change commands": 4,
    "change enrolments": 1,
    "change identities": 9,
    "change insights": 6,
    "change lead_rows": 2,
    "change lead_words": 2,
    "change leads": 8,
    "change models": 3,
    "change nurture_steps": 2,
    "change orphans": 2,
    "change outcomes": 1,
    "change owners": 1,
    "change people": 1,
    "change predictions": 4,
    "change rate_limits": 2,
    "change rescoring": 1,
    "change rollups": 2,
    "change sessions": 1,
    "change tombstones": 1,
    "change …": 3,
    "change_all nurture_steps": 1,
    "delete activities": 1,
    "delete configuration": 2,
    "delete models": 1,
    "delete orphans": 2,
    "delete predictions": 3,
    "delete sessions": 1,
    "delete tasks": 2,
    "delete unplaced": 1,
    "delete_all edits": 1,
    "delete_all enrolments": 1,
    "delete_all notes": 1,
    "delete_all nurture_steps": 1,
    "delete_all rollups": 1,
    "delete_all timeline": 1,
    "delete_all unplaced": 1,
    "delete_all …": 1,
    "delete_guarded identities": 2,
    "delete_guarded leads": 2,
    "insert_new activities": 1,
    "insert_new api_keys": 1,
    "insert_new captures": 1,
    "insert_new commands": 3,
    "insert_new edits": 1,
    "insert_new enrolments": 1,
    "insert_new identities": 4,
    "insert_new insights": 2,
    "insert_new lead_rows": 1,
    "insert_new lead_words": 1,
    "insert_new leads": 1,
    "insert_new models": 2,
    "insert_new notes": 1,
    "insert_new nurture_steps": 1,
    "insert_new orphans": 1,
    "insert_new outcomes": 2,
    "insert_new owners": 1,
    "insert_new people": 1,
    "insert_new predictions": 2,
    "insert_new rate_limits": 1,
    "insert_new rescoring": 1,
    "insert_new rollups": 1,
    "insert_new sessions": 2,
    "insert_new tasks": 1,
    "insert_new timeline": 2,
    "insert_new tombstones": 1,
    "insert_new unplaced": 1,
    "publish": 9,
    "put captures": 1,
    "put configuration": 1,
    "put models": 2,
    "put outcomes": 2,
    "put replays": 1,
    "replace captures": 1,
    "replace tasks": 1,
}
"""How many calls in the sources write each collection by each method, or publish.

`…` stands for a collection that the caller names. A new write needs a new step of the worker that reaches it, with a
mark if the name exists already; or a reason why no worker reaches it here.
"""

_COMMANDS, _GATEWAY = (
    "the commands of `pantry`",
    "the gateway, which has no steps: an answer that isn't given is asked again",
)
_EDITS = "`tests/worker/test_edits.py` kills and freezes a process at each step of an edit"
ELSEWHERE: Mapping[str, str] = {
    "change activities": "one of them needs several events of one activity: `tests/worker/test_activity_ids.py`",
    "change captures": "needs more captures of one lead than it remembers: `tests/worker/test_memory.py`",
    "change identities": f"two are {_COMMANDS}: `tests/worker/test_claim_rewriting.py`; five are edits': {_EDITS}",
    "insert_new identities": f"one is {_COMMANDS}: `tests/worker/test_claim_rewriting.py`; two are edits': {_EDITS}",
    "delete_guarded identities": f"one of them is edits': {_EDITS}",
    **dict.fromkeys(("insert_new edits", "insert_new notes"), _EDITS),
    "change insights": f"three of them are {_COMMANDS}: `tests/worker/test_insights.py`",
    "change leads": f"one is {_COMMANDS}: `tests/worker/test_lead_check.py`; one is edits': {_EDITS}",
    "change …": "one needs more events of a lead than it remembers: `tests/worker/test_memory.py`; one is a command",
    "change predictions": "one needs a model in use, which thousands of outcomes make; one a lead without a row",
    "insert_new predictions": "one of them needs a lead without a row: `tests/worker/test_training.py`",
    "change models": "two of them need a model in use: `tests/worker/test_training.py`",
    "put models": "one of them needs a model in use",
    "insert_new models": "one of them needs outcomes that a model can be made of",
    "delete models": "needs a hundred models",
    "put configuration": "needs a refused file: `tests/worker/test_configuration.py`",
    "delete configuration": "needs a refused file",
    "delete_all rollups": _COMMANDS,
    **dict.fromkeys(("insert_new api_keys", "change api_keys"), _GATEWAY),
    **dict.fromkeys(("insert_new rate_limits", "change rate_limits"), _GATEWAY),
    **dict.fromkeys(("insert_new people", "change people"), _GATEWAY),
    **dict.fromkeys(("insert_new sessions", "change sessions", "delete sessions"), _GATEWAY),
    "put replays": _GATEWAY,
}
"""Writes that no worker reaches here, and why."""

RACES = frozenset(
    {
        ("capture", "delete_guarded leads"),
        ("engagement", "delete activities"),
        ("insights", "put outcomes"),
        ("tasks", "change commands [if reason]"),
        ("tasks", "delete tasks"),
        ("prediction", "delete predictions [after insert_new predictions]"),
        ("prediction", "delete predictions [after change predictions]"),
    }
)
"""Steps that a worker reaches only if another one writes between two of its reads.

Those milliseconds can't be hit at will. `tests/model` stops and kills processes between any two steps.
"""

RARE = frozenset(
    {
        ("prediction", "change predictions [claim]"),
        ("prediction", "change predictions"),
        ("engagement", "change activities"),
    }
)
"""Steps that the load here does not lead to: predictions that are a day old, and an activity's next version.

`tests/worker/test_training.py` and `tests/worker/test_activity_ids.py` kill a process at each of them.
"""

_RELEASES = ("delete_guarded identities", "change identities [leadIds]")
_ONCE = ("insert_new rescoring", "insert_new owners", "insert_new insights")
_AFTER = {
    ("capture", "replace captures"): "after insert_new captures",
    ("erasure", "change tombstones"): "after insert_new tombstones",
}
_BESIDE = {("capture", step): ("erasure", "after delete_guarded leads") for step in _RELEASES}


@dataclass(frozen=True, slots=True)
class Point:
    """Where a process of `worker` is killed.

    `once`: a database reaches the point about once, so it is the first to be met. `after` is where the first delivery
    is killed, if only a second delivery reaches the point. `beside` is another worker and its crash point, which must
    come before. `first_only`: no redelivery reaches the point again.
    """

    worker: str
    name: str
    once: bool = False
    after: str | None = None
    beside: tuple[str, str] | None = None
    first_only: bool = False

    @property
    def deliveries(self) -> tuple[str, ...]:
        """Return the successive kill points that meet this point on each of its deliveries."""
        if self.first_only or (self.once and self.name.startswith("after")):
            return (self.name,)
        return (self.after or self.name, self.name)


def points(worker: str) -> Iterator[Point]:
    """Return all points of a worker, those that it meets once first."""
    steps = [step for step in STEPS[worker] if (worker, step) not in RACES | RARE]
    for step in sorted(steps, key=lambda step: step not in _ONCE):
        in_parts = step.startswith((COMMIT, PUBLISH))
        for moment in ("before", "amid", "after") if in_parts else ("before", "after"):
            name, beside = f"{moment} {step}", _BESIDE.get((worker, step))
            if beside:
                yield Point(worker, name, beside=beside, first_only=True)
            after = f"before {_RELEASES[0]}" if beside else _AFTER.get((worker, step))
            yield Point(worker, name, step in _ONCE, after, beside)


def unaided(worker: str) -> set[str]:
    """Return the steps that a worker reaches without kills and without concurrent writes."""
    return {one for one in STEPS[worker] if not {(worker, one)} & (RACES | RARE | _AFTER.keys() | _BESIDE.keys())}


def step_of(point: str) -> str:
    """Return the step of this point."""
    return point.partition(" ")[2]
