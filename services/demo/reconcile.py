"""The demo's account: what went in against what Kafka and MongoDB hold, read afresh from both."""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from schemas.base import CloudEvent
from schemas.topics import (
    ACTIONS,
    ACTIVITIES,
    ASSIGNED,
    CAPTURED,
    CONVERT,
    CONVERTED,
    CREATED,
    DEADLETTER,
    DISQUALIFIED,
    ENGAGEMENTS,
    ENROLLED,
    ERASE,
    ERASED,
    MERGED,
    QUALIFIED,
    QUALIFY,
    REJECTED,
    SCORED,
    TRIGGERED,
    UPDATE,
    UPDATED,
    Topic,
)
from services.demo.generator import Fed, Scenario
from shared.broker import Kafka
from shared.domain.consent import REFUSALS
from shared.log import read_all
from shared.storage import Storage

_OUTPUTS = (
    *(CREATED, MERGED, SCORED, ASSIGNED, ENROLLED, ACTIONS, TRIGGERED, UPDATED, QUALIFIED, DISQUALIFIED),
    *(CONVERTED, REJECTED, ERASED),
)
_COMMANDS = (QUALIFY, UPDATE, CONVERT, ERASE)
_VERDICTS = (QUALIFIED, DISQUALIFIED, UPDATED, CONVERTED, ERASED, REJECTED)


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
    "triggers": ("activities", {"trigger": {"$exists": True}}),
    "commands": ("commands", {}),
    "scored": ("leads", {"score": {"$exists": True}}),
    "owned": ("leads", {"assignedTo": {"$exists": True}}),
    "enrolments": ("enrolments", {}),
    "sent": ("nurture_steps", {"state": "sent"}),
    "contacted": ("leads", {"contacted": {"$exists": True}}),
    "refused": ("leads", {"consentChanges.reason": {"$in": list(REFUSALS)}}),
    "converted": ("leads", {"status": "converted"}),
    "waiting": ("orphans", {}),
}


async def stored(storage: Storage) -> dict[str, int]:
    """What MongoDB holds; the difference of two such counts is what a demo brought about."""
    return {name: await storage.count(collection, query) for name, (collection, query) in _STORED.items()}


async def reconcile(
    kafka: Kafka, storage: Storage, scenario: Scenario, sent: Sequence[Fed], before: Mapping[str, int]
) -> Account:
    """Read both stores and compare with what was sent; `before` is what MongoDB held when nothing was."""
    events = await _read(kafka, {fed.event_id for fed in sent if fed.event_id})
    mongo = {name: count - before[name] for name, count in (await stored(storage)).items()}
    bad = sum(fed.expect is not None for fed in sent)
    dead, late = await _dead(kafka, sent)
    return Account(
        (
            *_lines(len(scenario.people), _sent_ids(sent), events, mongo, late.total()),
            Line("bad records and strays → dead letter", bad, dead.total(), None),
        ),
        dict(dead + late),
        dict(Counter(event.data["reason"] for event in events[REJECTED.name].values())),
        dict(Counter(fed.disguise for fed in scenario.captures if fed.disguise != "plain")),
        events.repeated,
    )


def _sent_ids(sent: Sequence[Fed]) -> dict[str, set[str]]:
    ids: dict[str, set[str]] = defaultdict(set)
    for fed in sent:
        if fed.event_id:
            ids[fed.topic].add(fed.event_id)
    return ids


def _lines(
    people: int, sent: Mapping[str, set[str]], kafka: "_Events", mongo: Mapping[str, int], late: int
) -> list[Line]:
    commands = set().union(*(sent[topic.name] for topic in _COMMANDS))
    erased, captures = len(sent[ERASE.name]), len(sent[CAPTURED.name])
    left = people - erased
    verdicts = sum(kafka.caused(topic, commands) for topic in _VERDICTS)
    # Each conversion, and each BANT verdict, adds an activity of its own.
    own = kafka.count(CONVERTED) + kafka.count(QUALIFIED, method="bant") + kafka.count(DISQUALIFIED)
    # Those that overtook their lead wait for it a while only, and a slow machine takes longer.
    done = len(sent[ACTIVITIES.name]) + len(sent[ENGAGEMENTS.name]) - late
    return [
        Line("people → leads created", people, kafka.count(CREATED), None),
        Line("captures → created or merged", captures, kafka.count(CREATED) + kafka.count(MERGED), mongo["captures"]),
        Line("erasures → leads erased", erased, kafka.count(ERASED), people - mongo["leads"]),
        Line("leads with a first score", left, kafka.left(SCORED, first=True), mongo["scored"]),
        Line("leads with an owner by rule", left, kafka.left(ASSIGNED), mongo["owned"]),
        Line("activities and engagements stored once", done, None, mongo["activities"] - own),
        Line("engagements → triggered", mongo["triggers"], kafka.left(TRIGGERED), None),
        Line("commands → one verdict each", len(commands), verdicts, mongo["commands"]),
        Line("first contacts", mongo["contacted"], kafka.count(UPDATED, reason="first_contact"), None),
        Line("mail refused", mongo["refused"], kafka.refusals(), None),
        Line("nurture enrolments", mongo["enrolments"], kafka.left(ENROLLED), None),
        Line("nurture steps sent", mongo["sent"], kafka.left(ACTIONS), None),
        Line("opportunities", mongo["converted"], kafka.count(CONVERTED), None),
        Line("events still waiting for a lead", 0, None, mongo["waiting"]),
    ]


class _Events(defaultdict[str, dict[str, CloudEvent]]):
    """Output events by topic and id."""

    def __init__(self) -> None:
        super().__init__(dict)
        self.repeated = 0

    def count(self, topic: Topic, **fields: str) -> int:
        """How many events whose data has these values."""
        events = self[topic.name].values()
        return sum(all(event.data.get(name) == value for name, value in fields.items()) for event in events)

    def caused(self, topic: Topic, causes: set[str]) -> int:
        """How many events that these inputs caused directly."""
        return sum(event.causationid in causes for event in self[topic.name].values())

    def left(self, topic: Topic, *, first: bool = False) -> int:
        """How many events of leads that weren't erased; `first` counts first scores only."""
        erased = {event.subject for event in self[ERASED.name].values()}
        events = [event for event in self[topic.name].values() if event.subject not in erased]
        return sum(not first or event.data.get("previousScore") is None for event in events)

    def refusals(self) -> int:
        """How many leads refused mail, or have an address that doesn't exist."""
        return sum(self.count(UPDATED, reason=reason) for reason in REFUSALS)


async def _read(kafka: Kafka, ours: set[str | None]) -> _Events:
    events = _Events()
    async for record in read_all(kafka, [topic.name for topic in _OUTPUTS]):
        event = CloudEvent.model_validate_json(record.value or b"")
        if event.correlationid in ours:
            events.repeated += event.id in events[record.topic]
            events[record.topic][event.id] = event
    return events


async def _dead(kafka: Kafka, sent: Sequence[Fed]) -> tuple[Counter[str], Counter[str]]:
    """Reasons of the dead letters of what was fed: of what was meant to end there, and of what waited too long."""
    meant: Counter[Any] = Counter(fed.value for fed in sent if fed.expect)
    waited: Counter[Any] = Counter(fed.value for fed in sent if not fed.expect)
    dead, late = Counter[str](), Counter[str]()
    async for record in read_all(kafka, [DEADLETTER.name]):
        reason = next(value.decode() for name, value in record.headers if name == "x-reason")
        dead[reason] += meant[record.value] > 0
        late[reason] += waited[record.value] > 0
    return +dead, +late
