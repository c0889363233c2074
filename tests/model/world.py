"""What the model holds: leads and their names as the contract means them, in plain objects."""

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
"""A name of a lead: its id, whose address, or phone + company + name."""


class Contradiction(Exception):  # noqa: N818 - what it is
    """The product says or holds something that the contract doesn't."""


@dataclass(slots=True)
class Told:
    """What was told of one event: facts by topic, when each was told first, and the ids and moments left to chance.

    `place` is where the log tells of it first; None where it never does.
    """

    facts: dict[str, Facts] = field(default_factory=dict)
    at: dict[str, datetime] = field(default_factory=dict)
    place: int | None = None
    chance: Facts = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Activity:
    """What one event says of an activity, completed (if at all) between two moments; both are one where it says when.

    `name` is the activity's id, where the event gives one: the newest event by `time`, then by its id, states it.
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

    `born` is what it said when it was created, `owner` whom a command named, `bant` the newest BANT with its time and
    id. As turns: `touched` is when it changed last, `over_since` when it came to an end of nurture that still holds;
    `untold` says since when something of it wasn't told, as may be of a lead that is being erased; `doomed` is what
    must come to be erased.
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

    @property
    def current(self) -> list[Activity]:
        """Each activity as it was stated last."""
        by_time = sorted(self.activities.items(), key=lambda one: (one[1].time or self.created, one[0]))
        return list({one.name or event: one for event, one in by_time}.values())

    @property
    def identity(self) -> Identity:
        return identity(self.sections)

    @property
    def over(self) -> bool:
        """It gets no more nurture."""
        left = departure(self.statements, "email", self.identity.email)
        return left is not None or self.status in ("lost", "converted")

    @property
    def names(self) -> set[Name]:
        return {self.id, *self.emails, *self.persons}

    def state(self, *statements: Statement) -> Facts:
        """These are said, too; return what they change of the consent that it shows."""
        self.statements += statements
        before, own = self.sections["consent"], self.identity
        self.sections["consent"] = shown(self.statements, {"email": own.email, "phone": own.phone})
        return changes(before, self.sections["consent"])

    def learn(self, person: Identity) -> None:
        """It is known by this, too."""
        self.persons |= {person.person} if person.person else set()
        self.emails |= {person.email} if person.email else set()


@dataclass(slots=True)
class World:
    """All leads, and what is left of the erased.

    `emails` says to which lead an address leads; `stones`, by name, when an erasure began and whose; `assigned` the
    owners that rules gave, as told. `dropped` are names of erased leads for which an event waited in vain; `erased` are
    the erased, each with the turn in which it was done; `forgotten` the events that were their activities; `refused`
    what they refused, by name.
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
        """Whether no lead ever had this id."""
        return lead_id not in self.leads and lead_id not in self.erased

    def find(self, data: Mapping[str, Any]) -> Lead | None:
        """The lead that an event names."""
        return self.leads.get(data.get("leadId") or self.emails.get(who(data["email"]), ""))

    def matches(self, person: Identity) -> list[tuple[int, set[str], Lead]]:
        """The leads that this identity duplicates, best first: points, on what, which."""
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
        """The erasures of whoever was known by this."""
        return [self.stones[name] for name in (person.email, person.person) if name in self.stones]


def name_in(data: Mapping[str, Any]) -> str:
    """By what an event names its lead: an id, or whose address it is."""
    return str(data.get("leadId") or who(data["email"]))
