"""Compare what the demo fed with what Kafka and MongoDB contain, both read afresh."""

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

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
from services.demo.generator import FedRecord, Scenario
from services.demo.year_loading import year_lead_ids
from shared.domain.consent.statements import REFUSALS
from shared.kafka.client import Kafka
from shared.kafka.reading import read_all
from shared.mongo import names
from shared.mongo.names import AnyCollection
from shared.mongo.storage import Storage

_OUTPUTS = (
    *(CREATED, MERGED, SCORED, ASSIGNED, ENROLLED, ACTIONS, TRIGGERED, UPDATED, QUALIFIED, DISQUALIFIED),
    *(CONVERTED, REJECTED, ERASED),
)
_COMMANDS = (QUALIFY, UPDATE, CONVERT, ERASE)
_VERDICTS = (QUALIFIED, DISQUALIFIED, UPDATED, CONVERTED, ERASED, REJECTED)


@dataclass(frozen=True, slots=True)
class ReconciledFigure:
    """One figure: as the input implies, in Kafka and in MongoDB (None: not stored)."""

    what: str
    expected: int
    kafka: int | None
    mongodb: int | None

    @property
    def agrees(self) -> bool:
        """Whether all three agree."""
        return all(value in (None, self.expected) for value in (self.kafka, self.mongodb))


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """All figures; `repeated` counts output events that Kafka has more than once (harmless).

    `late` counts the dead letters of events that waited too long for their leads, as on a slow machine.
    """

    lines: tuple[ReconciledFigure, ...]
    bad_by_reason: dict[str, int]
    late: int
    rejected_by_reason: dict[str, int]
    disguises: dict[str, int]
    repeated: int

    @property
    def reconciled(self) -> bool:
        """Whether every record is accounted for."""
        return all(line.agrees for line in self.lines)

    def as_json(self) -> str:
        """Return the figures as JSON, for programs."""
        return json.dumps({**asdict(self), "reconciled": self.reconciled}, indent=2)


_Kind = Callable[[Mapping[str, object]], int]
_PAGE = 1_000


def _one(_: Mapping[str, object]) -> int:
    return 1


def _rounds(enrolment: Mapping[str, object]) -> int:
    """Return how often the lead was enrolled in the sequence: each time, nurture published it."""
    newest = enrolment["round"]
    return newest if isinstance(newest, int) else 0


def _has(field: str) -> _Kind:
    return lambda document: field in document


def _refused(lead: Mapping[str, object]) -> bool:
    changes = lead.get("consentChanges")
    return isinstance(changes, list) and any(change.get("reason") in REFUSALS for change in changes)


# By collection, what each document adds to which count.
_STORED: Mapping[AnyCollection, Mapping[str, _Kind]] = {
    names.LEADS: {
        "leads": _one,
        "scored": _has("score"),
        "owned": _has("assignedTo"),
        "contacted": _has("contacted"),
        "refused": _refused,
        "converted": lambda lead: lead.get("status") == "converted",
    },
    names.CAPTURES: {"captures": _one},
    names.ACTIVITIES: {"activities": _one, "triggers": _has("trigger")},
    names.COMMANDS: {"commands": _one},
    names.ENROLMENTS: {"enrolments": _rounds},
    names.STEPS: {"sent": lambda step: step.get("state") == "sent"},
    names.PENDING_EVENTS: {"waiting": _one},
}
_FIELDS = (
    *("score", "assignedTo", "contacted", "consentChanges.reason", "status", "trigger", "state", "round"),
    *("leadId", "historical"),
)


async def count_stored(storage: Storage) -> Counter[str]:
    """Return counts of MongoDB's documents; the difference of two shows what a demo added.

    The year of history that `pantry up --demo` loads doesn't count: it may load at the same time.
    """
    return sum(await asyncio.gather(*(_count(storage, *one) for one in _STORED.items())), Counter[str]())


async def _count(storage: Storage, collection: AnyCollection, kinds: Mapping[str, _Kind]) -> Counter[str]:
    """Count a collection's documents by kind, in one pass over them."""
    counts, past = Counter[str](), year_lead_ids()
    async for page in storage.scan(collection, fields=_FIELDS, page=_PAGE):
        for document in page:
            if past.isdisjoint((document["_id"], document.get("leadId"))) and not document.get("historical"):
                counts.update({name: kind(document) for name, kind in kinds.items()})
    return counts


async def reconcile(
    kafka: Kafka, storage: Storage, scenario: Scenario, sent: Sequence[FedRecord], before: Mapping[str, int]
) -> Reconciliation:
    """Read both stores and compare them with `sent`; `before` are MongoDB's counts before."""
    reads = (_read(kafka, {fed.event_id for fed in sent if fed.event_id}), count_stored(storage), _dead(kafka, sent))
    events, stored, (dead, late) = await asyncio.gather(*reads)
    stored.subtract(before)
    bad = sum(fed.expect is not None for fed in sent)
    return Reconciliation(
        (
            *_lines(len(scenario.people), _sent_ids(sent), events, stored, late.total()),
            ReconciledFigure("bad records and unknown leads → dead letters", bad, dead.total(), None),
        ),
        dict(dead + late),
        late.total(),
        dict(Counter(event.data["reason"] for event in events[REJECTED.name].values())),
        dict(Counter(fed.disguise for fed in scenario.captures if fed.disguise != "plain")),
        events.repeated,
    )


