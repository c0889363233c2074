"""Every point at which a worker may be killed, by name; `doomed` says what a name means.

A step is a write, a publishing, or the commit; a process is killed before it, after it, and amid what goes out in
parts: a group of records, or a request whose answer is awaited. The table is complete, as a test compares it with the
sources, and each run with what its workers came by.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_COMMIT = "the commit"
_TELLS = "publishing @ shared.passage.Passage.publish"
_BURIES = "publishing @ shared.passage.Passage.bury"
_WAITS = (
    "insert_new orphans @ shared.orphans.Orphans.park",
    "change orphans @ shared.due.claim",
    "change orphans @ shared.orphans.Orphans.later",
    "delete orphans @ shared.orphans.Orphans.done",
)
_RELEASES = (
    "delete_guarded identities @ shared.tombstones.release.attempt",
    "change identities @ shared.tombstones.release.attempt",
)
_CARRIES_OUT = (
    "insert_new commands @ shared.commands._attempt",
    "change leads @ shared.leads.change_leads",
    "insert_new activities @ shared.leads.add_activities",
    "change commands @ shared.commands._write",
)

STEPS: Mapping[str, tuple[str, ...]] = {
    "capture": (
        "insert_new identities @ capture.store._claim",
        "change identities @ capture.store.save",
        "insert_new captures @ capture.store.save",
        "replace captures @ capture.store.save",
        "insert_new leads @ capture.store._save_leads",
        "change leads @ capture.store._save_leads",
        "delete_guarded leads @ capture.store._take_back",
        _TELLS,
        _BURIES,
        _COMMIT,
        # Last, for there must be leads that can be erased.
        *_RELEASES,
    ),
    "scoring": (
        "insert_new rescoring @ scoring.store.make_current.attempt",
        "change rescoring @ scoring.store.replace",
        "change leads @ scoring.worker._score.attempt",
        "change leads @ scoring.store.hold",
        "publishing @ scoring.asking.Requests.ask",
        _TELLS,
        _COMMIT,
    ),
    "assignment": (
        "change leads @ assignment.store.assign",
        "change leads @ assignment.store.settle_accounts",
        "insert_new owners @ assignment.store.count",
        "change owners @ assignment.store.count",
        _TELLS,
        _COMMIT,
    ),
    "engagement": (
        *_WAITS,
        "insert_new activities @ shared.leads.add_activities",
        "change leads @ shared.leads.change_leads",
        "change activities @ engagement.store._mark",
        "delete activities @ engagement.store.take_in_all",
        _TELLS,
        _BURIES,
        _COMMIT,
    ),
    "qualification": (*_WAITS, *_CARRIES_OUT, _TELLS, _BURIES, _COMMIT),
    "nurture": (
        "insert_new nurture_steps @ nurture.store.admit",
        "insert_new enrolments @ nurture.store.admit",
        "change enrolments @ nurture.store.admit",
        "change_all nurture_steps @ nurture.store.cancel",
        "delete_all nurture_steps @ nurture.store.forget",
        "delete_all enrolments @ nurture.store.forget",
        "change nurture_steps @ nurture.store.decide",
        "publishing @ nurture.scheduler.Scheduler._send",
        "change nurture_steps @ nurture.store.finish",
        _TELLS,
        _COMMIT,
    ),
    "conversion": (*_WAITS, *_CARRIES_OUT, _TELLS, _BURIES, _COMMIT),
    "erasure": (
        *_WAITS,
        "insert_new commands @ erasure.store.begin",
        "insert_new tombstones @ erasure.store._bury",
        "change tombstones @ erasure.store._bury",
        "delete_guarded leads @ erasure.store._delete_leads",
        *_RELEASES,
        "change orphans @ erasure.store._end_waiting",
        "delete orphans @ erasure.store._end_waiting",
        "delete_all activities @ erasure.store._purge",
        "delete_all enrolments @ erasure.store._purge",
        "delete_all nurture_steps @ erasure.store._purge",
        "delete_all predictions @ erasure.store._purge",
        "delete_all timeline @ erasure.store._purge",
        "change lead_rows @ erasure.store._purge",
        "put captures @ erasure.store.erase",
        "change commands @ erasure.store.erase",
        _TELLS,
        _BURIES,
        _COMMIT,
    ),
    "insights": (
        "insert_new insights @ insights.counting.beat",
        "change insights @ insights.counting.beat",
        "insert_new insights @ insights.counting.begin_shards",
        "change insights @ insights.counting._attempt",
        "insert_new lead_rows @ insights.counting._store_rows",
        "change lead_rows @ insights.counting._store_rows",
        "insert_new rollups @ insights.counting._change_buckets",
        "change rollups @ insights.counting._change_buckets",
        "change rollups @ insights.counting._forget_names",
        "change insights @ insights.counting.carry_out",
        "insert_new timeline @ insights.placing.place",
        "insert_new unplaced @ insights.placing.place",
        "insert_new timeline @ insights.placing._bring",
        "delete unplaced @ insights.placing._bring",
        "delete_all timeline @ insights.placing._forget",
        "delete_all unplaced @ insights.placing.clear",
        _COMMIT,
    ),
    "prediction": (
        "change predictions @ prediction.store.ask",
        "insert_new predictions @ prediction.store.ask",
        "delete predictions @ prediction.worker.build.handle",
        "change predictions @ shared.due.claim",
        "delete predictions @ prediction.store.settle_rows",
        "change predictions @ prediction.store.settle_rows",
        "insert_new models @ prediction.store.swap",
        "change models @ prediction.store.swap",
        "put models @ prediction.training.train",
        _COMMIT,
    ),
}
"""Each worker's steps, in about the order that a batch comes by them; those of its background loops among them."""

