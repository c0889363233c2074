"""A shuffled history, each of its events delivered one to ten times, always comes to the same end.

A history is what happens to one person. Histories of one shape differ in names and ids only, so all that is stored of
them at rest, and the events told of them, must be the same once those are out. Many run at once: their records are
shuffled all together and handled in random batches by processes that run beside each other on a real database, some of
them a second time after all was done. Nothing keeps its order, not even within a topic.

Some things do depend on the order, and are either kept out of the shapes or not compared:
- which capture comes first gives the lead its id, and the values that others only fill; so captures of one person never
  contradict each other, and which of them created the lead is not compared;
- a command is judged on the lead as it is: `qualified` before `convert` is another story than the reverse. Such
  commands come in acts: what an act says is shuffled among itself, with copies of all that was said before;
- a step is judged on the lead as it is when the step is due: whether there is a number to call, for one;
- moments, revisions and how often a lead was scored on its way;
- of a lead that ends (lost, converted, unsubscribed), whether a step went out or was cancelled before.
"""

import asyncio
import json
import random
import re
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from deploy.local import Backend, LocalServers
from schemas import topics
from schemas.topics import Topic
from shared.domain.stored.untyped import Document
from shared.mongo.storage import Storage
from tests.builders import NOW, data
from tests.harness import lead_id, mongo_at
from tests.model.rig import Rig

_COPIES = 10
_LANES = 4
_BATCH = 500
_AGAIN = 0.05
_GROUP = 500
Act = tuple[tuple[str, Topic, dict[str, Any]], ...]
"""Events that happen in any order: each with its name in the history, its topic, and what it says."""
SALES = {"requestedBy": "sam"}
_SAID = {topic.name for topic in topics.TOPICS.values() if topic.kind == "input"}
_TOLD = (
    *(topics.CREATED, topics.MERGED, topics.TRIGGERED, topics.ASSIGNED, topics.QUALIFIED, topics.DISQUALIFIED),
    *(topics.CONVERTED, topics.REJECTED, topics.ERASED, topics.ENROLLED, topics.DEADLETTER),
)
_CALL = {
    "type": "call",
    "description": "Talked it over",
    "createdBy": "sam",
    "completedAt": (NOW - timedelta(days=2)).isoformat(),
}
_MEETING = {"type": "meeting", "createdBy": "kim", "description": "tasting"}
_MAIL = {
    "type": "email",
    "description": "Sent",
    "createdBy": "sam",
    "completedAt": (NOW - timedelta(days=20)).isoformat(),
}
_ACTIVITIES: Act = tuple(
    (f"activity{number}", topics.ACTIVITIES, {"activity": one}) for number, one in enumerate((_CALL, _MEETING, _MAIL))
)
_BEHAVES: Act = (
    ("pricing", topics.ENGAGEMENTS, {"action": "clicked_pricing"}),
    ("opened", topics.ENGAGEMENTS, {"action": "opened_email", "metadata": {"mail": 7}}),
)
_LEAVES: Act = (("unsubscribes", topics.ENGAGEMENTS, {"action": "unsubscribed"}),)
_FIT: Act = (("fit", topics.QUALIFY, {**SALES, "requirements": {"painPoints": ["waste"], "budget": 5_000.0}}),)
_BANT = {
    "budget": {"confirmed": True, "amount": 9_000.0},
    "authority": {"isDecisionMaker": True, "decisionMakers": ["Ana"]},
    "need": {"painPoints": ["staff"]},
    "timeline": {"urgency": "immediate"},
}
_BY_BANT: Act = (("bant", topics.QUALIFY, {**SALES, "bant": _BANT}),)
_CONVERTS: Act = (("converts", topics.CONVERT, {**SALES, "opportunity": {"amount": 9_000.0, "currency": "EUR"}}),)
_CONVERTS_MORE: Act = (("again", topics.CONVERT, {**SALES, "opportunity": {"amount": 5.0}}),)
_LOSES: Act = (("loses", topics.UPDATE, {**SALES, "status": "lost", "reason": "no budget"}),)
_HANDS_OVER: Act = (("owner", topics.UPDATE, {**SALES, "assignedTo": "kim"}),)
_RETURNS: Act = (("returns", topics.UPDATE, {**SALES, "status": "new"}),)
_ERASES: Act = (("erases", topics.ERASE, SALES),)


def _captured(name: str, phone: str | None = None, **sections: Any) -> Act:
    """A capture of the person; the first of a history has the name that the lead's id comes from."""
    return ((name, topics.CAPTURED, data(email=None, phone=phone, last="PERSON", **sections)),)


_FORM = _captured("form", consent={"email": True}, requirements={"timeline": "soon"})
_CARD = _captured("card", contact={"title": "Director of Food"}, context={"booth": 7})
_PHONE = _captured("phone", "+1 415 555 2671", company={"size": "small", "annualRevenue": 9_000_000.0})
_RESTAURANT = _captured("form", company={"industry": "Restaurant"}, source="trade_show")

