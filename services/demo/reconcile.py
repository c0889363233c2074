"""The demo's account: what went in against what Kafka and MongoDB hold, read afresh from both."""

import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from schemas.base import CloudEvent
from schemas.topics import (
    ACTIVITIES,
    ASSIGNED,
    CAPTURED,
    CONVERT,
    CONVERTED,
    CREATED,
    DEADLETTER,
    ENROLLED,
    MERGED,
    QUALIFIED,
    QUALIFY,
    REJECTED,
    SCORED,
)
from services.demo.generator import Fed, Scenario
from shared.log import read_all
from shared.storage import Storage

_OUTPUTS = (CREATED, MERGED, SCORED, ASSIGNED, ENROLLED, QUALIFIED, CONVERTED, REJECTED)


@dataclass(frozen=True, slots=True)
class Line:
    """One figure: what the input implies, what Kafka holds and what MongoDB holds (None: it keeps no such thing)."""

    what: str
    expected: int
    kafka: int | None
    mongodb: int | None

    @property
    def agrees(self) -> bool:
        """Whether all three say the same."""
        return all(value in (None, self.expected) for value in (self.kafka, self.mongodb))


@dataclass(frozen=True, slots=True)
class Account:
    """All lines; `repeated` counts output events that Kafka holds more than once under one id (harmless)."""

    lines: tuple[Line, ...]
    bad_by_reason: dict[str, int]
    rejected_by_reason: dict[str, int]
    disguises: dict[str, int]
    repeated: int

    @property
    def reconciled(self) -> bool:
        """Whether every record is accounted for."""
        return all(line.agrees for line in self.lines)

    def as_json(self) -> str:
        """For programs."""
        return json.dumps({**asdict(self), "reconciled": self.reconciled}, indent=2)


_STORED: dict[str, tuple[str, dict[str, Any]]] = {
    "leads": ("leads", {}),
    "captures": ("captures", {}),
    "activities": ("activities", {}),
    "commands": ("commands", {}),
    "scored": ("leads", {"score": {"$exists": True}}),
    "owned": ("leads", {"assignedTo": {"$exists": True}}),
    "enrolments": ("enrolments", {}),
    "converted": ("leads", {"status": "converted"}),
}


async def stored(storage: Storage) -> dict[str, int]:
    """What MongoDB holds; the difference of two such counts is what a demo brought about."""
    return {name: await storage.count(collection, query) for name, (collection, query) in _STORED.items()}


async def reconcile(
    bootstrap: str, storage: Storage, scenario: Scenario, sent: Sequence[Fed], before: Mapping[str, int]
) -> Account:
    """Read both stores and compare with what was sent; `before` is what MongoDB held when nothing was."""
    kafka = await _read(bootstrap, {fed.event_id for fed in sent if fed.event_id})
    mongo = {name: count - before[name] for name, count in (await stored(storage)).items()}
    bad = sum(fed.expect is not None for fed in sent)
    dead = Counter([reason async for reason in _dead(bootstrap, sent)])
    return Account(
        tuple(_lines(len(scenario.people), _sent_ids(sent), bad, kafka, mongo, dead.total())),
        dict(dead),
        dict(Counter(event.data["reason"] for event in kafka[REJECTED.name].values())),
        dict(Counter(fed.disguise for fed in scenario.captures if fed.disguise != "plain")),
        kafka.repeated,
    )


def _sent_ids(sent: Sequence[Fed]) -> dict[str, int]:
    ids: dict[str, set[str]] = defaultdict(set)
    for fed in sent:
        if fed.event_id:
            ids[fed.topic].add(fed.event_id)
    return {topic: len(found) for topic, found in ids.items()}


def _lines(  # noqa: PLR0913 - the figures of both sides
    people: int, sent: Mapping[str, int], bad: int, kafka: "_Events", mongo: Mapping[str, int], dead: int
) -> list[Line]:
    told = {topic.name: len(kafka[topic.name]) for topic in _OUTPUTS}
    first_scores = sum(event.data.get("previousScore") is None for event in kafka[SCORED.name].values())
    commands = sent[QUALIFY.name] + sent[CONVERT.name]
    outcomes = told[QUALIFIED.name] + told[CONVERTED.name] + told[REJECTED.name]
    merged_too = told[CREATED.name] + told[MERGED.name]
    # Each conversion adds an activity of its own.
    activities = mongo["activities"] - told[CONVERTED.name]
    return [
        Line("people → leads created", people, told[CREATED.name], mongo["leads"]),
        Line("captures → created or merged", sent[CAPTURED.name], merged_too, mongo["captures"]),
        Line("bad records → dead letter", bad, dead, None),
        Line("activities stored once", sent[ACTIVITIES.name], None, activities),
        Line("commands → qualified, converted or rejected", commands, outcomes, mongo["commands"]),
        Line("first scores", people, first_scores, mongo["scored"]),
        Line("owners assigned", people, told[ASSIGNED.name], mongo["owned"]),
        Line("nurture enrolments", people, told[ENROLLED.name], mongo["enrolments"]),
        Line("opportunities", mongo["converted"], told[CONVERTED.name], None),
    ]


class _Events(defaultdict[str, dict[str, CloudEvent]]):
    """Output events by topic and id."""

    def __init__(self) -> None:
        super().__init__(dict)
        self.repeated = 0


async def _read(bootstrap: str, ours: set[str | None]) -> _Events:
    events = _Events()
    async for record in read_all(bootstrap, [topic.name for topic in _OUTPUTS]):
        event = CloudEvent.model_validate_json(record.value or b"")
        if event.correlationid in ours:
            events.repeated += event.id in events[record.topic]
            events[record.topic][event.id] = event
    return events


async def _dead(bootstrap: str, sent: Sequence[Fed]) -> AsyncIterator[str]:
    ours: Counter[Any] = Counter(fed.value for fed in sent if fed.expect)
    async for record in read_all(bootstrap, [DEADLETTER.name]):
        if ours[record.value]:
            yield next(value.decode() for name, value in record.headers if name == "x-reason")
