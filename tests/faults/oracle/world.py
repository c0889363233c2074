"""All that was fed, published and stored, as the laws see it. No I/O."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from tests.faults.oracle import normal

CAPTURED, ACTIVITIES, ENGAGEMENTS = "leads.captured", "leads.activities", "leads.engagements"
QUALIFY, UPDATE, CONVERT, ERASE = "leads.qualify", "leads.update", "leads.convert", "leads.erase"
TASKS, TASK_CREATED, TASK_UPDATED = "leads.tasks", "tasks.created", "tasks.updated"
INPUTS = (CAPTURED, ACTIVITIES, ENGAGEMENTS, QUALIFY, UPDATE, TASKS, CONVERT, ERASE)
CREATED, MERGED, SCORED, UPDATED = "leads.created", "leads.merged", "leads.scored", "leads.updated"
ASSIGNED, TRIGGERED, REJECTED, ERASED = "leads.assigned", "leads.triggered", "leads.rejected", "leads.erased"
QUALIFIED, DISQUALIFIED, CONVERTED = "leads.qualified", "leads.disqualified", "leads.converted"
ENROLLED, ACTIONS, RESCORE = "nurture.enrolled", "nurture.actions", "leads.rescore"
OUTPUTS = (
    *(CREATED, MERGED, SCORED, UPDATED, ASSIGNED, TRIGGERED, QUALIFIED, DISQUALIFIED, CONVERTED, REJECTED, ERASED),
    *(ENROLLED, ACTIONS, TASK_CREATED, TASK_UPDATED, RESCORE),
)
DEADLETTER = "leads.deadletter"
COLLECTIONS = ("leads", "captures", "activities", "nurture_steps", "tasks")

Document = Mapping[str, Any]
Name = tuple[str, str]
"""An event's `source` and `id`."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record of a topic; `at` is when the broker got it."""

    topic: str
    partition: int
    offset: int
    at: datetime
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def place(self) -> tuple[str, int, int]:
        """Return the record's topic, partition and offset."""
        return self.topic, self.partition, self.offset


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the ledger: a record that was fed, and its expected outcome."""

    topic: str
    key: bytes | None
    value: bytes | None
    expected: str | None
    person: str | None


@dataclass(frozen=True, slots=True)
class Event:
    """A CloudEvent (schemas/README.md#envelope), and its record."""

    record: Record
    id: str
    source: str
    type: str
    subject: str | None
    time: datetime | None
    correlation: str | None
    causation: str | None
    data: Mapping[str, Any]

    @property
    def name(self) -> Name:
        """Return what identifies the event."""
        return self.source, self.id


def event_of(record: Record) -> Event | None:
    """Return the event in a record; None if there is none."""
    try:
        it = json.loads(record.value or b"")
        return Event(
            record,
            *(it["id"], it["source"], it["type"], it.get("subject"), normal.moment(it.get("time"))),
            *(it.get("correlationid"), it.get("causationid"), it["data"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


@dataclass(frozen=True)
class World:
    """What the judge saw at `now`; `ttl_s` is how long an event waits for its lead.

    `patience_s` is how long a command waits for a status that allows it.

    A worker's clock may have been wrong by `skew`, which is no violation.
    """

    records: Mapping[str, Sequence[Record]]
    ledger: Sequence[Line]
    collections: Mapping[str, Sequence[Document]]
    now: datetime
    ttl_s: float = 900.0
    skew: timedelta = field(default_factory=timedelta)
    patience_s: float = 3.0

    @cached_property
    def leads(self) -> dict[str, Document]:
        """Return the lead documents by id."""
        return {one["_id"]: one for one in self.collections["leads"]}

    @cached_property
    def lines(self) -> dict[tuple[str, bytes | None, bytes | None], Line]:
        """Return the ledger's lines by their records' content."""
        return {(one.topic, one.key, one.value): one for one in self.ledger}

    def line_of(self, record: Record) -> Line | None:
        """Return the ledger's line about a record."""
        return self.lines.get((record.topic, record.key, record.value))

    @cached_property
    def inputs(self) -> list[tuple[Record, Event | None]]:
        """Return every record that was fed, with its event if it is a valid one."""
        return [(record, self._accepted(record)) for topic in INPUTS for record in self.records.get(topic, ())]

    def _accepted(self, record: Record) -> Event | None:
        line = self.line_of(record)
        bad = line is not None and line.expected not in (None, "lead_not_found")
        return None if bad else event_of(record)

    @cached_property
    def accepted(self) -> dict[str, dict[Name, Event]]:
        """Return the valid inputs by topic, each event once: its first delivery counts.

        A later delivery may lie in another partition, which was read before.
        """
        found: dict[str, dict[Name, Event]] = {topic: {} for topic in INPUTS}
        for _, event in sorted(self.inputs, key=lambda one: one[0].at):
            if event is not None:
                found[event.record.topic].setdefault(event.name, event)
        return found

    @cached_property
    def outputs(self) -> dict[str, list[Event]]:
        """Return the published events by topic, with all repetitions."""
        found = {topic: [event_of(record) for record in self.records.get(topic, ())] for topic in OUTPUTS}
        return {topic: [one for one in events if one is not None] for topic, events in found.items()}

    @cached_property
    def published(self) -> dict[str, list[Event]]:
        """Return the published events by topic, each id once."""
        return {
            topic: list({one.id: one for one in reversed(events)}.values()) for topic, events in self.outputs.items()
        }

    @cached_property
    def _by_cause(self) -> Mapping[tuple[str, str | None], list[Event]]:
        return grouped(((topic, one.causation), one) for topic, events in self.published.items() for one in events)

    @cached_property
    def _by_lead(self) -> Mapping[tuple[str, str | None], list[Event]]:
        return grouped(((topic, one.subject), one) for topic, events in self.published.items() for one in events)

    def caused(self, event_id: str, *topics: str) -> list[Event]:
        """Return the events of these topics that this event caused."""
        return [one for topic in topics for one in self._by_cause.get((topic, event_id), ())]

    def of_lead(self, lead_id: str, *topics: str) -> list[Event]:
        """Return the events of these topics about a lead."""
        return [one for topic in topics for one in self._by_lead.get((topic, lead_id), ())]

    @cached_property
    def erased(self) -> set[str]:
        """Return the ids of the leads whose erasure was published."""
        return {str(one.subject) for one in self.published[ERASED]}

    @cached_property
    def unsubscriptions(self) -> set[str]:
        """Return the ids of the engagements that refuse mail."""
        engagements = self.accepted[ENGAGEMENTS].values()
        return {one.id for one in engagements if str(one.data["action"]).casefold() in ("unsubscribed", "complained")}

    @cached_property
    def rows(self) -> dict[Name, list[Document]]:
        """Return the rows of captures by their event.

        The rows of an erased lead name none.
        """
        named = [one for one in self.collections["captures"] if "id" in one and "source" in one]
        return dict(grouped(((one["source"], one["id"]), one) for one in named))

    @cached_property
    def lead_of_capture(self) -> dict[Name, str]:
        """Return the lead of each capture, as far as rows or events name it."""
        found = {}
        for name, event in self.accepted[CAPTURED].items():
            rows, published = self.rows.get(name, ()), self.caused(event.id, CREATED, MERGED)
            if rows or published:
                found[name] = str(rows[0]["leadId"] if rows else published[0].subject)
        return found

    @cached_property
    def captures_of(self) -> Mapping[str, list[Event]]:
        """Return the accepted captures of each lead."""
        return grouped((lead, self.accepted[CAPTURED][name]) for name, lead in self.lead_of_capture.items())

    @cached_property
    def lead_of_email(self) -> dict[str, str]:
        """Return the lead of each address: every address of its captures leads to it."""
        found = {}
        for name, lead in self.lead_of_capture.items():
            address = normal.email((self.accepted[CAPTURED][name].data.get("contact") or {}).get("email"))
            if address:
                found[address] = lead
        return found

    def lead_named(self, event: Event) -> str | None:
        """Return the lead that an activity, an engagement or a command names."""
        lead_id = event.data.get("leadId")
        return str(lead_id) if lead_id else self.lead_of_email.get(normal.email(event.data.get("email")) or "")

    @cached_property
    def dead(self) -> Sequence[Record]:
        """Return the dead letters."""
        return self.records.get(DEADLETTER, ())

    @cached_property
    def given_up(self) -> set[Name]:
        """Return the events that ended as `lead_not_found` in the dead letters."""
        letters = (one for one in self.dead if one.headers.get("x-reason") == b"lead_not_found")
        return {event.name for event in map(event_of, letters) if event is not None}

    @cached_property
    def living(self) -> dict[str, Document]:
        """Return the leads that were not erased."""
        return {lead_id: lead for lead_id, lead in self.leads.items() if lead_id not in self.erased}


def grouped(pairs: Iterable[tuple[Any, Any]]) -> Mapping[Any, list[Any]]:
    """Return the values by key, in their order."""
    found: defaultdict[Any, list[Any]] = defaultdict(list)
    for key, value in pairs:
        found[key].append(value)
    return found


def differing(wanted: Counter[Any], there: Counter[Any]) -> Iterator[str]:
    """Yield what one count has more or less than the other, in words."""
    for one, count in (wanted - there).items():
        yield f"{count} missing of {one}"
    for one, count in (there - wanted).items():
        yield f"{count} too many of {one}"