SHAPES: Mapping[str, tuple[Act, ...]] = {
    "one form, and all that people do": (_FORM + _ACTIVITIES + _BEHAVES,),
    "three captures that fill each other": (_FORM + _CARD + _PHONE + _ACTIVITIES,),
    "captured again once at work": (_FORM + _ACTIVITIES, _CARD + _BEHAVES, _PHONE),
    "found fit among calls": (_RESTAURANT + _FIT + _ACTIVITIES,),
    "asked too early": (_FORM + _CONVERTS + _ACTIVITIES,),
    "found fit, then converted, then asked again": (_RESTAURANT + _ACTIVITIES + _BY_BANT, _CONVERTS, _CONVERTS_MORE),
    "lost among calls": (_FORM + _LOSES + _ACTIVITIES,),
    "lost, and back by hand": (_FORM + _LOSES, _RETURNS + _HANDS_OVER + _BEHAVES),
    "writes off our mail": (_FORM + _LEAVES + _ACTIVITIES,),
    "erased whenever": (_FORM + _ERASES + _ACTIVITIES + _BEHAVES,),
}
ENDS_AS: Mapping[str, str | None] = {
    "one form, and all that people do": "contacted",
    "three captures that fill each other": "contacted",
    "captured again once at work": "contacted",
    "found fit among calls": "qualified",
    "asked too early": "contacted",
    "found fit, then converted, then asked again": "converted",
    "lost among calls": "lost",
    "lost, and back by hand": "new",
    "writes off our mail": "contacted",
    "erased whenever": None,
}
"""The lead's status in the end; None: there is no lead."""
_LEAVING = frozenset({"lost among calls", "lost, and back by hand", "writes off our mail", "erased whenever"})
"""Shapes in which a lead leaves nurture: it depends on the order what it was enrolled in before, and what went out."""


@dataclass(frozen=True, slots=True)
class _History:
    """What happens to one person; `shape` says what."""

    name: str
    shape: str

    @property
    def email(self) -> str:
        return f"{self.name}@example.com"

    def act(self, number: int, copies: random.Random) -> list[tuple[str, Topic, dict[str, Any]]]:
        """The records of one act, each one to ten times, and some copies of those of the acts before."""
        acts = SHAPES[self.shape]
        said = [one for one in acts[number] for _ in range(copies.randint(1, _COPIES))]
        said += [one for act in acts[:number] for one in act if copies.random() < 0.5]
        return [(f"{self.name}.{name}", topic, self._of_mine(topic, what)) for name, topic, what in said]

    def _of_mine(self, topic: Topic, what: dict[str, Any]) -> dict[str, Any]:
        if topic is topics.CAPTURED:
            return {**what, "contact": {**what["contact"], "lastName": self.name, "email": self.email}}
        by_id = topic in (topics.QUALIFY, topics.UPDATE, topics.CONVERT, topics.ERASE)
        return {**what, "leadId": lead_id(f"{self.name}.form")} if by_id else {**what, "email": self.email}


@asynccontextmanager
async def _rig(directory: Path) -> AsyncIterator[Rig]:
    """On a database of its own, which takes less long to begin than another's documents to be dropped."""
    with LocalServers(Backend.EMBEDDED, directory, kafka_bootstrap="nowhere:0") as local:
        rig = Rig(Storage(mongo_at(local.servers.mongo_url), "histories"))
        await rig.open()
        try:
            yield rig
        finally:
            await rig.storage.close()
            if local.database:
                local.database.kill()
    shutil.rmtree(directory)


async def _happen(rig: Rig, histories: Sequence[_History], rng: random.Random) -> None:
    """All acts of these histories, each at rest before the next."""
    for number in range(max(len(SHAPES[one.shape]) for one in histories)):
        acting = [one for one in histories if number < len(SHAPES[one.shape])]
        said = [record for one in acting for record in one.act(number, rng)]
        rng.shuffle(said)
        for event_id, topic, what in said:
            await rig.say(event_id, topic, what, NOW - timedelta(days=1))
        async with asyncio.TaskGroup() as group:
            for _ in range(_LANES):
                group.create_task(_handle(rig, rng))
        await rig.settle()
        assert rig.faults == []


async def _handle(rig: Rig, rng: random.Random) -> None:
    """Give random batches to random workers until none has any left; now and then some that were handled before."""
    while busy := [name for name, numbers in rig.pending.items() if numbers]:
        name = rng.choice(busy)
        again = rng.random() < _AGAIN and rig.taken[name]
        waiting = rig.taken[name] if again else rig.pending[name]
        await rig.run(name, rng.sample(waiting, min(len(waiting), rng.randint(1, _BATCH))))


Stored = Mapping[str, Sequence[Document]]
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_KEPT = ("source", "status", "score", "company", "contact", "requirements", "consent", "context", "activityStats")


def _told(rig: Rig) -> dict[str, Counter[str]]:
    """How many events each topic tells of each lead, an event that was told twice being one."""
    found: dict[str, set[tuple[str, str]]] = {}
    names = {topic.name for topic in _TOLD}
    for entry in rig.log:
        if entry.record.topic in names:
            lead = entry.event.get("subject") or entry.event["data"].get("leadId", "")
            found.setdefault(lead, set()).add((entry.record.topic, entry.event["id"]))
    return {lead: Counter(topic for topic, _ in events) for lead, events in found.items()}


