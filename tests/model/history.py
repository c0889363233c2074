"""Search an order in which the contract (schemas/README.md) explains all published events.

Concurrent events may have happened in either order; others happened in the order of their handling (linearizability).
If no such order explains what was published and stored, the product broke the contract.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import Any

from schemas import topics
from tests.model.model import finish, foreshadow, take
from tests.model.people import identity
from tests.model.rig import Entry, Said
from tests.model.world import Contradiction, Facts, Told, World

_NODES_MAX = 60_000
_WORKINGS = (
    *(topics.RESCORE.name, topics.SCORED.name, topics.ASSIGNED.name, topics.ENROLLED.name, topics.ACTIONS.name),
    *(topics.TASK_CREATED.name, topics.TASK_UPDATED.name),
)
"""Topics of consequences, which `laws` checks instead."""


def told_of(said: Mapping[str, Said], log: Sequence[Entry]) -> dict[str, Told]:
    """Return what the log states about each input event.

    Raises `Contradiction` when the log states one thing twice, or two things as one.
    """
    told = {one: Told() for one in said}
    ids: dict[tuple[str, str], str] = {}
    facts_of: dict[tuple[str, str], Facts] = {}
    for entry in log:
        topic, event = entry.record.topic, entry.event
        cause = _cause(said, entry)
        if cause is None or topic in _WORKINGS or entry.record.offset < said[cause].since:
            continue
        facts = {"reason": _header(entry, "x-reason")} if topic == topics.DEADLETTER.name else _facts(event["data"])
        if ids.setdefault((topic, cause), event["id"]) != event["id"]:
            raise Contradiction(f"{cause}: told twice on {topic}, under two ids")
        if facts_of.setdefault((topic, cause), facts) != facts:
            raise Contradiction(f"{event['id']} on {topic} says two things: {facts_of[topic, cause]}; {facts}")
        told[cause].facts[topic] = facts
        told[cause].at.setdefault(topic, entry.at)
        if told[cause].place is None:
            told[cause].place = entry.record.offset
        told[cause].chance = _chance(event) | told[cause].chance
    return told


def _cause(said: Mapping[str, Said], entry: Entry) -> str | None:
    if entry.record.topic == topics.DEADLETTER.name:
        return str(entry.event["id"])
    if topics.TOPICS[entry.record.topic].kind == "input":
        return None
    cause = entry.event["causationid"]
    return str(cause) if cause in said else None


def _header(entry: Entry, name: str) -> str:
    return dict(entry.record.headers)[name].decode()


def _facts(data: Facts) -> Facts:
    """Return what an event states for good, without the lead document at that time."""
    facts = {name: value for name, value in data.items() if name not in ("lead", "detail", "convertedAt")}
    if "lead" in data:
        facts["leadId"] = data["lead"]["id"]
    if "opportunity" in data:
        told = data["opportunity"]
        facts["opportunity"] = {name: told.get(name) for name in ("amount", "leadSource", "company", "contact")}
    if "changed" in data:
        facts.pop("reason", None)
    return facts | {name: sorted(facts[name]) for name in ("matchedOn", "filled", "otherMatches") if name in facts}


def _chance(event: Facts) -> Facts:
    data = event.get("data", {})
    lead = data.get("lead", {})
    chance = {"leadId": lead.get("id"), "opportunityId": data.get("opportunityId")}
    chance["createdAt"] = datetime.fromisoformat(lead["createdAt"]) if "createdAt" in lead else None
    chance["time"] = datetime.fromisoformat(event["time"])
    return {name: value for name, value in chance.items() if value is not None}


class Part(IntEnum):
    """A part of an event's effect that becomes visible before the rest, or after it."""

    EARLY = 0
    MAIN = 1
    FINISH = 2


Step = tuple[str, Part]
"""One part of an event, which its id names."""


def _parts(said: Said) -> tuple[Part, ...]:
    if said.topic is topics.ERASE:
        return Part.MAIN, Part.FINISH
    # A capture's identifiers lead to its lead before the merge. Others see that only if something came between.
    return (Part.EARLY, Part.MAIN) if said.topic is topics.CAPTURED and said.shaken else (Part.MAIN,)


