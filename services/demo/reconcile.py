"""The demo's account: what went in against what Kafka and MongoDB hold, read afresh from both."""

import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
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


async def reconcile(bootstrap: str, storage: Storage, scenario: Scenario, sent: Sequence[Fed]) -> Account:
    """Read both stores and compare with what was sent."""
    kafka = await _read(bootstrap, {fed.event_id for fed in sent if fed.event_id})
    ids: dict[str, set[str]] = defaultdict(set)
    for fed in sent:
        if fed.event_id:
            ids[fed.topic].add(fed.event_id)
    bad = Counter(fed.expect for fed in sent if fed.expect)
    dead = Counter([reason async for reason in _dead(bootstrap, sent)])
    people = len(scenario.people)
    captures, commands = len(ids[CAPTURED.name]), len(ids[QUALIFY.name]) + len(ids[CONVERT.name])
    outcomes = [len(kafka[topic.name]) for topic in (QUALIFIED, CONVERTED, REJECTED)]
    first_scores = sum(event.data.get("previousScore") is None for event in kafka[SCORED.name].values())
    count = storage.count
    lines = [
        Line("people → leads created", people, len(kafka[CREATED.name]), await count("leads")),
        Line(
            "captures → created or merged",
            captures,
            len(kafka[CREATED.name]) + len(kafka[MERGED.name]),
            await count("captures"),
        ),
        Line("bad records → dead letter", bad.total(), dead.total(), None),
        Line(
            "activities stored once",
            len(ids[ACTIVITIES.name]),
            None,
            await count("activities") - outcomes[1],
        ),
        Line("commands → qualified, converted or rejected", commands, sum(outcomes), await count("commands")),
        Line("first scores", people, first_scores, await count("leads", {"score": {"$exists": True}})),
        Line(
            "owners assigned",
            people,
            len(kafka[ASSIGNED.name]),
            await count("leads", {"assignedTo": {"$exists": True}}),
        ),
        Line("nurture enrolments", people, len(kafka[ENROLLED.name]), await count("enrolments")),
        Line("opportunities", await count("leads", {"status": "converted"}), outcomes[1], None),
    ]
    return Account(
        tuple(lines),
        dict(dead),
        dict(Counter(event.data["reason"] for event in kafka[REJECTED.name].values())),
        dict(Counter(fed.disguise for fed in scenario.captures if fed.disguise != "plain")),
        kafka.repeated,
    )


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
