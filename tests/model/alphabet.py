"""Captures over a small alphabet, and a plain model of identity and merge.

See schemas/README.md#identity and #merge. Few addresses, phones, companies and names stand for many people, so leads
come to share almost everything. The model works on letters, not on spellings, and shares no code with the product.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Facts = dict[str, Any]
Person = tuple[str, str, str]

ADDRESSES = tuple(f"a{number}" for number in range(12))
PHONES = {"one": ("+1 212 555 0142", "(212) 555-0142"), "two": ("+1 213 373 4253", "213.373.4253")}
COMPANIES = {
    "fork": ("Blue Fork {}", "BLUE FORK {}, Inc."),
    "bistro": ("Blue Fork Bistro {}", "blue fork-bistro {} LLC"),
}
NAMELESS = "nameless"
"""A company whose name says nothing counts as missing."""
NAMES = {"Ana": (("Ana", "Reyes"), ("ANA", "Réyes")), "Anna": (("Anna", "Reyes"), ("anna", "REYES"))}
TITLES = (None, "Chef", "Owner")
LENGTH = 60


@dataclass(frozen=True, slots=True)
class Card:
    """One capture, by letters; `event_id` is its event's, `payload` its wire form."""

    event_id: str
    email: str | None
    phone: str | None
    company: str
    name: str
    title: str | None
    payload: Facts = field(repr=False)

    @property
    def worker(self) -> tuple[str, str] | None:
        """Return company and name, if both are given."""
        return None if self.company == NAMELESS else (self.company, self.name)

    @property
    def person(self) -> Person | None:
        """Return phone, company and name, if all are given."""
        return (self.phone, *self.worker) if self.phone and self.worker else None


def cards(rng: random.Random, run: str, length: int = LENGTH) -> list[Card]:
    """Return the captures of one run; no other run shares their values."""
    return [_card(rng, run, number) for number in range(length)]


def _card(rng: random.Random, run: str, number: int) -> Card:
    email, phone = rng.choice((*ADDRESSES, None, None)), rng.choice((*PHONES, None))
    if email is None and phone is None:
        phone = "one"
    company = rng.choice((*COMPANIES, *COMPANIES, *COMPANIES, NAMELESS))
    name, title, spelling = rng.choice((*NAMES,)), rng.choice(TITLES), rng.randrange(2)
    first, last = NAMES[name][spelling]
    contact = {"firstName": first, "lastName": last}
    contact |= {"title": title} if title else {}
    contact |= {"email": _spelled(email, run, spelling)} if email else {}
    contact |= {"phone": PHONES[phone][spelling]} if phone else {}
    called = "?!" if company == NAMELESS else COMPANIES[company][spelling].format(run)
    payload = {"source": "website", "company": {"name": called}, "contact": contact}
    return Card(f"{run}.{number}", email, phone, company, name, title, payload)


def _spelled(email: str, run: str, spelling: int) -> str:
    text = f"{email}.{run}@example.com"
    return text.upper() if spelling else text


@dataclass(slots=True)
class Lead:
    """A lead as the contract defines it: its fields, and every person it is known as."""

    id: str
    created: datetime
    shows: dict[str, str | None]
    persons: set[Person] = field(default_factory=set)
    captures: set[str] = field(default_factory=set)

    @property
    def worker(self) -> tuple[str | None, str | None] | None:
        return None if self.shows["company"] == NAMELESS else (self.shows["company"], self.shows["name"])

    def learn(self, card: Card) -> None:
        """Add the capture's person, and the one that the lead's fields describe."""
        own = (self.shows["phone"], *self.worker) if self.shows["phone"] and self.worker else None
        self.persons |= {one for one in (card.person, own) if one}  # type: ignore[misc]


@dataclass(slots=True)
class Model:
    """The leads of one run; `owners` maps an address to its lead."""

    leads: dict[str, Lead] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)

    def take(self, card: Card, told: Facts) -> Facts:
        """Return the expected events of this capture; id and creation time come from `told`."""
        found = sorted(self._matches(card), key=lambda one: (-one[0], one[2].created, one[2].id))
        if found:
            (points, words, lead), *others = found
            expected = {"leadId": lead.id, "matchScore": points, "matchedOn": sorted(words)}
            expected |= {"otherMatches": sorted(one.id for *_, one in others), "filled": sorted(self._fill(lead, card))}
        else:
            shows = {"email": card.email, "phone": card.phone, "title": card.title}
            lead = Lead(told["leadId"], told["createdAt"], shows | {"company": card.company, "name": card.name})
            assert lead.id not in self.leads, f"{lead.id} was created twice"
            self.leads[lead.id] = lead
            expected = {"leadId": lead.id, "createdAt": lead.created}
        if card.email:
            self.owners.setdefault(card.email, lead.id)
        lead.learn(card)
        lead.captures.add(card.event_id)
        return expected

    def _matches(self, card: Card) -> Iterator[tuple[int, set[str], Lead]]:
        for lead in self.leads.values():
            known = card.person is not None and card.person in lead.persons
            points = {
                "email": 100 * (card.email is not None and self.owners.get(card.email) == lead.id),
                "phone": 50 * (known or (card.phone is not None and card.phone == lead.shows["phone"])),
                "company_name": 75 * (known or (card.worker is not None and card.worker == lead.worker)),
            }
            if sum(points.values()) > 80:
                yield sum(points.values()), {word for word, value in points.items() if value}, lead

    def _fill(self, lead: Lead, card: Card) -> Iterator[str]:
        said = {"email": card.email, "phone": card.phone, "title": card.title}
        if card.email and self.owners.get(card.email, lead.id) != lead.id:
            del said["email"]
        for name, value in said.items():
            if value and not lead.shows[name]:
                lead.shows[name] = value
                yield f"contact.{name}"


def letters(document: Mapping[str, Any]) -> dict[str, str | None]:
    """Return the fields of a stored lead, by letters."""
    contact, company = document["contact"], document["company"]["name"]
    phones = {spelled: key for key, spellings in PHONES.items() for spelled in spellings}
    names = {spelled: key for key, spellings in NAMES.items() for spelled in spellings}
    return {
        "email": contact["email"].casefold().split(".")[0] if contact.get("email") else None,
        "phone": phones[contact["phone"]] if contact.get("phone") else None,
        "title": contact.get("title"),
        "company": NAMELESS if company == "?!" else "bistro" if "bistro" in company.casefold() else "fork",
        "name": names[contact["firstName"], contact["lastName"]],
    }


def told_of(events: list[Facts]) -> dict[str, list[Facts]]:
    """Return what these events state about each capture, by the capture's event id."""
    told: dict[str, list[Facts]] = {}
    for event in events:
        data, lead = event["data"], event["data"].get("lead")
        if lead is None:
            continue
        facts = {name: data[name] for name in ("matchScore",) if name in data} | {"leadId": lead["id"]}
        facts |= {name: sorted(data[name]) for name in ("matchedOn", "filled", "otherMatches") if name in data}
        facts |= {} if "matchScore" in data else {"createdAt": datetime.fromisoformat(lead["createdAt"])}
        told.setdefault(event["causationid"], []).append(facts)
    return told