def _sent_ids(sent: Sequence[FedRecord]) -> dict[str, set[str]]:
    ids: dict[str, set[str]] = defaultdict(set)
    for fed in sent:
        if fed.event_id:
            ids[fed.topic].add(fed.event_id)
    return ids


def _lines(
    people: int, sent: Mapping[str, set[str]], kafka: "_Events", mongo: Mapping[str, int], late: int
) -> list[ReconciledFigure]:
    commands = set().union(*(sent[topic.name] for topic in _COMMANDS))
    erased, captures = len(sent[ERASE.name]), len(sent[CAPTURED.name])
    left = people - erased
    verdicts = sum(kafka.caused(topic, commands) for topic in _VERDICTS)
    # Each conversion and each BANT verdict adds an activity of its own.
    own = kafka.count(CONVERTED) + kafka.count(QUALIFIED, method="bant") + kafka.count(DISQUALIFIED)
    # Events that overtake their lead wait for a limited time, and a slow machine takes longer.
    done = len(sent[ACTIVITIES.name]) + len(sent[ENGAGEMENTS.name]) - late
    return [
        ReconciledFigure("people → leads created", people, kafka.count(CREATED), None),
        ReconciledFigure(
            "captures → created or merged", captures, kafka.count(CREATED) + kafka.count(MERGED), mongo["captures"]
        ),
        ReconciledFigure("erasures → leads erased", erased, kafka.count(ERASED), people - mongo["leads"]),
        ReconciledFigure("leads with a first score", left, kafka.left(SCORED, first=True), mongo["scored"]),
        ReconciledFigure("leads with an owner by rule", left, kafka.left(ASSIGNED), mongo["owned"]),
        ReconciledFigure("activities and engagements stored", done, None, mongo["activities"] - own),
        ReconciledFigure("engagements → triggers", mongo["triggers"], kafka.left(TRIGGERED), None),
        ReconciledFigure("commands → one result each", len(commands), verdicts, mongo["commands"]),
        ReconciledFigure("first contacts", mongo["contacted"], kafka.count(UPDATED, reason="first_contact"), None),
        ReconciledFigure("mail refused or bounced", mongo["refused"], kafka.refusals(), None),
        ReconciledFigure("nurture enrolments", mongo["enrolments"], kafka.left(ENROLLED), None),
        ReconciledFigure("nurture steps sent", mongo["sent"], kafka.left(ACTIONS), None),
        ReconciledFigure("opportunities", mongo["converted"], kafka.count(CONVERTED), None),
        ReconciledFigure("events still waiting for a lead", 0, None, mongo["waiting"]),
    ]


class _Events(defaultdict[str, dict[str, CloudEvent]]):
    """Output events by topic and id."""

    def __init__(self) -> None:
        super().__init__(dict)
        self.repeated = 0

    def count(self, topic: Topic, **fields: str) -> int:
        """Count the events whose data has these values."""
        events = self[topic.name].values()
        return sum(all(event.data.get(name) == value for name, value in fields.items()) for event in events)

    def caused(self, topic: Topic, causes: set[str]) -> int:
        """Count the events that these inputs caused directly."""
        return sum(event.causationid in causes for event in self[topic.name].values())

    def left(self, topic: Topic, *, first: bool = False) -> int:
        """Count the events of leads that weren't erased; `first` counts first scores only."""
        erased = {event.subject for event in self[ERASED.name].values()}
        events = [event for event in self[topic.name].values() if event.subject not in erased]
        return sum(not first or event.data.get("previousScore") is None for event in events)

    def refusals(self) -> int:
        """Count the leads that refused mail, or have an address that doesn't exist."""
        return sum(self.count(UPDATED, reason=reason) for reason in REFUSALS)


async def _read(kafka: Kafka, ours: set[str | None]) -> _Events:
    events = _Events()
    async for record in read_all(kafka, [topic.name for topic in _OUTPUTS]):
        event = CloudEvent.model_validate_json(record.value or b"")
        if event.correlationid in ours:
            events.repeated += event.id in events[record.topic]
            events[record.topic][event.id] = event
    return events


async def _dead(kafka: Kafka, sent: Sequence[FedRecord]) -> tuple[Counter[str], Counter[str]]:
    """Count the dead letters of fed records by reason: expected ones, and events that expired."""
    meant: Counter[bytes | None] = Counter(fed.value for fed in sent if fed.expect)
    waited: Counter[bytes | None] = Counter(fed.value for fed in sent if not fed.expect)
    dead, late = Counter[str](), Counter[str]()
    async for record in read_all(kafka, [DEADLETTER.name]):
        reason = next(value.decode() for name, value in record.headers if name == "x-reason")
        dead[reason] += meant[record.value] > 0
        late[reason] += waited[record.value] > 0
    return +dead, +late
