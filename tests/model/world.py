"""The model's state: leads and identities as schemas/README.md defines them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.model.consent import Statement, changes, departure, shown
from tests.model.people import Identity, identity, who

SECTIONS = ("company", "contact", "requirements", "consent", "context")
EMPTY: tuple[Any, ...] = (None, "", [], {})

Facts = dict[str, Any]
Name = str | tuple[str, str, str]
"""An identifier of a lead: its id, an address's person, or phone, company and name."""


class Contradiction(Exception):
    """The product publishes or stores something that the contract forbids."""


@dataclass(slots=True)
class Told:
    """The published facts about one event, by topic, and the ids and moments left open.

    `place` is their first position in the log; None if there is none.
    """

    facts: dict[str, Facts] = field(default_factory=dict)
    at: dict[str, datetime] = field(default_factory=dict)
    place: int | None = None
    chance: Facts = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Activity:
    """One version of an activity, completed, if at all, between two moments.

    Both are one moment if the event states it. `name` is the activity's id, if the event gives one. The newest version
    by `time`, then by event id, applies.
    """

    type: str
    description: str | None
    earliest: datetime | None = None
    latest: datetime | None = None
    outcome: str | None = None
    by: str = ""
    name: str = ""
    time: datetime | None = None
    cancelled: bool = False


@dataclass(slots=True)
class Lead:
    """One lead.

    `born` are its values at creation, `owner` the one that a command named, `bant` the newest BANT with its time and
    id. As turns: `touched` is its last change, `over_since` the start of its current end of nurture. `untold` is the
    turn since which something was not published, as during an erasure. `doomed` means that an erasure of it must
    follow.
    """

    id: str
    source: str
    created: datetime
    sections: dict[str, Facts]
    born: Facts
    status: str = "new"
    owner: str | None = None
    opportunity: str | None = None
    bant: tuple[datetime, str, Facts] | None = None
    statements: list[Statement] = field(default_factory=list)
    was_over: bool = False
    over_since: int | None = None
    touched: int = 0
    untold: int | None = None
    doomed: bool = False
    captures: set[str] = field(default_factory=set)
    emails: set[str] = field(default_factory=set)
    persons: set[tuple[str, str, str]] = field(default_factory=set)
    activities: dict[str, Activity] = field(default_factory=dict)
    lost_reason: str | None = None
    notes: list[str] = field(default_factory=list)
    edits: dict[str, tuple[datetime, str]] = field(default_factory=dict)
    """The newest edit of each path."""
    had: dict[tuple[str, str], set[object]] = field(default_factory=dict)
    """The values of each edited field."""

    @property
    def current(self) -> list[Activity]:
        """Return the newest version of each activity."""
        by_time = sorted(self.activities.items(), key=lambda one: (one[1].time or self.created, one[0]))
        return list({one.name or event: one for event, one in by_time}.values())

    @property
    def identity(self) -> Identity:
        return identity(self.sections)

    @property
    def over(self) -> bool:
        """Whether the lead gets no more nurture."""
        left = departure(self.statements, "email", self.identity.email)
        return left is not None or self.status in ("lost", "converted")

    @property
    def names(self) -> set[Name]:
        return {self.id, *self.emails, *self.persons}

    def state(self, *statements: Statement) -> Facts:
        """Add statements; return their change of the shown consent."""
        self.statements += statements
        before, own = self.sections["consent"], self.identity
        self.sections["consent"] = shown(self.statements, {"email": own.email, "phone": own.phone})
        return changes(before, self.sections["consent"])

    def learn(self, person: Identity) -> None:
        """Add an identifier."""
        self.persons |= {person.person} if person.person else set()
        self.emails |= {person.email} if person.email else set()


@dataclass(slots=True)
class World:
    """All leads, and what remains of the erased ones.

    `emails` maps addresses to leads. `stones` maps identifiers to the start of an erasure and its person. `assigned`
    are the published owners by rule. `dropped` are identifiers of erased leads for which an event expired. `erased`
    maps erased leads to the turn of their end. `forgotten` are events that were their activities. `refused` are their
    refusals, by identifier.
    """

    leads: dict[str, Lead] = field(default_factory=dict)
    emails: dict[str, str] = field(default_factory=dict)
    stones: dict[Name, tuple[datetime, str]] = field(default_factory=dict)
    erasing: dict[str, str] = field(default_factory=dict)
    assigned: dict[str, str] = field(default_factory=dict)
    dropped: set[Name] = field(default_factory=set)
    erased: dict[str, int] = field(default_factory=dict)
    forgotten: set[str] = field(default_factory=set)
    refused: dict[Name, list[Statement]] = field(default_factory=dict)

    def unused(self, lead_id: str) -> bool:
        """Return whether no lead ever had this id."""
        return lead_id not in self.leads and lead_id not in self.erased

    def find(self, data: Mapping[str, Any]) -> Lead | None:
        """Return the lead that an event names."""
        return self.leads.get(data.get("leadId") or self.emails.get(who(data["email"]), ""))

    def matches(self, person: Identity) -> list[tuple[int, set[str], Lead]]:
        """Return the leads that this identity duplicates, best first: points, reason, lead."""
        found = [(*self._match(person, lead), lead) for lead in self.leads.values()]
        return sorted((one for one in found if one[0] > 80), key=lambda one: (-one[0], one[2].created, one[2].id))

    def _match(self, person: Identity, lead: Lead) -> tuple[int, set[str]]:
        known, own = person.person in lead.persons, lead.identity
        words = {
            "email": 100 * (person.email is not None and self.emails.get(person.email) == lead.id),
            "phone": 50 * (known or (person.phone is not None and person.phone == own.phone)),
            "company_name": 75 * (known or person.worker == own.worker),
        }
        return sum(words.values()), {word for word, points in words.items() if points}

    def stones_of(self, person: Identity) -> list[tuple[datetime, str]]:
        """Return the erasures of anyone known by this identifier."""
        return [self.stones[name] for name in (person.email, person.person) if name in self.stones]


def name_in(data: Mapping[str, Any]) -> str:
    """Return the identifier by which an event names its lead."""
    return str(data.get("leadId") or who(data["email"]))