@dataclass(slots=True)
class Search:
    """A search over the orders of `said`; `agree` checks the final world."""

    said: Mapping[str, Said]
    told: Mapping[str, Told]
    agree: Callable[[World], None]
    nodes: int = 0
    dead: set[tuple[frozenset[Step], str]] = field(default_factory=set)
    furthest: tuple[int, list[str]] = (10**6, [])

    def explain(self, world: World) -> World:
        """Raise `Contradiction` with the obstacle at which most was explained."""
        steps = frozenset((one.id, part) for one in self.said.values() for part in _parts(one))
        found = self._from(world, steps)
        if found is None:
            left, reasons = self.furthest
            told = f"{len(steps) - left} of {len(steps)} steps explained; then"
            raise Contradiction(
                "\n  ".join(["no order of the events explains what was told and stored:", told, *reasons])
            )
        return found

    def _from(self, world: World, left: frozenset[Step]) -> World | None:
        self.nodes += 1
        if self.nodes > _NODES_MAX:
            raise AssertionError(f"undecided after {_NODES_MAX} tries; {self.furthest}")
        if not left:
            return world if self._agrees(world) else None
        key = left, _fingerprint(world)
        if key in self.dead:
            return None
        for step in self._next(left):
            for after in self._after(world, step, left):
                found = self._from(after, left - {step})
                if found is not None:
                    return found
        self.dead.add(key)
        return None

    def _next(self, left: frozenset[Step]) -> list[Step]:
        """Return the steps that may come first: no other step ended before they began."""
        first_end = min(self._moments(step)[1] for step in left)
        ready = [step for step in left if self._moments(step)[0] <= first_end]
        return sorted((one for one in ready if not any(self._precedes(other, one) for other in ready)), key=self._order)

    def _precedes(self, other: Step, step: Step) -> bool:
        """Return whether `other` must come first: an earlier part, or earlier in the same batch."""
        if other[0] == step[0]:
            return other[1] < step[1]
        ahead, behind = self.said[other[0]], self.said[step[0]]
        together = (ahead.begun, ahead.ended, ahead.topic) == (behind.begun, behind.ended, behind.topic)
        ordered = together and not ahead.waits and not behind.waits and _key(ahead) == _key(behind) is not None
        return ordered and ahead.place < behind.place

    def _moments(self, step: Step) -> tuple[int, int]:
        said = self.said[step[0]]
        assert said.begun
        assert said.ended
        return said.begun[0], said.ended[0]

    def _order(self, step: Step) -> tuple[float, int, int, Step]:
        """Return the steps in order of publication, which is nearly the order of their effect."""
        begun, ended = self._moments(step)
        place = self.told[step[0]].place
        return math.inf if place is None else place, ended, begun, step

    def _after(self, world: World, step: Step, left: frozenset[Step]) -> Iterator[World]:
        said = self.said[step[0]]
        happen = {Part.EARLY: foreshadow, Part.MAIN: take, Part.FINISH: finish}[step[1]]
        try:
            yield from happen(world, said, self.told[said.id])
        except Contradiction as contradiction:
            self._note(len(left), contradiction)

    def _agrees(self, world: World) -> bool:
        try:
            self.agree(world)
        except Contradiction as contradiction:
            self._note(0, contradiction)
            return False
        return True

    def _note(self, left: int, contradiction: Contradiction) -> None:
        if left < self.furthest[0]:
            self.furthest = left, []
        if left == self.furthest[0] and str(contradiction) not in self.furthest[1]:
            self.furthest[1].append(str(contradiction))


def _key(said: Said) -> str | None:
    """Return what keeps events of one topic in order; activities and engagements state a time."""
    if said.topic is topics.CAPTURED:
        return identity(said.data).email
    return str(said.data["leadId"]) if said.topic in (topics.QUALIFY, topics.UPDATE, topics.CONVERT) else None


def _fingerprint(world: World) -> str:
    return repr(_canonical(asdict(world)))


def _canonical(value: Any) -> Any:
    if isinstance(value, dict):
        return sorted(((str(key), _canonical(one)) for key, one in value.items()), key=lambda pair: pair[0])
    if isinstance(value, set):
        return sorted(map(str, value))
    return [_canonical(one) for one in value] if isinstance(value, list | tuple) else value