ELSEWHERE: Mapping[str, str] = {
    "engagement.store._change_rows": "needs several events of one activity: `tests/worker/test_activity_ids.py`",
    "capture.store._mark_applied": "needs more captures of one lead than it remembers: `tests/worker/test_memory.py`",
    "shared.leads.close_causes": "needs more events of one lead than it remembers: `tests/worker/test_memory.py`",
    "insights.rebuild._begin.attempt": "the command `pantry insights rebuild`",
    "lead_check.repair": "the command `pantry leads check --repair`",
    "insights.rebuild._move": "the command `pantry insights rebuild`",
    "insights.rebuild._show": "the command `pantry insights rebuild`",
    "prediction.predicting.Predicting._recall": "needs a model in use, which thousands of outcomes make",
    "prediction.store.finished": "needs a model in use",
    "prediction.store.going_on": "needs a model in use",
    "prediction.store.renewed": "needs a model in use",
    "prediction.store.forget_old": "needs a hundred models",
    "prediction.training._enter.attempt": "needs outcomes that a model can be made of",
}
"""Writes that no worker comes by here, and why; `tests/worker/test_training.py` has those of models."""

RACES = frozenset(
    {
        ("capture", "delete_guarded leads @ capture.store._take_back"),
        ("engagement", "delete activities @ engagement.store.take_in_all"),
    }
)
"""Steps that a worker comes by only if another one writes in the milliseconds between two of its reads: no process can
be killed there at will. `tests/model` stops processes between any two steps, and kills them there."""

_ONCE = (
    "insert_new rescoring @ scoring.store.make_current.attempt",
    "insert_new owners @ assignment.store.count",
    "insert_new insights @ insights.counting.begin_shards",
)
_AFTER = {
    ("capture", "replace captures @ capture.store.save"): "after insert_new captures @ capture.store.save",
    ("erasure", "change tombstones @ erasure.store._bury"): "after insert_new tombstones @ erasure.store._bury",
}
_BESIDE = {
    ("capture", step): ("erasure", "after delete_guarded leads @ erasure.store._delete_leads") for step in _RELEASES
}


@dataclass(frozen=True, slots=True)
class Point:
    """Where a process of `worker` is killed.

    `once`: a database comes by it once or so in its life, so it is met first of all. `after` is where the first
    delivery is killed, if only a second one comes by here at all. `beside` is another worker, and where that one has to
    have been killed for this one to come by here. `first_only`: what is done is done, and no delivery comes by again.
    """

    worker: str
    name: str
    once: bool = False
    after: str | None = None
    beside: tuple[str, str] | None = None
    first_only: bool = False

    @property
    def deliveries(self) -> tuple[str, ...]:
        """Where a process is killed, one after the other, until this point was met on the deliveries it is there on."""
        if self.first_only or (self.once and self.name.startswith("after")):
            return (self.name,)
        return (self.after or self.name, self.name)


def points(worker: str) -> Iterator[Point]:
    """All of a worker's points, those that it meets once first."""
    steps = [step for step in STEPS[worker] if (worker, step) not in RACES]
    for step in sorted(steps, key=lambda step: step not in _ONCE):
        in_parts = step == _COMMIT or step.startswith("publishing")
        for moment in ("before", "amid", "after") if in_parts else ("before", "after"):
            name, beside = f"{moment} {step}", _BESIDE.get((worker, step))
            if beside:
                yield Point(worker, name, beside=beside, first_only=True)
            after = f"before {_RELEASES[0]}" if beside else _AFTER.get((worker, step))
            yield Point(worker, name, step in _ONCE, after, beside)


def step_of(point: str) -> str:
    """The step whose point this is."""
    return point.partition(" ")[2]
