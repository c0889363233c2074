"""Laws of scores: the stored one is the formula's value, and the events lead to it."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from tests.faults.oracle.world import SCORED, Document, Event, World, grouped

_WINDOW = timedelta(days=30)
_LAG = timedelta(seconds=90)
"""A score follows an activity that leaves the window within a minute; and the judge looked for some seconds."""
_RECENT = 5
_TYPES = {"email": 2, "call": 10, "meeting": 20}
_RULES: Sequence[tuple[int, str, str, Callable[[Any], bool]]] = (
    (25, "company", "size", lambda it: str(it).casefold() == "enterprise"),
    (20, "company", "annualRevenue", lambda it: float(it) > 10_000_000),
    (15, "contact", "title", lambda it: "director" in str(it).casefold()),
    (10, "company", "industry", lambda it: str(it).strip().casefold() == "restaurant"),
    (12, "company", "industry", lambda it: str(it).strip().casefold() == "catering"),
)
"""The shipped rules (schemas/README.md#score): points, where they look, and what they ask."""


def formula(lead: Document, activities: Sequence[Document], now: datetime) -> int:
    """Return the value at `now`, 0…100."""
    total = 0
    for points, section, name, holds in _RULES:
        value = (lead.get(section) or {}).get(name)
        total += points if value is not None and holds(value) else 0
    activities = [one for one in activities if not one.get("cancelled")]
    completed = [one["completedAt"] for one in activities if one.get("completedAt")]
    total += _RECENT * sum(now - _WINDOW < one <= now for one in completed)
    total += sum(_TYPES.get(one["type"], 0) for one in activities)
    return int(min(100, max(0, total)))


def stored(world: World) -> Iterator[str]:
    """Each lead's score is the formula's value for its document and its activities."""
    activities = grouped((one["leadId"], one) for one in world.collections["activities"])
    for lead_id, lead in world.living.items():
        own = activities.get(lead_id, [])
        right = {formula(lead, own, at) for at in _moments(own, world.now - _LAG - world.skew, world.now + world.skew)}
        if lead.get("score") not in right:
            yield f"lead {lead_id} has the score {lead.get('score')}, and it is {sorted(right)}"


def _moments(activities: Sequence[Document], begin: datetime, end: datetime) -> Iterator[datetime]:
    """Return the moments between which the formula's value does not change."""
    yield from (begin, end)
    completed = [one["completedAt"] for one in activities if one.get("completedAt")]
    yield from (turn for one in completed for turn in (one, one + _WINDOW) if begin < turn <= end)


def chain(world: World) -> Iterator[str]:
    """The published scores lead from none to the stored one, each change once.

    The topic's order doesn't count: a process that was killed before publishing is followed by a late event. So each
    change is a step from the score before to the score after, and one way through all steps must exist.
    """
    for lead_id, lead in world.living.items():
        published = world.of_lead(lead_id, SCORED)
        steps = [(one.data.get("previousScore"), one.data.get("score")) for one in published]
        if not _is_way(steps, lead.get("score")):
            yield f"lead {lead_id}: the published scores, {steps}, don't lead to {lead.get('score')}"


def _is_way(steps: Sequence[tuple[Any, Any]], end: Any) -> bool:
    """Return whether all steps can be walked once each, from None to `end`.

    By Euler: the degrees fit, and all is in one piece.
    """
    balance = Counter(before for before, _ in steps)
    balance.subtract(Counter(after for _, after in steps))
    wanted = Counter({None: 1})
    wanted.subtract({end: 1})
    in_order = {score: count for score, count in balance.items() if count} == dict(wanted)
    return in_order and sum(before is None for before, _ in steps) == 1 and _reached(steps) >= {one for one, _ in steps}


def _reached(steps: Sequence[tuple[Any, Any]]) -> set[Any]:
    found: set[Any] = {None}
    for _ in steps:
        found |= {after for before, after in steps if before in found}
    return found


def breakdowns(world: World) -> Iterator[str]:
    """The parts of a published score add up to it, and it differs from the one before."""
    for event in world.published[SCORED]:
        total = sum(one["points"] for one in event.data["breakdown"])
        if min(100, max(0, total)) != event.data["score"]:
            yield f"score {event.id} of {event.subject} is {event.data['score']}, and explained as {total}"
        if event.data["score"] == event.data.get("previousScore"):
            yield f"score {event.id} of {event.subject} was published, and is unchanged"


def firsts(events: Mapping[str, Sequence[Event]]) -> int:
    """Return how many first scores were published."""
    return sum("previousScore" not in one.data for one in events[SCORED])