def _lead(document: Document) -> Document:
    """What a reader relies on; of what time or another lead decides, whether it is there."""
    kept = {name: document[name] for name in _KEPT if name in document}
    stats = {**document.get("activityStats", {})}
    stats["completedAt"] = sorted(stats.get("completedAt", ()))
    breakdown = sorted((one["rule"], one["points"]) for one in document["scoring"]["breakdown"])
    more = {"rule": document["assignment"]["rule"], "opportunity": "convertedToOpportunityId" in document}
    return kept | more | {"activityStats": stats, "breakdown": breakdown, "captures": document["captureCount"]}


def _rows(stored: Stored, collection: str, of: str, *names: str) -> list[list[Any]]:
    """These fields of a lead's rows, in no order."""
    rows = ([row.get(name) for name in names] for row in stored.get(collection, ()) if row.get("leadId") == of)
    return sorted(rows, key=repr)


def _end(stored: Mapping[str, Sequence[Document]], told: Mapping[str, Counter[str]], history: _History) -> str:
    """What there is in the end of a history, in words that another history of its shape would use too."""
    lead_ids = [one["_id"] for one in stored["leads"] if one["contact"]["email"] == history.email]
    lead_id_ = lead_ids[0] if lead_ids else lead_id(f"{history.name}.form")
    lead = next((_lead(one) for one in stored["leads"] if one["_id"] == lead_id_), None)
    counts = [one["counts"] for one in stored["lead_rows"] if one["_id"] == lead_id_ and "counts" in one]
    end = {
        "leads": len(lead_ids),
        "lead": lead,
        "counts as": [{**one, "owner": "owner" in one} for one in counts],
        "captures": _rows(stored, "captures", lead_id_, "id", "channel", "capturedAt"),
        "activities": _rows(stored, "activities", lead_id_, "type", "description", "completedAt", "createdBy"),
        "commands": _rows(stored, "commands", lead_id_, "done", "reason"),
        "timeline": [row for row in _rows(stored, "timeline", lead_id_, "topic", "eventId") if row[0] in _SAID],
        "claims": sum(lead_id_ in one["leadIds"] for one in stored["identities"]),
        "predicted": sum(one["_id"] == lead_id_ for one in stored["predictions"]),
        "told": sorted(one for one in told.get(lead_id_, Counter()).items() if _is_fixed(one[0], history.shape)),
        "created twice": told.get(lead_id_, Counter())[topics.CREATED.name] > 1,
    }
    if history.shape not in _LEAVING:
        end["enrolments"] = _rows(stored, "enrolments", lead_id_, "sequenceId", "round")
        end["steps"] = _rows(stored, "nurture_steps", lead_id_, "sequenceId", "stepId", "state")
    return _plain(end, history.name)


def _is_fixed(topic: str, shape: str) -> bool:
    """Whether the order has no say in how often this topic tells of such a lead."""
    if ENDS_AS[shape] is None:
        # Who stored a lead that was erased before he told of it has nothing left to tell.
        return topic == topics.ERASED.name
    return topic != topics.ENROLLED.name or shape not in _LEAVING


def _plain(end: Document, name: str) -> str:
    """The end without the history's name and ids."""
    return _UUID.sub("ID", json.dumps(end, default=str, sort_keys=True).replace(name, "PERSON"))


def _differing(ends: Sequence[str]) -> str:
    """In what two ends differ."""
    one, other = (json.loads(end) for end in ends[:2])
    return json.dumps({name: (one[name], other[name]) for name in one if one[name] != other[name]})


@pytest.mark.long
@pytest.mark.timeout(0)
@pytest.mark.usefixtures("quiet")
async def test_shuffled_histories_with_one_to_ten_copies_of_each_event_come_to_the_same_end(
    seed: int,
    full: bool,  # noqa: FBT001 - a fixture
    directory: Path,
    figure: Callable[[str], None],
) -> None:
    began, count, rng = time.monotonic(), 10_000 if full else 50, random.Random(f"histories/{seed}")
    shapes, ends, records = list(SHAPES), Counter[tuple[str, str]](), 0
    for first in range(0, count, _GROUP):
        numbers = range(first, min(first + _GROUP, count))
        histories = [_History(f"person{number}x", shapes[number % len(shapes)]) for number in numbers]
        async with _rig(directory / f"from{first}") as rig:
            await _happen(rig, histories, rng)
            stored, told = await rig.stored(), _told(rig)
            records += len(rig.log)
        ends.update((one.shape, _end(stored, told, one)) for one in histories)
        different = [shape for shape, seen in Counter(shape for shape, _ in ends).items() if seen > 1]
        assert not different, f"{different[0]}: {_differing([end for shape, end in ends if shape == different[0]])}"
    found = {shape: (json.loads(end)["lead"] or {}).get("status") for shape, end in ends}
    assert found == ENDS_AS
    took = time.monotonic() - began
    figure(
        f"{ends.total():,} histories of {len(shapes)} shapes, {records:,} records in all: one end each, {took:.0f} s"
    )
